"""Numbers printed beside roles, against values computed by hand."""

import numpy as np
import pandas as pd
import pytest

from analysis.figures.parts import rolestatistics


def units(roles, sigma, types, places=0.0):
    """Return agents with these first role dimensions and x positions, and an enemy without a role."""
    agents = pd.DataFrame({"is_agent": True, "health": 45.0, "type": types, "x": places, "y": 0.0, "role_0": roles})
    agents = agents.assign(role_1=0.0, role_2=0.0, sigma_0=sigma, sigma_1=sigma, sigma_2=sigma)
    enemy = pd.DataFrame({"is_agent": [False], "health": 45.0, "type": "Marine", "x": 0.0, "y": 0.0})
    return pd.concat([agents, enemy], ignore_index=True)


def test_the_share_between_agents_by_hand():
    """Means 0 and 2: variance 1 between agents; three dimensions of variance 1: three quarters are noise."""
    sigma, share = rolestatistics.noise(units([0.0, 2.0], 1.0, "Marine"))
    assert sigma == pytest.approx(1)
    assert share == pytest.approx(0.25)


def test_the_dead_do_not_count():
    frame = units([0.0, 2.0, 50.0], 1.0, "Marine")
    frame.loc[2, "health"] = 0
    assert rolestatistics.noise(frame).share == pytest.approx(0.25)


def test_roles_that_follow_the_unit_types_are_above_their_null():
    name, value, null = rolestatistics.silhouette_of(units([0, 0.1, 0.2, 9, 9.1, 9.2], 1.0, list("AAABBB")), "type")
    assert name == "unit type"
    assert value > 0.9 > 0.5 > null


def test_groups_by_position_are_those_of_the_places():
    places = np.repeat([0.0, 10, 30], 3)
    name, value, null = rolestatistics.silhouette_of(units(places + 0.0, 1.0, "Marine", places), "position")
    assert name == "position"
    assert value == pytest.approx(1)
    assert null < 0.5


@pytest.mark.parametrize("by", ["type", "health"])
def test_without_groups_there_is_no_silhouette(by):
    assert rolestatistics.silhouette_of(units([0.0, 1, 2, 3], 1.0, "Marine"), by) is None
