"""Checks of map and unit files beyond the types of fields: every engine can play them, and SMAC's interface fits.

Each function raises UserError with one line: file, field, value and valid values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from roma.scenarios.actions import FIRST_TARGET
from roma.scenarios.facts import (
    ATTRIBUTES,
    INTERFACES,
    MAX_TYPES,
    PLANES,
    SIZE,
    TERRAIN,
    Group,
    Heal,
    Map,
    Unit,
    Weapon,
)
from roma.support.errors import UserError, unknown

MAX_ACTIONS = 128  # rollouts store actions in 7 bits


def check_unit(unit: Unit, file: str) -> None:
    """Check that the facts of a unit file agree with each other.

    Raises:
        UserError: They do not.
    """
    _check_stem(file, unit.name, unit.name.lower())
    for field in ("health", "radius", "separation_radius", "cooldown_scale"):
        _above_zero(unit, field, file)
    if unit.speed > 0:
        _above_zero(unit, "acceleration", file)
    _known("plane", [unit.plane], PLANES, f"{file}: plane")
    _known("attribute", unit.attributes, ATTRIBUTES, f"{file}: attributes")
    if unit.climbs and unit.plane != "ground":
        raise UserError(f"{file}: climbs: true, but the plane is {unit.plane}; only units of plane ground climb")
    if unit.energy_start > unit.energy_max:
        raise UserError(f"{file}: energy_start: {unit.energy_start:g} is above energy_max, {unit.energy_max:g}")
    if unit.weapon and unit.heal:
        raise UserError(f"{file}: weapon, heal: {unit.name} has both; one of them must be null")
    if unit.weapon:
        _check_weapon(unit.weapon, f"{file}: weapon")
    if unit.heal:
        _above_zero(unit, "energy_max", file)  # SMAC divides a healer's energy by it
        _check_heal(unit.heal, unit, f"{file}: heal")


def _check_weapon(weapon: Weapon, where: str) -> None:
    for field in ("damage", "hits", "cooldown"):
        _above_zero(weapon, field, where)
    if not weapon.targets:
        raise UserError(f"{where}: targets: must name at least one of {', '.join(PLANES)}")
    _known("plane", weapon.targets, PLANES, f"{where}: targets")
    _known("attribute", weapon.bonus, ATTRIBUTES, f"{where}: bonus")
    if weapon.delay > 0:
        if weapon.missile_speed > 0 or weapon.hit_delay > 0:
            raise UserError(f"{where}: delay: missile_speed and hit_delay must be 0 beside it")
    elif weapon.hits > 1:
        _above_zero(weapon, "hit_delay", where)
    if weapon.damage_point + weapon.delay >= weapon.cooldown:
        field, value = "damage_point" + " + delay" * (weapon.delay > 0), weapon.damage_point + weapon.delay
        raise UserError(f"{where}: {field}: {value:g} is not below cooldown, {weapon.cooldown:g}")
    if weapon.splash_radius > 0 and (weapon.hits > 1 or weapon.missile_speed + weapon.delay + weapon.sweep > 0):
        raise UserError(f"{where}: splash_radius: beside it hits must be 1, and missile_speed, delay, sweep must be 0")


def _check_heal(heal: Heal, unit: Unit, where: str) -> None:
    for field in ("health_per_second", "energy_per_health"):
        _above_zero(heal, field, where)
    if heal.autocast_energy > unit.energy_max:
        raise UserError(f"{where}: autocast_energy: {heal.autocast_energy:g} is above energy_max, {unit.energy_max:g}")
    _known("attribute", [heal.attribute], ATTRIBUTES, f"{where}: attribute")


def check_map(scenario: Map, units: Mapping[str, Unit], file: str) -> None:
    """Check that the facts of a map file agree with each other and with the unit types.

    Args:
        scenario: The map.
        units: Unit types by name.
        file: Name of the map's file.

    Raises:
        UserError: They do not.
    """
    _check_stem(file, scenario.name, scenario.name)
    _known("interface", [scenario.interface], INTERFACES, f"{file}: interface")
    _above_zero(scenario, "episode_limit", file)
    rows = scenario.terrain
    if len(rows) != SIZE or any(len(row) != SIZE or set(row) - set(TERRAIN) for row in rows):
        raise UserError(f"{file}: terrain: must be {SIZE} rows of {SIZE} characters '.', '^' or '#'")
    _check_side(scenario, scenario.allies, scenario.ally_types, units, f"{file}: allies", f"{file}: ally_types")
    _check_side(scenario, scenario.enemies, scenario.enemy_types, units, f"{file}: enemies", f"{file}: enemy_types")
    kinds = sorted({*scenario.ally_types, *scenario.enemy_types})
    if len(kinds) > MAX_TYPES:
        raise UserError(f"{file}: ally_types, enemy_types: {len(kinds)} unit types, at most {MAX_TYPES} can be played")
    _check_actions(scenario, units, file)
    _check_target(scenario, units, file)


def _check_side(
    scenario: Map, groups: Sequence[Group], types: Sequence[str], units: Mapping[str, Unit], where: str, bits: str
) -> None:
    """Check one side's groups against its types and the terrain, and that its healers have units to heal.

    Messages name the groups as `where` and the types as `bits`.
    """
    for i, group in enumerate(groups):
        if group.unit not in units:
            raise UserError(f"{where}[{i}]: {unknown('unit', group.unit, units)}")
        if group.unit not in types:
            raise UserError(f"{where}[{i}]: unit: {group.unit} is not among {bits.split()[-1]}: {', '.join(types)}")
        _above_zero(group, "count", f"{where}[{i}]")
        if not scenario.is_walkable(group.spawn):
            raise UserError(f"{where}[{i}]: spawn: {_written(group.spawn)} is not on walkable ground")
    present = {group.unit for group in groups}
    for i, name in enumerate(types):
        if name not in present or name in types[:i]:
            problem = "is listed twice" if name in types[:i] else "has no unit on this side"
            raise UserError(f"{bits}: {name} {problem}; valid: each of {', '.join(sorted(present))} once")
    if all(units[name].heal for name in present):
        raise UserError(f"{where}: no unit can fight; at least one unit must have no heal")
    for name in sorted(present):
        heal = units[name].heal
        if heal and not any(heal.attribute in units[other].attributes for other in present - {name}):
            raise UserError(f"{where}: {name} heals {heal.attribute} units, but its side has none")


def _check_actions(scenario: Map, units: Mapping[str, Unit], file: str) -> None:
    """Check that an action exists for every target. SMAC has one target action for each enemy.

    A healer uses the action of a comrade's slot (SMAC's get_avail_agent_actions).
    """
    actions = FIRST_TARGET + scenario.n_enemies
    if actions > MAX_ACTIONS:
        most = MAX_ACTIONS - FIRST_TARGET
        raise UserError(f"{file}: enemies: {scenario.n_enemies} units, at most {most} can be targets of actions")
    mine = scenario.unit_types[: scenario.n_allies]
    healers = [name for name in mine if units[name].heal]
    patients = [slot for slot, name in enumerate(mine) if not units[name].heal]
    if healers and patients[-1] >= scenario.n_enemies:
        raise UserError(
            f"{file}: allies: no action tells a {healers[0]} to heal the {mine[patients[-1]]} in slot {patients[-1]}: "
            f"SMAC has one target action for each of {scenario.n_enemies} enemies; valid: {patients[-1] + 1} or more"
        )


def _check_target(scenario: Map, units: Mapping[str, Unit], file: str) -> None:
    """Check that all enemies can reach the target of their order."""
    if scenario.enemy_attack_move is None:
        return
    if scenario.enemies_hunt:
        raise UserError(f"{file}: enemies_hunt: true excludes enemy_attack_move; valid: one of them")
    if len(scenario.enemy_attack_move) not in (1, 2):
        raise UserError(f"{file}: enemy_attack_move: {len(scenario.enemy_attack_move)} points; valid: null, one or two")
    for i, target in enumerate(scenario.enemy_attack_move):
        where = f"{file}: enemy_attack_move[{i}]: {_written(target)}"
        if not scenario.is_walkable(target):
            raise UserError(f"{where} is not on walkable ground")
        reached = scenario.reachable(target)
        for k, group in enumerate(scenario.enemies):
            x, y = group.spawn
            if units[group.unit].plane == "ground" and (int(x), int(y)) not in reached:
                raise UserError(
                    f"{where} cannot be reached on foot from enemies[{k}], whose spawn is {_written((x, y))}"
                )


def _check_stem(file: str, name: str, stem: str) -> None:
    if file != f"{stem}.json" or not stem:
        raise UserError(f"{file}: name: {name!r} belongs in a file {stem}.json")


def _above_zero(facts: object, field: str, where: str) -> None:
    value = getattr(facts, field)
    if value <= 0:
        raise UserError(f"{where}: {field}: {value:g} must be above 0")


def _known(kind: str, values: Iterable[str], valid: Sequence[str], where: str) -> None:
    for value in values:
        if value not in valid:
            raise UserError(f"{where}: {unknown(kind, value, valid)}")


def _written(point: tuple[float, float]) -> str:
    return f"[{point[0]:g}, {point[1]:g}]"
