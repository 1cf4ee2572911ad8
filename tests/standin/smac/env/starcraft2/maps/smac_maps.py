"""The registry of maps. The game's package finds the classes of maps among the subclasses of its own that are alive."""


class SMACMap:
    directory = "SMAC_Maps"
    filename = ""


def _entry(agents, enemies, limit, races, bits, kind):
    names = ("n_agents", "n_enemies", "limit", "a_race", "b_race", "unit_type_bits", "map_type")
    return dict(zip(names, (agents, enemies, limit, *races, bits, kind), strict=True))


map_param_registry = {
    "3m": _entry(3, 3, 60, "TT", 0, "marines"),
    "2s3z": _entry(5, 5, 120, "PP", 2, "stalkers_and_zealots"),
    "MMM2": _entry(10, 12, 180, "TT", 3, "MMM"),
}


def get_smac_map_registry():
    return map_param_registry


for _name in map_param_registry:
    globals()[_name] = type(_name, (SMACMap,), {"filename": _name})
