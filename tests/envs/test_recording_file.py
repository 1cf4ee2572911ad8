"""Recording files: bit-for-bit round trips for every kind of play, and detection of damage."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors
from hypothesis import given, settings
from hypothesis import strategies as st

from roma.envs.skirmish.engine import Skirmish
from roma.envs.skirmish.options import Choices, EnvOptions
from roma.envs.skirmish.recordings import file
from roma.envs.skirmish.recordings.battle import GOES_ON, Recording, resimulate
from roma.envs.skirmish.recordings.file import KIND, TENSORS, encode, load, save, verify
from roma.scenarios import map_names
from roma.scenarios.actions import FIRST_TARGET
from roma.scenarios.rows import HEALTH
from roma.support import container
from roma.support.errors import UserError
from tests.envs.recorded import random_battle


@pytest.fixture(scope="module")
def recording() -> Recording:
    return random_battle("3m", 6)


@pytest.mark.parametrize("map_name", map_names())
def test_recorded_actions_give_the_recorded_units(map_name: str, tmp_path: Path) -> None:
    recorded = random_battle(map_name, 3)
    save(tmp_path / "battle.safetensors", recorded)
    read = load(tmp_path / "battle.safetensors")
    verify(read)
    again = resimulate(read)
    assert recorded.length > 5
    assert recorded.result != GOES_ON
    for name in file.TENSORS:
        np.testing.assert_array_equal(getattr(again, name), getattr(recorded, name))
        assert getattr(read, name).dtype == getattr(recorded, name).dtype
    assert encode(again) == encode(read) == encode(recorded)


def test_the_vector_engine_fights_the_recorded_battle(recording: Recording) -> None:
    engine = Skirmish("3m", 3)
    engine.reset(np.full(3, recording.seed))
    for actions, reward, units in zip(recording.actions, recording.rewards, recording.units[1:], strict=True):
        outcome = engine.step(np.tile(actions.astype(np.int64), (3, 1)))
        assert outcome.reward[2] == reward
        np.testing.assert_array_equal(engine.snapshots[2], units)
    assert outcome.terminated.all()


def test_options_belong_to_the_battle() -> None:
    recorded = random_battle("2s3z", 1, options=EnvOptions(move_amount=4, reward_only_positive=False))
    verify(recorded)
    with pytest.raises(UserError, match="differs from the recording"):
        verify(dataclasses.replace(recorded, options=dataclasses.asdict(EnvOptions())))


def test_the_engines_settings_belong_to_the_battle() -> None:
    recorded = random_battle("2s3z", 1, choices=Choices(acquire_range=3, formation_gap=0.5))
    verify(recorded)
    with pytest.raises(UserError, match="differs from the recording"):
        verify(dataclasses.replace(recorded, choices=dataclasses.asdict(Choices())))


def test_a_battle_broken_off_is_a_recording_too(tmp_path: Path) -> None:
    recorded = random_battle("2s3z", 1, steps=4)
    save(tmp_path / "r.safetensors", recorded)
    verify(load(tmp_path / "r.safetensors"))
    assert (recorded.length, recorded.result) == (4, GOES_ON)


def test_targets_are_whom_the_agents_attack() -> None:
    """The target of an attack action is the attacked living enemy; moves have no target."""
    recorded = random_battle("2s3z", 5)
    seen = 0
    for step, actions in enumerate(recorded.actions):
        for agent, action in enumerate(actions):
            target = recorded.targets[step + 1, agent]
            if recorded.units[step + 1, agent, HEALTH] <= 0:
                assert target == -1
            elif action >= FIRST_TARGET and target >= 0:
                seen += target == recorded.n_agents + action - FIRST_TARGET
    assert seen > 10
    enemies = recorded.targets[:, recorded.n_agents :]
    assert (enemies[0] == -1).all()
    assert (enemies >= 0).any()
    assert (enemies < recorded.n_agents).all()


def test_a_file_is_read_without_the_engine_and_without_pickle(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "r.safetensors"
    save(path, recording)
    with safetensors.safe_open(path, "np") as content:
        facts = json.loads(content.metadata()["facts"])
        units = content.get_tensor("units")
    assert (facts["format"], facts["map_name"], facts["seed"]) == (KIND.format, "3m", 6)
    assert facts["unit_types"] == ["Marine"] * 6
    assert facts["types"]["Marine"]["health"] == 45
    assert units.shape == (recording.length + 1, 6, 6)
    assert path.stat().st_size < 500 * (recording.length + 1) + 10_000
    assert encode(recording) == path.read_bytes()  # equal battles give equal bytes


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damage_goes_unnoticed(data: st.DataObject, recording: Recording, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("damaged") / "r.safetensors"
    content = bytearray(encode(recording))
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[place:]
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        load(path)


def test_a_damaged_name_of_the_checksum_is_damage_too(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "r.safetensors"
    path.write_bytes(encode(recording).replace(b"sha256", b"sha257", 1))
    with pytest.raises(UserError, match="damaged"):
        load(path)


def test_what_is_no_recording_of_this_version_says_so(recording: Recording, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "r.safetensors"
    with pytest.raises(UserError, match="cannot read"):
        load(path)
    path.write_text("a text that is long enough to have a header size in it")
    with pytest.raises(UserError, match="not a recording file"):
        load(path)
    path.write_bytes(safetensors.numpy.save({"units": np.zeros(3)}, {"facts": "{}"}))  # such as a policy
    with pytest.raises(UserError, match="not a recording file"):
        load(path)
    monkeypatch.setattr(file, "KIND", KIND._replace(format=KIND.format + 1))
    path.write_bytes(encode(recording))
    monkeypatch.undo()
    with pytest.raises(UserError, match=f"format {KIND.format + 1}, this version of roma reads {KIND.format}"):
        load(path)


def test_another_engine_is_named(recording: Recording) -> None:
    with pytest.raises(UserError, match=r"embedded engine, version 0 of 3m \(here: embedded, 1\): it can be drawn"):
        verify(dataclasses.replace(recording, engine_version="0"))
    with pytest.raises(UserError, match=r"version 1 of gone \(here: embedded, none\)"):
        verify(dataclasses.replace(recording, map_name="gone"))


def test_the_digest_of_the_sources_does_not_matter(recording: Recording) -> None:
    verify(dataclasses.replace(recording, engine_digest="0123456789abcdef" * 4))


def test_recordings_without_a_version_are_read(recording: Recording, tmp_path: Path) -> None:
    """Earlier revisions stored only the digest of the sources; recordings of games have no engine settings."""
    facts = {name: value for name, value in dataclasses.asdict(recording).items() if name not in TENSORS}
    facts = {name: value for name, value in facts.items() if name not in ("engine", "engine_version")}
    tensors = {name: getattr(recording, name) for name in TENSORS}
    path = tmp_path / "recording"
    for change, expected in (
        ({"engine_digest": "cc6086502fe6acbc"}, ("embedded", "0")),
        ({"engine_digest": "0123456789abcdef", "choices": {}}, ("starcraft2", "01234567")),
    ):
        path.write_bytes(container.encode(KIND, facts | change, tensors))
        read = load(path)
        assert (read.engine, read.engine_version) == expected


def test_a_changed_battle_does_not_verify(recording: Recording) -> None:
    units = recording.units.copy()
    units[3, 2, 0] = np.nextafter(units[3, 2, 0], 99)
    for change in (
        {"units": units},
        {"seed": recording.seed + 1},
        {"result": "draw"},
        {"rewards": recording.rewards * 2},
        {"actions": recording.actions * 0},
    ):
        with pytest.raises(UserError, match="differs from the recording"):
            verify(dataclasses.replace(recording, **change))
