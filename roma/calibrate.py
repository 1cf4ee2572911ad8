"""How far the embedded engine's battles resemble StarCraft II's, by the little that is published of untrained play.

Three numbers a map: how long battles of uniform random play last, what an untrained greedy network earns, and how often
SMAC's scripted policy wins. `published_play.csv`, beside the engine, holds the game's. The first two are single
episodes that the public runs of SMAC logged at their beginning, the third the SMAC paper's column (one confirmed, the
others recalled).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roma.envs.skirmish.data import ROOT
from roma.envs.skirmish.options import DEFAULT_CHOICES, Choices
from roma.files import atomic_path, write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PUBLISHED = ROOT / "published_play.csv"
LENGTH_TOLERANCE = 0.15  # of the published mean, for random play
WIN_RATE_TOLERANCE = 0.15  # in win rate, for the scripted policy
SIDE_BY_SIDE = 250  # battles
EPISODES_PER_NETWORK = 16
SEED = 1_000_000  # battles have the seeds that follow; trained runs' are scattered over 63 bits

# A setting below and one above the chosen one; `roma calibrate --sensitivity` plays under each.
ALTERNATIVES: Mapping[str, tuple[Any, ...]] = {
    "acquire_range": (4.0, 7.0),
    "look_every": (4, 16),
    "prefer_attackers": (False,),
    "backswing": (0.0, 0.5),
    "formation_gap": (0.0, 0.25),
    "formation_breadth": (1.0, 4.0),
    "keep_formation": (False,),
    "patience": (0, 8),
}


@dataclass(frozen=True, slots=True)
class Published:
    """What is known of the game on one map. Lengths in timesteps, returns of at most 20."""

    random_length: float  # mean over runs of one episode each
    random_spread: float  # standard deviation over them
    random_runs: int
    untrained_return: float
    scripted_win_rate: float
    scripted_source: str  # confirmed or recalled


@dataclass(frozen=True, slots=True)
class Calibration:
    """One map's row of the table: the engine's numbers beside the game's."""

    map: str
    random_length: float
    random_spread: float
    random_won: float
    untrained_return: float  # mean over networks
    untrained_spread: float  # standard deviation over them
    networks: int
    scripted_win_rate: float
    published: Published

    @property
    def length_deviation(self) -> float:
        """Relative to the published mean."""
        return self.random_length / self.published.random_length - 1

    @property
    def within(self) -> bool:
        """Whether random play and the scripted policy both meet their tolerance."""
        difference = self.scripted_win_rate - self.published.scripted_win_rate
        return abs(self.length_deviation) <= LENGTH_TOLERANCE and abs(difference) <= WIN_RATE_TOLERANCE


def published() -> dict[str, Published]:
    """What is known of the game, by map."""
    kinds: dict[str, Any] = {"random_runs": int, "scripted_source": str}
    with PUBLISHED.open(newline="", encoding="utf-8") as file:
        return {
            row.pop("map"): Published(**{key: kinds.get(key, float)(value) for key, value in row.items()})
            for row in csv.DictReader(file)
        }


def battles(map_name: str, count: int, choices: Choices, scripted: bool) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Lengths (count,) in timesteps and wins (count,) of battles under uniform random or SMAC's scripted play."""
    from roma.envs.skirmish.engine import RandomPolicy, Skirmish

    env, policy = Skirmish(map_name, min(count, SIDE_BY_SIDE), choices=choices), RandomPolicy(SEED)
    lengths, won = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    for first in range(0, count, env.n_battles):
        active = np.arange(env.n_battles) < count - first
        part = slice(first, first + int(active.sum()))
        env.reset(SEED + first + np.arange(env.n_battles))
        while active.any():
            lengths[part] += active[: part.stop - first]
            outcome = env.step_scripted(active) if scripted else env.step(policy(env.avail_actions), active)
            won[part] |= outcome.battle_won[: part.stop - first]
            active &= ~outcome.terminated
    return lengths, won


def untrained_returns(map_name: str, networks: int, choices: Choices) -> NDArray[np.float64]:
    """Mean greedy return of each of several untrained QMIX agents, (networks,)."""
    from roma import learners
    from roma.config import resolve
    from roma.envs.skirmish.engine import Skirmish
    from roma.runner import Runner
    from roma.seeding import Stream

    env = Skirmish(map_name, EPISODES_PER_NETWORK, choices=choices)
    returns = []
    for seed in range(networks):
        config = resolve(map_name, "qmix", seed).learner
        actor = learners.make_learner("qmix", config, env.info, seed, "cpu").actor()
        played = Runner(env, actor, seed).play(Stream.TEST, 0, EPISODES_PER_NETWORK)
        returns.append(np.mean([episode.episode_return for episode in played]))
    return np.array(returns)


def spread(values: NDArray[Any]) -> float:
    """Standard deviation of a sample (n,); 0 of a single value."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def measure(map_name: str, count: int, networks: int, choices: Choices = DEFAULT_CHOICES) -> Calibration:
    """Play `count` battles of each kind on a map, and those of `networks` untrained agents (0: NaN is their return)."""
    lengths, random_won = battles(map_name, count, choices, scripted=False)
    _, scripted_won = battles(map_name, count, choices, scripted=True)
    returns = untrained_returns(map_name, networks, choices) if networks else np.array([math.nan])
    return Calibration(
        map=map_name,
        random_length=float(lengths.mean()),
        random_spread=spread(lengths),
        random_won=float(random_won.mean()),
        untrained_return=float(returns.mean()),
        untrained_spread=spread(returns),
        networks=networks,
        scripted_win_rate=float(scripted_won.mean()),
        published=published()[map_name],
    )


def variants() -> dict[str, Choices]:
    """Every choice at its alternatives, one at a time, by "name = value"; the first is the default."""
    settings = {"as chosen": DEFAULT_CHOICES}
    for name, values in ALTERNATIVES.items():
        for value in values:
            settings[f"{name} = {str(value).lower()}"] = replace(DEFAULT_CHOICES, **{name: value})
    return settings


def sensitivity(maps: Sequence[str], count: int) -> dict[str, list[Calibration]]:
    """A row per map under each of the `variants`."""
    return {label: [measure(name, count, 0, choices) for name in maps] for label, choices in variants().items()}


def table(rows: Sequence[Calibration]) -> str:
    """The rows as a Markdown table, ours and published side by side."""
    lines = [
        "| map | random play, timesteps | published | deviation | untrained greedy return | published "
        "| scripted policy wins | published | random play wins |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        known = row.published
        lines.append(
            f"| {row.map} | {row.random_length:.1f} ({row.random_spread:.1f}) "
            f"| {known.random_length:.1f} ({known.random_spread:.1f}) | {row.length_deviation:+.0%} "
            f"| {row.untrained_return:.2f} ({row.untrained_spread:.2f}) | {known.untrained_return:.2f} "
            f"| {row.scripted_win_rate:.0%} | {known.scripted_win_rate:.0%} ({known.scripted_source}) "
            f"| {row.random_won:.1%} |"
        )
    return "\n".join(lines) + "\n"


def sensitivity_table(measured: Mapping[str, Sequence[Calibration]]) -> str:
    """A line per setting, a column per map: length of random play, and how often the scripted policy wins."""
    maps = [row.map for row in next(iter(measured.values()))]
    lines = [f"| setting | {' | '.join(maps)} |", "|---" * (len(maps) + 1) + "|"]
    for label, rows in measured.items():
        cells = [f"{row.random_length:.1f}, {row.scripted_win_rate:.0%}" for row in rows]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write_sensitivity(maps: Sequence[str], count: int, directory: Path) -> str:
    """sensitivity.md in `directory`; returns what stands in it."""
    text = sensitivity_table(sensitivity(maps, count))
    write_bytes(directory / "sensitivity.md", text.encode())
    return text


def half_interval(deviation: float, count: int) -> float:
    """Half the width of the mean's 95 % interval (Student's t), from a sample's standard deviation; 0 of one value."""
    from scipy import stats

    return float(stats.t.ppf(0.975, count - 1)) * deviation / math.sqrt(count) if count > 1 else 0.0


def draw(rows: Sequence[Calibration]) -> Figure:
    """Ours against published, a panel for each of the three numbers.

    Grey is the tolerance; whiskers are 95 % intervals of the published mean length and of our mean return, where the
    uncertainty is large enough to be seen and known.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["pdf.fonttype"] = 42
    figure = Figure(figsize=(8.4, 2.9), layout="constrained")
    places = np.arange(len(rows))
    known = [row.published for row in rows]
    lengths = np.array([row.random_length for row in known])
    length_errors = [half_interval(row.random_spread, row.random_runs) for row in known]
    return_errors = [half_interval(row.untrained_spread, row.networks) for row in rows]
    wins = np.array([100 * row.scripted_win_rate for row in known])
    panels: list[tuple[str, list[float], Any, Any, Any, Any]] = [
        (
            "random play: length, timesteps",
            [row.random_length for row in rows],
            None,
            lengths,
            length_errors,
            LENGTH_TOLERANCE * lengths,
        ),
        (
            "untrained greedy return, of 20",
            [row.untrained_return for row in rows],
            return_errors,
            np.array([row.untrained_return for row in known]),
            None,
            None,
        ),
        (
            "scripted policy: battles won, %",
            [100 * row.scripted_win_rate for row in rows],
            None,
            wins,
            None,
            np.full(len(rows), 100 * WIN_RATE_TOLERANCE),
        ),
    ]
    for axes, (title, ours, our_errors, theirs, their_errors, tolerance) in zip(
        figure.subplots(1, 3), panels, strict=True
    ):
        if tolerance is not None:
            axes.bar(places, 2 * tolerance, 0.7, theirs - tolerance, color="0.9", label="tolerance", zorder=0)
        axes.errorbar(
            places, theirs, their_errors, fmt="D", color="0.35", ms=4.5, capsize=3, label="StarCraft II, published"
        )
        axes.errorbar(places, ours, our_errors, fmt="o", color="#D55E00", ms=5.5, capsize=3, label="embedded engine")
        axes.set_title(title, fontsize=9)
        axes.set_xticks(places, [row.map for row in rows], rotation=40, ha="right", fontsize=7.5)
        axes.set_xlim(-0.6, len(rows) - 0.4)
        axes.tick_params(axis="y", labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylim(0)
    figure.axes[1].set_ylim(0)
    figure.axes[2].set_ylim(-3, 110)
    figure.axes[0].legend(
        fontsize=7, frameon=False, loc="lower right", title="whiskers: 95 % interval of the mean", title_fontsize=6
    )
    return figure


def write(rows: Sequence[Calibration], directory: Path) -> None:
    """calibration.{csv,md,png,pdf} in `directory`, which must exist."""
    flat = [
        {key: value for key, value in asdict(row).items() if key != "published"}
        | {f"published_{key}": value for key, value in asdict(row.published).items()}
        for row in rows
    ]
    with atomic_path(directory / "calibration.csv") as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(flat[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
    write_bytes(directory / "calibration.md", table(rows).encode())
    figure = draw(rows)
    for kind, metadata in (("png", None), ("pdf", {"CreationDate": None})):
        with atomic_path(directory / f"calibration.{kind}") as beside:
            figure.savefig(beside, format=kind, dpi=200, metadata=metadata)
