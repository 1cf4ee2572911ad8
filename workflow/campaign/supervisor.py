"""The process that keeps a campaign running: it starts Snakemake at the lowest priority, pauses it and ends it.

It runs in the campaign's own clone, in a session of its own. Snakemake and the runs form one process group, which gets
SIGSTOP as long as anybody pauses the campaign, and SIGCONT after. The runs end with the supervisor, also when it is
killed (`roma.support.system.owner`).
"""

import argparse
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from roma.support.errors import UserError, exit_status
from roma.support.files import write_json
from roma.support.system import locks, owner, priority
from roma.support.system.provenance import now
from workflow.campaign import pausing

MARK = "ROMA_CAMPAIGN"  # in the environment of all its processes: the folder of the campaign
UNTIL = "ROMA_CAMPAIGN_UNTIL"  # in their environment: seconds since 1970 at which the campaign ends
CLUSTER = "ROMA_CAMPAIGN_CLUSTER"  # in their environment where the runs are submitted to a cluster
LOG = Path(".snakemake/campaign.log")  # in the campaign's folder
LOOK_SECONDS = 1.0  # between two looks at whether the campaign is to be paused
STOP_SECONDS = 8.0  # in which runs write their checkpoints; what is left then is killed
START_SECONDS = 300.0  # before the end in which no run starts: it would be loading its replay still
SHELLS = ("sh", "bash", "dash")


def members(folder: Path) -> list[int]:
    """Return all processes of this user that belong to the campaign in `folder`, its supervisor included."""
    wanted = f"{MARK}={folder}".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (place / "environ").read_bytes().split(b"\0"):
                found.append(int(place.name))
    return found


def end(folder: Path, state: Path, seconds: float | None = None, spared: Sequence[int] = ()) -> bool:
    """Let all processes of a campaign but this one write their checkpoints and end; kill what is left in the end.

    Processes that begin meanwhile, as jobs of a Snakemake that is ending, are asked to end as well. All get the usual
    priority for that: at the lowest, a busy machine would not let them.

    Args:
        folder: the campaign's clone.
        state: see `workflow.campaign.pausing.state_folder`.
        seconds: until the rest is killed; default: STOP_SECONDS.
        spared: further processes that are left alone.

    Returns:
        Whether all ended by themselves.
    """
    deadline = time.monotonic() + (STOP_SECONDS if seconds is None else seconds)
    # Interrupted, Snakemake cancels what it has submitted to a cluster; terminated, it would wait for it.
    asking = signal.SIGINT if pausing.record(state).get("slurm") else signal.SIGTERM
    asked: set[tuple[int, str]] = set()
    pausing.signal_group(state, signal.SIGCONT)
    while processes := [process for process in members(folder) if process not in (os.getpid(), *spared)]:
        # One that has changed its name has become another program, which knows nothing of the first signal.
        new = [(process, _name(process)) for process in processes]
        new = [each for each in new if each not in asked]
        priority.lift(process for process, _ in new)
        for process, name in new:
            _send(process, signal.SIGCONT)
            if name not in SHELLS:  # a shell that is killed leaves its command behind
                _send(process, asking)
        asked.update(new)
        if time.monotonic() >= deadline:
            break
        time.sleep(0.1)
    for process in processes:
        _send(process, signal.SIGKILL)
    return not processes


def _send(process: int, number: int) -> None:
    with suppress(OSError):
        os.kill(process, number)


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def supervise(command: Sequence[str], folder: Path, state: Path, facts: dict[str, Any], until: float | None) -> int:
    """Run Snakemake until it is done, this process is asked to end, or `until` (seconds since 1970) has come.

    Args:
        command: calls Snakemake.
        folder: the campaign's clone.
        state: see `workflow.campaign.pausing.state_folder`.
        facts: what is to be known about the campaign.
        until: None where there is no such time.

    Raises:
        UserError: a campaign runs on this machine already.
    """
    asked: list[int] = []
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: asked.append(number))
    with alone(state):
        end(folder, state)  # what a killed supervisor left
        ending = False
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, process_group=0)
        write_json(state / pausing.RECORD, facts | {"supervisor": os.getpid(), "group": process.pid})
        while process.poll() is None:
            if not pausing.let_go_on(state):
                pausing.signal_group(state, signal.SIGSTOP)  # what was started before its group was known
            left = float("inf") if until is None else until - time.time()
            if left < START_SECONDS and not ending:
                print("no run starts from here on", flush=True)
                process.send_signal(signal.SIGTERM)
                ending = True
            if asked or left <= 0:
                print("all runs were asked to write their checkpoints", flush=True)
                end(folder, state)
                break
            select.select([woken], [], [], min(LOOK_SECONDS, left))
        status = process.wait()
        write_json(state / pausing.RECORD, facts | {"supervisor": os.getpid(), "status": status})
    return status if status >= 0 else 128 - status


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Hold the lock that says that a campaign is alive on this machine.

    Raises:
        UserError: another campaign holds it, or the file system knows no locks.
    """
    state.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            with pausing.asking(state):
                locked = held.enter_context(locks.exclusive(state / pausing.ALIVE))
        except locks.TakenError:
            folder = pausing.record(state).get("folder")
            raise UserError(f"a campaign runs on this machine already, in {folder}") from None
        if not locked:
            raise UserError(f"the file system of {state} knows no locks: set XDG_STATE_HOME to a folder on another one")
        yield


def snakemake_command(options: argparse.Namespace) -> list[str]:
    """Return the command that trains and evaluates all runs of the open tranches."""
    command = [sys.executable, "-m", "snakemake", "--configfile", f"workflow/config/{options.scale}.yaml"]
    command += ["--workflow-profile", "workflow/profiles/slurm"] if options.slurm else ["--cores", options.cores]
    command += ["--config", f"open_tranches=[{', '.join(options.open)}]"] if options.open else []
    return [*command, "--keep-going", "--", "runs"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m workflow.campaign.supervisor", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--scale", required=True, help="name of a scale, such as study")
    parser.add_argument("--revision", required=True, help="the commit that is checked out here")
    parser.add_argument("--open", nargs="*", default=[], metavar="TRANCHE", help="whose runs are targets; none: all")
    parser.add_argument("--cores", default="all", help="runs side by side; default: one a core")
    parser.add_argument("--until", type=float, help="seconds since 1970 at which all runs are to be ended")
    parser.add_argument("--slurm", action="store_true", help="submit the runs to a cluster")
    parser.add_argument("--usual-priority", action="store_true", help="do not take the lowest priority")
    options = parser.parse_args(arguments)
    if not options.usual_priority:
        priority.lower()
    folder, state = Path.cwd(), pausing.state_folder()
    os.environ |= {MARK: str(folder), "PYTHONPATH": str(folder), owner.VARIABLE: owner.mark()}
    if options.slurm:
        os.environ[CLUSTER] = "slurm"
    if options.until is not None:
        os.environ[UNTIL] = str(options.until)
    facts = {name: getattr(options, name) for name in ("scale", "revision", "open", "cores", "until", "slurm")}
    facts |= {"folder": str(folder), "started": now()}
    return exit_status(lambda: supervise(snakemake_command(options), folder, state, facts, options.until))


if __name__ == "__main__":
    sys.exit(main())
