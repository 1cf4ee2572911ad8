"""Verdicts on claims: each kind of comparison gives each verdict on summaries made for it."""

import numpy as np
import pandas as pd
import pytest

from analysis.claims import CONTRADICTED, NOT_TRAINED, REPRODUCED, SETTLED, UNDECIDED
from analysis.claims.evidence import FINAL, Evidence
from tests.analysis.summaries import CLAIM, MILESTONES, STEPS, around, judged_all, write_summary


@pytest.mark.parametrize(
    ("expect", "roma", "verdict"),
    [
        ({"above": 0.0}, around(0.7), REPRODUCED),
        ({"above": 0.0}, around(0.3), CONTRADICTED),
        ({"above": 0.0}, around(0.51, width=0.1), UNDECIDED),
        ({"above": 0.3}, around(0.7), CONTRADICTED),
        ({"below": 0.0}, around(0.3), REPRODUCED),
        ({"below": 0.0}, around(0.7), CONTRADICTED),
        ({"below": 0.0}, around(0.49, width=0.1), UNDECIDED),
        ({"within": 0.1}, around(0.52), REPRODUCED),
        ({"within": 0.1}, around(0.8), CONTRADICTED),
        ({"within": 0.1}, around(0.59), UNDECIDED),
    ],
)
def test_difference(judge, expect, roma, verdict):
    found = judge({"expect": expect}, {"3m/roma": roma, "3m/qmix": around(0.5)})
    assert found.verdict == verdict
    assert found.evidence.estimate.value == pytest.approx(roma.mean() - 0.5)
    assert bool(found.why) is (verdict == UNDECIDED)


@pytest.mark.parametrize(("best", "verdict"), [(0.0, REPRODUCED), (0.5, CONTRADICTED)])
def test_never_winning(judge, best, verdict):
    changes = {"measure": "best_test_win_rate", "contrast": [{"arm": "roma", "map": "3m"}], "expect": {"below": 0.02}}
    found = judge(changes, {"3m/roma": np.zeros(5)}, tests={"3m/roma": [0, best, 0, 0]})
    assert found.verdict == verdict


def test_one_lucky_seed_leaves_never_winning_open(judge):
    changes = {"measure": "best_test_win_rate", "contrast": [{"arm": "roma", "map": "3m"}], "expect": {"below": 0.02}}
    assert judge(changes, {"3m/roma": [0, 0, 0, 0, 0.04]}).verdict == UNDECIDED


@pytest.mark.parametrize(
    ("early", "late", "verdict"), [(0, 0.9, CONTRADICTED), (0.9, 0.9, REPRODUCED), (0.45, 0.6, UNDECIDED)]
)
def test_speed_is_the_mean_over_all_tests(judge, early, late, verdict):
    tests = {"3m/roma": [0, early, early, late], "3m/qmix": [0, 0.45, 0.45, 0.6]}
    found = judge({"measure": "mean_test_win_rate"}, {"3m/roma": around(0.6), "3m/qmix": around(0.6)}, tests=tests)
    assert found.verdict == verdict
    assert found.evidence.estimate.value == pytest.approx((2 * early + late) / 4 - 0.375)


def test_final_performance_is_the_mean_of_the_last_tenth_of_tests(judge):
    """Earlier tests and the final evaluation do not affect the verdict; the evaluation is printed beside it."""
    win_rates = {"3m/roma": around(0.1), "3m/qmix": around(0.9)}
    late = {"3m/roma": {1_850_000: 0.9, 1_900_000: 0.7}, "3m/qmix": {1_800_000: 0.9, 1_900_000: 0.2}}
    tests = {"3m/roma": [0, 0, 0, 0.8], "3m/qmix": [0.9, 0.9, 0.9, 0.4]}
    found = judge({}, win_rates, tests=tests, evaluated=late)
    assert found.evidence.estimate.value == pytest.approx(0.8 - 0.3)
    assert found.evidence.evaluation == pytest.approx(0.1 - 0.9)
    assert found.verdict == REPRODUCED


def test_seeds_that_agree_leave_the_chance_of_their_battles(judge):
    """Five equal seeds with one test of 32 episodes each are as certain as 160 episodes, and not more."""
    found = judge({}, {"3m/roma": np.full(5, 0.52), "3m/qmix": np.full(5, 0.5)}, episodes=32)
    assert found.verdict == UNDECIDED
    chance = sum(share * (1 - share) for share in ((0.52 * 32 + 0.5) / 33, 0.5)) / 32 / 5
    assert found.evidence.estimate.error == pytest.approx(np.sqrt(chance))


@pytest.mark.parametrize(("other", "verdict"), [(0.3, REPRODUCED), (0.001, CONTRADICTED), (0.1, UNDECIDED)])
def test_steadiness_is_the_spread_within_runs(judge, other, verdict):
    """Six tests in the last tenth, the last one at the end; the variance due to finite test episodes is subtracted."""

    def tests(spread):
        return {STEPS - 1000 * place: 0.5 + spread * (-1) ** place for place in range(1, 6)}

    evaluated = {"3m/roma": tests(other), "3m/qmix": tests(0.1)}
    win_rates = {"3m/roma": around(0.5 + other, width=0.01), "3m/qmix": around(0.6, width=0.01)}
    found = judge({"measure": "unsteadiness"}, win_rates, evaluated=evaluated, episodes=40)
    assert found.verdict == verdict
    with_chance = 1.2 * (other**2 - 0.01)
    chance = ((0.25 - other**2) - (0.25 - 0.01)) / 39
    assert found.evidence.estimate.value == pytest.approx(with_chance - chance, abs=1e-4)


ROLES = {
    "measure": "silhouette_type",
    "contrast": [{"arm": "roma", "map": "3m"}],
    "nulls": ["untrained", "roma_td", "projected"],
}
LEARNT = [
    ("3m/roma", "silhouette_type", STEPS, "roles", around(0.8)),
    ("3m/roma", "silhouette_type", 0, "untrained", around(0.4, n=20)),
    ("3m/roma", "silhouette_type", STEPS, "projected", around(0.3)),
    ("3m/roma_td", "silhouette_type", STEPS, "roles", around(0.2)),
]
BOTH = {"3m/roma": around(0.5), "3m/roma_td": around(0.5)}


def test_a_measure_of_roles_has_to_beat_its_nulls(judge):
    found = judge(ROLES, BOTH, roles=LEARNT)
    assert found.verdict == REPRODUCED
    values = {finding.part.label: finding.estimate.value for finding in found.findings}
    assert values == pytest.approx(
        {"": 0.8, "against untrained": 0.4, "against roma_td": 0.6, "against projected": 0.5}
    )


@pytest.mark.parametrize("null", [1, 2, 3])
def test_a_null_that_is_better_contradicts(judge, null):
    roles = [(*row[:4], around(0.9)) if place == null else row for place, row in enumerate(LEARNT)]
    assert judge(ROLES, BOTH, roles=roles).verdict == CONTRADICTED


def test_a_null_that_is_as_good_leaves_it_open(judge):
    roles = [(*row[:4], around(0.8)[::-1]) if place == 2 else row for place, row in enumerate(LEARNT)]
    roles[1] = (*LEARNT[1][:4], [0.85, 0.75, 0.85, 0.75, 0.8])
    found = judge(ROLES, BOTH, roles=roles)
    assert found.verdict == UNDECIDED
    assert "the interval includes the threshold (against untrained" in found.why


@pytest.mark.parametrize(
    ("shift", "verdict"),
    [(around(0.1, width=0.01), REPRODUCED), (around(-0.1, width=0.01), CONTRADICTED), (around(0.0), UNDECIDED)],
)
def test_paired_looks_within_runs(judge, shift, verdict):
    """A difference that is equal in all runs is found even if the runs differ widely from each other."""
    base = np.array([0.1, 0.9, 0.3, 0.7, 0.5])
    roles = [
        ("3m/roma", "d_when_I_low", STEPS, "roles", base + shift),
        ("3m/roma", "d_when_I_high", STEPS, "roles", base),
    ]
    contrast = [{"arm": "roma", "map": "3m"}, {"arm": "roma", "map": "3m", "measure": "d_when_I_high", "weight": -1}]
    changes = {"kind": "paired", "measure": "d_when_I_low", "contrast": contrast}
    found = judge(changes, {"3m/roma": around(0.5)}, roles=roles)
    assert found.verdict == verdict
    assert found.evidence.estimate.value == pytest.approx(shift.mean())
    assert judge(changes | {"kind": "difference"}, {"3m/roma": around(0.5)}, roles=roles).verdict == UNDECIDED


@pytest.mark.parametrize(("sign", "verdict"), [(1, REPRODUCED), (-1, CONTRADICTED), (0, UNDECIDED)])
def test_correlation_over_the_training(tmp_path, sign, verdict):
    """Both series rise; only the deviations of seeds at the same step decide whether they are correlated."""
    common, (mine, other) = np.array([0.1, 0.3, 0.6, 0.7]), np.random.default_rng(0).normal(0, 0.05, (2, 5, 4))
    roles = [
        ("3m/roma", "drift", step, "roles", common[place] + (sign * mine if sign else other)[:, place])
        for place, step in enumerate(MILESTONES)
    ]
    summary = write_summary(tmp_path / "scale" / "summary", {"3m/roma": [0.6] * 5}, roles)
    curves = pd.read_parquet(summary / "curves.parquet")
    won = [(common + mine[seed])[MILESTONES.index(step)] for seed, step in curves[["seed", "step"]].to_numpy()]
    curves.assign(test_battle_won_mean=won).to_parquet(summary / "curves.parquet")
    entry = CLAIM | {"kind": "correlation", "measure": "drift", "contrast": [{"arm": "roma", "map": "3m"}]}
    assert judged_all([entry], summary)[0].verdict == verdict


def test_without_any_win_no_correlation_is_defined(judge):
    roles = [("3m/roma", "drift", stage, "roles", [stage] * 3) for stage in MILESTONES]
    changes = {"kind": "correlation", "measure": "drift", "contrast": [{"arm": "roma", "map": "3m"}]}
    found = judge(changes, {"3m/roma": [0.0] * 3}, roles=roles)
    assert (found.verdict, found.why) == (UNDECIDED, "3 seeds are needed: 3m/roma has 0")


def test_stages_are_milestones_in_environment_steps(judge):
    roles = [("3m/roma", "drift", 600_000, "roles", around(0.9)), ("3m/roma", "drift", 1_000_000, "roles", around(0.1))]
    early, late = ({"arm": "roma", "map": "3m", "stage": step} for step in (600_000, 1_000_000))
    changes = {"kind": "paired", "measure": "drift", "contrast": [early, late | {"weight": -1}]}
    assert judge(changes, {"3m/roma": around(0.5)}, roles=roles).evidence.estimate.value == pytest.approx(0.8)
    beside = changes | {"contrast": [early | {"stage": 500_000}, late | {"weight": -1}]}
    found = judge(beside, {"3m/roma": around(0.5)}, roles=roles)
    assert (found.verdict, found.why) == (UNDECIDED, "not recorded: drift of 3m/roma at 500000 steps")


def test_a_stage_that_was_not_reached_says_so(judge):
    roles = [("3m/roma", "drift", STEPS, "roles", around(0.9))]
    contrast = [{"arm": "roma", "map": "3m", "stage": 6_000_000}]
    found = judge({"measure": "drift", "contrast": contrast}, {"3m/roma": around(0.5)}, roles=roles)
    why = "the stage of 6000000 steps is not reached: runs of 3m have 2000000"
    assert (found.verdict, found.needed, found.why) == (UNDECIDED, "no number", why)


def test_pooled_maps_count_alike(judge):
    win_rates = {"3m/roma": around(0.9), "8m/roma": around(0.5, n=3), "3m/qmix": around(0.6), "8m/qmix": around(0.4)}
    contrast = [{"arm": "roma", "map": ["3m", "8m"]}, {"arm": "qmix", "map": ["3m", "8m"], "weight": -1}]
    found = judge({"contrast": contrast}, win_rates)
    assert found.evidence.estimate.value == pytest.approx(0.2)
    assert found.evidence.seeds == 3
    assert found.verdict == REPRODUCED


def test_the_release_takes_romas_place(judge):
    win_rates = {"3m/roma": around(0.7), "3m/roma_release": around(0.3), "3m/qmix": around(0.5)}
    assert judge({}, win_rates, variant="roma_release").verdict == CONTRADICTED


@pytest.mark.parametrize(
    ("changes", "win_rates", "more", "why", "needed"),
    [
        ({}, {"3m/roma": around(0.7)}, {"planned": {"3m/qmix": 5}}, "no runs of 3m/qmix", "at least 3"),
        ({}, {"3m/roma": around(0.7), "3m/qmix": [0.1, 0.2]}, {}, "3 seeds are needed: 3m/qmix has 2", "at least 3"),
        ({}, {"3m/roma": around(0.05), "3m/qmix": np.zeros(5)}, {}, "no side wins more than 10 %", "no number"),
        ({}, {"3m/roma": np.ones(5), "3m/qmix": around(0.97)}, {}, "both sides win more than 95 %", "no number"),
        (
            {},
            {"3m/roma": around(0.7), "3m/qmix": around(0.3)},
            {"steps": 100_000},
            "runs of 3m compared at 100000 steps, the claim requires 2000000 under protocol smac_v1",
            "no number",
        ),
        (ROLES, BOTH, {}, "the summary has no table of roles", "no number"),
        (
            ROLES | {"nulls": ["principal"]},
            BOTH,
            {"roles": LEARNT[:2]},
            "not recorded: silhouette_type of principal of 3m/roma at 2000000 steps",
            "no number",
        ),
        (
            {},
            {"3m/roma": around(0.7), "3m/qmix": around(0.3)},
            {"steps": {"3m/roma": 2 * STEPS}},
            "runs of roma, qmix on 3m have no evaluation at a common step",
            "no number",
        ),
    ],
)
def test_undecided_says_why_and_what_would_settle_it(judge, changes, win_rates, more, why, needed):
    found = judge(changes, win_rates, **more)
    assert (found.verdict, found.needed) == (UNDECIDED, needed)
    assert why in found.why


LONGER = {"steps": {"3m/roma": 2 * STEPS}, "evaluated": {"3m/roma": {STEPS: 0.4}}}


def test_runs_are_compared_where_the_shortest_ends(judge):
    found = judge({}, {"3m/roma": around(0.9), "3m/qmix": around(0.6)}, **LONGER)
    assert found.evidence.estimate.value == pytest.approx(0.4 - 0.6)
    assert found.verdict == CONTRADICTED


def test_seeds_of_one_arm_are_compared_where_the_shortest_ends(tmp_path):
    summary = write_summary(tmp_path / "pilot" / "summary", {"3m/roma": around(0.9)}, **LONGER)
    runs, evaluations = (pd.read_parquet(summary / f"{name}.parquet") for name in ("runs", "evaluations"))
    runs.loc[0, "total_steps"] = STEPS
    runs.to_parquet(summary / "runs.parquet")
    evaluations[(evaluations["seed"] != 0) | (evaluations["step"] == STEPS)].to_parquet(summary / "evaluations.parquet")
    evidence = Evidence.read(summary)
    assert evidence.equal_step("3m", ["roma"]) == STEPS
    assert evidence.values("3m", "roma", FINAL, STEPS).tolist() == [0.4] * 5


def test_curves_and_measures_of_roles_are_cut_there_too(judge):
    win_rates = {"3m/roma": around(0.9), "3m/qmix": around(0.6)}
    tests = {"3m/roma": [0, 0.2, 0.4, 0.5], "3m/qmix": [0, 0.3, 0.6, 0.7]}
    shorter = {"steps": {"3m/roma": STEPS, "3m/qmix": 1_000_000}, "evaluated": {"3m/roma": {1_000_000: 0.5}}}
    changes = {"measure": "best_test_win_rate", "minimum_steps": {"paper": 1, "smac_v1": 1}}
    found = judge(changes, win_rates, tests=tests, **shorter)
    assert found.evidence.estimate.value == pytest.approx(0.4 - 0.6)
    roles = [(f"3m/{arm}", "drift", 1_000_000, "roles", around(value)) for arm, value in (("roma", 0.7), ("qmix", 0.4))]
    roles.append(("3m/roma", "drift", STEPS, "roles", around(0.1)))
    found = judge(changes | {"measure": "drift"}, win_rates, roles=roles, **shorter)
    assert found.evidence.estimate.value == pytest.approx(0.3)


@pytest.mark.parametrize(("steps", "verdict"), [(STEPS, REPRODUCED), (STEPS + 1, UNDECIDED)])
def test_the_least_steps_may_go_by_map(judge, steps, verdict):
    least = {"paper": 1, "smac_v1": {"default": 10 * STEPS, "3m": steps}}
    found = judge({"minimum_steps": least}, {"3m/roma": around(0.7), "3m/qmix": around(0.3)})
    assert found.verdict == verdict


def test_until_all_planned_seeds_are_there_a_verdict_is_one_so_far(judge):
    win_rates = {"3m/roma": around(0.7), "3m/qmix": around(0.3)}
    found = judge({}, win_rates, planned={"3m/qmix": 6})
    assert (found.verdict, str(found)) == (REPRODUCED, "reproduced on this engine so far")
    assert str(judge({}, win_rates)) == "reproduced on this engine"
    open_yet = judge({"expect": {"above": 0.4}}, win_rates, planned={"3m/qmix": 6})
    assert str(open_yet) == "undecided"


def test_a_claim_of_another_scale_waits_for_its_summary(judge):
    found = judge({"scale": "lambda"}, BOTH)
    assert (found.verdict, found.why) == (NOT_TRAINED, "the scale lambda has no summary")


def test_one_side_between_the_bounds_is_enough(judge):
    assert judge({}, {"3m/roma": around(0.5), "3m/qmix": np.zeros(5)}).verdict == REPRODUCED


def test_seeds_that_would_settle_it_do(judge, tmp_path):
    found = judge({}, {"3m/roma": around(0.55, width=0.1), "3m/qmix": around(0.5, width=0.1)})
    n = int(found.needed)
    assert found.verdict == UNDECIDED
    assert n > 5
    deviation = around(0, width=0.1).std(ddof=1)
    grown = {arm: around(centre, n) - centre for arm, centre in (("roma", 0.55), ("qmix", 0.5))}
    grown = {arm: values / values.std(ddof=1) * deviation for arm, values in grown.items()}
    win_rates = {"3m/roma": 0.55 + grown["roma"], "3m/qmix": 0.5 + grown["qmix"]}
    summary = write_summary(tmp_path / "more" / "summary", win_rates)
    assert judged_all([CLAIM], summary)[0].verdict == REPRODUCED


def test_what_is_settled_needs_no_runs(judge):
    settled = {
        "roma": {"verdict": "holds by construction", "because": "it is built so"},
        "roma_release": {"verdict": "fails by construction", "because": "it is built otherwise"},
    }
    assert judge({"settled": settled}, {"8m/vdn": [0.5]}).verdict == SETTLED


def test_another_scale_lends_arms_trained_as_long(tmp_path):
    own = write_summary(tmp_path / "lab" / "summary", {"3m/roma": around(0.7), "3m/qmix": around(0.5)})
    beside = write_summary(tmp_path / "extra" / "summary", {"3m/roma_release": around(0.3), "3m/roma": around(0.1)})
    short = write_summary(tmp_path / "short" / "summary", {"3m/vdn": around(0.3)}, steps=1000)
    evidence = Evidence.read(own, [beside, short])
    assert evidence.final_win_rates("3m", "roma").mean() == pytest.approx(0.7)
    assert evidence.final_win_rates("3m", "roma_release").mean() == pytest.approx(0.3)
    assert not evidence.has("3m", "vdn")
