"""Study of readings of the paper: L_D as a sum or a mean over pairs, and the release with its own exploration.

    roma docs readings RUN_DIRECTORY ...

adds finished runs to the record in docs/readings, then writes the blocks of docs/readings.md and its pictures.
`runs.csv` has one row per run: its configuration, code revision and engine version. `tests.csv` has one row per test.
The arms are `sum` and `mean` (ROMA with this `pair_reduction`) and the release. `judged`, `sound` and `headline` are
the rule of the study, which uses no win rate.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import curves
from analysis.figures.role_health import with_quotients
from analysis.summarise import engine_names, joined
from roma.envs import EMBEDDED
from roma.learners.roma.columns import ROLE_COLUMNS
from roma.learners.roma.config import READINGS
from roma.runs.config import RunConfig, resolve
from roma.runs.directory import RunDirectory
from roma.runs.protocols import PRESETS
from roma.support.errors import UserError
from roma.support.files import DIGEST_LENGTH, atomic_path, file_digest, write_bytes

FOLDER = Path("docs/readings")
PAGE = Path("docs/readings.md")
MAPS = ("10m_vs_11m", "MMM2")
RELEASES = ("roma_release", "roma_release_epsilon_50")
RELEASE_MAP = "10m_vs_11m"
SEED, PROTOCOL, ENGINE = 0, "paper", EMBEDDED
INTERVAL = PRESETS[PROTOCOL].protocol.test_interval

# The rule.
UP_TO = (1_000_000, 2_000_000)  # environment steps
ROWS = 5  # tests averaged, the last ones up to a step
LEAST_RATIO, LARGEST_RATIO = 0.1, 10.0  # mean variance of q_xi over mean variance of p
SHARE = 0.9  # upper bound of the share of pairs with high I'

IDENTITY = ["arm", "map"]
CELLS = [*((reduction, name) for reduction in READINGS for name in MAPS), *((arm, RELEASE_MAP) for arm in RELEASES)]
KEPT = ["t_env", "test_battle_won_mean", "test_return_mean", *ROLE_COLUMNS]
JUDGED = ("posterior_variance", "role_variance", "information_high_share")
BESIDE = {  # columns printed beside the judged ones, with their headings
    "posterior_variance_living": "variance of q_ξ, living",
    "role_variance_living": "variance of p, living",
    "information_high_share_living": "I' ≥ 0.9, living",
    "information_q05": "5 % quantile of I'",
    "role_divergence": "L_I",
    "role_divergence_living": "L_I, living",
    "dissimilarity_between_types": "d' between types",
    "dissimilarity_within_types": "d' within types",
    "specialisation_gap": "L_D above its least value",
    "test_return_mean": "test return",
}
OF_RELEASE = {
    "test_battle_won_mean": "test win rate",
    "test_return_mean": "test return",
    "posterior_variance": "variance of q_ξ",
    "role_variance": "variance of p",
}
DRAWN = [
    *("variance_ratio", "information_high_share", "information_q05", "role_divergence"),
    *("dissimilarity_between_types", "dissimilarity_within_types", "test_return_mean"),
]
DRAWN_OF_RELEASE = ["test_battle_won_mean", "test_return_mean"]
SAMPLE = f"{PRESETS[PROTOCOL].protocol.test_episodes} greedy episodes per test"


@dataclass(frozen=True)
class Judgement:
    """Values of a reading on a map that the rule uses: means of the last ROWS tests up to a step."""

    reading: str
    map: str
    up_to: int
    posterior_variance: float
    role_variance: float
    high_share: float

    @property
    def ratio(self) -> float:
        """Variance of q_xi over that of p."""
        return self.posterior_variance / self.role_variance

    @property
    def sound(self) -> bool:
        """True if ratio and share are within the bounds of the rule."""
        return LEAST_RATIO <= self.ratio <= LARGEST_RATIO and self.high_share < SHARE


def judged(tests: pd.DataFrame) -> list[Judgement]:
    """Return the judgements of every reading on each of its maps, at both steps."""
    return [
        Judgement(arm, name, step, *(float(last[column].mean()) for column in JUDGED))
        for (arm, name), rows in _cells(tests, READINGS)
        for step, last in _last_rows(rows)
    ]


def sound(reading: str, judgements: Iterable[Judgement]) -> bool | None:
    """Return whether a reading is sound on both maps at both steps; None while a judgement is missing."""
    mine = [each for each in judgements if each.reading == reading]
    if {(each.map, each.up_to) for each in mine} != {(name, step) for name in MAPS for step in UP_TO}:
        return None
    return all(each.sound for each in mine)


def headline(judgements: Sequence[Judgement]) -> str:
    """Return the reduction of `roma`: the mean if only the mean is sound, else (or while runs are missing) the sum."""
    alone = sound("sum", judgements) is False and sound("mean", judgements) is True
    return "mean" if alone else "sum"


def decision(judgements: Sequence[Judgement]) -> str:
    """Return a sentence with the outcome of the rule."""
    verdicts = {reading: sound(reading, judgements) for reading in READINGS}
    missing = [reading for reading, verdict in verdicts.items() if verdict is None]
    if missing:
        return (
            f"Not decided yet: runs of the {' and of the '.join(missing)} are missing. Until then `roma` has the sum."
        )
    chosen = headline(judgements)
    (other,) = READINGS.keys() - {chosen}
    words = " and ".join(f"the {name} is {'sound' if verdict else 'not sound'}" for name, verdict in verdicts.items())
    return f"By the rule, {words}: `roma` uses the {chosen}, and the {other} is the arm `{READINGS[other][0]}`."


def record(directories: Iterable[Path], folder: Path = FOLDER) -> None:
    """Add finished runs to the record, replacing runs with the same arm and map.

    Args:
        directories: Run directories.
        folder: Folder of the record.

    Raises:
        UserError: A run is not part of the study, or too short.
    """
    runs, tests = [], []
    for path in directories:
        run = RunDirectory(path)
        provenance = run.provenance
        identity = {"arm": arm_of(run.config, path), "map": run.config.map}
        if provenance["environment_steps"] < UP_TO[-1]:
            raise UserError(f"{path} has {provenance['environment_steps']:,} environment steps, not {UP_TO[-1]:,}")
        facts = {name: provenance[name] for name in ("environment_steps", "updates")}
        segment = provenance["segments"][-1]
        facts |= {"engine_version": run.config.engine_version}
        facts |= {name: segment[name][:DIGEST_LENGTH] for name in ("git_revision", "engine_digest")}
        runs.append(identity | facts)
        tests.append(run.read_metrics().reindex(columns=KEPT).assign(**identity)[[*IDENTITY, *KEPT]])
    if runs:
        _add(pd.DataFrame(runs), folder / "runs.csv")
        _add(pd.concat(tests), folder / "tests.csv")


def arm_of(config: RunConfig, path: Path) -> str:
    """Return the study's arm for the configuration of a run.

    Args:
        config: Configuration of the run.
        path: Run directory, for the error message.

    Raises:
        UserError: The run is not part of the study.
    """
    for arm, name in CELLS:
        algorithm, overrides = ("roma", {"pair_reduction": arm}) if arm in READINGS else (arm, {})
        wanted = resolve(name, algorithm, SEED, PROTOCOL, ENGINE, overrides)
        if replace(config, algorithm=algorithm, algorithm_version=wanted.algorithm_version) == wanted:
            return arm
    raise UserError(
        f"{path} is no run of the study. With seed {SEED}, protocol {PROTOCOL} and engine {ENGINE} it takes roma with "
        f"pair_reduction {' or '.join(READINGS)} on {' and '.join(MAPS)}, and {' and '.join(RELEASES)} on {RELEASE_MAP}"
    )


def read(folder: Path = FOLDER) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the runs and the tests of the record, both empty before the first run.

    Raises:
        UserError: Runs on one map have several engine versions.
    """
    if not (folder / "runs.csv").exists():
        return pd.DataFrame(columns=[*IDENTITY, "engine_version"]), pd.DataFrame(columns=[*IDENTITY, *KEPT])
    runs, tests = (_read(folder / f"{name}.csv") for name in ("runs", "tests"))
    if runs[["map", "engine_version"]].drop_duplicates()["map"].duplicated().any():
        made = [f"{arm} on {name}: {version}" for arm, name, version in runs[[*IDENTITY, "engine_version"]].to_numpy()]
        raise UserError(
            f"runs of {folder} on one map are of several engine versions, which must not be compared: {', '.join(made)}"
        )
    return runs, tests


def reading_block(runs: pd.DataFrame, tests: pd.DataFrame) -> str:
    """Return the page's block on the readings: the decision and its values."""
    judgements = judged(tests)
    lines = [decision(judgements), ""]
    if not judgements:
        return "\n".join(lines)
    heads = ["reading", "map", "up to", "variance of q_ξ", "variance of p", "ratio", "I' ≥ 0.9", "sound"]
    lines += ["![Health of the losses on roles under both readings](readings.png)", ""]
    lines += _head([*heads, *BESIDE.values()])
    last = {(*cell, step): rows for cell, tests_of in _cells(tests, READINGS) for step, rows in _last_rows(tests_of)}
    for each in judgements:
        values = [each.posterior_variance, each.role_variance, each.ratio, each.high_share]
        beside = last[each.reading, each.map, each.up_to][list(BESIDE)].mean()
        cells = [each.reading, each.map, f"{each.up_to:,}", *map(_number, values), "yes" if each.sound else "no"]
        lines.append(f"| {' | '.join([*cells, *map(_number, beside)])} |")
    return "\n".join([*lines, "", _origin(runs, READINGS), ""])


def release_block(runs: pd.DataFrame, tests: pd.DataFrame) -> str:
    """Return the page's block on the exploration of the release."""
    found = dict(_cells(tests, RELEASES))
    missing = [f"`{arm}`" for arm in RELEASES if (arm, RELEASE_MAP) not in found]
    lines = [f"Not run yet: {' and '.join(missing)}.", ""] if missing else []
    if not found:
        return "\n".join(lines)
    lines += ["![Test win rate and return of the release](readings_release.png)", ""]
    lines += _head(["arm", "up to", *OF_RELEASE.values()])
    for (arm, _), rows in found.items():
        for step, last in _last_rows(rows):
            lines.append(f"| `{arm}` | {step:,} | {' | '.join(map(_number, last[list(OF_RELEASE)].mean()))} |")
    return "\n".join([*lines, "", _origin(runs, RELEASES), ""])


def draw(runs: pd.DataFrame, tests: pd.DataFrame, inputs: str) -> Figure:
    """Draw both readings over training, one column per map and one row per measure; grey: allowed by the rule."""
    sample = f"{SAMPLE}; other measures from 8 episodes of the batch before each test; grey: sound by the rule"
    figure = curves.draw(frame(runs, tests, READINGS, MAPS, DRAWN, inputs=inputs, sample=sample))
    row = {metric: figure.axes[place * len(MAPS) :][: len(MAPS)] for place, metric in enumerate(DRAWN)}
    for axis in row["variance_ratio"]:
        limits = axis.get_ylim()
        axis.axhspan(LEAST_RATIO, LARGEST_RATIO, color="0.93", zorder=0)
        axis.set_ylim(limits)
    for axis in row["information_high_share"]:
        axis.axhspan(axis.get_ylim()[0], SHARE, color="0.93", zorder=0)
    return figure


def draw_release(runs: pd.DataFrame, tests: pd.DataFrame, inputs: str) -> Figure:
    """Draw test win rate and return of the release with both settings of exploration."""
    of_release = frame(runs, tests, RELEASES, [RELEASE_MAP], DRAWN_OF_RELEASE, inputs=inputs, sample=SAMPLE)
    return curves.draw(of_release)


def frame(
    runs: pd.DataFrame, tests: pd.DataFrame, arms: Iterable[str], maps: Iterable[str], metrics: list[str], **facts: str
) -> pd.DataFrame:
    """Return the tests in the form of `analysis.figures.curves.data`; readings have the style of their arms.

    Args:
        runs: Runs of the record.
        tests: Tests of the record.
        arms: Arms to draw.
        maps: Maps to draw.
        metrics: Metrics to draw.
        **facts: `inputs` and `sample` of the caption.
    """
    looks = {arm: READINGS[arm][0] if arm in READINGS else arm for arm in arms}
    order = pd.MultiIndex.from_product([maps, metrics, looks.values()], names=["map", "metric", "arm"])
    table = with_quotients(tests).assign(step=tests["t_env"], arm=tests["arm"].replace(looks))
    points = table.melt(["map", "arm", "step"], metrics, "metric", "centre").dropna(subset="centre").assign(n=1)
    facts |= {
        "engine": joined(engine_names(runs.assign(engine=ENGINE))),
        "scale": "none (study of readings)",
        "protocol": PROTOCOL,
        "statistic": "mean",
    }
    found = order.to_frame(index=False).merge(points, "left").assign(low=np.nan, high=np.nan, **facts)
    return found.assign(n=found["n"].fillna(0).astype(int), seed0=found["centre"])


def write(folder: Path = FOLDER, page: Path = PAGE) -> None:
    """Write the blocks into the page, and the pictures of recorded runs beside the page."""
    runs, tests = read(folder)
    write_bytes(page, with_blocks(page.read_text(encoding="utf-8"), runs, tests).encode())
    for name, arms, picture in (("readings", READINGS, draw), ("readings_release", RELEASES, draw_release)):
        if runs["arm"].isin(list(arms)).any():
            figure = picture(runs, tests, file_digest(folder / "tests.csv"))
            with atomic_path(page.with_name(f"{name}.png")) as beside:
                figure.savefig(beside, format="png", dpi=160, metadata={"Software": None})


def with_blocks(page: str, runs: pd.DataFrame, tests: pd.DataFrame) -> str:
    """Return the text of a page with the blocks of the record between their markers.

    Raises:
        UserError: The page lacks a marker.
    """
    for name, content in {"readings": reading_block(runs, tests), "release": release_block(runs, tests)}.items():
        begin, end = f"<!-- {name}: made by roma docs readings -->", f"<!-- end of {name} -->"
        before, found, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise UserError(f"the page has no place for the block {name}: {begin} and {end} are missing")
        page = f"{before}{begin}\n\n{content}\n{end}{after}"
    return page


def _cells(tests: pd.DataFrame, arms: Iterable[str]) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Yield the tests of each run of the given arms in the order played, by arm and map."""
    for arm, name in CELLS:
        rows = tests[(tests["arm"] == arm) & (tests["map"] == name)]
        if arm in arms and len(rows):
            yield (arm, name), rows.sort_values("t_env")


def _last_rows(rows: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield the last ROWS tests of a run up to each step of the rule; a test counts at the step at which it was due."""
    for step in UP_TO:
        last = rows[rows["t_env"] // INTERVAL * INTERVAL <= step].tail(ROWS)
        if len(last) < ROWS or last[list(JUDGED)].isna().any(axis=None):
            arm, name = rows[IDENTITY].iloc[0]
            raise UserError(f"the run of {arm} on {name} lacks {' or '.join(JUDGED)} in a test up to {step:,} steps")
        yield step, last


def _head(names: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3g}"


def _origin(runs: pd.DataFrame, arms: Iterable[str]) -> str:
    """Return the note below a table: statistic, seed, protocol, engine version and revision of the runs."""
    chosen = runs[runs["arm"].isin(list(arms))]
    revisions = ", ".join(sorted({revision[:7] for revision in chosen["git_revision"]}))
    return (
        f"Means of the last {ROWS} tests up to each step, of one run each: seed {SEED}, protocol {PROTOCOL}, {ENGINE} "
        f"engine version {' and '.join(sorted(set(chosen['engine_version'])))}, revision {revisions}."
    )


def _read(file: Path) -> pd.DataFrame:
    return pd.read_csv(file, dtype={"git_revision": str, "engine_digest": str, "engine_version": str})


def _add(rows: pd.DataFrame, file: Path) -> None:
    if file.exists():
        before = _read(file)
        new = pd.MultiIndex.from_frame(rows[IDENTITY])
        rows = pd.concat([before[~pd.MultiIndex.from_frame(before[IDENTITY]).isin(new)], rows])
    file.parent.mkdir(exist_ok=True)
    with atomic_path(file) as beside:
        rows.sort_values(IDENTITY, kind="stable").to_csv(beside, index=False, float_format="%.5g", lineterminator="\n")
