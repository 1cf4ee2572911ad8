"""Simple models of roles, actions and pairs against closed forms and answers computed by hand."""

import numpy as np
import pytest

from analysis.measures import probes


@pytest.mark.parametrize(
    ("values", "positive", "auc", "accuracy"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 1, 1),
        ([0.8, 0.9, 0.1, 0.2], [0, 0, 1, 1], 0, 0.5),
        ([0.5, 0.5, 0.5, 0.5], [0, 1, 0, 1], 0.5, 0.5),
        ([1, 2, 3, 4], [0, 1, 0, 1], 0.75, 0.75),
    ],
)
def test_separation_by_hand(values, positive, auc, accuracy):
    found = probes.separation(np.array(values, float), np.array(positive, bool))
    assert found == pytest.approx((auc, accuracy))


def test_pairs_of_one_kind_cannot_be_separated():
    assert np.isnan(probes.separation(np.ones(3), np.ones(3, bool))).all()


def test_probes_see_what_is_there_and_nothing_else():
    noise = np.random.default_rng(4)
    inputs = noise.normal(size=(600, 5))
    held_out = np.arange(600) % 2 == 1
    linear = inputs @ noise.normal(size=(5, 3)) + 4
    assert probes.explained(inputs, linear, held_out) == pytest.approx(1, abs=0.02)
    assert abs(probes.explained(inputs, noise.normal(size=(600, 3)), held_out)) < 0.05
    classes = inputs[:, :4].argmax(1)
    assert probes.classified(inputs, classes, held_out) > 0.85
    assert probes.classified(inputs, noise.integers(0, 4, 600), held_out) < 0.35
    constant = np.concatenate([inputs, np.ones((600, 1))], 1)
    assert probes.explained(constant, linear, held_out) == pytest.approx(1, abs=0.02)
    assert np.isnan(probes.explained(inputs, linear, np.zeros(600, bool)))


def test_ridge_is_the_solution_of_its_normal_equations():
    noise = np.random.default_rng(5)
    inputs, targets = noise.normal(size=(50, 4)), noise.normal(size=(50, 2))
    x = (inputs - inputs.mean(0)) / inputs.std(0)
    rows = np.concatenate([x, np.sqrt(0.08 * 50) * np.eye(4)])  # the penalty as additional rows with target zero
    weights = np.linalg.lstsq(rows, np.concatenate([targets - targets.mean(0), np.zeros((4, 2))]), rcond=None)[0]
    np.testing.assert_allclose(probes.ridge(inputs, targets, inputs, penalty=0.08), x @ weights + targets.mean(0))


@pytest.mark.parametrize("ratio", [0.0, 1.0, 9.0])
def test_information_of_normal_variables_is_that_of_the_closed_form(ratio):
    """Each of three role dimensions is one of the trajectory plus noise; types add no information."""
    noise = np.random.default_rng(6)
    trajectory = noise.normal(size=(4000, 6))
    types = noise.integers(0, 2, 4000)
    role = np.sqrt(ratio) * trajectory[:, :3] + noise.normal(size=(4000, 3)) + 50 * types[:, None]
    inputs = np.concatenate([4 * trajectory, 10 * types[:, None]], 1)
    found = probes.information(inputs, role, types, np.arange(4000) % 2 == 1)
    assert found == pytest.approx(1.5 * np.log1p(ratio), abs=0.08)


def test_without_rows_of_a_type_on_both_sides_there_is_no_information():
    values = np.random.default_rng(0).normal(size=(100, 3))
    held_out = np.arange(100) >= 50
    assert np.isnan(probes.information(values, values, held_out.astype(int), held_out))
    assert np.isnan(probes.information(values, values, np.zeros(100, int), np.zeros(100, bool)))
