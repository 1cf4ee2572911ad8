"""Control of this machine's campaign: start, pause, resume and stop."""

import subprocess
import time
from datetime import datetime, timedelta
from pathlib import Path

from roma.support.errors import UserError
from workflow.campaign import pausing
from workflow.campaign.clone import check_out, clean_environment, find_commit, find_python, read_named
from workflow.campaign.collection import supply
from workflow.campaign.supervisor import LOG, MARK, START_SECONDS, end, members
from workflow.watch import last_lines


def start(
    project: Path,
    folder: Path | None = None,
    cores: str = "all",
    until: str | None = None,
    environment: Path | None = None,
    slurm: bool = False,
    usual_priority: bool = False,
) -> str:
    """Start or resume the campaign and return a message for the user.

    Args:
        project: The project's clone.
        folder: The campaign's clone; by default a folder beside the project's, with the suffix `-campaign`.
        cores: Number of runs trained in parallel, or "all" for one per core.
        until: Local time, HH:MM, at which all runs write checkpoints and end; None: no limit.
        environment: Virtual environment; by default a new one with the locked versions of the revision.
        slurm: Submit the runs to a cluster.
        usual_priority: Keep the usual priority, on a machine without other work.

    Raises:
        UserError: A campaign is running, an argument is not valid, or the clone or the environment cannot be made.
    """
    state = pausing.state_folder()
    if pausing.alive(state):
        raise UserError(f"a campaign runs on this machine already, in {pausing.record(state)['folder']}")
    end_time = None if until is None else next_time(until, datetime.now())
    if end_time is not None and end_time - datetime.now() < timedelta(seconds=START_SECONDS):
        raise UserError(f"--until {until} is less than {START_SECONDS / 60:.0f} minutes away: no run would start")
    named = read_named(project)
    folder = (folder or project.parent / f"{project.name}-campaign").resolve()
    check_out(project, folder, find_commit(project, named))
    supply(project, folder, named)
    python = find_python(folder, environment)
    (state / pausing.PAUSED).unlink(missing_ok=True)
    command = [str(python), "-m", "workflow.campaign.supervisor", "--scale", named.scale, "--revision", named.revision]
    command += ["--cores", cores, "--open", *named.open]
    command += [*(["--slurm"] if slurm else []), *(["--usual-priority"] if usual_priority else [])]
    command += [] if end_time is None else ["--until", str(end_time.timestamp())]
    log = folder / LOG
    log.parent.mkdir(exist_ok=True)
    with log.open("a") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environment() | {"PYTHONPATH": str(folder), MARK: str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    while not (pausing.alive(state) and pausing.record(state).get("supervisor") == process.pid):
        if process.poll() is not None:
            raise UserError(f"the campaign ended right after its start, see {log}: {last_lines(log)}")
        time.sleep(0.1)
    limit = "" if end_time is None else f" until {end_time:%Y-%m-%d %H:%M}"
    return f"the campaign runs in {folder}{limit}; its log is {log}"


def pause() -> str:
    """Pause the campaign until `resume` and return a message for the user."""
    state = _running()
    with pausing.paused(state):
        (state / pausing.PAUSED).touch()
    return "the campaign is paused"


def resume() -> str:
    """Resume the campaign and return a message for the user."""
    state = _running()
    (state / pausing.PAUSED).unlink(missing_ok=True)
    if not pausing.let_go_on(state):
        return "the campaign goes on as soon as the command that pauses it has ended"
    return "the campaign goes on"


def stop() -> str:
    """Let all runs write checkpoints and end, in ten seconds at most, and return a message for the user."""
    state = pausing.state_folder()
    folder = Path(pausing.record(state).get("folder", "/"))
    if not pausing.alive(state) and not members(folder):
        raise UserError("no campaign runs on this machine")
    supervisor = pausing.record(state).get("supervisor", 0)
    peaceful = end(folder, state, spared=[supervisor])  # the supervisor comes last: it would end the others itself
    end(folder, state, seconds=1.0)
    while pausing.alive(state):  # an ending process holds its lock for a moment
        time.sleep(0.05)
    (state / pausing.PAUSED).unlink(missing_ok=True)
    if peaceful:
        return "the campaign has stopped; all runs have written their checkpoints"
    return "the campaign has stopped; some runs took too long and were killed, they go on from their last checkpoints"


def next_time(text: str, now: datetime) -> datetime:
    """Return the next moment after `now` with this time of day.

    Args:
        text: Time of day, HH:MM.
        now: Current local time.

    Raises:
        UserError: The text is not a time of this form.
    """
    try:
        clock = datetime.strptime(text, "%H:%M")
    except ValueError:
        raise UserError(f"--until = {text!r} is not a time of the form HH:MM") from None
    today = now.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


def _running() -> Path:
    state = pausing.state_folder()
    if not pausing.alive(state):
        raise UserError("no campaign runs on this machine")
    return state
