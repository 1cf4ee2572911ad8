"""Moments of an episode by name."""

import numpy as np
import pytest

from analysis.measures.moments import first_death, locate, name, required

ALIVE = np.array([[1, 1, 1], [1, 1, 1], [1, 0, 0], [0, 0, 0]], bool)
TYPES = ["Stalker", "Zealot", "Zealot"]


@pytest.mark.parametrize(
    ("moment", "index"), [(1, 0), (3, 2), (4, None), (0, None), ("Zealot", 1), ("Stalker", 2), ("Medivac", None)]
)
def test_located(moment, index):
    assert locate(moment, ALIVE, TYPES) == index


def test_of_two_that_die_at_once_the_first_counts():
    assert first_death(ALIVE) == (1, 1)
    assert first_death(ALIVE[:2]) is None


def test_names_and_what_figures_ask_for():
    assert (name(27), name("Zealot")) == ("t = 27", "before the first Zealot dies")
    figures = [{"moments": {"a": [1, 8]}}, {"plot": "curves"}, {"moments": {"a": [8, "Zealot"], "b": [2]}}]
    assert required(figures, "a") == [1, 8, "Zealot"]
