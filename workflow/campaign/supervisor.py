"""Supervisor of a campaign: the process that starts, pauses and ends Snakemake, at the lowest priority.

It runs in the campaign's clone, in its own session. Snakemake and the runs form one process group, which gets SIGSTOP
while the campaign is paused, and SIGCONT afterwards. The runs end with the supervisor, even if it is killed
(`roma.support.system.owner`).
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

MARK = "ROMA_CAMPAIGN"  # environment variable of all processes of a campaign: its folder
UNTIL = "ROMA_CAMPAIGN_UNTIL"  # environment variable: end of the campaign, in seconds since 1970
CLUSTER = "ROMA_CAMPAIGN_CLUSTER"  # environment variable, set if the runs are submitted to a cluster
LOG = Path(".snakemake/campaign.log")  # in the campaign's folder
LOOK_SECONDS = 1.0  # between two checks for a pause
STOP_SECONDS = 8.0  # time for runs to write their checkpoints; processes that remain are killed
START_SECONDS = 300.0  # no run starts in this time before the end: it would still be re-simulating its replay buffer
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
    """Let all processes of a campaign except this one write their checkpoints and end; kill those that remain.

    Processes that start meanwhile, such as jobs of an ending Snakemake, are ended as well. All processes get the usual
    priority first: at the lowest one, they might not get any processor time on a busy machine.

    Args:
        folder: The campaign's clone.
        state: See `workflow.campaign.pausing.state_folder`.
        seconds: Seconds until the remaining processes are killed; default: STOP_SECONDS.
        spared: Further processes that are not touched.

    Returns:
        Whether all processes ended by themselves.
    """
    deadline = time.monotonic() + (STOP_SECONDS if seconds is None else seconds)
    # On SIGINT, Snakemake cancels its jobs on a cluster; on SIGTERM, it would wait for them.
    asking = signal.SIGINT if pausing.record(state).get("slurm") else signal.SIGTERM
    asked: set[tuple[int, str]] = set()
    pausing.signal_group(state, signal.SIGCONT)
    while processes := [process for process in members(folder) if process not in (os.getpid(), *spared)]:
        # A process with a new name has executed another program, which has not received the first signal.
        new = [(process, _name(process)) for process in processes]
        new = [each for each in new if each not in asked]
        priority.lift(process for process, _ in new)
        for process, name in new:
            _send(process, signal.SIGCONT)
            if name not in SHELLS:  # ending a shell would leave its command behind
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
    """Run Snakemake until it is done, this process gets a signal to end, or the time limit is reached.

    Args:
        command: Command line of Snakemake.
        folder: The campaign's clone.
        state: See `workflow.campaign.pausing.state_folder`.
        facts: Facts about the campaign, for its record.
        until: Time limit in seconds since 1970; None: no limit.

    Returns:
        The exit status of Snakemake; 128 + the number of the signal if a signal ended it.

    Raises:
        UserError: A campaign is already running on this machine.
    """
    asked: list[int] = []
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: asked.append(number))
    with alone(state):
        end(folder, state)  # processes that a killed supervisor left behind
        ending = False
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, process_group=0)
        write_json(state / pausing.RECORD, facts | {"supervisor": os.getpid(), "group": process.pid})
        while process.poll() is None:
            if not pausing.let_go_on(state):
                pausing.signal_group(state, signal.SIGSTOP)  # for processes started before the group was recorded
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
    """Hold the lock of this machine's running campaign for the duration of the block.

    Raises:
        UserError: Another campaign holds the lock, or the file system does not support locks.
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
            raise UserError(f"the file system of {state} has no locks: set XDG_STATE_HOME to a folder on another one")
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
    parser.add_argument("--open", nargs="*", default=[], metavar="TRANCHE", help="tranches to train; none: all")
    parser.add_argument("--cores", default="all", help="runs trained in parallel; default: one per core")
    parser.add_argument("--until", type=float, help="end of all runs, in seconds since 1970")
    parser.add_argument("--slurm", action="store_true", help="submit the runs to a cluster")
    parser.add_argument("--usual-priority", action="store_true", help="keep the usual priority")
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
