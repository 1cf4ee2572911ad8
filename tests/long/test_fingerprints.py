"""Variants of algorithms, with other settings or other code in one place, train as recorded."""

import pytest

from roma.learners import algorithm_names
from tests.learners.test_fingerprints import ALGORITHMS, compare


@pytest.mark.parametrize("algorithm", sorted(set(algorithm_names()) - set(ALGORITHMS)))
def test_runs_are_the_recorded_ones(algorithm: str) -> None:
    compare(algorithm)
