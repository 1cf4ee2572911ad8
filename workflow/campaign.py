"""`roma campaign`: a long study that runs beside other work, in a clone and an environment of its own.

The project's clone says what runs, in the tracked file workflow/campaign.yaml: a revision, and the open tranches of a
scale. The campaign's clone beside it has that revision checked out, trains the runs of these tranches with Snakemake
(workflow/supervisor.py), and holds their results until `collect` brings them into the project's clone.
"""

import json
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import mean
from textwrap import indent
from typing import Any

from analysis.measurements import lacking, measure
from roma.runs.directory import RunDirectory
from roma.support.errors import UserError
from roma.support.schema import read_yaml
from roma.support.tools import ToolError, ask
from workflow import pausing, watch
from workflow.cost import expected_speed, read_speeds
from workflow.grid import Run, expand, results_folder
from workflow.landing import land
from workflow.merging import bring, finished_runs
from workflow.order import family
from workflow.scale import read_scale
from workflow.shipping import read_shipped, restore
from workflow.supervisor import LOG, MARK, START_SECONDS, end, members
from workflow.tracking import ship
from workflow.watch import last_lines

NAMED = Path("workflow/campaign.yaml")
KEYS = {"revision": "[0-9a-f]{40}", "tree": "[0-9a-f]{40}", "scale": "[A-Za-z0-9_]+"}
# What must be equal in two revisions for runs to go on from one to the other: recorded play and short trainings. There
# may be new maps and algorithms.
GUARDS = ("tests/golden/trajectories.json", "tests/golden/fingerprints.json")
OWN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # of the caller's environment


@dataclass(frozen=True)
class Named:
    """What workflow/campaign.yaml says."""

    revision: str  # a commit
    tree: str  # that commit's tree, which another commit may have, too
    scale: str
    open: tuple[str, ...]  # tranches; none: the scale has none


def read_named(project: Path) -> Named:
    """Read workflow/campaign.yaml as it is committed.

    Raises:
        UserError: the file is missing, not committed, or not of its form.
    """
    file = project / NAMED
    if not file.exists():
        raise UserError(
            f"there is no {NAMED}: it names the commit that the campaign runs (revision, and tree as of "
            "`git rev-parse COMMIT^{tree}`), a scale, and the open tranches (open: [...])"
        )
    if _git(project, "status", "--porcelain", "--", str(NAMED)):
        raise UserError(f"{NAMED} is not committed as it stands: commit it by itself first")
    said = read_yaml(file)
    if not isinstance(said, Mapping) or said.keys() != {*KEYS, "open"}:
        raise UserError(f"{NAMED} must have the keys {', '.join([*KEYS, 'open'])} and no others")
    for key, pattern in KEYS.items():
        if not re.fullmatch(pattern, str(said[key])):
            raise UserError(f"{NAMED}: {key} = {said[key]!r} does not match {pattern}")
    if not isinstance(said["open"], list) or not all(isinstance(name, str) for name in said["open"]):
        raise UserError(f"{NAMED}: open = {said['open']!r} is not a list of tranches")
    return Named(str(said["revision"]), str(said["tree"]), str(said["scale"]), tuple(said["open"]))


def find_commit(project: Path, named: Named) -> str:
    """Return the named commit or, where the clone does not know it, any commit with its tree.

    Raises:
        UserError: no commit has that tree, or the commit's tree is another one.
    """
    tree = _object(project, f"{named.revision}^{{tree}}")
    if tree == named.tree:
        return named.revision
    if tree is not None:
        raise UserError(f"{NAMED}: the tree of {named.revision} is {tree}, not {named.tree}")
    for line in _git(project, "log", "--all", "--format=%H %T").splitlines():
        commit, tree = line.split()
        if tree == named.tree:
            return commit
    raise UserError(f"{NAMED}: neither the commit {named.revision} nor one with the tree {named.tree} is known here")


def start(
    project: Path,
    folder: Path | None = None,
    cores: str = "all",
    until: str | None = None,
    environment: Path | None = None,
    slurm: bool = False,
    usual_priority: bool = False,
) -> str:
    """Start the campaign, or go on with it; return what to tell the user.

    Args:
        project: the project's clone.
        folder: the campaign's clone; by default beside the project's, with `-campaign` at the end of its name.
        cores: runs side by side, a number or "all".
        until: local time, HH:MM, at which all runs are ended; None: when all are done.
        environment: a virtual environment in the place of one made from the revision's lock.
        slurm: submit the runs to a cluster.
        usual_priority: do not take the lowest priority, on a machine that does nothing else.

    Raises:
        UserError: a campaign is running, or something of the above cannot be done.
    """
    state = pausing.state_folder()
    if pausing.alive(state):
        raise UserError(f"a campaign runs on this machine already, in {_known(state)['folder']}")
    end_time = None if until is None else next_time(until, datetime.now())
    if end_time is not None and end_time - datetime.now() < timedelta(seconds=START_SECONDS):
        raise UserError(f"--until {until} is less than {START_SECONDS / 60:.0f} minutes away: no run would start")
    named = read_named(project)
    folder = (folder or project.parent / f"{project.name}-campaign").resolve()
    check_out(project, folder, find_commit(project, named))
    python = _environment(folder, environment)
    (state / pausing.PAUSED).unlink(missing_ok=True)
    command = [str(python), "-m", "workflow.supervisor", "--scale", named.scale, "--revision", named.revision]
    command += ["--cores", cores, "--open", *named.open]
    command += [*(["--slurm"] if slurm else []), *(["--usual-priority"] if usual_priority else [])]
    command += [] if end_time is None else ["--until", str(end_time.timestamp())]
    log = folder / LOG
    log.parent.mkdir(exist_ok=True)
    with log.open("a") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_clean_environment() | {"PYTHONPATH": str(folder), MARK: str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    while not (pausing.alive(state) and _known(state).get("supervisor") == process.pid):
        if process.poll() is not None:
            raise UserError(f"the campaign has ended at once, see {log}: {last_lines(log)}")
        time.sleep(0.1)
    limit = "" if end_time is None else f" until {end_time:%Y-%m-%d %H:%M}"
    return f"the campaign runs in {folder}{limit}; its log is {log}"


def pause() -> str:
    """Pause the campaign until `resume`; return what to tell the user."""
    state = _running()
    with pausing.paused(state):
        (state / pausing.PAUSED).touch()
    return "the campaign is paused"


def resume() -> str:
    """Let the campaign go on; return what to tell the user."""
    state = _running()
    (state / pausing.PAUSED).unlink(missing_ok=True)
    if not pausing.let_go_on(state):
        return "the campaign goes on as soon as the command that pauses it has ended"
    return "the campaign goes on"


def stop() -> str:
    """Let all runs write their checkpoints and end them, in ten seconds at most; return what to tell the user."""
    state = pausing.state_folder()
    folder = Path(_known(state).get("folder", "/"))
    if not pausing.alive(state) and not members(folder):
        raise UserError("no campaign runs on this machine")
    supervisor = _known(state).get("supervisor", 0)
    peaceful = end(folder, state, spared=[supervisor])  # which would end the others itself
    end(folder, state, seconds=1.0)
    while pausing.alive(state):  # a process that is dying still has its lock for a moment
        time.sleep(0.05)
    (state / pausing.PAUSED).unlink(missing_ok=True)
    if peaceful:
        return "the campaign has stopped; all runs have written their checkpoints"
    return "the campaign has stopped; some runs took too long and were killed, they go on from their last checkpoints"


def status(project: Path, now: datetime | None = None) -> str:
    """Return what is done, running, failed and left of the open tranches, core-hours, and when each tranche ends."""
    now = now or datetime.now()
    state = pausing.state_folder()
    known, named = _known(state), read_named(project)
    folder = Path(known.get("folder", f"{project}-campaign"))
    source = folder / "workflow" / "config" / f"{named.scale}.yaml"
    if not source.exists():
        raise UserError(f"there is no campaign in {folder}: roma campaign start makes it")
    runs = open_runs(source, named.open)
    results = folder / results_folder(read_scale(source))
    alive = pausing.alive(state)
    since = datetime.fromisoformat(known["started"]).timestamp() if alive else float("inf")
    standings = [watch.status(run, results, since) for run in runs]
    rates = seconds_a_step(runs, standings, results)
    used, slower = used_hours(runs, standings, results, rates), slowdown(runs, standings, rates)
    count = Counter(each.state for each in standings)
    left = [each.left * rates[run.key] / 3600 for run, each in zip(runs, standings, strict=True)]
    cores = int(known["cores"]) if str(known.get("cores", "")).isdecimal() else os.cpu_count() or 1
    lines = [
        f"{named.scale} at {named.revision[:12]} in {folder}: {_condition(state, known)}",
        f"{count['done']} done, {count['running']} running, {count['failed']} failed, {count['waiting']} left",
        f"{used:.1f} core-hours used, {sum(left):.1f} left",
    ]
    names = [tranche_of(run) for run in runs]
    ahead = 0.0
    for name in dict.fromkeys(names):
        of_tranche = [place for place, other in enumerate(names) if other == name]
        done = sum(standings[place].state == "done" for place in of_tranche)
        ahead += sum(left[place] for place in of_tranche)
        # The last runs of a tranche do not share out over all cores.
        hours = max([ahead / cores, *(left[place] for place in of_tranche)]) * slower
        moment = f"{'ends' if alive else 'would end'} about {now + timedelta(hours=hours):%Y-%m-%d %H:%M}"
        ends = moment if done < len(of_tranche) else "done"
        lines.append(f"  {name:<8} {done:>4} of {len(of_tranche):>4}  {ends}")
    for run, each in zip(runs, standings, strict=True):
        if each.state == "failed":
            lines += [f"FAILED {run.directory} at {each.done:,} steps", indent(each.reason, "  | ")]
    return "\n".join(lines)


def open_runs(source: Path, tranches: Sequence[str]) -> list[Run]:
    """Return the runs of a scale's open tranches, in the order of the tranches; none named: all runs."""
    config = read_scale(source) | ({"open_tranches": list(tranches)} if tranches else {})
    grid = expand(config, str(source))
    order = list(config.get("tranches", []))
    return sorted(grid.runs.values(), key=lambda run: order.index(tranche_of(run)) if order else 0)


def tranche_of(run: Run) -> str:
    """Return the first open tranche that asks for a run; "all" in a scale without tranches."""
    return next(iter(run.tranches), "all")


def used_hours(
    runs: Sequence[Run], standings: Sequence[watch.Status], results: Path, rates: Mapping[tuple[str, str, int], float]
) -> float:
    """Return the core-hours that finished runs took, and others so far at their seconds a step."""
    seconds = 0.0
    for run, standing in zip(runs, standings, strict=True):
        done = standing.state == "done"
        seconds += _provenance(results, run)["cpu_seconds"] if done else standing.done * rates[run.key]
    return seconds / 3600


def seconds_a_step(
    runs: Sequence[Run], standings: Sequence[watch.Status], results: Path
) -> dict[tuple[str, str, int], float]:
    """Return the seconds of processor time that an environment step of each run takes.

    They are those of the same run, or the mean of the runs of the same map and arm, as far as finished; else what is
    expected.
    """
    measured, speeds = {}, read_speeds()
    for run, standing in zip(runs, standings, strict=True):
        if standing.state == "done":
            facts = _provenance(results, run)
            measured[run.key] = facts["cpu_seconds"] / facts["environment_steps"]
    found = {}
    for run in runs:
        alike = [rate for key, rate in measured.items() if key[:2] == run.key[:2]]
        found[run.key] = measured.get(run.key) or mean(alike or [1 / expected_speed(run, speeds)])
    return found


def slowdown(
    runs: Sequence[Run], standings: Sequence[watch.Status], rates: Mapping[tuple[str, str, int], float]
) -> float:
    """Return how many times as long as their processor time the running runs take, beside the machine's other work."""
    times = [1 / (rates[run.key] * each.rate) for run, each in zip(runs, standings, strict=True) if each.rate]
    return max(1.0, mean(times or [1.0]))


def _provenance(results: Path, run: Run) -> dict[str, Any]:
    file = RunDirectory(results / "runs" / run.directory).provenance_file
    facts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return facts


def _condition(state: Path, known: Mapping[str, Any]) -> str:
    if not pausing.alive(state):
        return "stopped" if known else "never started on this machine"
    paused = "paused" if pausing.wanted(state) else "running"
    started = datetime.fromisoformat(known["started"]).astimezone()
    limit = "" if known.get("until") is None else f", until {datetime.fromtimestamp(known['until']):%Y-%m-%d %H:%M}"
    return f"{paused}, started {started:%Y-%m-%d %H:%M}{limit}"


def collect(project: Path) -> str:
    """Bring the campaign's finished runs into the project's clone and track them; return what to tell the user.

    What is tracked is asked of the project's clone: an interrupted collection, or what was lost since, is made up for.

    Raises:
        UserError: see `workflow.merging.bring`.
    """
    named = read_named(project)
    folder = Path(_known(pausing.state_folder()).get("folder", f"{project}-campaign"))
    if not (folder / ".git").exists():
        raise UserError(f"there is no campaign in {folder}: roma campaign start makes it")
    return _bring(project, folder, named.scale)


def merge(project: Path, other: Path) -> str:
    """Bring the finished runs of another clone, such as another machine's, into this one and track them.

    Args:
        project: the project's clone.
        other: the other clone's folder.

    Raises:
        UserError: see `workflow.merging.bring`.
    """
    if not other.is_dir() or other.resolve() == project.resolve():
        raise UserError(f"{other} is not the folder of another clone")
    return _bring(project, other, read_named(project).scale)


def _bring(project: Path, source: Path, scale: str) -> str:
    file = Path("workflow", "config", f"{scale}.yaml")
    config = read_scale(project / file)
    results = results_folder(config)
    for run in read_shipped(project, scale).values():
        try:
            restore(project, run)
        except ValueError as error:
            raise UserError(str(error)) from None
    brought = bring(source / results, project / results)
    here = finished_runs(project / results)
    said = [f"{len(brought)} runs brought from {source}; {len(here)} finished runs of scale {scale} are tracked here"]
    said += measure_runs([RunDirectory(project / results / "runs" / name) for name in here], config)
    if here:
        with chdir(project):  # where DVC and git look for what they track
            said += [ship(file), *land(file)]
    return "\n".join(said)


def measure_runs(runs: Sequence[RunDirectory], config: Mapping[str, Any]) -> list[str]:
    """Measure the roles of finished runs that have not been measured and were trained on this family of processors.

    Return what to tell the user of those that were trained elsewhere.
    """
    wanted = [run for run in runs if run.config.has_roles and lacking(run)]
    here = family() if wanted else ""
    played = config.get("rollout_episodes", {})
    elsewhere = 0
    for run in wanted:
        if run.provenance["segments"][-1]["cpu_family"] == here:
            measure(run, played.get("last", 32), played.get("earlier", 8))
        else:
            elsewhere += 1
    return [f"{elsewhere} runs wait to be measured by a collect on the processors that trained them"] * (elsewhere > 0)


def next_time(text: str, now: datetime) -> datetime:
    """Return the next moment after `now` at which a clock shows HH:MM.

    Raises:
        UserError: the text is no time.
    """
    try:
        clock = datetime.strptime(text, "%H:%M")
    except ValueError:
        raise UserError(f"--until = {text!r} is not a time of the form HH:MM") from None
    today = now.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


def check_out(project: Path, folder: Path, commit: str) -> None:
    """Make the campaign's clone, or move it forward to a commit under which its runs can go on.

    Raises:
        UserError: the folder lies inside the project's or is something else, its tracked files were changed, or runs
            cannot go on under the commit.
    """
    if folder.is_relative_to(project) or project.is_relative_to(folder):
        raise UserError(f"the campaign's folder {folder} and the project's {project} must not contain each other")
    if not (folder / ".git").exists():
        if folder.exists() and any(folder.iterdir()):
            raise UserError(f"{folder} is there and is no clone: choose another --folder")
        _git(project, "clone", "--quiet", "--no-checkout", str(project), str(folder))
        _git(folder, "checkout", "--quiet", "--detach", commit)
        return
    if _git(folder, "status", "--porcelain", "--untracked-files=no"):
        raise UserError(f"tracked files in {folder} were changed: a campaign runs what is committed")
    held = _git(folder, "rev-parse", "HEAD")
    if held == commit:
        return
    _git(folder, "fetch", "--quiet", str(project), commit)
    if _object(folder, f"{held}^{{tree}}") != _object(folder, f"{commit}^{{tree}}"):
        if not _holds(folder, "merge-base", "--is-ancestor", held, commit):
            raise UserError(f"the campaign is at {held}, from which {commit} does not descend: it only moves forward")
        for guard in GUARDS:
            before, after = (json.loads(_git(folder, "show", f"{name}:{guard}")) for name in (held, commit))
            if changed := [key for key, recorded in before.items() if after.get(key) != recorded]:
                raise UserError(f"runs cannot go on from {held} to {commit}: {changed[0]} in {guard} differs")
    _git(folder, "checkout", "--quiet", "--detach", commit)


def _environment(folder: Path, chosen: Path | None) -> Path:
    """Return the Python of the campaign's environment, which is made from the lock where none is chosen."""
    if chosen is None:
        done = subprocess.run(["make", "--no-print-directory", "-C", str(folder), "venv"], env=_clean_environment())
        if done.returncode:
            raise UserError(f"the environment in {folder} could not be made, see above")
    python = (chosen.absolute() if chosen else folder / ".venv") / "bin" / "python"
    program = "import roma, workflow.supervisor; print(roma.__file__)"
    environment = _clean_environment() | {"PYTHONPATH": str(folder)}
    try:
        found = ask([str(python), "-c", program], folder, environment)
    except ToolError as error:
        if error.status is None:
            raise UserError(f"there is no environment in {python.parents[1]}: {error}") from None
        raise UserError(f"{python} does not run the code in {folder}: {error}") from None
    if not Path(found).is_relative_to(folder):
        raise UserError(f"{python} does not run the code in {folder}: {found}")
    return python


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in OWN}


def _running() -> Path:
    state = pausing.state_folder()
    if not pausing.alive(state):
        raise UserError("no campaign runs on this machine")
    return state


def _known(state: Path) -> dict[str, Any]:
    return pausing.record(state) or {}


def _object(folder: Path, name: str) -> str | None:
    """Return the hash of an object of a repository; None where there is none of that name."""
    question = ("rev-parse", "--verify", "--quiet", name)
    return _git(folder, *question) if _holds(folder, *question) else None


def _holds(folder: Path, *question: str) -> bool:
    """Return the answer of a git command that says no by exit status 1."""
    try:
        _git(folder, *question)
    except ToolError as error:
        if error.status != 1:
            raise
        return False
    return True


def _git(folder: Path, *arguments: str) -> str:
    return ask(["git", *arguments], folder)
