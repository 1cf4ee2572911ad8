"""`roma verify`: comparison of the shipped runs of a scale with the results of this code.

    roma verify
    roma verify --seed 7 --runs 5
    roma verify lab --runs 10m_vs_11m/roma/seed0 MMM2/qmix/seed2

1. Every shipped file is compared with its checksum, and with the digests in the runs' provenance.
2. The first steps of three runs are trained again. On the processor family that trained them, every row of metrics must
   be equal bit for bit. On other families, the losses of the first updates and the test returns are judged.
3. The final evaluations of ten runs are repeated from their weights and compared episode by episode.

No recorded file is changed.
"""

import io
import math
import multiprocessing
import os
import random
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, NamedTuple

from analysis.runs import expected_runs, found_runs
from analysis.verification import (
    OUTCOMES,
    different_machines,
    first_difference,
    inconsistencies,
    judge_returns,
    unequal_episodes,
)
from roma.envs import ENGINES
from roma.runs.config import RunConfig, check_versions
from roma.runs.directory import RunDirectory
from roma.support.errors import UserError, unknown
from roma.support.system import owner
from workflow.artifacts.shipping import damaged, read_shipped, restore
from workflow.grid import results_folder

TRAINED, PLAYED = 3, 10  # numbers of runs to train and to evaluate again
CPU_SECONDS = 90  # limit for training one run again
LEAST_STEPS = 40_000  # environment steps trained again at least, even beyond that limit
SEEDS = 1_000_000  # number of seeds for the choice of runs


class Outcome(NamedTuple):
    """Outcome of one check of one run."""

    text: str
    failed: bool
    part: int = 0  # compared rows of metrics, or equal episodes
    whole: int = 0  # all rows of metrics, or all episodes


def shipped(scale: str, results: Path) -> tuple[list[RunDirectory], list[str]]:
    """Restore the shipped runs of a scale and return them, with a line for each file that differs from its record.

    If no run ships, the finished runs are returned. If a file differs from its record, nothing is restored. A longer
    run in place of a shipped one is returned instead of it.

    Args:
        scale: Name of the scale.
        results: Folder of its results.

    Raises:
        UserError: There is no run.
    """
    shipped = read_shipped(Path(), scale).values()
    runs = [RunDirectory(run.path) for run in shipped] or found_runs(results)
    if not runs:
        raise UserError(f"there is no finished run in {results} to verify")
    wrong = [line for run in shipped for line in damaged(Path(), run)]
    for run in [] if wrong else shipped:
        restore(Path(), run)
    return runs, wrong


def again_steps(run: RunDirectory) -> int:
    """Return the number of environment steps of a run that are trained again.

    It is the last test step within CPU_SECONDS at the recorded speed of the run, but at least LEAST_STEPS and at most
    the whole run.
    """
    facts, interval = run.provenance, run.config.protocol_settings.test_interval
    affordable = CPU_SECONDS * facts["environment_steps"] / facts["cpu_seconds"]
    tests = max(math.floor(affordable / interval), math.ceil(LEAST_STEPS / interval))
    return min(tests * interval, run.last_step())


def train_again(run: RunDirectory, steps: int, seeds: Sequence[RunDirectory]) -> Outcome:
    """Train the first steps of a run again and compare each row of metrics.

    Args:
        run: The recorded run.
        steps: Environment steps to train; a test must be due at the last one.
        seeds: Shipped runs of the same map and arm, for a judgement on another processor family.
    """
    from roma.runs.training import train

    with tempfile.TemporaryDirectory() as folder:
        check_versions(run.config, run.path)
        stopped = train(run.config, Path(folder), steps, (), checkpoint_seconds=math.inf)
        if stopped is not None:
            signal.raise_signal(stopped)  # the signal was meant for this process, not only for the run
        again = RunDirectory(Path(folder))
        metrics, (here,) = again.read_metrics(), again.provenance["segments"]
    rows = run.read_metrics()
    text = f"{steps:,} of {run.last_step():,} steps, {len(metrics)} of {len(rows)} rows"
    difference = first_difference(rows.head(len(metrics)), metrics)
    machines = different_machines(run.provenance, here)
    failed = bool(difference)
    if not difference:
        difference = f"{metrics.size} numbers equal bit for bit"
    elif machines:
        losses, apart = judge_losses(run.config)
        returns, outside = judge_returns(metrics, [seed.read_metrics() for seed in seeds])
        difference += f" ({'; '.join(machines)}); {losses}; {returns}"
        failed = apart or outside
    return Outcome(f"{text}: {difference}", failed, len(metrics), len(rows))


def judge_losses(config: RunConfig) -> tuple[str, bool]:
    """Compare the losses of first updates on this machine with recorded ones; return a text and whether this failed.

    Runs do not record the losses of single updates. Therefore short runs on 2s3z are compared with the fingerprints of
    the algorithm.
    """
    from tests.learners.fingerprints import golden
    from tests.learners.fingerprints.runs import COMPARED_LOSSES, trace_anew

    name = f"2s3z {config.protocol}"
    recorded, found = golden.read()[config.algorithm].losses[name], trace_anew(config.algorithm, name).losses
    alike = golden.updates_alike(recorded, found)
    what = f"losses of {alike} of the first {COMPARED_LOSSES} updates of {config.algorithm} ({name})"
    limit = f"within {golden.TOLERANCE:g} of those recorded before one differs; {golden.CERTAIN} must be"
    return f"{what} {limit}", alike < golden.CERTAIN


def play_again(run: RunDirectory) -> Outcome:
    """Repeat the final evaluation of a run from its weights and compare the outcome of each episode."""
    import torch

    from roma.recordings.evaluate import play_policy
    from roma.support.seeding import Stream
    from roma.support.system.provenance import describe

    torch.set_num_threads(1)
    step = run.last_step()
    evaluation = run.read_evaluation(step)
    count, battles = evaluation["episodes"], evaluation["parallel_envs"]
    played, _ = play_policy(run.kept_policy(step), Stream.EVALUATE, count, battles)
    outcomes = [(episode.won, episode.episode_return, episode.length) for episode in played]
    unequal = unequal_episodes(evaluation, outcomes)
    text = f"{count - len(unequal)} of {count} episodes equal"
    machines = different_machines(run.provenance, describe())
    if unequal:
        recorded = ", ".join(f"{name} {evaluation[name][unequal[0]]}" for name in OUTCOMES)
        here = ", ".join(map(str, outcomes[unequal[0]]))
        text += f"; episode {unequal[0]}: {recorded}, here {here}"
        text += f" ({'; '.join(machines)})" if machines else ""
    return Outcome(text, bool(unequal) and not machines, count - len(unequal), count)


def attempt(check: Callable[..., Outcome], *arguments: Any) -> Outcome:
    """Return the outcome of a check, without the log of the run; a UserError becomes a failed outcome."""
    try:
        with redirect_stderr(io.StringIO()):
            return check(*arguments)
    except UserError as error:
        return Outcome(str(error), True)


def draw(
    results: Path, runs: Sequence[RunDirectory], seed: int, asked: Sequence[str]
) -> tuple[list[RunDirectory], list[RunDirectory]]:
    """Return the runs to train again and the runs to evaluate again; they differ if there are enough runs.

    Args:
        results: Folder of the scale's results.
        runs: The shipped runs.
        seed: Seed of the random choice.
        asked: Number of runs to train again, or names of runs to train and to evaluate again.

    Raises:
        UserError: A name is not of the form MAP/ARM/seedK or not that of a shipped run.
    """
    if len(asked) == 1 and asked[0].isdecimal():
        shuffled = random.Random(seed).sample(list(runs), len(runs))
        return shuffled[: int(asked[0])], shuffled[-PLAYED:]
    named = expected_runs(results, asked)
    for run in named:
        if run not in runs:
            raise unknown("shipped run", _name(run), map(_name, runs))
    return named, named


def _name(run: RunDirectory) -> str:
    return f"{run.map}/{run.arm}/seed{run.seed}"


def repeat(
    runs: Sequence[RunDirectory], trained: Sequence[RunDirectory], played: Sequence[RunDirectory]
) -> tuple[list[Outcome], list[Outcome]]:
    """Train and evaluate runs again, one on each core, and print each outcome.

    Args:
        runs: The shipped runs.
        trained: Runs to train again.
        played: Runs to evaluate again.

    Returns:
        The outcomes of training, and those of evaluation.
    """
    from roma.envs.skirmish.compilation import compile_engine
    from roma.learners.compilation import compile_actors, compile_learners

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), context, _begin, (owner.mark(),)) as pool:
        try:
            # Compile once, instead of in all processes at the same time.
            for compiled in [pool.submit(part) for part in (compile_engine, compile_actors, compile_learners)]:
                compiled.result()
            training = []
            for run in trained:
                seeds = [other for other in runs if (other.map, other.arm) == (run.map, run.arm)]
                training.append(pool.submit(attempt, train_again, run, again_steps(run), seeds))
            playing = [pool.submit(attempt, play_again, run) for run in played]
            print("Trained again:", flush=True)
            outcomes = [_print_outcome(*pair) for pair in zip(trained, training, strict=True)]
            print("Final evaluations played again:", flush=True)
            return outcomes, [_print_outcome(*pair) for pair in zip(played, playing, strict=True)]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin(mark: str) -> None:
    """Make this process of a pool end with its owners, given by `mark`."""
    os.environ[owner.VARIABLE] = mark
    owner.end_with_owner()


def _print_outcome(run: RunDirectory, future: Future[Outcome]) -> Outcome:
    outcome = future.result()
    print(f"{'FAILED' if outcome.failed else '      '} {_name(run)}: {outcome.text}", flush=True)
    return outcome


def verify(config: Mapping[str, Any], seed: int | None = None, asked: Sequence[str] | None = None) -> int:
    """Verify the shipped runs of a scale, print the results, and return the number of failures.

    Args:
        config: The scale.
        seed: Seed of the random choice of runs; None: a new one each time.
        asked: See `draw`; None: TRAINED runs.

    Raises:
        UserError: There is no run, or `draw` fails.
    """
    seed = random.randrange(SEEDS) if seed is None else seed
    asked = asked or [str(TRAINED)]
    results = results_folder(config)
    runs, wrong = shipped(config["scale"], results)
    trained, played = draw(results, runs, seed, asked)
    print(f"{len(runs)} runs in {results}; to repeat this choice: --seed {seed} --runs {' '.join(asked)}", flush=True)
    wrong = wrong or [line for run in runs for line in inconsistencies(run)]
    for line in wrong:
        print(f"FAILED {line}")
    if wrong:
        print(f"Failures: {len(wrong)}; nothing was trained or played")
        return len(wrong)
    print("Files: all equal their checksums and the digests in provenance.json")
    if not ENGINES[config["engine"]].deterministic:
        print(f"The engine {config['engine']} is non-deterministic: nothing else can be verified")
        return 0
    trainings, plays = repeat(runs, trained, played)
    equal, episodes = sum(play.part for play in plays), sum(play.whole for play in plays)
    rows, all_rows = sum(each.part for each in trainings), sum(each.whole for each in trainings)
    others = len(runs) - len({run.path for run in (*trained, *played)})
    failures = sum(outcome.failed for outcome in (*trainings, *plays))
    print(f"Equal outcomes: {equal} of {episodes} episodes ({equal / max(episodes, 1):.2%})")
    print(
        "Not covered: changes made together with their checksums and digests in the other "
        f"{all_rows - rows} of {all_rows} rows of the runs trained again, in timing or earlier evaluations, "
        f"or in the {others} runs not chosen"
    )
    print(f"Failures: {failures}")
    return failures
