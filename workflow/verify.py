"""`roma verify`: whether the shipped runs of a scale are what this code makes.

    roma verify
    roma verify --seed 7 --runs 5
    roma verify lab --runs 10m_vs_11m/roma/seed0 MMM2/qmix/seed2

1. Every shipped file is compared with its checksum, and with the digests in the runs' provenance.
2. Three runs are trained again for their first steps; every row of metrics must be equal bit for bit on the family of
   processors that trained them. Elsewhere the losses of first updates and the test returns are judged.
3. The final evaluations of ten runs are played again from their weights, episode by episode.

Nothing that is recorded is written.
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

TRAINED, PLAYED = 3, 10  # runs
CPU_SECONDS = 90  # that training one run again may take
LEAST_STEPS = 40_000  # whatever they take
SEEDS = 1_000_000  # of draws


class Outcome(NamedTuple):
    """What came out of one check of one run."""

    text: str
    failed: bool
    part: int = 0  # of the rows those that were compared, of the episodes those that are equal
    whole: int = 0


def shipped(scale: str, results: Path) -> tuple[list[RunDirectory], list[str]]:
    """Put the shipped runs of a scale into place and return them, with a line for each file that is not as recorded.

    Where no run ships, those that are finished here are returned. Where a file is not as recorded, nothing is put into
    place. A longer run that is in place is returned instead of the shipped one.

    Args:
        scale: The name of the scale.
        results: The folder of its results.

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
    """Return how many steps of a run are trained again.

    That is the largest test step that costs at most CPU_SECONDS at the speed that the run's provenance tells, but no
    test step below LEAST_STEPS, and at most the whole run.
    """
    facts, interval = run.provenance, run.config.protocol_settings.test_interval
    affordable = CPU_SECONDS * facts["environment_steps"] / facts["cpu_seconds"]
    tests = max(math.floor(affordable / interval), math.ceil(LEAST_STEPS / interval))
    return min(tests * interval, run.last_step())


def train_again(run: RunDirectory, steps: int, seeds: Sequence[RunDirectory]) -> Outcome:
    """Train the first steps of a run again and compare each row of metrics.

    Args:
        run: The recorded run.
        steps: Environment steps, of which the last is that of a test.
        seeds: The shipped runs of the same map and arm, by which another family of processors is judged.
    """
    from roma.runs.training import train

    with tempfile.TemporaryDirectory() as folder:
        check_versions(run.config, run.path)
        stopped = train(run.config, Path(folder), steps, (), checkpoint_seconds=math.inf)
        if stopped is not None:
            signal.raise_signal(stopped)  # it was sent to end this process, not only the run
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
    """Judge this machine by the losses of the first updates of a run's algorithm, and say whether they are too far off.

    A run keeps no losses of single updates. The fingerprints of its algorithm do, of short runs on 2s3z.
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
    """Play the final evaluation of a run again from its weights and compare the outcome of each episode."""
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
    """Return what a check finds, without a run's log; of a mistake that a user can put right, its message."""
    try:
        with redirect_stderr(io.StringIO()):
            return check(*arguments)
    except UserError as error:
        return Outcome(str(error), True)


def draw(
    results: Path, runs: Sequence[RunDirectory], seed: int, asked: Sequence[str]
) -> tuple[list[RunDirectory], list[RunDirectory]]:
    """Return the runs to train again and those to play again, different ones as far as there are enough.

    Args:
        results: The folder of the scale's results.
        runs: The shipped runs.
        seed: Of the draw; the same seed draws the same of the same runs.
        asked: How many to train again, or the names of runs to train and to play again.

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
    """Train and play runs again, one on each core, and print what came out of each.

    Args:
        runs: The shipped runs.
        trained: Those to train again.
        played: Those to play again.
    """
    from roma.envs.skirmish.compilation import compile_engine
    from roma.learners.compilation import compile_actors, compile_learners

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), context, _begin, (owner.mark(),)) as pool:
        try:
            # Once, rather than in all processes side by side.
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
    """Make this process of a pool end with those that `mark` names."""
    os.environ[owner.VARIABLE] = mark
    owner.end_with_owner()


def _print_outcome(run: RunDirectory, future: Future[Outcome]) -> Outcome:
    outcome = future.result()
    print(f"{'FAILED' if outcome.failed else '      '} {_name(run)}: {outcome.text}", flush=True)
    return outcome


def verify(config: Mapping[str, Any], seed: int | None = None, asked: Sequence[str] | None = None) -> int:
    """Verify the shipped runs of a scale, print what is found, and return the number of failures.

    Args:
        config: The scale.
        seed: Of the draw; None: another each time.
        asked: See `draw`; None: TRAINED runs are trained again.
    """
    seed = random.randrange(SEEDS) if seed is None else seed
    asked = asked or [str(TRAINED)]
    results = results_folder(config)
    runs, wrong = shipped(config["scale"], results)
    trained, played = draw(results, runs, seed, asked)
    print(f"{len(runs)} runs in {results}; the same draw again: --seed {seed} --runs {' '.join(asked)}", flush=True)
    wrong = wrong or [line for run in runs for line in inconsistencies(run)]
    for line in wrong:
        print(f"FAILED {line}")
    if wrong:
        print(f"Failures: {len(wrong)}; nothing was trained or played")
        return len(wrong)
    print("Files: as their checksums and the digests in provenance.json say")
    if not ENGINES[config["engine"]].deterministic:
        print(f"Runs on the engine {config['engine']} cannot be repeated: nothing else was verified")
        return 0
    trainings, plays = repeat(runs, trained, played)
    equal, episodes = sum(play.part for play in plays), sum(play.whole for play in plays)
    rows, all_rows = sum(each.part for each in trainings), sum(each.whole for each in trainings)
    others = len(runs) - len({run.path for run in (*trained, *played)})
    failures = sum(outcome.failed for outcome in (*trainings, *plays))
    print(f"Equal outcomes: {equal} of {episodes} episodes ({equal / max(episodes, 1):.2%})")
    print(
        "Not found so: what was changed together with its checksums and digests in the other "
        f"{all_rows - rows} of {all_rows} rows of the runs trained again, in timing or evaluations before the end, "
        f"or in the {others} runs not drawn"
    )
    print(f"Failures: {failures}")
    return failures
