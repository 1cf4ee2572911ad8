"""Released runs: the file is complete, and derived facts equal independently computed ones."""

import numpy as np
import pytest

from roma import learners
from roma.scenarios import released_runs as released


def test_the_file_is_whole() -> None:
    runs = released.released_runs()
    assert len(runs) == 331
    assert sum(len(run.t_env) for run in runs) == 62_433
    assert sum(int(run.t_env.sum()) for run in runs) == 63_521_224_591
    assert sum(round(32 * run.win_rate.sum()) for run in runs) == 545_985
    assert sum(int(np.rint(10_000 * run.returns).sum()) for run in runs) == 8_318_509_585
    assert all((np.diff(run.t_env) >= released.TEST_INTERVAL).all() for run in runs)
    assert all(len(run.t_env) == len(run.win_rate) == len(run.returns) for run in runs)
    assert released.RUNS.stat().st_size < 300_000


def test_each_run_has_a_number_of_its_own_and_a_known_algorithm() -> None:
    runs = released.released_runs()
    assert len({(run.map, run.algorithm, run.number) for run in runs}) == len(runs)
    assert {run.algorithm for run in runs} == {"qmix", "vdn", "iql", "coma", "qtran"} <= set(learners.algorithm_names())
    assert len(released.map_names()) == 14
    assert released.algorithms("2s3z") == ["qmix", "vdn", "iql", "coma", "qtran"]
    assert released.algorithms("corridor") == ["qmix", "vdn", "iql", "coma"]


@pytest.mark.parametrize(
    ("map_name", "algorithm", "complete", "all_of_them"),
    [
        *(("2s3z", "qtran", 5, 10), ("3s5z", "coma", 5, 6), ("10m_vs_11m", "coma", 6, 8), ("27m_vs_30m", "vdn", 5, 8)),
        *(("27m_vs_30m", "coma", 5, 10), ("bane_vs_bane", "vdn", 5, 8), ("2c_vs_64zg", "qmix", 9, 10)),
    ],
)
def test_aborted_runs_are_told_apart(map_name: str, algorithm: str, complete: int, all_of_them: int) -> None:
    runs = [run for run in released.released_runs() if (run.map, run.algorithm) == (map_name, algorithm)]
    assert (len(released.complete_runs(map_name, algorithm)), len(runs)) == (complete, all_of_them)


def test_random_episodes_one_by_one() -> None:
    expected = [26, 26, 27, 28, 28, 28, 30, 30, 31, 31, 32, 34, 35, 37, 38, 41, 46]
    assert released.random_lengths("10m_vs_11m").tolist() == expected
    expected = [13, 15, 16, 18, 18, 18, 21, 21, 22, 22, 22, 23, 24, 24, 24, 26, 37, 77, 200]
    assert released.random_lengths("bane_vs_bane").tolist() == expected


@pytest.mark.parametrize(
    ("map_name", "runs", "mean", "median", "spread"),
    [
        *(("2s3z", 25, 54.2, 49, 19.1), ("3s5z", 20, 53.8, 51.5, 5.5), ("5m_vs_6m", 16, 30.8, 25.5, 12.4)),
        *(("10m_vs_11m", 17, 32.2, 31, 5.6), ("27m_vs_30m", 21, 35.0, 35, 2.4), ("MMM2", 15, 37.5, 36, 6.2)),
        *(("3s_vs_5z", 15, 64.5, 42, 58.2), ("corridor", 15, 35.7, 35, 3.3)),
    ],
)
def test_lengths_of_random_episodes(map_name: str, runs: int, mean: float, median: float, spread: float) -> None:
    lengths = released.random_lengths(map_name)
    assert len(lengths) == runs
    assert round(lengths.mean(), 1) == mean
    assert np.median(lengths) == median
    assert round(lengths.std(ddof=1), 1) == spread


def test_near_random_means_are_comas() -> None:
    expected = [31.4, 31.6, 33.0, 34.0, 34.8, 34.9, 35.1, 35.6]
    np.testing.assert_allclose(released.near_random_means("10m_vs_11m"), expected, atol=0.051)


def test_first_tests_of_untrained_networks() -> None:
    win_rates, returns = released.first_tests("bane_vs_bane")
    assert len(win_rates) == len(returns) == 19
    assert (win_rates.min(), win_rates.max()) == (3 / 32, 22 / 32)
    assert round(np.median(returns), 2) == 16.65
    np.testing.assert_allclose(returns[:5], [9.45, 13.09, 17.53, 7.40, 17.90], atol=0.0051)
    win_rates, returns = released.first_tests("2s_vs_1sc")
    assert len(returns) == 21
    assert not win_rates.any()
    assert not returns.any()


@pytest.mark.parametrize(
    ("map_name", "algorithm", "step", "median", "lowest", "highest"),
    [
        ("2s3z", "iql", 2_000_000, 0.709, 0.586, 0.856),
        ("10m_vs_11m", "iql", 2_000_000, 0.255, 0.040, 0.557),
        ("MMM2", "qmix", 2_000_000, 0.552, 0.391, 0.802),
        ("27m_vs_30m", "qmix", 2_000_000, 0.478, 0.129, 0.565),
    ],
)
def test_win_rates_of_five_intervals(
    map_name: str, algorithm: str, step: int, median: float, lowest: float, highest: float
) -> None:
    rates = released.win_rates_before(map_name, algorithm, step)
    found = [np.median(rates), rates.min(), rates.max()]
    np.testing.assert_allclose(found, [median, lowest, highest], atol=0.00051)


def test_every_map_has_the_scripted_policys_win_rate_and_its_source() -> None:
    known = released.scripted_policy()
    assert set(known) == set(released.map_names())
    assert {policy.source for policy in known.values()} == {"confirmed", "recalled"}
    assert known["2s3z"] == released.ScriptedPolicy(0.9, "recalled")
    assert known["27m_vs_30m"] == released.ScriptedPolicy(0, "confirmed")
