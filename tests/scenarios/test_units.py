"""Unit files hold the documented statistics."""

from __future__ import annotations

import pytest

from roma.scenarios import load_units


@pytest.mark.parametrize(
    ("name", "body", "weapon"),
    [
        # health, shield, armour, speed; damage, hits, cooldown, range, damage point, backswing, missile speed
        ("Marine", (45, 0, 0, 2.25), (6, 1, 0.8608, 5, 0.05, 0.75, 0)),
        ("Marauder", (125, 0, 1, 2.25), (10, 1, 1.5, 6, 0, 0, 20)),
        ("Medivac", (150, 0, 1, 2.75), None),
        ("Stalker", (80, 80, 1, 2.9531), (10, 1, 1.44, 6, 0.167, 0.5, 18.75)),
        ("Zealot", (100, 50, 1, 2.25), (8, 2, 1.2, 0.1, 0, 0.5, 0)),
        ("Zergling", (35, 0, 0, 2.9531), (5, 1, 0.696, 0.1, 0.167, 0.5, 0)),
        ("Baneling", (30, 0, 0, 2.5), (20, 1, 0.833, 0.25, 0, 0.5, 0)),
        ("Hydralisk", (80, 0, 0, 2.25), (12, 1, 0.83, 5, 0.208, 0.5, 40)),
        ("Colossus", (200, 150, 1, 2.25), (20, 2, 2.2, 6, 0.0832, 0.5, 0)),
        ("SpineCrawler", (300, 0, 2, 0), (25, 1, 1.6, 7, 0.3332, 0.5, 0)),
    ],
)
def test_units_have_their_documented_statistics(
    name: str, body: tuple[float, ...], weapon: tuple[float, ...] | None
) -> None:
    """Liberty's values in normal time; none of them may be tuned."""
    unit = load_units()[name]
    assert (unit.health, unit.shield, unit.armor, unit.speed) == body
    if weapon is None:
        assert unit.weapon is None
    else:
        assert unit.weapon is not None
        fields = ("damage", "hits", "cooldown", "range", "damage_point", "backswing", "missile_speed")
        assert tuple(getattr(unit.weapon, field) for field in fields) == weapon


@pytest.mark.parametrize(
    ("name", "beyond"),
    [
        # delay, range slop, length and reach of the sweep
        ("Marine", (0, 1, 0, 0)),
        ("Colossus", (0.7182, 0, 2.5, 0.15)),
        ("SpineCrawler", (0.24, 0, 0, 0)),
    ],
)
def test_what_few_weapons_have_is_documented_too(name: str, beyond: tuple[float, ...]) -> None:
    weapon = load_units()[name].weapon
    assert weapon is not None
    assert (weapon.delay, weapon.range_slop, weapon.sweep, weapon.sweep_reach) == beyond
