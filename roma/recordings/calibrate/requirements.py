"""Requirements for the calibration of the embedded engine, and verdicts on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from roma.recordings.calibrate.comparison import Comparison
from roma.recordings.calibrate.learned.comparison import Group, curve_at
from roma.scenarios.released_runs import complete_runs

MAPS = 10  # the least number of maps for a verdict on shares of maps
AGREEING = 0.8  # the least share of maps that must agree
SIGNIFICANCE = 0.01
LONGEST_SHARE, MEAN_SHARE = 0.15, 0.09  # largest share of episodes beyond the longest published: per map, on average
BANE = "bane_vs_bane"  # the one map with released runs on which untrained networks win
BANE_WIN_RATE = (0.28, 0.56)  # range of the median over networks
BANE_NETWORKS = 17 / 20  # the least share of networks inside the published range
BANE_RETURN = (15.0, 18.5)  # range of the median over networks

MET, NOT_MET, OPEN = "met", "not met", "open"


@dataclass(frozen=True, slots=True)
class Requirement:
    """Requirement with the measured value and the verdict, which begins with MET, NOT_MET or OPEN."""

    asked: str
    measured: str
    verdict: str


def requirements(comparisons: Sequence[Comparison]) -> list[Requirement]:
    """Return verdicts on comparisons, one per map. A verdict that depends on maps not yet played is OPEN."""
    total = max(MAPS, len(comparisons))
    outside = [row.map for row in comparisons if not row.median_inside]
    rejected = [row.map for row in comparisons if row.random_p < SIGNIFICANCE]
    exceptions = total - math.ceil(AGREEING * total)
    missing = total - len(comparisons)
    return [
        Requirement(
            "random play: median inside the 95 % order-statistic interval of the published median on at least "
            f"{total - exceptions} of {total} maps",
            _of_maps("inside", len(comparisons) - len(outside), len(comparisons), "outside", outside),
            _share_verdict(len(outside), exceptions, missing),
        ),
        Requirement(
            f"random play: Kolmogorov-Smirnov test rejected at {SIGNIFICANCE:.0%} on at most {exceptions} of {total} "
            "maps",
            _of_maps("rejected", len(rejected), len(comparisons), "rejected", rejected),
            _share_verdict(len(rejected), exceptions, missing),
        ),
        *_tails(comparisons, missing),
        *_bane([row for row in comparisons if row.map == BANE and row.network_returns.count]),
    ]


def _of_maps(what: str, count: int, total: int, listed: str, names: Sequence[str]) -> str:
    return f"{what} on {count} of {total}" + (f"; {listed}: {', '.join(names)}" if names else "")


def _share_verdict(found: int, allowed: int, missing: int) -> str:
    if found > allowed:
        return NOT_MET
    return MET if found + missing <= allowed else OPEN


def _tails(comparisons: Sequence[Comparison], missing: int) -> list[Requirement]:
    """Return verdicts on episodes longer than the longest published one, on the maps without published time-outs."""
    rows = [row for row in comparisons if row.random_published.timeouts == 0]
    worst = max(rows, key=lambda row: row.beyond_longest, default=None)
    where = "random play, maps without published time-outs: episodes longer than the longest published one"
    asked = f"{where}, at most {LONGEST_SHARE:.0%} on any map", f"{where}, at most {MEAN_SHARE:.0%} on average"
    if worst is None:
        return [Requirement(text, "no such map played", OPEN) for text in asked]
    mean = float(np.mean([row.beyond_longest for row in rows]))
    good = MET if missing == 0 else OPEN
    return [
        Requirement(
            asked[0],
            f"{worst.beyond_longest:.1%} on {worst.map}, the most of {len(rows)} maps",
            good if worst.beyond_longest <= LONGEST_SHARE else NOT_MET,
        ),
        Requirement(
            asked[1],
            f"{mean:.1%} over {len(rows)} maps",
            OPEN if missing else MET if mean <= MEAN_SHARE else NOT_MET,
        ),
    ]


def _bane(rows: Sequence[Comparison]) -> list[Requirement]:
    """Return verdicts on the three requirements for untrained networks; OPEN if they were not played."""
    (low, high), (least, most) = BANE_WIN_RATE, BANE_RETURN
    where = f"{BANE}, untrained networks"
    asked = (
        f"{where}: median win rate {100 * low:.0f} to {high:.0%}",
        f"{where}: win rate inside the published range for at least {BANE_NETWORKS:.0%} of them",
        f"{where}: median return {least:g} to {most:g}",
    )
    if not rows:
        return [Requirement(text, "not played", OPEN) for text in asked]
    (row,) = rows
    rate, published, returns = row.network_win_rates, row.network_win_rates_published, row.network_returns
    inside = row.networks_inside / rate.count
    return [
        Requirement(asked[0], f"{rate.median:.0%}", MET if low <= rate.median <= high else NOT_MET),
        Requirement(
            asked[1],
            f"{row.networks_inside} of {rate.count} inside {100 * published.low:.0f} to {published.high:.0%}",
            MET if inside >= BANE_NETWORKS else NOT_MET,
        ),
        Requirement(asked[2], f"{returns.median:.2f}", MET if least <= returns.median <= most else NOT_MET),
    ]


@dataclass(frozen=True, slots=True)
class LearnedRequirement:
    """Requirement on our median win rate at a checkpoint: a bound, or a distance from the released median."""

    map: str
    algorithm: str
    step: int  # environment steps
    highest: float | None = None  # fraction
    lowest: float | None = None  # fraction
    within: float | None = None  # largest distance from the released median, as a difference of fractions

    def asked(self, released: float) -> str:
        """Return the requirement in words, given the released median win rate."""
        where = f"{self.map}, {self.algorithm}, {self.step // 1000}k steps: win rate"
        if self.within is not None:
            return f"{where} within {100 * self.within:.0f} points of {released:.0%}"
        return f"{where} at most {self.highest:.0%}" if self.highest is not None else f"{where} above {self.lowest:.0%}"

    def fulfilled(self, ours: float, released: float) -> bool:
        """Return whether our median win rate meets the requirement, given the released one."""
        if self.within is not None:
            return abs(ours - released) <= self.within
        return ours <= self.highest if self.highest is not None else ours > (self.lowest or 0.0)


SEEDS = 3  # the least number of runs for a verdict
LEARNED = (
    LearnedRequirement("5m_vs_6m", "qmix", 300_000, highest=0.3),
    LearnedRequirement("5m_vs_6m", "qmix", 500_000, within=0.25),
    LearnedRequirement("10m_vs_11m", "qmix", 250_000, within=0.2),
    LearnedRequirement("10m_vs_11m", "qmix", 500_000, within=0.2),
    LearnedRequirement("2s3z", "qmix", 300_000, within=0.25),
    LearnedRequirement("2s3z", "qmix", 500_000, lowest=0.7),
)


def learned_requirements(groups: Sequence[Group]) -> list[Requirement]:
    """Return verdicts on groups of our training runs, for the requirements on their map and algorithm.

    A verdict on fewer than SEEDS runs is OPEN, followed by the preliminary verdict.
    """
    rows = []
    for group in groups:
        for asked in LEARNED:
            if (asked.map, asked.algorithm) != (group.map, group.algorithm):
                continue
            released = curve_at(complete_runs(asked.map, asked.algorithm), asked.step).win_rate.median
            ours = curve_at(group.runs, asked.step).win_rate
            if not ours.count:
                rows.append(Requirement(asked.asked(released), f"not reached ({group.label})", OPEN))
                continue
            verdict = MET if asked.fulfilled(ours.median, released) else NOT_MET
            if ours.count < SEEDS:
                verdict = f"{OPEN}, {verdict} with {ours.count} of {SEEDS} runs"
            rows.append(Requirement(asked.asked(released), f"{ours.median:.0%} ({group.label})", verdict))
    return rows
