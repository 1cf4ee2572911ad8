"""Families of claims: the effect of family size, of several parts and of Holm's procedure on verdicts."""

import pytest

from analysis.claims import CONTRADICTED, ESTIMATED, NOT_TRAINED, REPRODUCED, UNDECIDED
from tests.analysis.summaries import CLAIM, around, judged_all, write_summary

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
    """Intersection-union test: the least clear part decides, at the level of the claim."""
    win_rates = {f"{name}/roma": around(value) for name, value in zip(MAPS, values, strict=True)}
    found = judge(ON_EACH, win_rates | {f"{name}/qmix": around(0.5) for name in MAPS})
    assert (found.verdict, found.evidence.part.label) == (verdict, deciding)
    assert found.evidence.alpha == pytest.approx(0.05 / 3 if verdict == CONTRADICTED else 0.05)


def test_one_of_several_parts_must_fail_the_more_clearly(judge):
    """Evidence that contradicts a claim with one part is not enough with three: any of them could fail by chance."""
    below = {"3m/roma": around(0.43, width=0.06), "3m/qmix": around(0.5, width=0.03)}
    assert judge({}, below).verdict == CONTRADICTED
    above = {f"{name}/roma": around(0.9) for name in MAPS[1:]} | {f"{name}/qmix": around(0.5) for name in MAPS[1:]}
    found = judge(ON_EACH, below | above)
    assert (found.verdict, found.why) == (
        UNDECIDED,
        "beyond the threshold, but not significant for one of several parts (3m)",
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


def test_what_the_scale_does_not_train_belongs_to_no_family(tmp_path):
    win_rates = {"3m/roma": around(0.6, width=0.1), "3m/qmix": around(0.5, width=0.05)}
    elsewhere = {"contrast": [{"arm": "vdn", "map": "8m"}, {"arm": "qmix", "map": "3m", "weight": -1}]}
    family = [CLAIM, *(CLAIM | elsewhere | {"id": f"elsewhere{place}"} for place in range(9))]
    verdicts = judged_all(family, write_summary(tmp_path / "scale" / "summary", win_rates))
    alone, other = (next(each for each in verdicts if each.claim.id == name) for name in ("example", "elsewhere0"))
    assert (alone.verdict, alone.evidence.alpha) == (REPRODUCED, 0.05)
    assert (other.verdict, other.why, other.needed) == (NOT_TRAINED, "the scale scale does not train 8m/vdn", "")


def test_some_parts_may_be_not_trained(judge):
    maps = ["3m", "8m", "2s3z"]
    win_rates = {f"{name}/roma": around(0.7) for name in maps[:2]} | {f"{name}/qmix": around(0.5) for name in maps[:2]}
    contrast = [{"arm": "roma", "map": "each"}, {"arm": "qmix", "map": "each", "weight": -1}]
    changes = {"each_map": maps, "contrast": contrast}
    found = judge(changes, win_rates)
    assert (found.verdict, found.why) == (NOT_TRAINED, "the scale scale0 does not train 2s3z/roma, 2s3z/qmix (2s3z)")
    assert judge(changes, win_rates | {"3m/roma": around(0.2)}).verdict == CONTRADICTED


def test_a_family_shares_its_errors(judge, tmp_path):
    """A claim that holds alone is undecided in a family with nine other claims without evidence."""
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
    assert (ends.claim.statement, ends.verdict) == ("At the end of training one is above the other.", REPRODUCED)
    assert (faster.claim.statement, faster.verdict) == (
        "Averaged over training one is above the other.",
        CONTRADICTED,
    )
    assert (faster.claim.id, faster.claim.question) == ("faster", "performance: learning efficiency")
    assert ends.evidence.alpha == 0.05
