"""Verdicts: each comes out each way, for each kind of comparison, on summaries made for it."""

from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis import claims
from analysis.__main__ import main
from analysis.claims import CONTRADICTED, ESTIMATED, NOT_TRAINED, REPRODUCED, SETTLED, UNDECIDED
from analysis.claims.entries import EFFICIENCY
from analysis.evidence import FINAL, Evidence
from roma.errors import UserError
from roma.learners import algorithm_names

STEPS = 2_000_000
MILESTONES = (0, 600_000, 1_000_000, STEPS)
CLAIM = {
    "id": "example",
    "question": "performance",
    "place": "section 0",
    "statement": "One is above the other.",
    "kind": "difference",
    "measure": "final_win_rate",
    "contrast": [{"arm": "roma", "map": "3m"}, {"arm": "qmix", "map": "3m", "weight": -1}],
    "expect": {"above": 0.0},
    "minimum_steps": {"paper": 10_000_000, "smac_v1": STEPS},
}


def around(centre, n=5, width=0.02):
    """n values with this mean."""
    return centre + width * np.linspace(-1, 1, n)


def write_summary(
    folder: Path, win_rates, roles=(), steps=STEPS, tests=None, planned=None, evaluated=None, episodes=10_000
) -> Path:
    """A summary of these numbers.

    Args:
        folder: Where it is written.
        win_rates: {map/arm: final win rate of each seed}.
        roles: (map/arm, measure, stage, reference, values), behind them where known the variance by chance.
        steps: Total steps of each run; or {map/arm: steps} with STEPS as the default.
        tests: {map/arm: win rates over the training, the same for all seeds}, at MILESTONES but the last at the end.
        planned: {map/arm: number of seeds}; default: those that there are.
        evaluated: {map/arm: {earlier step: win rate of every seed, evaluated and tested}}.
        episodes: Of a test; so many that their chance plays no part.
    """
    lengths = steps if isinstance(steps, dict) else dict.fromkeys(win_rates, steps)
    runs, curves, recorded, evaluations = [], [], [], []
    for cell, values in win_rates.items():
        map_name, arm = cell.split("/")
        for seed, value in enumerate(values):
            identity = {"map": map_name, "arm": arm, "seed": seed}
            length = lengths.get(cell, STEPS)
            facts = {"engine": "embedded", "engine_version": "1", "protocol": "smac_v1", "total_steps": length}
            runs.append(identity | facts | {"test_episodes": episodes})
            earlier = (evaluated or {}).get(cell, {})
            at = {length: value} | earlier
            evaluations += [identity | {"step": step, "battle_won_mean": won} for step, won in at.items()]
            tested = dict(zip([*MILESTONES[:-1], length], (tests or {}).get(cell, [0, 0, 0, value]), strict=True))
            for step, won in (tested | earlier).items():
                told = {"test_battle_won_mean": won, "test_return_mean": 20 * won, "test_ep_length_mean": 40.0}
                curves.append(identity | {"step": step} | told)
    for cell, measure, stage, reference, values, *chance in roles:
        map_name, arm = cell.split("/")
        for seed, value in enumerate(values):
            identity = {"map": map_name, "arm": arm, "seed": seed, "step": stage, "measure": measure}
            recorded.append(
                identity | {"reference": reference, "value": value, "chance": chance[0] if chance else np.nan}
            )
    folder.mkdir(parents=True)
    pd.DataFrame(runs).to_parquet(folder / "runs.parquet")
    pd.DataFrame(evaluations).to_parquet(folder / "evaluations.parquet")
    cells = {**{cell: len(values) for cell, values in win_rates.items()}, **(planned or {})}
    plan = [(*cell.split("/"), seeds) for cell, seeds in cells.items()]
    pd.DataFrame(plan, columns=["map", "arm", "seeds"]).to_parquet(folder / "plan.parquet")
    pd.DataFrame(curves).to_parquet(folder / "curves.parquet")
    if recorded:
        pd.DataFrame(recorded).to_parquet(folder / "roles.parquet")
    return folder


def judged_all(entries, summary):
    """The verdicts on these claims."""
    file = summary / "claims.yaml"
    file.write_text(yaml.safe_dump({"claims": entries}))
    return claims.judge(claims.load(file), Evidence(summary), {})


@pytest.fixture
def judge(tmp_path):
    """Judges one claim, given by what differs from CLAIM, on the summary of these numbers; returns roma's verdict."""

    scales = (tmp_path / f"scale{number}" for number in count())

    def judged(changes, win_rates, variant="roma", **more):
        summary = write_summary(next(scales) / "summary", win_rates, **more)
        verdicts = judged_all([CLAIM | changes], summary)
        return next(verdict for verdict in verdicts if verdict.variant == variant)

    return judged


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
    """Tests before the last tenth and the final evaluation decide nothing; the latter is printed beside it."""
    win_rates = {"3m/roma": around(0.1), "3m/qmix": around(0.9)}
    late = {"3m/roma": {1_850_000: 0.9, 1_900_000: 0.7}, "3m/qmix": {1_800_000: 0.9, 1_900_000: 0.2}}
    tests = {"3m/roma": [0, 0, 0, 0.8], "3m/qmix": [0.9, 0.9, 0.9, 0.4]}
    found = judge({}, win_rates, tests=tests, evaluated=late)
    assert found.evidence.estimate.value == pytest.approx(0.8 - 0.3)
    assert found.evidence.evaluation == pytest.approx(0.1 - 0.9)
    assert found.verdict == REPRODUCED


def test_seeds_that_agree_leave_the_chance_of_their_battles(judge):
    """One test of 32 battles a seed: five seeds of 0.5 are as sure as 160 battles are, and no more."""
    found = judge({}, {"3m/roma": np.full(5, 0.52), "3m/qmix": np.full(5, 0.5)}, episodes=32)
    assert found.verdict == UNDECIDED
    chance = sum(share * (1 - share) for share in ((0.52 * 32 + 0.5) / 33, 0.5)) / 32 / 5
    assert found.evidence.estimate.error == pytest.approx(np.sqrt(chance))


@pytest.mark.parametrize(("other", "verdict"), [(0.3, REPRODUCED), (0.001, CONTRADICTED), (0.1, UNDECIDED)])
def test_steadiness_is_the_spread_within_runs(judge, other, verdict):
    """Six tests in the last tenth, that of the end as the seeds have it; the chance of their battles is taken away."""

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
    """Runs that differ widely among each other do not hide what happens alike in each of them."""
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
    """Both rise; only what seeds have of their own at a step tells whether they go together."""
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


MAPS = ["3m", "8m", "6z4b"]  # without released runs
ON_EACH = {
    "each_map": MAPS,
    "contrast": [{"arm": "roma", "map": "each"}, {"arm": "qmix", "map": "each", "weight": -1}],
}


@pytest.mark.parametrize(
    ("values", "verdict", "deciding"),
    [
        ((0.7, 0.8, 0.9), REPRODUCED, "3m"),
        ((0.7, 0.3, 0.7), CONTRADICTED, "8m"),
        ((0.7, 0.7, 0.5), UNDECIDED, "6z4b"),
        ((0.7, 0.3, 0.5), CONTRADICTED, "8m"),
    ],
)
def test_all_parts_must_hold(judge, values, verdict, deciding):
    """An intersection-union test: the part that is least clear decides, at the level of the claim."""
    win_rates = {f"{name}/roma": around(value) for name, value in zip(MAPS, values, strict=True)}
    found = judge(ON_EACH, win_rates | {f"{name}/qmix": around(0.5) for name in MAPS})
    assert (found.verdict, found.evidence.part.label) == (verdict, deciding)
    assert found.evidence.alpha == pytest.approx(0.05 / 3 if verdict == CONTRADICTED else 0.05)


def test_one_of_several_parts_must_fail_the_more_clearly(judge):
    """What contradicts a claim of one part does not contradict one of three: any of them could fail by chance."""
    below = {"3m/roma": around(0.43, width=0.06), "3m/qmix": around(0.5, width=0.03)}
    assert judge({}, below).verdict == CONTRADICTED
    above = {f"{name}/roma": around(0.9) for name in MAPS[1:]} | {f"{name}/qmix": around(0.5) for name in MAPS[1:]}
    found = judge(ON_EACH, below | above)
    assert (found.verdict, found.why) == (
        UNDECIDED,
        "beyond the threshold, not clearly enough for one of several parts (3m)",
    )


def test_beside_a_pooled_claim_stands_how_clear_it_is_on_so_many_maps(judge):
    win_rates = {f"{name}/roma": around(value) for name, value in zip(MAPS, (0.9, 0.7, 0.5), strict=True)}
    win_rates |= {f"{name}/qmix": around(0.5) for name in MAPS}
    contrast = [{"arm": "roma", "map": MAPS}, {"arm": "qmix", "map": MAPS, "weight": -1}]
    found = judge({"contrast": contrast, "at_least": 2}, win_rates)
    assert found.verdict == REPRODUCED
    single = judge({"contrast": [term | {"map": "8m"} for term in contrast]}, win_rates)
    p_value = 2 * float(single.evidence.p_values[0])  # the second smallest of three times 3 - 2 + 1
    assert found.on_maps == f"on at least 2 of 3 maps: p = {p_value:.2g}"
    assert judge({"contrast": contrast, "at_least": 3}, win_rates).on_maps == "on at least 3 of 3 maps: p = 0.5"


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
            "runs of 3m compared at 100000 steps, the claim asks for 2000000 under smac_v1",
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
            "runs of roma, qmix on 3m have no evaluation at one step",
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
    evidence = Evidence(summary)
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


def test_what_the_scale_does_not_train_belongs_to_no_family(tmp_path):
    win_rates = {"3m/roma": around(0.6, width=0.1), "3m/qmix": around(0.5, width=0.05)}
    elsewhere = {"contrast": [{"arm": "vdn", "map": "8m"}, {"arm": "qmix", "map": "3m", "weight": -1}]}
    family = [CLAIM, *(CLAIM | elsewhere | {"id": f"elsewhere{place}"} for place in range(9))]
    verdicts = judged_all(family, write_summary(tmp_path / "scale" / "summary", win_rates))
    alone, other = (next(each for each in verdicts if each.claim.id == name) for name in ("example", "elsewhere0"))
    assert (alone.verdict, alone.evidence.alpha) == (REPRODUCED, 0.05)
    assert (other.verdict, other.why, other.needed) == (NOT_TRAINED, "the scale scale does not train 8m/vdn", "")


def test_a_claim_of_another_scale_waits_for_its_summary(judge):
    found = judge({"scale": "lambda"}, BOTH)
    assert (found.verdict, found.why) == (NOT_TRAINED, "the scale lambda has no summary")


def test_some_parts_may_be_not_trained(judge):
    maps = ["3m", "8m", "2s3z"]
    win_rates = {f"{name}/roma": around(0.7) for name in maps[:2]} | {f"{name}/qmix": around(0.5) for name in maps[:2]}
    contrast = [{"arm": "roma", "map": "each"}, {"arm": "qmix", "map": "each", "weight": -1}]
    changes = {"each_map": maps, "contrast": contrast}
    found = judge(changes, win_rates)
    assert (found.verdict, found.why) == (NOT_TRAINED, "the scale scale0 does not train 2s3z/roma, 2s3z/qmix (2s3z)")
    assert judge(changes, win_rates | {"3m/roma": around(0.2)}).verdict == CONTRADICTED


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


def test_a_family_shares_its_errors(judge, tmp_path):
    """What one claim alone would show, it does not show beside nine others of the same question that show nothing."""
    win_rates = {"3m/roma": around(0.6, width=0.1), "3m/qmix": around(0.5, width=0.05)}
    assert judge({}, win_rates).verdict == REPRODUCED
    nothing = {"contrast": [{"arm": "qmix", "map": "3m"}, {"arm": "qmix", "map": "3m", "weight": -1}]}
    family = [CLAIM, *(CLAIM | nothing | {"id": f"nothing{place}"} for place in range(9))]
    verdict = judged_all(family, write_summary(tmp_path / "summary", win_rates))[0]
    assert verdict.verdict == UNDECIDED
    assert verdict.evidence.alpha == pytest.approx(0.05 / 10)


def test_a_family_is_of_claims_however_many_parts_they_have(judge, tmp_path):
    win_rates = {f"{name}/roma": around(0.6, width=0.1) for name in MAPS}
    win_rates |= {f"{name}/qmix": around(0.5, width=0.05) for name in MAPS}
    assert judge(ON_EACH, win_rates).verdict == REPRODUCED
    alone, other = judged_all(
        [CLAIM | ON_EACH, CLAIM | {"id": "other"}], write_summary(tmp_path / "summary", win_rates)
    )[::4]
    assert (alone.verdict, alone.evidence.alpha) == (UNDECIDED, 0.025)
    assert other.evidence.alpha == 0.025


def test_an_estimate_has_an_interval_and_no_verdict(tmp_path):
    win_rates = {"3m/roma": around(0.6, width=0.1), "3m/qmix": around(0.5, width=0.05)}
    family = [CLAIM | {"id": "estimated", "estimate": True}, CLAIM]
    verdicts = judged_all(family, write_summary(tmp_path / "summary", win_rates))
    estimated = next(verdict for verdict in verdicts if verdict.claim.id == "estimated")
    judged = next(verdict for verdict in verdicts if verdict.claim.id == "example")
    assert (estimated.verdict, estimated.evidence.alpha) == (ESTIMATED, 0.05)
    assert (judged.verdict, judged.evidence.alpha) == (REPRODUCED, 0.05)


def test_a_claim_without_roma_is_judged_once_beside_the_headline(tmp_path):
    other = CLAIM | {
        "id": "other",
        "contrast": [{"arm": "maven", "map": "3m"}, {"arm": "qmix", "map": "3m", "weight": -1}],
    }
    win_rates = {f"3m/{arm}": around(0.6) for arm in ("roma", "roma_release", "maven")} | {"3m/qmix": around(0.5)}
    verdicts = judged_all([CLAIM, other], write_summary(tmp_path / "summary", win_rates))
    found = {(verdict.claim.id, verdict.variant): verdict.findings[0].alpha for verdict in verdicts}
    alphas = {key: alpha for key, alpha in found.items() if "area" not in key[0]}
    assert alphas == {("example", "roma"): 0.025, ("example", "roma_release"): 0.05, ("other", "either"): 0.05}
    equal = win_rates | {"3m/roma": around(0.5, width=0.1), "3m/maven": around(0.5, width=0.1)}
    verdicts = judged_all([CLAIM, other], write_summary(tmp_path / "equal" / "summary", equal))
    assert [verdict.findings[0].alpha for verdict in verdicts if "area" not in verdict.claim.id] == [0.025, 0.05, 0.025]


def test_a_claim_on_final_win_rates_has_a_twin_in_area_under_the_curve(tmp_path):
    """The twin is judged in a family of its own, by the mean of all tests."""
    statement = {"statement": "{when} one is above the other.", "twin": {"id": "faster"}}
    tests = {"3m/roma": [0, 0.1, 0.1, 0.9], "3m/qmix": [0, 0.6, 0.7, 0.5]}
    summary = write_summary(tmp_path / "summary", {"3m/roma": around(0.9), "3m/qmix": around(0.5)}, tests=tests)
    ends, _, faster, _ = judged_all([CLAIM | statement], summary)
    assert (ends.claim.statement, ends.verdict) == ("By the end of training one is above the other.", REPRODUCED)
    assert (faster.claim.statement, faster.verdict) == (
        "Over the whole of training one is above the other.",
        CONTRADICTED,
    )
    assert (faster.claim.id, faster.claim.question) == ("faster", "performance: learning efficiency")
    assert ends.evidence.alpha == 0.05


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
    evidence = Evidence(own, [beside, short])
    assert evidence.final_win_rates("3m", "roma").mean() == pytest.approx(0.7)
    assert evidence.final_win_rates("3m", "roma_release").mean() == pytest.approx(0.3)
    assert not evidence.has("3m", "vdn")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mesure": "drift"}, "claims[0].mesure is not a known key (did you mean 'measure'?)"),
        ({"measure": "drifft"}, "'drifft' is not one of"),
        ({"kind": "ratio"}, "claims[0].kind: 'ratio' is not one of"),
        ({"expect": {"above": 0, "below": 1}}, "claims[0].expect"),
        ({"each_map": ["3m"]}, "claim example: 'each' as map and each_map need each other"),
        ({"at_least": 2}, "claim example: at_least = 2 exceeds its 1 maps"),
        ({"nulls": ["untrained"]}, "claim example: nulls need the same arms and maps in all terms"),
        ({"contrast": [{"arm": "roma", "map": "4m"}]}, "'4m' is not a known map"),
    ],
)
def test_a_mistake_in_the_list_is_one_line(tmp_path, changes, message):
    file = tmp_path / "claims.yaml"
    file.write_text(yaml.safe_dump({"claims": [CLAIM | changes]}))
    with pytest.raises(UserError) as error:
        claims.load(file)
    assert str(error.value).startswith(f"{file}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_claim_stands_once(tmp_path):
    file = tmp_path / "claims.yaml"
    file.write_text(yaml.safe_dump({"claims": [CLAIM, CLAIM]}))
    with pytest.raises(UserError, match="claim example stands twice"):
        claims.load(file)


def test_the_list_covers_the_questions_with_arms_that_exist(root):
    listed = claims.load()
    assert len(listed) >= 30
    assert len({claim.question.split(":")[0] for claim in listed}) == 10
    arms = {arm for claim in listed for part in claim.parts for term in part.terms for arm in term.arms}
    assert {arm for arm in arms if not arm.startswith("roma_I")} <= {*algorithm_names(), "qmix_lar_matched"}
    assert sum(arm.startswith("roma_I") for arm in arms) == 25
    settled = {claim.id for claim in listed if "roma" in claim.settled}
    assert settled == {"dead_apart", "decentralised", "qmix_lar_as_large"}


def test_the_design_is_what_the_plan_says():
    listed = claims.load()
    assert {claim.id for claim in listed if claim.question == "primary"} >= {"study_lead", "study_losses"}
    assert sum(claim.estimate for claim in listed) <= 8
    assert not any(claim.estimate for claim in listed if claim.question == "primary")
    twins = {claim.id for claim in listed if claim.question.endswith(EFFICIENCY)}
    ends = [claim for claim in listed if claim.parts and claim.parts[0].terms[0].measure == FINAL]
    assert len(twins) == len(ends)
    assert all("{" not in claim.statement for claim in listed)


def test_the_command_writes_a_verdict_on_each_for_both_variants(results, tmp_path, root, monkeypatch):
    monkeypatch.chdir(root)
    for folder in ("once", "twice"):
        assert main(["plot", "claims", "--summary", str(results / "summary"), "--out", str(tmp_path / folder)]) == 0
    for kind in ("csv", "md", "tex"):
        assert (tmp_path / "once" / f"claims.{kind}").read_bytes() == (
            tmp_path / "twice" / f"claims.{kind}"
        ).read_bytes()
    frame = pd.read_csv(tmp_path / "once" / "claims.csv")
    assert frame["variant"].tolist() == [variant for claim in claims.load() for variant in claim.variants]
    assert set(frame["verdict"]) <= set(claims.VERDICTS)
    assert not frame.duplicated(["claim", "variant"]).any()
    assert set(frame["claims digest"]) == {claims.claims_digest()}
    assert frame[frame["verdict"] == UNDECIDED]["why"].notna().all()
    assert frame[frame["verdict"] == UNDECIDED]["seeds needed"].notna().all()
    assert claims.claims_digest() in (tmp_path / "once" / "claims.md").read_text().splitlines()[0]
