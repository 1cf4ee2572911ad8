"""`roma play`, `calibrate` and `compile`: commands of the embedded engine."""

from __future__ import annotations

import argparse
from pathlib import Path

from roma.cli.options import Parser, positive, require_folder
from roma.runs.config import parse_assignments, resolve_choices
from roma.scenarios import canonical_map
from roma.support.errors import UserError, unknown
from roma.support.files import make_writable_directory
from roma.support.schemas.settings import parse
from roma.support.seeding import INDEX_BITS

PLAYERS = ("heuristic", "random")  # policies that need no training


def play(parser: Parser) -> None:
    """Add the options of `roma play`."""
    parser.description = (
        "Record one episode and draw it: battle.safetensors (the recording), still.png, battle.gif and frames/. "
        "With --recording, re-simulate an earlier recording to check it, then draw it."
    )
    parser.add_argument("--map", help="name of a map, such as 2s3z; default with --checkpoint: the map of the run")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--policy", help="heuristic (SMAC's scripted one) or random; default: heuristic")
    who.add_argument("--checkpoint", type=Path, help="a finished run's folder or one of its policies/*.safetensors")
    who.add_argument("--recording", type=Path, help="a recording's file; only --out can be combined with it")
    parser.add_argument("--seed", help="number of the episode, from 0; default: 0")
    parser.add_argument(
        "--out", type=Path, help="folder; default: data/embedded/manual/recordings/..., or the recording's own folder"
    )
    parser.set_defaults(run=_play)


def _play(options: argparse.Namespace) -> int:
    number = parse("--seed", "0" if options.seed is None else options.seed, int)
    if not 0 <= number < 2**INDEX_BITS:
        raise UserError(f"--seed = {number} must lie between 0 and {2**INDEX_BITS - 1}")
    policy = options.policy or PLAYERS[0]
    if policy not in PLAYERS:
        raise unknown("policy", policy, PLAYERS)
    map_name = None if options.map is None else canonical_map(options.map)
    if options.recording is not None and (options.map, options.seed) != (None, None):
        raise UserError("--recording brings its own map and seed: leave out --map and --seed")
    if options.recording is None and options.checkpoint is None and map_name is None:
        raise UserError("--map is missing (only --checkpoint and --recording bring their own)")
    for path in (options.recording, options.checkpoint):
        if path is not None and not path.exists():
            raise UserError(f"there is no file or folder {path}")
    if options.out is not None:
        make_writable_directory(options.out)

    from roma.recordings.play import play, show

    if options.recording is not None:
        recording, directory, checked = show(options.recording, options.out)
        other = "drawn without re-simulation: recorded with another engine or version"
        note = "re-simulated: identical" if checked else other
        print(f"{options.recording}: {note}")
    else:
        recording, directory = play(map_name, policy, options.checkpoint, number, options.out)
    print(
        f"{recording.map_name}, {recording.policy}: {recording.result} after {recording.length} timesteps, "
        f"return {recording.rewards.sum():.2f}; pictures in {directory}"
    )
    return 0


def calibrate(parser: Parser) -> None:
    """Add the options of `roma calibrate`."""
    parser.description = (
        "Play untrained episodes (random actions, untrained networks, SMAC's scripted policy), compare them with the "
        "runs released with SMAC v1.0, and write calibration.{csv,md,png,pdf}. With --runs, compare training runs "
        "instead, and write learning.{md,png,pdf}, learning_curves.csv and episode_lengths.csv."
    )
    parser.add_argument("--maps", help="names of maps, as in 2s3z,MMM2; default: all maps with released runs")
    parser.add_argument("--battles", help="random episodes per map, and as many scripted ones; default: 1000")
    parser.add_argument("--networks", help="untrained networks per map, with 32 greedy episodes each; default: 20")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the engine; may be repeated"
    )
    parser.add_argument(
        "--sensitivity",
        action="store_true",
        help="also write sensitivity.md: play with a lower and a higher value of each engine setting",
    )
    parser.add_argument(
        "--runs",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="folders of runs under protocol smac_v1, or folders above them: compare these runs and play nothing",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("data/embedded/calibration"),
        help="folder of the files; default: data/embedded/calibration",
    )
    parser.set_defaults(run=_calibrate)


def _calibrate(options: argparse.Namespace) -> int:
    from roma.recordings import calibrate

    if options.runs is not None:
        return _calibrate_runs(options)
    known = calibrate.map_names()
    maps = known if options.maps is None else list(map(canonical_map, options.maps.split(",")))
    for name in maps:
        if name not in known:
            raise unknown("map with released runs", name, known)
    battles = positive("--battles", options.battles or "1000")
    networks = positive("--networks", options.networks or "20")
    choices = resolve_choices(parse_assignments(options.set))
    make_writable_directory(options.out)

    from roma.recordings.calibrate.play import play

    plays = [play(name, battles, networks, choices) for name in maps]
    print(calibrate.write_play(plays, options.out), end="")
    if options.sensitivity:
        print(calibrate.write_sensitivity(maps, battles, options.out), end="")
    print(f"written to {options.out}")
    return 0


def _calibrate_runs(options: argparse.Namespace) -> int:
    from roma.recordings import calibrate

    for name in ("maps", "battles", "networks", "set", "sensitivity"):
        if getattr(options, name):
            raise UserError(f"--runs plays nothing: leave out --{name}")
    for place in options.runs:
        require_folder(place)
    make_writable_directory(options.out)
    print(calibrate.write_learning(options.runs, options.out), end="")
    print(f"written to {options.out}")
    return 0


def compile(parser: Parser) -> None:
    """Add the options of `roma compile`."""
    parser.description = (
        "Compile the embedded engine, the actor and the learners once, so that runs started in parallel find the "
        "machine code. It is stored in the first writable folder of these: NUMBA_CACHE_DIR, the package, the user's "
        "cache folder. Code that is up to date is not compiled again."
    )
    parser.set_defaults(run=_compile)


def _compile(options: argparse.Namespace) -> int:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from roma.envs.skirmish.kernel.compiler import KERNEL
    from roma.nets.ops.acting.compiler import COMPILER as ACTING
    from roma.nets.ops.compiler import COMPILER as LEARNING
    from roma.support.compilation import all_compiled, mark_compiled
    from roma.support.noise import COMPILER as NOISE

    packages = (KERNEL, ACTING, LEARNING, NOISE)
    if all_compiled(packages):  # finding that out by calling the functions takes seconds: torch is imported
        return 0

    from roma.envs.skirmish.compilation import compile_engine
    from roma.learners.compilation import compile_actors, compile_learners

    with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # in parallel: both halves take about the same time
        engine = pool.submit(compile_engine)
        compile_actors()
        compile_learners()
        engine.result()
    mark_compiled(packages)
    return 0
