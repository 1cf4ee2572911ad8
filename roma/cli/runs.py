"""`roma train`, `evaluate`, `rollout`, `measure` and `settings`: commands for one run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from roma.cli.options import Parser, add_settings, positive, require_folder
from roma.envs import EMBEDDED, ENGINES
from roma.runs.config import MILESTONES, parse_assignments, resolve
from roma.runs.loggers import KINDS, Kind, require_packages
from roma.runs.protocols import PRESETS
from roma.support.errors import UserError
from roma.support.files import make_writable_directory
from roma.support.schemas.settings import parse

if TYPE_CHECKING:
    from roma.recordings.rollout_file import Rollout


def train(parser: Parser) -> None:
    """Add the options of `roma train`."""
    parser.description = (
        "Train one run. If its folder has a checkpoint, resume from it, with the same result as if the run had never "
        "been interrupted. Asking for more steps extends a finished run."
    )
    parser.add_argument("--map", required=True, help="name of a map, such as 2s3z")
    parser.add_argument("--algorithm", required=True, help="name of an algorithm, such as roma")
    parser.add_argument("--seed", required=True, help="seed of the run, a whole number from 0")
    parser.add_argument("--protocol", default="paper", help=f"one of {', '.join(PRESETS)}; default: paper")
    parser.add_argument("--engine", default=EMBEDDED, help=f"one of {', '.join(ENGINES)}; default: {EMBEDDED}")
    parser.add_argument("--steps", help="total environment steps; default: those of the protocol")
    add_settings(parser)
    parser.add_argument("--out", type=Path, help="run folder; default: data/ENGINE/manual/runs/MAP/ALGORITHM/seedK")
    parser.add_argument(
        "--milestones",
        help="environment steps at which policies are kept, as in 0,50000,1e6, in addition to the end; default: "
        + ",".join(map(str, MILESTONES)),
    )
    parser.add_argument("--checkpoint-seconds", default="120", help="seconds between checkpoints; default: 120")
    parser.add_argument("--replace", action="store_true", help="overwrite a run with different settings in the folder")
    parser.add_argument(
        "--wait", action="store_true", help="wait for another process that is writing the run, instead of failing"
    )
    parser.add_argument(
        "--same-family",
        action="store_true",
        help="resume only on the processor family that began the run; on another, keep its checkpoints and start again",
    )
    parser.add_argument(
        "--log",
        action="append",
        default=[],
        metavar="KIND",
        help=f"also write the metrics into viewers/ of the run folder, as {' or '.join(KINDS)} (offline); several with "
        "commas; default: none",
    )
    parser.add_argument("--device", default="cpu", help="torch device of the learner; default: cpu")
    parser.add_argument("--threads", default="1", help="threads of torch; default: 1, the fastest for small networks")
    parser.set_defaults(run=_train)


def _train(options: argparse.Namespace) -> int:
    config = resolve(
        options.map,
        options.algorithm,
        parse("--seed", options.seed, int),
        options.protocol,
        options.engine,
        parse_assignments(options.set),
    )
    steps = PRESETS[config.protocol].total_steps if options.steps is None else positive("--steps", options.steps)
    milestones = MILESTONES
    if options.milestones is not None:
        milestones = parse("--milestones", options.milestones, tuple[int, ...])
        if min(milestones, default=0) < 0:
            raise UserError(f"--milestones = {options.milestones!r}: no step may be negative")
    threads = positive("--threads", options.threads)
    checkpoint_seconds = parse("--checkpoint-seconds", options.checkpoint_seconds, float)
    logs = tuple(kind for given in options.log for kind in parse("--log", given, tuple[Kind, ...]))
    require_packages(logs)
    default = Path("data", config.engine, "manual", "runs", config.map, config.algorithm, f"seed{config.seed}")
    directory = options.out or default
    make_writable_directory(directory)

    from roma.runs.training import train

    signal_number = train(
        config,
        directory,
        steps,
        milestones,
        options.device,
        threads,
        checkpoint_seconds,
        options.replace,
        options.wait,
        options.same_family,
        logs,
    )
    return 0 if signal_number is None else 128 + signal_number


def evaluate(parser: Parser) -> None:
    """Add the options of `roma evaluate`."""
    parser.description = (
        "Play greedy episodes with a policy of a finished run, on seeds that neither training nor tests use, and write "
        "evaluations/t<step>.json into the run's folder. If the file exists, it is shown; it is overwritten only with "
        "--replace."
    )
    parser.add_argument("run_directory", type=Path, metavar="RUN_DIR", help="folder of a finished run")
    parser.add_argument("--step", help="milestone of the policy, in environment steps; default: the end of the run")
    parser.add_argument("--episodes", default="256", help="greedy episodes; default: 256")
    side_by_side = ", ".join(f"{engine.side_by_side} on {name}" for name, engine in ENGINES.items())
    parser.add_argument("--battles", help=f"episodes played in parallel; default: {side_by_side}")
    parser.add_argument(
        "--save-replays", type=Path, metavar="FOLDER", help="save the replay files of StarCraft II in this folder"
    )
    parser.add_argument("--threads", default="1", help="threads of torch; default: 1")
    parser.add_argument("--out", type=Path, help="file; default: evaluations/t<step>.json in the run's folder")
    parser.add_argument("--replace", action="store_true", help="overwrite an evaluation that exists")
    parser.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    episodes = positive("--episodes", options.episodes)
    battles = None if options.battles is None else positive("--battles", options.battles)
    threads = positive("--threads", options.threads)
    require_folder(options.run_directory)

    step = None if options.step is None else parse("--step", options.step, int)
    if options.out is not None:
        make_writable_directory(options.out.parent)

    from roma.recordings.evaluate import ELSEWHERE, evaluate, recorded
    from roma.runs.directory import RunDirectory

    run, out, replays = options.run_directory, options.out, options.save_replays
    found = None if options.replace else recorded(run, episodes, battles, step, out)
    if found and replays is not None:
        raise UserError(f"saving replays plays the episodes again, but they are evaluated already: {ELSEWHERE}")
    result = found or evaluate(run, episodes, battles, threads, replays, step, out)
    print(
        f"{result['map']} {result['algorithm']} seed {result['seed']} at {result['step']} steps: "
        f"win rate {result['battle_won_mean']:.3f}, return {result['return_mean']:.2f}, "
        f"length {result['ep_length_mean']:.1f} over {episodes} greedy episodes"
    )
    file = out or RunDirectory(run).evaluation_file(result["step"])
    print(f"read from {file}; --replace plays the episodes again" if found else f"written to {file}")
    return 0


def rollout(parser: Parser) -> None:
    """Add the options of `roma rollout`."""
    parser.description = (
        "Play greedy episodes with every policy that a finished run has kept, and record units, actions, roles, and I "
        "and d of L_D in one file."
    )
    _add_played(parser)
    parser.add_argument(
        "--out", type=Path, help="file; default: rollouts/MAP/ARM/seedK.safetensors, beside the folder runs"
    )
    parser.set_defaults(run=_rollout)


def _rollout(options: argparse.Namespace) -> int:
    numbers = _played(options)

    from roma.recordings.rollout import record
    from roma.recordings.rollout_file import save
    from roma.runs.directory import RunDirectory

    out = options.out or RunDirectory(options.run_directory).rollout_file
    make_writable_directory(out.parent)
    recorded = record(options.run_directory, *numbers)
    save(out, recorded)
    _say_won(recorded)
    print(f"written to {out}")
    return 0


def measure(parser: Parser) -> None:
    """Add the options of `roma measure`."""
    parser.description = (
        "Play the same episodes as roma rollout and write small tables of measures of roles, which summaries read. The "
        "tables go to measurements/MAP/ARM/seedK beside the folder runs, or to the run's own folder. Tables that exist "
        "are overwritten only with --replace."
    )
    _add_played(parser)
    parser.add_argument("--replace", action="store_true", help="overwrite tables that exist")
    parser.set_defaults(run=_measure)


def _measure(options: argparse.Namespace) -> int:
    numbers = _played(options)

    from analysis.measures.measurements import lacking, measure
    from roma.runs.directory import MEASUREMENTS, RunDirectory

    run = RunDirectory(options.run_directory)
    folder = run.measurement_file(MEASUREMENTS[0]).parent
    make_writable_directory(folder)
    if not options.replace and not lacking(run, MEASUREMENTS):
        raise UserError(f"the run is measured already, in {folder}: overwrite the tables with --replace")
    _say_won(measure(run, *numbers))
    print(f"written to {folder}")
    return 0


def _add_played(parser: Parser) -> None:
    """Add the run directory and the options that `_played` reads."""
    parser.add_argument("run_directory", type=Path, metavar="RUN_DIR", help="folder of a finished run")
    parser.add_argument("--episodes", default="32", help="episodes of the last policy; default: 32")
    parser.add_argument("--earlier-episodes", default="8", help="episodes of each earlier policy; default: 8")
    parser.add_argument("--threads", default="1", help="threads of torch; default: 1")


def _played(options: argparse.Namespace) -> tuple[int, int, int]:
    """Return the episodes of the last policy, the episodes of each earlier policy, and the threads."""
    require_folder(options.run_directory)
    return (
        positive("--episodes", options.episodes),
        positive("--earlier-episodes", options.earlier_episodes),
        positive("--threads", options.threads),
    )


def _say_won(recorded: Rollout) -> None:
    config = recorded.config
    print(f"{config['map']} {config['algorithm']} seed {config['seed']}: greedy episodes won by each policy")
    for milestone in recorded.milestones:
        print(f"{milestone.step:>10} steps: {milestone.won.sum()} of {len(milestone.won)}")


def settings(parser: Parser) -> None:
    """Add the options of `roma settings`."""
    parser.description = (
        "List all settings of an algorithm that --set and the overrides of a scale file may change: default, value "
        "under the protocol, valid values, source and meaning."
    )
    parser.add_argument("algorithm", metavar="ALGORITHM", help="name of an algorithm, such as roma")
    parser.add_argument("--protocol", default="paper", help=f"one of {', '.join(PRESETS)}; default: paper")
    parser.add_argument("--engine", default=EMBEDDED, help=f"one of {', '.join(ENGINES)}; default: {EMBEDDED}")
    parser.add_argument("--json", action="store_true", help="print JSON instead of columns")
    parser.set_defaults(run=_settings)


def _settings(options: argparse.Namespace) -> int:
    from roma.runs.settings import report

    print(report(options.algorithm, options.protocol, options.engine, options.json))
    return 0
