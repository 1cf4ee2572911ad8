"""The file of fingerprints: of each algorithm a version, digests for each family of processors, and losses for others.

A digest covers, bit for bit, one column of a run's metrics or one tensor of its learner at the end: weights, target
weights, optimiser state. Names are listed once, digests stand in their order, so that a rename edits one name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roma.envs import engine_version
from roma.learners import algorithm_names
from roma.learners.versions import ALGORITHM_VERSIONS
from roma.support.system.processor import family
from tests.learners.fingerprints.runs import STEPS, Digests, Losses, Trace, run_names, trace

FILE = Path(__file__).parents[2] / "golden" / "fingerprints.json"
WRITE = "python -m tests.learners.fingerprints write"
HOME = "roma/learners/versions.py"
NONE = "-"  # in the place of the digest of a value that a run does not have
TOLERANCE = 1e-4  # of losses on another family of processors, relative to the largest of the same run and name
# First updates whose losses must be within it. Later a last bit may have chosen another action, and play goes another
# way: a run of COMA, which draws actions from probabilities, did so before its eleventh update on an Intel processor.
CERTAIN = 5

Traces = Mapping[str, Trace]  # of each run of an algorithm


@dataclass(frozen=True, slots=True)
class Record:
    """What is recorded of one algorithm."""

    version: int
    engine: dict[str, str]  # version of each map, under which the runs were made
    names: list[str]  # of all values of its runs
    losses: dict[str, Losses]  # of each run
    families: dict[str, dict[str, Digests]]  # of each family of processors, of each run


def read() -> dict[str, Record]:
    """Return the recorded algorithms; none where there is no file."""
    if not FILE.exists():
        return {}
    return {name: _decoded(content) for name, content in json.loads(FILE.read_text()).items()}


def write(records: Mapping[str, Record]) -> None:
    """Write the algorithms that there are, a line for each name and for all digests of a run."""
    content = {name: _encoded(records[name]) for name in algorithm_names() if name in records}
    FILE.write_text(json.dumps(content, indent=1) + "\n")


def _encoded(record: Record) -> dict[str, object]:
    return {
        "version": record.version,
        "engine": record.engine,
        "names": record.names,
        "losses": {
            run: {name: " ".join(f"{value:.7g}" for value in values) for name, values in losses.items()}
            for run, losses in record.losses.items()
        },
        "families": {
            processor: {
                run: " ".join(digests.get(name, NONE) for name in record.names) for run, digests in runs.items()
            }
            for processor, runs in record.families.items()
        },
    }


def _decoded(content: dict[str, Any]) -> Record:
    return Record(
        version=content["version"],
        engine=content["engine"],
        names=content["names"],
        losses={
            run: {name: [float(value) for value in values.split()] for name, values in losses.items()}
            for run, losses in content["losses"].items()
        },
        families={
            processor: {
                run: {
                    name: digest
                    for name, digest in zip(content["names"], digests.split(), strict=True)
                    if digest != NONE
                }
                for run, digests in runs.items()
            }
            for processor, runs in content["families"].items()
        },
    )


def engine_versions() -> dict[str, str]:
    """Return the engine's version of each map that is played."""
    return {map_name: engine_version("embedded", map_name) for map_name in STEPS}


def traces(algorithm: str) -> dict[str, Trace]:
    """Train all runs of an algorithm."""
    return {run: trace(algorithm, run) for run in run_names(algorithm)}


def moved(record: Record, processor: str, found: Traces) -> list[str]:
    """Return the values that are not as recorded, as in `metrics.loss of 3m paper`, the losses first.

    Values and runs that only one side has are no difference. On a family of processors of which nothing is recorded
    the first losses are compared, see TOLERANCE and CERTAIN.
    """
    if processor not in record.families:
        return [
            f"{name} of {run}, update {update + 1}"
            for run in found
            for name, update in _different_losses(record.losses.get(run, {}), found[run].losses)
            if update < CERTAIN
        ]
    names = [
        f"{name} of {run}"
        for run, digests in record.families[processor].items()
        if run in found
        for name, digest in digests.items()
        if found[run].digests.get(name, digest) != digest
    ]
    return sorted(names, key=lambda name: not name.startswith("metrics.loss"))


def updates_alike(recorded: Losses, found: Losses) -> int:
    """Return how many first updates of a run have the recorded losses, see TOLERANCE."""
    different = [update for _, update in _different_losses(recorded, found)]
    return min(different, default=max(map(len, recorded.values())))


def _different_losses(recorded: Losses, found: Losses) -> list[tuple[str, int]]:
    different = []
    for name, values in recorded.items():
        largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
        for update, (old, new) in enumerate(zip(values, found.get(name, values), strict=True)):
            if math.isnan(old) != math.isnan(new) or abs(old - new) > TOLERANCE * largest:
                different.append((name, update))
    return different


def problem(
    algorithm: str,
    record: Record | None,
    version: int | None,
    engine: Mapping[str, str],
    processor: str,
    found: Traces,
) -> str | None:
    """Return what is wrong with an algorithm in one sentence or two, and what to do; None where all is as recorded."""
    if version is None:
        return f"{algorithm} has no version: give it version 1 in {HOME} and run: {WRITE}"
    if record is None:
        return f"no fingerprints of {algorithm} are recorded; run: {WRITE}"
    if version < record.version:
        return f"{algorithm} has version {version}, below the recorded {record.version}: a version is only ever raised"
    if version > record.version:
        return f"{algorithm} has version {version}, fingerprints are recorded of version {record.version}; run: {WRITE}"
    for map_name, recorded in record.engine.items():
        if engine[map_name] != recorded:
            return (
                f"fingerprints of {algorithm} are recorded on engine version {recorded} of {map_name}, which is "
                f"{engine[map_name]}; run, where nothing else was changed: {WRITE}"
            )
    if different := moved(record, processor, found):
        return (
            f"runs of {algorithm} are no longer those of version {version}: {different[0]} differs, {len(different)} "
            f"{_values(record, processor)} do. If that is not intended, the last change is wrong. If it is, raise the "
            f"version of {algorithm} in {HOME} to {version + 1} and run: {WRITE}"
        )
    if set(record.losses) != set(found):
        return f"{algorithm} is recorded with other runs than it has now; run: {WRITE}"
    if relisted := set(record.names) ^ set(_names(found)):
        return f"{algorithm} is recorded with other names than it has now: {', '.join(sorted(relisted))}; run: {WRITE}"
    return None


def _values(record: Record, processor: str) -> str:
    runs = record.families.get(processor)
    if runs is None:
        compared = [values[:CERTAIN] for losses in record.losses.values() for values in losses.values()]
        return f"of {sum(map(len, compared))} losses"
    return f"of {sum(map(len, runs.values()))} values"


def _names(found: Traces) -> list[str]:
    return sorted({name for each in found.values() for name in each.digests})


def notice(record: Record, processor: str) -> str | None:
    """Return what must be said of a comparison; None where it was made bit for bit."""
    if processor in record.families:
        return None
    return (
        f"no fingerprints are recorded for the processor family {processor!r} (recorded: "
        f"{', '.join(map(repr, record.families))}): the losses of {CERTAIN} updates were compared to {TOLERANCE}; to "
        f"record them run: {WRITE}"
    )


def check(algorithm: str) -> tuple[str | None, str | None]:
    """Train an algorithm's runs and return what is wrong, see `problem`, and what must be said, see `notice`."""
    record, processor = read().get(algorithm), family()
    version = ALGORITHM_VERSIONS.get(algorithm)
    wrong = problem(algorithm, record, version, engine_versions(), processor, traces(algorithm))
    return wrong, notice(record, processor) if record else None


def update(algorithm: str) -> tuple[str | None, str | None]:
    """Record an algorithm that is new, whose version or whose engine's was raised, or that has other names or runs.

    The names and runs of all families of processors are kept alike; this one's digests are added where they are
    missing. An algorithm whose values differ under the same version keeps its record.

    Returns:
        What was recorded and what was refused, in a sentence.
    """
    records, processor, found = read(), family(), traces(algorithm)
    record, version, engine = records.get(algorithm), ALGORITHM_VERSIONS.get(algorithm), engine_versions()
    wrong = problem(algorithm, record, version, engine, processor, found)
    digests = {run: each.digests for run, each in found.items()}
    if version is None or (record and version < record.version):
        return None, wrong
    if record is None or record.version != version or record.engine != engine:
        losses = {run: each.losses for run, each in found.items()}
        records[algorithm] = Record(version, engine, _names(found), losses, {processor: digests})
        change = f"{algorithm}: version {version}, {len(_names(found))} values of {len(found)} runs"
    elif moved(record, processor, found):
        return None, wrong
    elif wrong is None and processor in record.families:
        change = None
    else:
        records[algorithm], words = _relisted(record, processor, found)
        change = f"{algorithm}: version {version}, {'; '.join(words)}"
    write(records)
    return change, None


def _relisted(record: Record, processor: str, found: Traces) -> tuple[Record, list[str]]:
    """Return the record with the names and runs of now and with this family of processors, and what is new, in words.

    A new name is a rename where its values are those of a name that has gone.
    """
    now, runs, words = _names(found), record.families.get(processor, {}), []
    gone, new_name = [name for name in record.names if name not in now], {name: name for name in record.names}
    for name in now:
        if name in record.names:
            continue
        values = {run: found[run].digests.get(name) for run in runs if run in found}
        old = next((old for old in gone if values and values == {run: runs[run].get(old) for run in values}), None)
        if old is None:
            new_name[name] = name
            words.append(f"{name} is new")
        else:
            gone.remove(old)
            new_name[old] = name
            words.append(f"{old} is now {name}")
    for old in gone:
        del new_name[old]
        words.append(f"{old} is gone")
    words += [f"run {run!r} is new" for run in found if run not in record.losses]
    words += [f"run {run!r} is gone" for run in record.losses if run not in found]
    families = {
        each: {
            run: {new_name[name]: digest for name, digest in digests.items() if name in new_name}
            for run, digests in of_family.items()
            if run in found
        }
        for each, of_family in record.families.items()
    }
    if processor not in families:
        words.append(f"processor family {processor!r} is new")
    families[processor] = {run: each.digests for run, each in found.items()}
    losses = {
        run: {name: record.losses.get(run, {}).get(name, values) for name, values in each.losses.items()}
        for run, each in found.items()
    }
    return Record(record.version, record.engine, list(new_name.values()), losses, families), words
