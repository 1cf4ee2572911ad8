"""The command `roma`. Whatever a user may get wrong is checked here, before anything heavy is imported."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from roma import __version__
from roma.envs import ENGINES
from roma.envs.starcraft2.installation import DEFAULT_VERSION
from roma.runs.config import MILESTONES, parse, parse_assignments, resolve, resolve_engine_settings
from roma.runs.protocols import PRESETS
from roma.scenarios import canonical_map
from roma.support.errors import UserError, unknown
from roma.support.files import make_writable_directory
from roma.support.owner import end_with_owner
from roma.support.seeding import INDEX_BITS
from roma.support.streams import outlive_readers

if TYPE_CHECKING:
    from roma.recordings.rollout_file import Rollout

PLAYERS = ("heuristic", "random")  # that need no training


class Parser(argparse.ArgumentParser):
    """Reports mistakes as every other error is reported: in one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see {self.prog} --help)")


def build_parser() -> Parser:
    parser = Parser(prog="roma", description="Train and evaluate ROMA and its baselines on SMAC maps.")
    parser.add_argument("--version", action="version", version=f"roma {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)

    train = commands.add_parser(
        "train",
        help="train one run, or go on with it",
        description="Train one run. If its folder has a checkpoint, go on from there, with the same result as if the "
        "run had never been interrupted. A run may be made longer by asking for more steps.",
    )
    train.add_argument("--map", required=True, help="name of a map, such as 2s3z")
    train.add_argument("--algorithm", required=True, help="name of an algorithm, such as roma")
    train.add_argument("--seed", required=True, help="a whole number from 0")
    train.add_argument("--protocol", default="paper", help=f"one of {', '.join(PRESETS)}; default: paper")
    train.add_argument("--engine", default="embedded", help="what plays the battles; default: embedded")
    train.add_argument("--steps", help="environment steps; default: the protocol's")
    train.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the protocol, of the algorithm or of the engine; may be repeated",
    )
    train.add_argument("--out", type=Path, help="run folder; default: data/ENGINE/manual/runs/MAP/ALGORITHM/seedK")
    train.add_argument(
        "--milestones",
        help="environment steps at which policies are kept, as in 0,50000,1e6, besides the end; default: "
        + ",".join(map(str, MILESTONES)),
    )
    train.add_argument("--checkpoint-seconds", default="120", help="seconds between checkpoints; default: 120")
    train.add_argument(
        "--replace", action="store_true", help="begin anew, where the folder holds a run of other settings"
    )
    train.add_argument(
        "--wait", action="store_true", help="wait where another process is writing the run, instead of failing"
    )
    train.add_argument(
        "--same-family",
        action="store_true",
        help="go on only on the family of processors that began the run; on another begin anew and keep its checkpoint",
    )
    train.add_argument("--device", default="cpu", help="torch device of the learner; default: cpu")
    train.add_argument("--threads", default="1", help="threads of torch; default: 1, the fastest for nets this small")
    train.set_defaults(run=_train)

    evaluate = commands.add_parser(
        "evaluate",
        help="play a finished run's policy greedily",
        description="Play greedy episodes with a policy of a finished run, on seeds of their own, and write "
        "evaluations/t<step>.json into the run's folder.",
    )
    evaluate.add_argument("run_directory", type=Path, metavar="RUN_DIR")
    evaluate.add_argument("--step", help="milestone of the policy; default: the run's end")
    evaluate.add_argument("--episodes", default="256", help="greedy episodes; default: 256")
    side_by_side = ", ".join(f"{engine.side_by_side} on {name}" for name, engine in ENGINES.items())
    evaluate.add_argument("--battles", help=f"how many of them side by side; default: {side_by_side}")
    evaluate.add_argument(
        "--save-replays", type=Path, metavar="FOLDER", help="for the game's own replays, if it is one"
    )
    evaluate.add_argument("--threads", default="1", help="threads of torch; default: 1")
    evaluate.set_defaults(run=_evaluate)

    rollout = commands.add_parser(
        "rollout",
        help="record episodes of a finished run with roles",
        description="Play greedy episodes of every policy that a finished run has kept, and record units, actions, "
        "roles, I and d in one file.",
    )
    rollout.add_argument("run_directory", type=Path, metavar="RUN_DIR")
    rollout.add_argument("--episodes", default="32", help="of the last policy; default: 32")
    rollout.add_argument("--earlier-episodes", default="8", help="of each earlier policy; default: 8")
    rollout.add_argument("--out", type=Path, help="file; default: beside the folder runs, rollouts/MAP/ARM/seedK")
    rollout.add_argument("--threads", default="1", help="threads of torch; default: 1")
    rollout.set_defaults(run=_rollout)

    measure = commands.add_parser(
        "measure",
        help="measure the roles of a finished run",
        description="Play the episodes that roma rollout records, and write what summaries need of them: small tables "
        "in measurements/MAP/ARM/seedK beside the folder runs, or else in the run's own folder.",
    )
    measure.add_argument("run_directory", type=Path, metavar="RUN_DIR")
    measure.add_argument("--episodes", default="32", help="of the last policy; default: 32")
    measure.add_argument("--earlier-episodes", default="8", help="of each earlier policy; default: 8")
    measure.add_argument("--threads", default="1", help="threads of torch; default: 1")
    measure.set_defaults(run=_measure)

    play = commands.add_parser(
        "play",
        help="record one battle and draw it",
        description="Record one battle as a replay file and draw it: still.png, battle.gif and frames/. With --replay, "
        "draw a battle recorded earlier, after fighting it again to see that it comes out the same.",
    )
    play.add_argument("--map", help="name of a map, such as 2s3z; with --checkpoint that of the run")
    who = play.add_mutually_exclusive_group()
    who.add_argument("--policy", help="heuristic (SMAC's scripted one) or random; default: heuristic")
    who.add_argument("--checkpoint", type=Path, help="a finished run's folder or one of its policies/*.safetensors")
    who.add_argument("--replay", type=Path, help="a replay file; of the other options only --out goes with it")
    play.add_argument("--seed", help="number of the battle, from 0; default: 0")
    play.add_argument("--out", type=Path, help="folder; default: data/embedded/manual/replays/..., or the replay's own")
    play.set_defaults(run=_play)

    calibrate = commands.add_parser(
        "calibrate",
        help="compare the embedded engine with released runs on StarCraft II",
        description="Play untrained episodes (random actions, untrained networks, SMAC's scripted policy) and write "
        "calibration.{csv,md,png,pdf}: ours beside what the runs released with SMAC v1.0 say. With --runs, compare "
        "recorded runs instead: learning.{md,png,pdf}, learning_curves.csv and episode_lengths.csv.",
    )
    calibrate.add_argument("--maps", help="names of maps, as in 2s3z,MMM2; default: all with released runs")
    calibrate.add_argument("--battles", help="random and scripted episodes a map; default: 1000")
    calibrate.add_argument("--networks", help="untrained networks a map, 32 greedy episodes each; default: 20")
    calibrate.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the engine; may be repeated"
    )
    calibrate.add_argument(
        "--sensitivity", action="store_true", help="also write sensitivity.md: each setting lower and higher"
    )
    calibrate.add_argument(
        "--runs",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="run folders under protocol smac_v1, or folders above them: compare these, play nothing",
    )
    calibrate.add_argument("--out", type=Path, default=Path("data/embedded/calibration"), help="folder")
    calibrate.set_defaults(run=_calibrate)

    compilation = commands.add_parser(
        "compile",
        help="compile the embedded engine, the actor and the learners, once for all runs of this machine",
        description="Compile the embedded engine, the actor and the learners and keep the machine code, so that runs "
        "started side by side find it: in NUMBA_CACHE_DIR, in the package or in the user's cache folder, whichever can "
        "be written first. Where it is up to date nothing is done.",
    )
    compilation.set_defaults(run=_compile)

    _add_campaign(commands)

    cost = commands.add_parser(
        "cost",
        help="say what a scale costs in core-hours",
        description="Print the core-hours that training all runs of a scale takes, by the speeds in workflow/cost.csv, "
        "and the processor on which these were measured.",
    )
    cost.add_argument("scale", metavar="SCALE", help="name of a file in workflow/config, such as lab")
    cost.set_defaults(run=_cost)

    stated = commands.add_parser(
        "claims",
        help="list the paper's claims, or simulate how often verdicts on them are right",
        description="Print the claims of analysis/claims.yaml, each after its question, marked if it is reported as an "
        "estimate. With --simulate, judge simulated studies whose truth is known, over a grid of truths, and write "
        "docs/operating_characteristics.md: power and false verdicts of every claim.",
    )
    stated.add_argument("--simulate", action="store_true", help="simulate studies and write the page")
    stated.add_argument("--draws", help="simulated studies at each point of the grid; default: 2000")
    stated.add_argument("--table", type=Path, metavar="FILE", help="also write the whole grid as CSV")
    stated.set_defaults(run=_claims)

    game = commands.add_parser("starcraft2", help="fetch the real game and its maps, and check them").add_subparsers(
        dest="action", required=True, parser_class=Parser
    )
    fetch = game.add_parser(
        "fetch",
        help="fetch what is missing",
        description="Fetch the Linux game and the maps into SC2PATH or, without it, a cache of yours. Broken downloads "
        "are picked up where they broke off, wrong checksums are refused.",
    )
    fetch.add_argument(
        "--version", default=DEFAULT_VERSION, help=f"of the game; default: {DEFAULT_VERSION}, the paper's"
    )
    fetch.add_argument("--accept-licence", action="store_true", help="accept the game's licence instead of being asked")
    fetch.add_argument("--accept-digest", metavar="SHA256", help="trust an archive whose checksum nobody has published")
    fetch.set_defaults(run=_fetch)
    doctor = game.add_parser("doctor", help="check each part that the real game needs; status 1 if one is missing")
    doctor.add_argument("--report", type=Path, metavar="FILE", help="where to write the result if nothing is missing")
    doctor.set_defaults(run=_doctor)
    return parser


def _add_campaign(commands: Any) -> None:
    actions = commands.add_parser(
        "campaign", help="run a long study beside other work, in a clone of its own"
    ).add_subparsers(dest="action", required=True, parser_class=Parser)
    begin = actions.add_parser(
        "start",
        help="start the campaign, or go on with it",
        description="Train and evaluate the open tranches that workflow/campaign.yaml names, at its revision, in a "
        "clone and an environment of its own, at the lowest priority. The command returns once the campaign runs.",
    )
    begin.add_argument("--folder", type=Path, help="the campaign's clone; default: beside this one, NAME-campaign")
    begin.add_argument("--cores", help="runs side by side; default: one a core")
    begin.add_argument("--until", metavar="HH:MM", help="local time at which all runs write checkpoints and end")
    begin.add_argument(
        "--usual-priority", action="store_true", help="do not take the lowest priority: the machine does nothing else"
    )
    begin.add_argument("--slurm", action="store_true", help="submit the runs to a cluster by the Slurm profile")
    begin.add_argument(
        "--environment", type=Path, metavar="FOLDER", help="virtual environment; default: made from the revision's lock"
    )
    for name, text in (
        ("pause", "stop all runs where they are, until resume"),
        ("resume", "let paused runs go on"),
        ("stop", "let all runs write checkpoints and end, in ten seconds at most"),
        ("status", "print what is done, running and left, and when each tranche ends"),
        ("collect", "bring finished runs into this clone and track them"),
    ):
        actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    planning = actions.add_parser(
        "plan",
        help="say what each tranche costs and which claims it can decide",
        description="Print runs, core-hours and the claims that can be decided, tranche by tranche. Speeds are those "
        "of workflow/cost.csv, claims those of analysis/claims.yaml.",
    )
    planning.add_argument("--scale", default="study", help="a scale with tranches; default: study")
    joining = actions.add_parser(
        "merge",
        help="bring another clone's finished runs into this one and track them",
        description="Bring another clone's finished runs into this one and track them. Two different results of one "
        "run are refused; of a shorter and a longer one the longer is kept.",
    )
    joining.add_argument("other", type=Path, metavar="FOLDER", help="the other clone, such as another machine's")
    for action in actions.choices.values():
        action.set_defaults(run=_campaign)


def _train(options: argparse.Namespace) -> int:
    config = resolve(
        options.map,
        options.algorithm,
        parse("--seed", options.seed, int),
        options.protocol,
        options.engine,
        parse_assignments(options.set),
    )
    steps = PRESETS[config.protocol].total_steps if options.steps is None else _positive("--steps", options.steps)
    milestones = MILESTONES
    if options.milestones is not None:
        milestones = parse("--milestones", options.milestones, tuple[int, ...])
        if min(milestones, default=0) < 0:
            raise UserError(f"--milestones = {options.milestones!r}: no step may be negative")
    threads = _positive("--threads", options.threads)
    checkpoint_seconds = parse("--checkpoint-seconds", options.checkpoint_seconds, float)
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
    )
    return 0 if signal_number is None else 128 + signal_number


def _evaluate(options: argparse.Namespace) -> int:
    episodes = _positive("--episodes", options.episodes)
    battles = None if options.battles is None else _positive("--battles", options.battles)
    threads = _positive("--threads", options.threads)
    if not options.run_directory.is_dir():
        raise UserError(f"there is no folder {options.run_directory}")

    from roma.recordings.evaluate import evaluate

    step = None if options.step is None else parse("--step", options.step, int)
    result = evaluate(options.run_directory, episodes, battles, threads, options.save_replays, step)
    print(
        f"{result['map']} {result['algorithm']} seed {result['seed']} at {result['step']} steps: "
        f"win rate {result['battle_won_mean']:.3f}, return {result['return_mean']:.2f}, "
        f"length {result['ep_length_mean']:.1f} over {episodes} greedy battles"
    )
    return 0


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


def _measure(options: argparse.Namespace) -> int:
    numbers = _played(options)

    from analysis.measurements import measure
    from roma.runs.directory import MEASUREMENTS, RunDirectory

    run = RunDirectory(options.run_directory)
    folder = run.measurement_file(MEASUREMENTS[0]).parent
    make_writable_directory(folder)
    _say_won(measure(run, *numbers))
    print(f"written to {folder}")
    return 0


def _played(options: argparse.Namespace) -> tuple[int, int, int]:
    """Return how many episodes are to be played, of the last policy and of each earlier one, and the threads."""
    if not options.run_directory.is_dir():
        raise UserError(f"there is no folder {options.run_directory}")
    return (
        _positive("--episodes", options.episodes),
        _positive("--earlier-episodes", options.earlier_episodes),
        _positive("--threads", options.threads),
    )


def _say_won(recorded: Rollout) -> None:
    config = recorded.config
    print(f"{config['map']} {config['algorithm']} seed {config['seed']}: greedy episodes won, of each policy")
    for milestone in recorded.milestones:
        print(f"{milestone.step:>10} steps: {milestone.won.sum()} of {len(milestone.won)}")


def _play(options: argparse.Namespace) -> int:
    number = parse("--seed", "0" if options.seed is None else options.seed, int)
    if not 0 <= number < 2**INDEX_BITS:
        raise UserError(f"--seed = {number} must lie between 0 and {2**INDEX_BITS - 1}")
    policy = options.policy or PLAYERS[0]
    if policy not in PLAYERS:
        raise unknown("policy", policy, PLAYERS)
    map_name = None if options.map is None else canonical_map(options.map)
    if options.replay is not None and (options.map, options.seed) != (None, None):
        raise UserError("--replay brings its own map and seed: leave out --map and --seed")
    if options.replay is None and options.checkpoint is None and map_name is None:
        raise UserError("--map is missing (only --checkpoint and --replay bring their own)")
    for path in (options.replay, options.checkpoint):
        if path is not None and not path.exists():
            raise UserError(f"there is no {path}")
    if options.out is not None:
        make_writable_directory(options.out)

    from roma.recordings.play import play, show

    if options.replay is not None:
        recording, directory, fought = show(options.replay, options.out)
        note = "came out the same when fought again" if fought else "is of another engine: drawn as recorded"
        print(f"{options.replay} {note}")
    else:
        recording, directory = play(map_name, policy, options.checkpoint, number, options.out)
    print(
        f"{recording.map_name}, {recording.policy}: {recording.result} after {recording.length} timesteps, "
        f"return {recording.rewards.sum():.2f}; pictures in {directory}"
    )
    return 0


def _calibrate(options: argparse.Namespace) -> int:
    from roma.recordings import calibrate

    if options.runs is not None:
        return _calibrate_runs(options)
    known = calibrate.map_names()
    maps = known if options.maps is None else list(map(canonical_map, options.maps.split(",")))
    for name in maps:
        if name not in known:
            raise unknown("map with released runs", name, known)
    battles = _positive("--battles", options.battles or "1000")
    networks = _positive("--networks", options.networks or "20")
    choices = resolve_engine_settings("embedded", parse_assignments(options.set))
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
        if not place.is_dir():
            raise UserError(f"there is no folder {place}")
    make_writable_directory(options.out)
    print(calibrate.write_learning(options.runs, options.out), end="")
    print(f"written to {options.out}")
    return 0


def _claims(options: argparse.Namespace) -> int:
    if not options.simulate and (options.draws or options.table):
        raise UserError("--draws and --table go with --simulate")
    draws = None if options.draws is None else _positive("--draws", options.draws)
    clone = _clone("roma claims")
    if options.table is not None:
        make_writable_directory(options.table.parent)

    from analysis import claims
    from analysis.claims import characteristics

    listed = claims.load()
    if not options.simulate:
        for claim in listed:
            print(f"{claim.question}: {claim.id}{' (estimate)' if claim.estimate else ''}: {claim.statement}")
        return 0
    page = clone / characteristics.PAGE
    grid = characteristics.write(listed, page, draws or characteristics.DRAWS)
    if options.table is not None:
        grid.to_csv(options.table, index=False, lineterminator="\n")
    print(f"written to {page}")
    return 0


def _compile(options: argparse.Namespace) -> int:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from roma.envs.skirmish.compilation import compile_engine
    from roma.learners.compilation import compile_actors, compile_learners

    with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # both take as long, on two cores half the time
        engine = pool.submit(compile_engine)
        compile_actors()
        compile_learners()
        engine.result()
    return 0


def _campaign(options: argparse.Namespace) -> int:
    clone = _clone("roma campaign")
    if options.action == "start" and options.cores is not None:
        _positive("--cores", options.cores)

    from workflow.campaign import collection, control, status

    if options.action == "start":
        said = control.start(
            clone,
            options.folder,
            options.cores or "all",
            options.until,
            options.environment,
            options.slurm,
            options.usual_priority,
        )
    elif options.action in ("status", "collect"):
        said = {"status": status.status, "collect": collection.collect}[options.action](clone)
    elif options.action == "merge":
        said = collection.merge(clone, options.other)
    elif options.action == "plan":
        from workflow import cost, plan

        said = plan.report(cost.scale_file(options.scale), cost.read_speeds())
    else:
        said = {"pause": control.pause, "resume": control.resume, "stop": control.stop}[options.action]()
    print(said)
    return 0


def _clone(command: str) -> Path:
    """Return the clone of the project that the working folder is in, and let its packages be imported.

    Raises:
        UserError: It is in none.
    """
    for place in (Path.cwd(), *Path.cwd().parents):
        if (place / "workflow" / "grid.py").exists():
            sys.path.insert(0, str(place))
            return place
    raise UserError(f"{command} works in a clone of the project: neither {Path.cwd()} nor a folder above is one")


def _cost(options: argparse.Namespace) -> int:
    _clone("roma cost")

    from workflow import cost

    print(cost.report(options.scale, cost.read_speeds()))
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from roma.envs.starcraft2 import installation

    def accept(licence: str) -> bool:
        if options.accept_licence or not sys.stdin.isatty():
            return bool(options.accept_licence)
        print(f"The game comes under this licence: {licence}")
        return input(f"To accept it, type {installation.LICENCE_WORD}: ").strip() == installation.LICENCE_WORD

    folder = installation.fetch(options.version, accept, options.accept_digest, print)
    print(f"the game and its maps are in {folder}")
    if folder != installation.game_folder():
        print(f"to play this version: export SC2PATH={folder}")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from roma.envs.starcraft2 import installation

    findings = installation.examine()
    for finding in findings:
        print(f"{'ok' if finding.good else 'MISSING':8}{finding.subject}: {finding.detail}")
    if not all(finding.good for finding in findings):
        return 1
    if options.report is not None:
        installation.write_report(findings, options.report)
    return 0


def _positive(option: str, text: str) -> int:
    number: int = parse(option, text, int)
    if number < 1:
        raise UserError(f"{option} = {number} must be at least 1")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 2 after a user's mistake, 128 + signal where one stopped a run."""
    outlive_readers()
    end_with_owner()
    try:
        options = build_parser().parse_args(arguments)
        status: int = options.run(options)
        return status
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
