"""Cost of a scale in core-hours, from measured speeds.

`cost.csv` beside this file holds the speeds of cells (map, algorithm and protocol) in environment steps per second of
processor time, with the processor and the number of runs in parallel. `python -m tests.benchmarks.cells` measures them.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from io import StringIO
from pathlib import Path

from analysis import FIGURES
from roma.support.errors import unknown
from roma.support.files import write_bytes
from workflow.grid import Run, expand
from workflow.scale import read_scale

CONFIG = FIGURES.parent
TABLE = Path(__file__).parent / "cost.csv"
MEASURE = "python -m tests.benchmarks.cells"
COSTLY = 10  # core-hours of training above which a notice is printed
SHOWN = 3  # number of cells without a speed that the summary names

Cell = tuple[str, str, str]  # map, algorithm, protocol


@dataclass(frozen=True, slots=True)
class Speed:
    """Measured speed of one cell."""

    map: str
    algorithm: str
    protocol: str
    steps_per_cpu_second: float  # environment steps of training; the time includes updates and tests
    side_by_side: int  # runs in parallel, one on each core
    processor: str

    @property
    def cell(self) -> Cell:
        """The cell that was measured."""
        return self.map, self.algorithm, self.protocol


def read_speeds(path: Path = TABLE) -> dict[Cell, Speed]:
    """Return the measured speeds, by cell."""
    with path.open(encoding="utf-8", newline="") as file:
        speeds = [
            Speed(
                row["map"],
                row["algorithm"],
                row["protocol"],
                float(row["steps_per_cpu_second"]),
                int(row["side_by_side"]),
                row["processor"],
            )
            for row in csv.DictReader(file)
        ]
    return {speed.cell: speed for speed in speeds}


def write_speeds(speeds: Iterable[Speed], path: Path = TABLE) -> None:
    """Write measured speeds, sorted by protocol, map and algorithm."""
    content = StringIO()
    writer = csv.DictWriter(content, [field.name for field in fields(Speed)], lineterminator="\n")
    writer.writeheader()
    for speed in sorted(speeds, key=lambda speed: (speed.protocol, speed.map, speed.algorithm)):
        writer.writerow(asdict(speed) | {"steps_per_cpu_second": f"{speed.steps_per_cpu_second:.1f}"})
    write_bytes(path, content.getvalue().encode())


def scale_names() -> list[str]:
    """Return the names of all scales."""
    return sorted(path.stem for path in CONFIG.glob("*.yaml") if path != FIGURES)


def scale_file(scale: str) -> Path:
    """Return the file of a scale, by name; raise UserError if there is no such scale."""
    if scale not in scale_names():
        raise unknown("scale", scale, scale_names())
    return CONFIG / f"{scale}.yaml"


def scale_runs(scale: str) -> list[Run]:
    """Return the runs of a scale, by name.

    Raises:
        UserError: There is no such scale, or its file is not valid.
    """
    path = scale_file(scale)
    return list(expand(read_scale(path), str(path)).runs.values())


def cell_of(run: Run) -> Cell:
    """Return the cell whose speed applies to a run, regardless of overrides by its arm or scale."""
    return run.map, run.config.algorithm, run.config.protocol


def core_hours(run: Run, speed: Speed) -> float:
    """Return the core-hours that a run takes from its first to its last environment step."""
    return run.total_steps / speed.steps_per_cpu_second / 3600


def expected_speed(run: Run, speeds: Mapping[Cell, Speed]) -> float:
    """Return the environment steps per second of a run.

    This is the speed of its cell, or else the lowest speed on its map under its protocol, or else a rate that fits its
    time limit.
    """
    if speed := speeds.get(cell_of(run)):
        return speed.steps_per_cpu_second
    map_and_protocol = run.map, run.config.protocol
    alike = [each.steps_per_cpu_second for each in speeds.values() if (each.map, each.protocol) == map_and_protocol]
    return min(alike, default=run.total_steps / (60 * run.runtime_minutes(1)))


def notice(scale: str, runs: Sequence[Run], steps: Mapping[tuple[str, str, int], int], shipped: int | None) -> str:
    """Return a notice about missing runs for the start of the workflow: their number, cost, and how to train them.

    Args:
        scale: Name of the scale.
        runs: All runs of the scale.
        steps: Environment steps that each run already has, by key.
        shipped: Number of shipped runs, if only these are drawn; None if missing runs are trained.

    Returns:
        The notice; empty if missing runs are trained in COSTLY core-hours or less.
    """
    speeds = read_speeds()
    missing = [run for run in runs if steps[run.key] < run.total_steps]
    hours = sum((run.total_steps - steps[run.key]) / expected_speed(run, speeds) / 3600 for run in missing)
    if shipped is not None:
        return (
            f"{shipped} of {len(runs)} runs of scale {scale!r} ship and are drawn; nothing is trained. "
            f"{len(missing)} are missing or shorter than planned, about {hours:,.0f} core-hours: "
            f"make figures SCALE={scale} trains them"
        )
    if hours <= COSTLY:
        return ""
    details = f" (roma cost {scale})" if scale in scale_names() else ""
    return f"{len(missing)} runs of scale {scale!r} are missing, about {hours:,.0f} core-hours{details}"


def report(scale: str, speeds: Mapping[Cell, Speed]) -> str:
    """Return the cost of a scale as text: a row for each arm on each map, the sum, and the cells without a speed.

    Args:
        scale: Name of the scale.
        speeds: Measured speeds, by cell.

    Raises:
        UserError: There is no such scale, or its file is not valid.
    """
    runs = scale_runs(scale)
    arms: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        arms.setdefault((run.map, run.arm), []).append(run)
    lines = [f"{'map':<18}{'arm':<26}{'runs':>5}{'steps each':>13}{'steps/CPU s':>13}{'core-hours':>12}"]
    total = 0.0
    for (map_name, arm), of_arm in arms.items():
        speed = speeds.get(cell_of(of_arm[0]))
        hours = sum(core_hours(run, speed) for run in of_arm) if speed else None
        total += hours or 0.0
        shown = (f"{speed.steps_per_cpu_second:,.0f}", f"{hours:,.1f}") if speed else ("not measured", "")
        steps = max(run.total_steps for run in of_arm)
        lines.append(f"{map_name:<18}{arm:<26}{len(of_arm):>5}{steps:>13,}{shown[0]:>13}{shown[1]:>12}")
    return "\n".join([*lines, "", *_summary(scale, runs, total, speeds)])


def _summary(scale: str, runs: Sequence[Run], total: float, speeds: Mapping[Cell, Speed]) -> list[str]:
    measured = [run for run in runs if cell_of(run) in speeds]
    missing = sorted({cell_of(run) for run in runs} - speeds.keys())
    lines = []
    if measured:
        number = f"{len(measured)} of {len(runs)} runs" if missing else f"{len(runs)} runs"
        lines.append(f"{scale}: {total:,.0f} core-hours of training for {number}")
        used = {(speeds[cell_of(run)].processor, speeds[cell_of(run)].side_by_side) for run in measured}
        lines += [f"measured on {processor}, {number} runs in parallel" for processor, number in sorted(used)]
    if missing:
        first = " ".join("/".join(cell) for cell in missing[:SHOWN])
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        lines.append(f"not measured: {first}{more}; to measure cells: {MEASURE} CELL ... --write")
    return lines
