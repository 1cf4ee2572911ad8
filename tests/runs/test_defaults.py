"""Resolved defaults are frozen under the version that they belong to, and a new option changes no run.

`python -m tests.runs.test_defaults` records what is new in tests/golden/defaults.json: options that came in, and
versions.
"""

import copy
import json
from dataclasses import dataclass, make_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from roma import envs, learners
from roma.envs import ENGINES
from roma.learners import algorithm, algorithm_names
from roma.learners.versions import ALGORITHM_VERSIONS
from roma.runs import config as configuration
from roma.runs.config import differences, from_json, resolve
from roma.runs.directory import RunDirectory
from roma.runs.protocols import PRESETS
from roma.scenarios import map_names
from workflow.grid import expand
from workflow.scale import check

GOLDEN = Path(__file__).parents[1] / "golden" / "defaults.json"
SCALES = ("study", "sensitivity")

Defaults = dict[str, Any]


def resolved() -> Defaults:
    """Return {"algorithms": {name: {version: {protocol: settings}}}, "engines": {engine: {version: settings}}}."""
    found: Defaults = {"algorithms": {}, "engines": {}}
    for name in algorithm_names():
        by_protocol = {}
        for protocol in PRESETS:
            described = resolve("3m", name, 0, protocol).to_json()
            by_protocol[protocol] = described["protocol_settings"] | described["hyperparameters"]
        found["algorithms"][name] = {str(algorithm(name).version): by_protocol}
    for engine in ENGINES:
        settings = resolve("3m", "qmix", 0, engine=engine).to_json()["engine_settings"]
        # The version of a game is not known without the game: its settings are frozen under a fixed key.
        game = ENGINES[engine].installed_apart
        versions = {"settings"} if game else {envs.engine_version(engine, name) for name in map_names()}
        found["engines"][engine] = dict.fromkeys(sorted(versions), settings)
    return found


def changed(golden: Defaults, found: Defaults) -> list[str]:
    """Return a line for each setting that differs from the record without a new version, or is not recorded yet."""
    lines = []
    for kind, owners in found.items():
        for owner, versions in owners.items():
            for version, settings in versions.items():
                recorded = golden[kind].get(owner, {}).get(version)
                if recorded is None:
                    lines.append(f"version {version} of {owner} is not recorded: python -m tests.runs.test_defaults")
                else:
                    lines += _changed_settings(f"version {version} of {owner}", _flat(recorded), _flat(settings))
    return lines


def _changed_settings(name: str, recorded: Defaults, settings: Defaults) -> list[str]:
    lines = []
    for key in sorted(recorded.keys() | settings.keys()):
        if key not in recorded:
            lines.append(f"{name}: {key} is new and not recorded: python -m tests.runs.test_defaults")
        elif recorded[key] != settings.get(key):
            lines.append(f"{name}: {key} was {recorded[key]}, is {settings.get(key)}: raise the version")
    return lines


def _flat(settings: Defaults) -> Defaults:
    """Settings by name, those of each protocol with its name in front."""
    flat = {}
    for key, value in settings.items():
        inner = value if isinstance(value, dict) else {}
        flat |= {f"{key}.{name}": each for name, each in inner.items()} or {key: value}
    return flat


def updated(golden: Defaults, found: Defaults) -> Defaults:
    """Return the record with new entries; raise ValueError if a recorded value has changed under its version."""
    lost = [line for line in changed(golden, found) if line.endswith("raise the version")]
    if lost:
        raise ValueError("\n".join(lost))
    joined = copy.deepcopy(golden)
    for kind, owners in found.items():
        for owner, versions in owners.items():
            joined[kind].setdefault(owner, {}).update(versions)
    return joined


def read() -> Defaults:
    return json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {"algorithms": {}, "engines": {}}


def test_resolved_defaults_are_those_recorded_for_their_version():
    assert changed(read(), resolved()) == []


def test_every_algorithm_has_a_version_and_no_other_name_has_one():
    assert sorted(ALGORITHM_VERSIONS) == algorithm_names()


def test_a_changed_default_fails_until_its_version_is_raised():
    golden, found = read(), resolved()
    found["algorithms"]["coma"]["1"]["paper"]["gamma"] = 0.98
    (line,) = changed(golden, found)
    assert line == "version 1 of coma: paper.gamma was 0.99, is 0.98: raise the version"
    with pytest.raises(ValueError, match=r"paper\.gamma was 0\.99"):
        updated(golden, found)
    found["algorithms"]["coma"] = {"2": found["algorithms"]["coma"]["1"]}
    assert changed(golden, found) == ["version 2 of coma is not recorded: python -m tests.runs.test_defaults"]
    recorded = updated(golden, found)
    assert changed(recorded, found) == []
    assert recorded["algorithms"]["coma"]["1"] == golden["algorithms"]["coma"]["1"]  # older values stay recorded


def test_a_changed_setting_of_the_engine_or_a_removed_one_fails_too():
    found = resolved()
    found["engines"]["embedded"]["1"]["acquire_range"] = 99.0
    del found["algorithms"]["vdn"]["1"]["smac_v1"]["gamma"]
    engine, removed = changed(read(), found)[::-1]
    assert engine.startswith("version 1 of embedded: acquire_range was ")
    assert removed == "version 1 of vdn: smac_v1.gamma was 0.99, is None: raise the version"


def test_a_new_option_is_recorded_under_the_same_version():
    golden, found = read(), resolved()
    for settings in found["algorithms"]["qmix"]["1"].values():
        settings["new_option"] = False
    assert len(changed(golden, found)) == len(PRESETS)
    assert changed(updated(golden, found), found) == []


def extended(settings: type[Any]) -> type[Any]:
    """Return the same settings class with one more option."""
    option = [("new_option", int, 1)]
    return make_dataclass(f"Extended{settings.__name__}", option, bases=(settings,), frozen=True, slots=True)


def add_hyperparameter(monkeypatch):
    registry = {name: replace(each, config_class=extended(each.config_class)) for name, each in _registry().items()}
    monkeypatch.setattr(learners, "_algorithms", lambda: registry)


def add_protocol_setting(monkeypatch):
    monkeypatch.setattr(configuration, "Protocol", extended(configuration.Protocol))


def add_engine_setting(monkeypatch):
    classes = {engine: extended(envs.settings_class(engine)) for engine in ENGINES}
    monkeypatch.setattr(envs, "settings_class", classes.__getitem__)


def _registry():
    return learners._algorithms()


@dataclass(frozen=True)
class Known:
    """Identity of a run, its digest, and the command that trains it."""

    identity: Any
    digest: str
    options: str


def known(root: Path) -> dict[Any, Known]:
    """Return these facts for every run of the large scales."""
    runs = {}
    for name in SCALES:
        scale = yaml.safe_load((root / "workflow" / "config" / f"{name}.yaml").read_text())
        check(scale, name)
        for key, run in expand(scale, name).runs.items():
            runs[name, key] = Known(run.config.identity, run.config.digest, run.options)
    return runs


@pytest.fixture(scope="module")
def before(root):
    """Facts of the runs without any added option."""
    return known(root)


@pytest.mark.parametrize("add", [add_hyperparameter, add_protocol_setting, add_engine_setting])
def test_an_added_option_leaves_every_run_as_it_was(root, before, tmp_path, monkeypatch, add):
    old = resolve("3m", "roma", 0, overrides={"gamma": 0.9})
    directory = RunDirectory(tmp_path)
    directory.config_file.write_text(json.dumps(old.to_json()))
    add(monkeypatch)
    assert known(root) == before
    new = resolve("3m", "roma", 0, overrides={"gamma": 0.9})
    assert new.settings()["new_option"] == 1
    assert new.settings().keys() - old.settings().keys() == {"new_option"}
    assert directory.mismatch(new.to_json()) == ""
    assert from_json(old.to_json()) == new
    used = resolve("3m", "roma", 0, overrides={"gamma": 0.9, "new_option": 2})
    assert used.digest != new.digest
    assert differences(old.to_json(), used.to_json()) == ["new_option = no setting (not 2)"]


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(updated(read(), resolved()), indent=1, sort_keys=True) + "\n")
