"""Status of the campaign: progress, core-hours, and the expected end of each tranche."""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from statistics import mean
from typing import Any

from roma.runs.directory import RunDirectory
from roma.support.errors import UserError
from workflow import watch
from workflow.campaign import pausing
from workflow.campaign.clone import Named, folder_of, read_named
from workflow.cost import expected_speed, read_speeds
from workflow.grid import Run, expand, results_folder
from workflow.scale import read_scale


def status(project: Path, now: datetime | None = None) -> str:
    """Return the status of the open tranches as text: numbers of runs, core-hours, and the end of each tranche."""
    now = now or datetime.now()
    state = pausing.state_folder()
    known, named, folder = pausing.record(state), read_named(project), folder_of(project)
    source = folder / "workflow" / "config" / f"{named.scale}.yaml"
    if not source.exists():
        raise UserError(f"there is no campaign in {folder}: roma campaign start makes it")
    runs = open_runs(source, named)
    results = folder / results_folder(read_scale(source))
    alive = pausing.alive(state)
    since = datetime.fromisoformat(known["started"]).timestamp() if alive else float("inf")
    standings = [watch.status(run, results, since) for run in runs]
    rates = seconds_a_step(runs, standings, results)
    used, slower = used_hours(runs, standings, results, rates), slowdown(runs, standings, rates)
    left = [each.left * rates[run.key] / 3600 for run, each in zip(runs, standings, strict=True)]
    cores = int(known["cores"]) if str(known.get("cores", "")).isdecimal() else os.cpu_count() or 1
    lines = [
        f"{named.scale} at {named.revision[:12]} in {folder}: {_condition(state, known)}",
        watch.counts(standings),
        watch.totals(standings),
        f"{used:.1f} core-hours used, {sum(left):.1f} left",
    ]
    names = [tranche_of(run) for run in runs]
    ahead = 0.0
    for name in dict.fromkeys(names):
        of_tranche = [place for place, other in enumerate(names) if other == name]
        done = sum(standings[place].state == "done" for place in of_tranche)
        ahead += sum(left[place] for place in of_tranche)
        # The last runs of a tranche do not occupy all cores.
        hours = max([ahead / cores, *(left[place] for place in of_tranche)]) * slower
        moment = f"{'ends' if alive else 'would end'} about {now + timedelta(hours=hours):%Y-%m-%d %H:%M}"
        ends = moment if done < len(of_tranche) else "done"
        lines.append(f"  {name:<8} {done:>4} of {len(of_tranche):>4}  {ends}")
    return "\n".join([*lines, *watch.running_lines(standings), *watch.failure_lines(standings)])


def open_runs(source: Path, named: Named) -> list[Run]:
    """Return the runs of the open tranches of a scale, in the order of the tranches; all runs if none is named."""
    config = read_scale(source) | named.opened
    grid = expand(config, str(source))
    order = list(config.get("tranches", []))
    return sorted(grid.runs.values(), key=lambda run: order.index(tranche_of(run)) if order else 0)


def tranche_of(run: Run) -> str:
    """Return the first open tranche that asks for a run; "all" in a scale without tranches."""
    return next(iter(run.tranches), "all")


def used_hours(
    runs: Sequence[Run], standings: Sequence[watch.Status], results: Path, rates: Mapping[tuple[str, str, int], float]
) -> float:
    """Return the core-hours used: recorded ones of finished runs, estimates for the steps done by other runs."""
    seconds = 0.0
    for run, standing in zip(runs, standings, strict=True):
        done = standing.state == "done"
        seconds += _provenance(results, run)["cpu_seconds"] if done else standing.done * rates[run.key]
    return seconds / 3600


def seconds_a_step(
    runs: Sequence[Run], standings: Sequence[watch.Status], results: Path
) -> dict[tuple[str, str, int], float]:
    """Return the seconds of processor time per environment step of each run.

    They are measured for a finished run. For other runs, they are the mean over finished runs of the same map and arm,
    or the expected speed if there are none.
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
    """Return the ratio of wall-clock time to processor time of the running runs, at least 1."""
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
