"""Statistics of untrained play on one map, on the embedded engine and in StarCraft II."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roma.recordings.calibrate.play import Play
from roma.recordings.calibrate.statistics import means_of, median_interval, two_sample_p
from roma.scenarios import released_runs

QUANTILES = (0.1, 0.9)
COMA_EPISODES = 8  # episodes before the first log entry of a released COMA run


@dataclass(frozen=True, slots=True)
class Lengths:
    """Summary of a sample of episode lengths, in timesteps."""

    episodes: int
    median: float
    low: float  # 10 % quantile
    high: float  # 90 % quantile
    longest: int
    timeouts: float  # fraction of episodes that reach the episode limit

    @classmethod
    def of(cls, lengths: NDArray[np.int64], episode_limit: int) -> Lengths:
        low, high = np.quantile(lengths, QUANTILES)
        timeouts = float((lengths >= episode_limit).mean())
        return cls(len(lengths), float(np.median(lengths)), float(low), float(high), int(lengths.max()), timeouts)


@dataclass(frozen=True, slots=True)
class Summary:
    """Median and spread of a small sample."""

    count: int
    median: float  # NaN if the sample is empty, like low and high
    low: float
    high: float

    @classmethod
    def of(cls, values: NDArray[np.float64], quantiles: tuple[float, float] = (0.0, 1.0)) -> Summary:
        if not len(values):
            return cls(0, math.nan, math.nan, math.nan)
        low, high = np.quantile(values, quantiles)
        return cls(len(values), float(np.median(values)), float(low), float(high))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Numbers of one map: the embedded engine's, and those published for StarCraft II."""

    map: str
    random: Lengths
    random_published: Lengths
    median_interval: tuple[float, float]  # 95 % order-statistic interval of the published median
    beyond_longest: float  # fraction of our random episodes longer than the longest published one
    random_p: float  # two-sample Kolmogorov-Smirnov, lengths of random episodes
    near_random: Summary  # means of 8 consecutive random episodes; low and high are the 10 % and 90 % quantiles
    near_random_published: Summary  # COMA's first 8 episodes; low and high are the extremes
    network_win_rates: Summary  # untrained networks, one win rate each; low and high are the extremes
    network_win_rates_published: Summary
    networks_inside: int  # networks with a win rate between the published extremes
    network_returns: Summary
    network_returns_published: Summary
    network_returns_inside: int
    network_returns_p: float  # two-sample Kolmogorov-Smirnov, mean returns of networks; NaN without networks
    random_win_rate: float
    scripted_win_rate: float
    scripted_published: float
    scripted_source: str

    @property
    def median_inside(self) -> bool:
        """True if our median length of random episodes lies inside the interval of the published one."""
        low, high = self.median_interval
        return low <= self.random.median <= high


def compare(play: Play) -> Comparison:
    """Compare untrained play with the released runs on its map, which must be one of `released_runs.map_names()`."""
    lengths = released_runs.random_lengths(play.map)
    win_rates, returns = released_runs.first_tests(play.map)
    scripted = released_runs.scripted_policy()[play.map]
    return Comparison(
        map=play.map,
        random=Lengths.of(play.lengths, play.episode_limit),
        random_published=Lengths.of(lengths, play.episode_limit),
        median_interval=median_interval(lengths),
        beyond_longest=float((play.lengths > lengths.max()).mean()),
        random_p=two_sample_p(play.lengths, lengths),
        near_random=Summary.of(means_of(play.lengths, COMA_EPISODES), QUANTILES),
        near_random_published=Summary.of(released_runs.near_random_means(play.map)),
        network_win_rates=Summary.of(play.network_win_rates),
        network_win_rates_published=Summary.of(win_rates),
        networks_inside=_inside(play.network_win_rates, win_rates),
        network_returns=Summary.of(play.network_returns),
        network_returns_published=Summary.of(returns),
        network_returns_inside=_inside(play.network_returns, returns),
        network_returns_p=two_sample_p(play.network_returns, returns) if len(play.network_returns) else math.nan,
        random_win_rate=play.random_win_rate,
        scripted_win_rate=play.scripted_win_rate,
        scripted_published=scripted.win_rate,
        scripted_source=scripted.source,
    )


def _inside(ours: NDArray[np.float64], published: NDArray[np.float64]) -> int:
    return int(((ours >= published.min()) & (ours <= published.max())).sum())
