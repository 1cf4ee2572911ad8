"""Record of learning in docs/learning: finished runs are added, and its table and picture are made again.

    roma docs learning RUN_DIRECTORY ...

`runs.csv` has one row per run: its configuration, code revision and engine version. `curves.csv` has one row per test.
The table is in docs/learning.md between two markers. A run passes at the first test at which the mean win rate of the
last five tests reaches the required value of its arm. Published StarCraft II runs come from
`roma.scenarios.released_runs`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from analysis import style
from roma.runs.directory import RunDirectory
from roma.scenarios import released_runs
from roma.support.errors import UserError
from roma.support.files import DIGEST_LENGTH, atomic_path, write_bytes

FOLDER = Path("docs/learning")
PAGE = Path("docs/learning.md")
BEGIN, END = "<!-- table: made by roma docs learning -->", "<!-- end of the table -->"
IDENTITY = ["protocol", "map", "arm", "seed"]
KEPT = ["t_env", "test_battle_won_mean", "test_return_mean", "test_ep_length_mean", "updates"]
TESTS = 5  # tests averaged
ASKED, ASKED_OF_COMA = 0.8, 0.5
PUBLISHED_PROTOCOL, PUBLISHED_STEPS = "smac_v1", (250_000, 500_000, 1_000_000)  # of the StarCraft II runs drawn


def required(arm: str) -> float:
    """Return the mean win rate of five tests that a run of an arm must reach."""
    return ASKED_OF_COMA if arm == "coma" else ASKED


def smoothed(won: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean (T,) of the last five test win rates (T,) at each test; NaN for the first four."""
    means = np.full(len(won), np.nan)
    if len(won) >= TESTS:
        means[TESTS - 1 :] = np.convolve(won, np.full(TESTS, 1 / TESTS), "valid")
    return means


def passed_at(curve: pd.DataFrame, arm: str) -> int | None:
    """Return the environment steps at which a run passed; None if it never did.

    Args:
        curve: Tests of the run in the order played.
        arm: Arm of the run.
    """
    passing = smoothed(curve["test_battle_won_mean"].to_numpy()) >= required(arm) - 1e-9
    return int(curve["t_env"].to_numpy()[passing][0]) if passing.any() else None


def record(directories: Iterable[Path], folder: Path = FOLDER) -> None:
    """Add finished runs to the record, replacing runs with the same protocol, map, arm and seed.

    Args:
        directories: Run directories.
        folder: Folder of the record.
    """
    runs, curves = [], []
    for path in directories:
        run = RunDirectory(path)
        config, provenance = run.config, run.provenance
        identity: dict[str, Any] = {"protocol": config.protocol, "map": config.map, "arm": config.algorithm}
        identity["seed"] = config.seed
        facts = {name: provenance[name] for name in ("environment_steps", "updates")}
        facts |= {name: provenance["segments"][-1][name] for name in ("git_revision", "engine_digest")}
        facts["engine_version"] = config.engine_version
        facts["git_revision"] = facts["git_revision"][:DIGEST_LENGTH]
        facts["engine_digest"] = facts["engine_digest"][:DIGEST_LENGTH]
        runs.append(identity | facts)
        curves.append(run.read_metrics()[KEPT].assign(**identity)[[*IDENTITY, *KEPT]])
    if not runs:
        return
    _add(pd.DataFrame(runs), folder / "runs.csv")
    _add(pd.concat(curves), folder / "curves.csv")


def _add(rows: pd.DataFrame, file: Path) -> None:
    if file.exists():
        before = _read(file)
        new = pd.MultiIndex.from_frame(rows[IDENTITY])
        rows = pd.concat([before[~pd.MultiIndex.from_frame(before[IDENTITY]).isin(new)], rows])
    with atomic_path(file) as beside:
        rows.sort_values(IDENTITY, kind="stable").to_csv(beside, index=False, float_format="%.6g", lineterminator="\n")


def read(folder: Path = FOLDER) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the runs and the curves of the record."""
    return _read(folder / "runs.csv"), _read(folder / "curves.csv")


def _read(file: Path) -> pd.DataFrame:
    return pd.read_csv(file, dtype={"git_revision": str, "engine_digest": str, "engine_version": str})


def published(maps: Iterable[str]) -> pd.DataFrame:
    """Return medians over published runs of the mean of five tests: columns protocol, map, arm, t_env and median."""
    rows = [
        {
            "protocol": PUBLISHED_PROTOCOL,
            "map": map_name,
            "arm": arm,
            "t_env": step,
            "median": float(np.median(released_runs.win_rates_before(map_name, arm, step, TESTS))),
        }
        for map_name in maps
        for arm in released_runs.algorithms(map_name)
        for step in PUBLISHED_STEPS
    ]
    return pd.DataFrame(rows, columns=["protocol", "map", "arm", "t_env", "median"])


def table(runs: pd.DataFrame, curves: pd.DataFrame) -> str:
    """Return the record as a Markdown table, one row per run."""
    lines = [
        "| protocol, map | arm | seed | required | passed at step | best mean of five | last five tests | revision "
        "| engine version |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for run in _records(runs.sort_values(IDENTITY)):
        curve = of_run(curves, run)
        won = curve["test_battle_won_mean"].to_numpy()
        passed = passed_at(curve, run["arm"])
        lines.append(
            f"| {run['protocol']}, {run['map']} | `{run['arm']}` | {run['seed']} | {required(run['arm']):.0%} "
            f"| {f'{passed:,}' if passed is not None else 'not within ' + format(run['environment_steps'], ',')} "
            f"| {np.nanmax(smoothed(won)):.0%} | {' '.join(f'{value:.2f}' for value in won[-TESTS:])} "
            f"| {run['git_revision'][:7]} | {run['engine_version']} |"
        )
    return "\n".join(lines) + "\n"


def of_run(curves: pd.DataFrame, run: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows of one run, given by protocol, map, arm and seed, in the order played."""
    chosen = np.logical_and.reduce([curves[name] == run[name] for name in IDENTITY])
    return curves[chosen].sort_values("t_env")


def _records(runs: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in runs.to_dict("records")]


def draw(runs: pd.DataFrame, curves: pd.DataFrame, known: pd.DataFrame) -> Figure:
    """Draw the means of five tests against environment steps, one panel per protocol and map, one line per run.

    Diamonds are published medians; a dot marks where a run passed.

    Args:
        runs: Runs of the record.
        curves: Curves of the record.
        known: Published medians, the result of `published`.
    """
    style.apply()
    panels = runs.groupby(["protocol", "map"], sort=True)
    figure = Figure(figsize=(3.6 * panels.ngroups, 3.6), layout="constrained")
    axes = figure.subplots(1, panels.ngroups, squeeze=False)[0]
    labelled: dict[str, Line2D] = {}
    for place, ((protocol, map_name), group) in zip(axes, panels, strict=True):
        for run in _records(group):
            curve = of_run(curves, run)
            means = smoothed(curve["test_battle_won_mean"].to_numpy())
            (line,) = place.plot(curve["t_env"] / 1e3, means, **style.line(run["arm"]), linewidth=1.1)
            passed = passed_at(curve, run["arm"])
            if passed is not None:
                here = curve["t_env"].to_numpy() == passed
                place.plot(curve["t_env"][here] / 1e3, means[here], "o", color=line.get_color(), markersize=3)
            labelled.setdefault(style.label(run["arm"]), line)
        for point in _records(known[(known["protocol"] == protocol) & (known["map"] == map_name)]):
            colour = style.line(point["arm"])["color"]
            place.plot(point["t_env"] / 1e3, point["median"], "D", color="white", markeredgecolor=colour, markersize=4)
        place.set(title=f"{map_name}, protocol {protocol}", xlabel="thousand environment steps", ylim=(-0.02, 1.02))
        place.set_xlim(left=0)
    axes[0].set_ylabel("test win rate, mean of five")
    handles, labels = list(labelled.values()), list(labelled)
    figure.legend(handles, labels, loc="outside lower center", ncols=5, handlelength=3.2)
    return figure


def write(folder: Path = FOLDER, page: Path = PAGE) -> None:
    """Write the table into the page, and the picture beside the page."""
    runs, curves = read(folder)
    write_bytes(page, with_table(page.read_text(encoding="utf-8"), table(runs, curves)).encode())
    with atomic_path(page.with_suffix(".png")) as beside:
        draw(runs, curves, published(runs["map"].unique())).savefig(
            beside, format="png", dpi=160, metadata={"Software": None}
        )


def with_table(page: str, content: str) -> str:
    """Return the text of a page with `content` between the markers of the table.

    Raises:
        UserError: The page lacks a marker.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UserError(f"the page has no place for the table: {BEGIN} and {END} are missing")
    return f"{before}{BEGIN}\n\n{content}\n{END}{after}"
