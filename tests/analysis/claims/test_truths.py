"""Claims on roles in simulated studies: each finds an existing effect, and none if there is none."""

import pytest

from tests.analysis.truths import CLAIMS, TRUTHS, shares_of

DRAWS, DRAWS_ON_THE_EDGE = 5, 12
QUESTIONS = {"primary", "roles", "do roles matter", "evolution"}
# Claims without a truth: their measures are unchanged, or belong to another claim that has one.
WITHOUT = {
    *("study_lead", "study_losses", "position_first", "from_position_to_health", "dead_apart", "dynamic"),
    *("sacrificed_zealot_apart", "sacrificed_zealot_moves", "medivac_first", "marauders_later", "decentralised"),
    *("specialised_by_type", "positions_with_win_rate"),
}


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: f"{truth.claim}: {truth.name}")
def test_the_right_verdict_is_given(truth):
    if truth.right:
        assert shares_of(truth, DRAWS)[truth.right] >= 0.79
    else:
        found = shares_of(truth, DRAWS_ON_THE_EDGE)
        assert sum(found[verdict] for verdict in truth.false) <= 0.17  # of 5 %, two of twelve


def test_every_claim_on_roles_has_a_truth():
    listed = {name for name, claim in CLAIMS.items() if claim.question in QUESTIONS}
    assert listed - {truth.claim for truth in TRUTHS} == WITHOUT
