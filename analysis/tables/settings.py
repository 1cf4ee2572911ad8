"""Settings of every arm with their sources, the number of tuning trials, and the updates and steps of its runs."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import style
from analysis.summarise import origin, scale_of
from analysis.table import Table
from roma.learners import algorithm
from roma.runs import settings

SCALE = "the scale file"
HERE, COUNTED = "this project", "counted"
KINDS = (*settings.KINDS, "training")  # groups of rows, in this order
FEW = 3  # most arms that are named as exceptions


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """Return one row per setting, value and source, with the arms that have it.

    A setting that differs between maps has a row per value. The last group, training, has the tuning trials of each
    arm, and the total steps and updates of its runs.

    Args:
        summary: Folder of the tidy tables.
        specification: Not used.
    """
    runs = pd.read_parquet(summary / "runs.parquet")
    cells = runs.drop_duplicates(["map", "arm"]).set_index(["map", "arm"])
    work = pd.read_parquet(summary / "cost.parquet", columns=["arm", "updates", "total_steps"])
    arms = sorted(runs["arm"].unique(), key=lambda arm: (_place(arm), arm))
    holders: dict[tuple[str, str, str, str | None], set[str]] = {}
    for arm, row in [*_settings(summary, arms, cells), *_training(arms, cells, work)]:
        holders.setdefault(row, set()).add(arm)
    order = {setting: place for place, (_, setting, _, _) in enumerate(holders)}
    rows = []
    for kind, setting, value, source in sorted(
        holders, key=lambda found: (KINDS.index(found[0]), order[found[1]], -len(holders[found]))
    ):
        having = [arm for arm in arms if arm in holders[kind, setting, value, source]]
        rows.append(
            {
                "kind": kind,
                "setting": setting,
                "value": value,
                "source": source,
                "of": _words(having, arms),
                "arms": " ".join(having),
            }
        )
    notes = [
        origin(runs, scale_of(summary)),
        "Trials spent on tuning: number of runs that this project made to choose the settings of an arm, without the"
        " search of the source",
        "Settings of components that an arm switches off have no effect",
    ]
    return Table(pd.DataFrame(rows), notes, "kind", ["kind", "setting", "value", "of", "source"])


def source_of(setting: str, value: Any, name: str, protocol: str, engine: str) -> tuple[str, str | None]:
    """Return the kind of a setting and the source of its value; None if the source is unknown.

    Args:
        setting: Name of the setting.
        value: Its value in a run.
        name: Name of the algorithm.
        protocol: Name of the protocol.
        engine: Name of the engine.
    """
    usual = settings.describe(name, protocol, engine)[setting]
    return usual.kind, SCALE if json.loads(json.dumps(usual.value)) != value else usual.source or None


def _settings(
    summary: Path, arms: Sequence[str], cells: pd.DataFrame
) -> Iterator[tuple[str, tuple[str, str, str, str | None]]]:
    """Yield each arm with kind, setting, value as text and source, for every map, in the order of the arms."""
    recorded = pd.read_parquet(summary / "settings.parquet")
    recorded = recorded.sort_values("arm", key=lambda names: names.map(list(arms).index), kind="stable")
    for map_name, arm, setting, text in recorded[["map", "arm", "setting", "value"]].itertuples(index=False):
        name, protocol, engine = map(str, cells.loc[(map_name, arm), ["algorithm", "protocol", "engine"]])
        value = json.loads(text)
        kind, source = source_of(setting, value, name, protocol, engine)
        yield arm, (kind, setting, _text(value), source)


def _training(
    arms: Sequence[str], cells: pd.DataFrame, work: pd.DataFrame
) -> Iterator[tuple[str, tuple[str, str, str, str | None]]]:
    """Yield each arm with its tuning trials, total steps and updates, in the form of `_settings`."""
    for setting in ("trials spent on tuning", "total steps of a run", "updates of a run"):
        for arm in arms:
            if setting == "trials spent on tuning":
                trials = algorithm(str(cells.xs(arm, level="arm")["algorithm"].iloc[0])).tuning_trials
                if trials is not None:
                    yield arm, ("training", setting, str(trials), HERE)
            else:
                column = setting.removesuffix(" of a run").replace(" ", "_")
                counts = work.loc[work["arm"] == arm, column].dropna()
                if len(counts):
                    yield arm, ("training", setting, _span(counts), COUNTED)


def _words(having: Sequence[str], arms: Sequence[str]) -> str:
    """Describe a set of arms: all arms, all but a few, or their names."""
    without = [arm for arm in arms if arm not in having]
    if not without:
        return "all arms"
    if len(without) <= FEW < len(having):
        return f"all but {'; '.join(map(style.label, without))}"
    return "; ".join(map(style.label, having))


def _place(arm: str) -> int:
    known = list(style.ARMS)
    return known.index(arm) if arm in known else len(known)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _span(counts: pd.Series) -> str:
    """Format the number that all runs share, or the smallest and the largest."""
    low, high = int(counts.min()), int(counts.max())
    return str(low) if low == high else f"{low} to {high}"
