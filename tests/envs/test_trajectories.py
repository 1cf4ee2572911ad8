"""Identity of the engine: recorded trajectories of every map, and the changes that they detect."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from roma.envs import engine_version
from roma.envs.skirmish import rules
from roma.envs.skirmish.engine import Skirmish
from roma.envs.skirmish.versions import VERSIONS
from roma.runs.config import resolve
from roma.runs.experience.runner import Runner
from roma.runs.training import train
from roma.scenarios import load_map, load_units, map_names, names, reading
from roma.scenarios.actions import EAST, NORTH, NOTHING, STOP
from tests.envs.trajectories import golden, plays, recorder
from tests.envs.trajectories.__main__ import main
from tests.envs.trajectories.branches import ROOT, Asked, Edits, uncompiled
from tests.envs.trajectories.golden import Digests, Record
from tests.envs.trajectories.plays import (
    PLAYS,
    TrainedPlay,
    episode_digests,
    play_episodes,
    recorded_policy,
    tactic_policy,
    trained_play,
)

TRAINED = ("3m", "2s3z", "5m_vs_6m", "10m_vs_11m", "6z4b")


@pytest.mark.parametrize("map_name", map_names())
def test_battles_are_the_recorded_ones(map_name: str) -> None:
    wrong = golden.check(map_name)
    assert wrong is None, wrong


def test_nothing_else_is_recorded() -> None:
    records = golden.read()
    assert list(records) == map_names()
    for name, record in records.items():
        assert set(record.episodes) == {*PLAYS, *(["trained"] if name in TRAINED else [])}


def test_trained_play_is_small() -> None:
    files = sorted(plays.TRAINED_PLAY.iterdir())
    assert [file.stem for file in files] == sorted(TRAINED)
    assert all(file.stat().st_size < 20_000 for file in files)


@pytest.mark.parametrize("map_name", map_names())
def test_a_battle_does_not_depend_on_its_neighbours(map_name: str) -> None:
    """64 episodes are played one by one, in groups of eight, and all at once."""
    seeds = np.arange(64)

    def digests(n_battles: int) -> list[str]:
        env, found = Skirmish(map_name, n_battles), []
        for together in seeds.reshape(-1, n_battles):
            policies = [tactic_policy(("1?",), int(seed)) for seed in together]
            found += play_episodes(env, together, policies, timesteps=20)
        return found

    alone = digests(1)
    assert len(set(alone)) == len(seeds)
    assert digests(8) == alone
    assert digests(64) == alone


def test_another_process_plays_the_same_battles() -> None:
    program = (
        "import json; from tests.envs.trajectories.plays import episode_digests as play;"
        "print(json.dumps([play(name, 'random', 3) for name in ('2s3z', 'MMM2', '6z4b')]))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert json.loads(shown.stdout) == [golden.read()[name].episodes["random"] for name in ("2s3z", "MMM2", "6z4b")]


@pytest.mark.parametrize("unit", ["Stalker", "Baneling"])
def test_a_change_of_a_unit_fails_the_maps_that_have_it(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    weapon = load_units()[unit].weapon
    assert weapon is not None
    changed = load_units() | {unit: replace(load_units()[unit], weapon=replace(weapon, damage=weapon.damage + 1))}
    monkeypatch.setattr(rules, "load_units", lambda: changed)
    rules.build_rules.cache_clear()
    try:
        found = {name: {"random": episode_digests(name, "random")} for name in map_names()}
    finally:
        rules.build_rules.cache_clear()
    records = golden.read()
    failing = [name for name in map_names() if golden.differences(records[name].episodes, found[name])]
    assert failing == [name for name in map_names() if unit in load_map(name).unit_types]


KERNEL_CHANGES: dict[str, tuple[Edits, set[str]]] = {
    "healing": ({"combat.py": ("u[j].health += given", "u[j].health += 0.5 * given")}, {"MMM"}),
    "splash": ({"combat.py": ("<= r.unit[k].splash", "<= 1.5 * r.unit[k].splash")}, {"6z4b"}),
    "shields": ({"combat.py": ("u[j].shield -= absorbed", "u[j].shield -= 0.9 * absorbed")}, {"2s3z"}),
    "reward": ({"interface.py": ("reward /= most", "reward /= 2.0 * most")}, {"3m", "2s3z", "MMM", "6z4b"}),
    "a docstring": ({"loop.py": ("Advance one battle's units (N,) by one game loop.", "Play on.")}, set()),
    "a faster loop": (
        {
            "movement.py": (
                "        collides |= (square < reach * reach) & (square < ex * ex + ey * ey)\n    return not collides",
                "        if square < reach * reach and square < ex * ex + ey * ey:\n            return False\n"
                "    return True",
            )
        },
        set(),
    ),
}


@pytest.mark.parametrize("change", KERNEL_CHANGES)
def test_a_change_of_the_kernel_fails_the_maps_that_it_touches(change: str) -> None:
    """One episode of random play on each of four maps, uncompiled."""
    edits, touched = KERNEL_CHANGES[change]
    found = uncompiled([(name, "random", [0]) for name in ("3m", "2s3z", "MMM", "6z4b")], edits).digests
    recorded = {f"{name}/random/0": record.episodes["random"][0] for name, record in golden.read().items()}
    assert {name.partition("/")[0] for name in found if found[name] != recorded[name]} == touched


def test_one_more_map_changes_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = shutil.copytree(reading.ROOT, tmp_path / "scenarios")
    facts = json.loads((root / "maps" / "3m.json").read_text()) | {"name": "mine"}
    (root / "maps" / "mine.json").write_text(json.dumps(facts))
    monkeypatch.setattr(reading, "ROOT", root)
    monkeypatch.setattr(names, "ROOT", root)
    cached = (names._names, names._canonical, reading.load_map, reading.load_units, rules.build_rules)
    for function in cached:
        function.cache_clear()
    try:
        assert engine_version("embedded", "3m") == str(VERSIONS["3m"])
        assert engine_version("embedded", "mine").startswith("1+")
        found = {name: episode_digests(name, "random") for name in ("3m", "mine")}
    finally:
        for function in cached:
            function.cache_clear()
    assert found["3m"] == found["mine"] == golden.read()["3m"].episodes["random"]


FOUND: Digests = {"random": ["a", "b"], "scripted": ["c"]}


@pytest.mark.parametrize(
    ("record", "version", "message"),
    [
        (Record(1, FOUND), 1, None),
        (Record(1, FOUND), None, "3m has no version: give it version 1 in roma/envs/skirmish/versions.py"),
        (None, 1, "no trajectories of 3m are recorded; run: python -m tests.envs.trajectories write"),
        (Record(1, FOUND), 2, "3m has version 2, trajectories are recorded of version 1; run: python -m"),
        (Record(2, FOUND), 1, "3m has version 1, below the recorded 2: a version is only ever raised"),
        (Record(1, {"random": ["a", "b"]}), 1, "3m is recorded with other plays than it has now; run: python -m"),
        (Record(1, FOUND | {"random": ["a"]}), 1, "3m is recorded with other plays than it has now; run: python -m"),
        (
            Record(1, {"random": ["a", "x"], "scripted": ["y"]}),
            1,
            "battles on 3m are no longer those of version 1: random, episode 1 of 2 differs, 2 of 3 episodes do. If "
            "that is not intended, the last change of the engine is wrong. If it is, raise the version of 3m in "
            "roma/envs/skirmish/versions.py to 2 and run: python -m tests.envs.trajectories write",
        ),
    ],
)
def test_what_to_do_is_said(record: Record | None, version: int | None, message: str | None) -> None:
    wrong = golden.problem("3m", record, version, FOUND)
    assert wrong == message if message is None else str(wrong).startswith(message)


@pytest.fixture
def two_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Digests]:
    """Return a new record of two maps whose plays can be changed."""
    now: dict[str, Digests] = {"3m": {"random": ["a", "b"]}, "8m": {"random": ["c"]}}
    monkeypatch.setattr(golden, "FILE", tmp_path / "trajectories.json")
    monkeypatch.setattr(golden, "map_names", lambda: list(now))
    monkeypatch.setattr(golden, "played", lambda name: {play: list(each) for play, each in now[name].items()})
    changes, refusals = golden.update()
    assert changes == ["3m: version 1, 2 episodes", "8m: version 1, 1 episodes"]
    assert not refusals
    return now


def test_a_changed_map_is_recorded_only_under_a_new_version(
    two_maps: dict[str, Digests], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = golden.FILE.read_text()
    two_maps["3m"]["random"][1] = "x"
    changes, refusals = golden.update()
    assert not changes
    assert [refusal[:41] for refusal in refusals] == ["battles on 3m are no longer those of vers"]
    assert golden.FILE.read_text() == before
    monkeypatch.setattr(golden, "VERSIONS", {"3m": 2, "8m": 1})
    assert golden.update() == (["3m: version 2, 2 episodes"], [])
    assert golden.read() == {"3m": Record(2, {"random": ["a", "x"]}), "8m": Record(1, {"random": ["c"]})}
    assert golden.update() == ([], [])
    monkeypatch.setattr(golden, "VERSIONS", {"3m": 1, "8m": 1})
    assert golden.update() == ([], ["3m has version 1, below the recorded 2: a version is only ever raised"])


def test_new_plays_are_added_to_what_is_recorded(two_maps: dict[str, Digests]) -> None:
    two_maps["8m"]["more"] = ["d"]
    assert golden.update() == (["8m: version 1, 2 episodes"], [])
    two_maps["8m"] |= {"random": ["x"], "yet more": ["e"]}
    assert golden.update()[0] == []
    assert golden.read()["8m"].episodes == {"random": ["c"], "more": ["d"]}


def test_a_map_without_a_version_is_not_recorded(two_maps: dict[str, Digests]) -> None:
    two_maps["mine"] = {"random": ["m"]}
    assert golden.update() == ([], [f"mine has no version: give it version 1 in {golden.HOME} and run: {golden.WRITE}"])
    assert list(golden.read()) == ["3m", "8m"]


def test_the_command_says_what_failed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("tests.envs.trajectories.__main__.map_names", lambda: ["3m", "8m"])
    assert main(["check"]) == 0
    monkeypatch.setattr(golden, "VERSIONS", {**VERSIONS, "8m": 2})
    assert main(["check"]) == 1
    assert capsys.readouterr().err.startswith("8m has version 2, trajectories are recorded of version 1; run: ")
    assert main(["record", "nowhere"]) == 2
    assert capsys.readouterr().err == "error: cannot read the policy nowhere: No such file or directory\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("run")
    train(resolve("3m", "qmix", 0, "smac_v1"), directory, 300)
    return directory


def test_trained_play_is_kept_as_seeds_and_actions(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded play equals that of the runner, and equal weights give equal bytes."""
    monkeypatch.setattr(recorder, "TRAINED_PLAY", tmp_path / "play")
    monkeypatch.setattr(plays, "TRAINED_PLAY", tmp_path / "play")
    seen: list[tuple[np.ndarray, int]] = []

    class Watched(Runner):
        def play(self, *arguments: object, **options: object):  # type: ignore[no-untyped-def,override]
            played = super().play(*arguments, **options)  # type: ignore[arg-type]
            seen.extend((episode.snapshots, episode.seed) for episode in played)
            return played

    monkeypatch.setattr(recorder, "Runner", Watched)
    map_name, kept = recorder.record(run, 3)
    assert (map_name, kept[:59]) == ("3m", "3m.npz: qmix, protocol smac_v1, seed 0, 300 steps; 3 episod")
    content = (tmp_path / "play" / "3m.npz").read_bytes()
    assert recorder.record(run / "policies" / "t300.safetensors", 3) == (map_name, kept)
    assert (tmp_path / "play" / "3m.npz").read_bytes() == content
    trained = trained_play("3m")
    assert trained is not None
    assert trained.policy == "qmix, protocol smac_v1, seed 0, 300 steps"
    for (snapshots, seed), actions, kept_seed in zip(seen[:3], trained.actions, trained.seeds, strict=True):
        env, policy = Skirmish("3m", 1), recorded_policy(actions)
        assert seed == kept_seed
        env.reset(np.array([seed]))
        shown = [env.snapshots[0].copy()]
        for _ in actions:
            env.step(policy(env.avail_actions[0])[None])
            shown.append(env.snapshots[0].copy())
        np.testing.assert_array_equal(shown, snapshots)
    assert len(episode_digests("3m", "trained", 2)) == 3


def test_recorded_actions_that_are_not_available_are_replaced() -> None:
    avail = np.zeros((2, 9), np.bool_)
    avail[0, [STOP, NORTH]], avail[1, NOTHING] = True, True
    policy = recorded_policy(np.array([[NORTH, NOTHING], [EAST, 7]], np.int8))
    assert policy(avail).tolist() == [NORTH, NOTHING]
    assert policy(avail).tolist() == [STOP, NOTHING]
    assert policy(avail).tolist() == [STOP, NOTHING], "beyond what was recorded"


def test_tactics_are_followed() -> None:
    avail = np.zeros((3, 9), np.bool_)
    avail[:, [STOP, NORTH]] = True
    avail[2, [7, 8]] = True
    policy = tactic_policy(("2N 1AE", "1AH"), 0)
    assert [policy(avail).tolist() for _ in range(4)] == [
        [NORTH, STOP, NORTH],
        [NORTH, STOP, NORTH],
        [STOP, STOP, 7],
        [NORTH, STOP, NORTH],
    ]


def test_the_uncompiled_kernel_plays_the_same_battles() -> None:
    """A sample of the episodes of tests/long: it reaches most branches, and only branches that the sources have."""
    sample: list[Asked] = [
        ("3m", "random, all options on", [0, 1]),
        ("2s3z", "scripted", [0, 1]),
        ("MMM", "random", [1]),
        ("6z4b", "random", [1]),
    ]
    answer = uncompiled(sample)
    records = golden.read()
    for name, play, numbers in sample:
        for k in numbers:
            assert answer.digests[f"{name}/{play}/{k}"] == records[name].episodes[play][k]
    assert len(answer.unreached) < 0.35 * answer.total


def test_trained_play_has_a_file_format_without_pickles(tmp_path: Path) -> None:
    TrainedPlay("nobody", np.array([3]), [np.zeros((2, 3), np.int8)]).save(tmp_path / "made" / "3m.npz")
    with np.load(tmp_path / "made" / "3m.npz", allow_pickle=False) as file:
        assert {name: file[name].dtype.kind for name in file.files} == {
            "policy": "U",
            "seeds": "i",
            "lengths": "i",
            "actions": "i",
        }
