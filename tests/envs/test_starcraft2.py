"""Adapter of StarCraft II, with real worker processes that play a stand-in for SMAC."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from roma import envs
from roma.envs.skirmish.engine import RandomPolicy
from roma.envs.starcraft2 import installation
from roma.envs.starcraft2.env import GameSettings, Patience, StarCraft2
from roma.envs.starcraft2.names import AUTHORS_MAP_TYPES
from roma.runs.config import resolve
from roma.runs.experience.runner import Runner
from roma.scenarios import load_map
from roma.support.errors import UserError
from roma.support.seeding import Stream, episode_seed
from tests.standin_smac import MAPS, descendants, left_of

PATIENT = Patience(launch_seconds=300, step_seconds=300)  # generous, for busy machines
SEEDS = np.array([2**40 + 7, 2**41 + 8])


@pytest.fixture
def battles(standin):
    """Return a function that makes environments; all of them are closed at the end."""
    made = []

    def make(map_name="3m", n_battles=2, patience=PATIENT, journal=None, settings=None):
        made.append(StarCraft2(map_name, n_battles, settings, journal, patience))
        return made[-1]

    yield make
    for env in made:
        env.close()


def pid_of(env, battle):
    return env._workers[battle]._process.pid


def play_out(env, policy, steps=1000):
    """Play until all battles have ended, or for this many timesteps; return the outcomes."""
    live, outcomes = np.ones(env.n_battles, bool), []
    while live.any() and len(outcomes) < steps:
        outcomes.append(env.step(policy(env.avail_actions), live))
        live &= ~(outcomes[-1].terminated | outcomes[-1].lost)
    return outcomes


def stop_all(env):
    """Return actions with which all living agents stop; dead agents do nothing."""
    return np.where(env.avail_actions[:, :, 1], 1, 0)


class RandomActor:
    """Actor that chooses at random, and calls `meanwhile` with the number of each timestep first."""

    def __init__(self, meanwhile=lambda step: None):
        self.policy, self.meanwhile = RandomPolicy(1), meanwhile

    def begin(self, keys, state):
        self.step = 0

    def act(self, obs, avail_actions, live, epsilon):
        self.meanwhile(self.step)
        self.step += 1
        return self.policy(avail_actions)


@pytest.mark.parametrize("map_name", MAPS)
def test_sizes_are_those_of_the_embedded_engine(battles, map_name):
    env = battles(map_name, 1)
    assert env.info == envs.make("embedded", map_name, 1).info
    env.reset(SEEDS[:1])
    scenario = load_map(map_name)
    types = [[group.unit for group in side for _ in range(group.count)] for side in (scenario.allies, scenario.enemies)]
    assert env.unit_types[0][: env.info.n_agents] == sorted(types[0], key=scenario.ally_types.index)
    assert env.unit_types[0][env.info.n_agents :] == types[1][::-1]  # as the game lists them
    assert env.snapshots[0, :, 2].all()
    assert env.avail_actions[0, :, 1].all()
    assert env.obs.any()
    play_out(env, RandomPolicy(0))


def test_the_shown_arrays_are_of_the_battle(battles):
    env = battles("2s3z")
    env.reset(SEEDS)
    first = env.obs.copy()
    assert (first[0] != first[1]).any()  # the games have seeds of their own
    env.step(stop_all(env), np.array([True, False]))
    assert (env.obs[0] != first[0]).any()
    np.testing.assert_array_equal(env.obs[1], first[1])
    one_hot = env.state[0, -env.info.n_agents * env.info.n_actions :].reshape(env.info.n_agents, -1)
    assert one_hot.argmax(1).tolist() == [1] * env.info.n_agents  # last actions end SMAC's state
    assert (env.snapshots[0, :, 3][:2] == 80).all()  # shields of two stalkers


def test_an_action_that_is_not_available_is_refused(battles):
    env = battles()
    env.reset(SEEDS)
    with pytest.raises(ValueError, match="battle 0: action 0 is not available to agent 0"):
        env.step(np.zeros((2, 3), np.int64))


def test_running_out_of_time_ends_a_battle_without_victory(battles):
    env = battles("MMM2")
    env.reset(SEEDS)
    outcomes = play_out(env, lambda avail: np.where(avail[:, :, 1], 1, 0))
    lengths = [1 + next(i for i, outcome in enumerate(outcomes) if outcome.terminated[battle]) for battle in (0, 1)]
    assert max(lengths) <= env.info.episode_limit
    assert not any(outcome.battle_won.any() or outcome.lost.any() for outcome in outcomes)


@pytest.mark.parametrize(
    ("fault", "reason"), [("lose", "connection to the game was lost"), ("hang", "in time"), ("crash", "process died")]
)
def test_a_battle_that_breaks_off_is_lost_and_its_game_begins_anew(battles, standin, caplog, fault, reason):
    journal = []
    env = battles(journal=journal, patience=Patience(step_seconds=5) if fault == "hang" else PATIENT)
    env.reset(SEEDS)
    env.step(stop_all(env))
    before = [pid_of(env, battle) for battle in (0, 1)]
    standin.ask_for(fault)
    outcome = env.step(stop_all(env))
    assert outcome.lost.sum() == 1
    lost = int(outcome.lost.argmax())
    assert (outcome.reward[lost], outcome.terminated[lost], outcome.battle_won[lost]) == (0, False, False)
    assert [pid_of(env, battle) == before[battle] for battle in (0, 1)] == [lost != 0, lost != 1]
    assert not left_of([before[lost]])
    assert f"battle {lost} is lost" in caplog.text
    assert reason in caplog.text
    env.step(stop_all(env), np.arange(2) != lost)  # the other battle continues
    env.reset(SEEDS + 2)
    assert not any(outcome.lost.any() for outcome in play_out(env, RandomPolicy(0)))
    assert journal[0]["lost_episodes"] == 1
    assert len(journal[0]["game_seeds"]) >= 3  # two games, and the new one; the other was reset in the middle


def test_a_connection_lost_in_a_reset_is_never_seen(battles, standin):
    env = battles()
    standin.ask_for("lose_in_reset")
    env.reset(SEEDS)
    assert env.snapshots[:, :, 2].all()
    assert not any(outcome.lost.any() for outcome in play_out(env, RandomPolicy(0)))


def test_a_battle_in_progress_can_be_begun_anew(battles):
    env = battles()
    env.reset(SEEDS)
    env.step(stop_all(env), np.array([True, False]))
    before = [pid_of(env, battle) for battle in (0, 1)]
    env.reset(SEEDS)
    assert pid_of(env, 0) != before[0]  # SMAC would have started a second game beside the first
    assert pid_of(env, 1) == before[1]
    assert not left_of([before[0]])


def test_repeated_failure_ends_with_the_games_own_log(battles, standin):
    env = battles(patience=Patience(max_failures=1))
    standin.ask_for("no_launch")
    with pytest.raises(
        UserError, match=r"failed 2 times in a row in battle \d of 3m, the last time because the game"
    ) as error:
        env.reset(SEEDS)
    assert "\n" not in str(error.value)
    assert "the game could not be reached" in error.value.attachment


def test_the_log_has_what_the_game_says(battles):
    env = battles()
    env.reset(SEEDS)
    deadline = time.monotonic() + 30
    while "the game speaks" not in (log := env._workers[0].log_tail()):
        assert time.monotonic() < deadline, log


def test_killing_workers_loses_no_finished_episode_and_leaves_nothing_behind(battles, request):
    kills = request.config.getoption("--game-kills")
    journal, killed, randomness = [], [], random.Random(7)
    env = battles(n_battles=4, journal=journal, patience=Patience(max_failures=1000))
    temporary = [worker._folder for worker in env._workers]

    def kill(battle):
        pid = pid_of(env, battle)
        try:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
        except ProcessLookupError:
            pass

    plans = {}

    def meanwhile(step):
        for battle in plans.pop(step, []):
            if randomness.random() < 0.5:
                kill(battle)
            else:  # while the timestep is being played
                timers.append(threading.Timer(randomness.uniform(0, 0.003), kill, [battle]))
                timers[-1].start()

    runner = Runner(env, RandomActor(meanwhile), 0)
    played, timers = 0, []
    while len(killed) < kills:
        for battle in range(4):
            plans.setdefault(randomness.randrange(12), []).append(battle)
        episodes = runner.play(Stream.TRAIN, played, 4, epsilon=1.0)
        assert [episode.seed for episode in episodes] == [
            episode_seed(0, Stream.TRAIN, index) for index in range(played, played + 4)
        ]
        for episode in episodes:
            assert episode.terminated
            assert len(episode.seen.obs) == episode.length + 1 == len(episode.snapshots)
            dead = episode.snapshots[:, :, 2] == 0
            assert not dead[0].any()
            assert dead[-1, :3].all() or dead[-1, 3:].all()  # a whole battle, to its very end
        played += 4
        for timer in timers:
            timer.join()
        temporary += [worker._folder for worker in env._workers]
    assert journal[0]["lost_episodes"] > kills / 5
    env.close()
    assert not left_of(set(killed))
    assert not [folder for folder in temporary if folder.exists()]


PARENT = """
import sys
sys.path.insert(0, {standin!r})
from roma.envs.starcraft2 import installation
installation.check_map = lambda game, name: None
if __name__ == "__main__":
    import numpy as np
    from roma.envs import make
    env = make("starcraft2", "3m", 2)
    env.reset(np.arange(2))
    print("begun", flush=True)
    while True:
        env.step(np.where(env.avail_actions[:, :, 1], 1, 0))
"""


@pytest.mark.parametrize("hanging", [False, True])
def test_nothing_outlives_a_killed_run(standin, tmp_path, monkeypatch, hanging):
    program = tmp_path / "program.py"
    program.write_text(PARENT.format(standin=sys.path[0]))
    if hanging:
        standin.ask_for("hang")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    parent = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "begun\n"
    assert len(descendants(str(tmp_path))) >= 7  # the run; two workers, guardians and games
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 30
    while descendants(str(tmp_path)) or list(tmp_path.glob("roma-starcraft2-*")):
        assert time.monotonic() < deadline, descendants(str(tmp_path))
        time.sleep(0.02)


def test_replays_are_the_games_own(battles, tmp_path):
    env = battles()
    env.reset(SEEDS)
    play_out(env, RandomPolicy(0))
    saved = env.save_replays(tmp_path / "replays")
    assert [path.relative_to(tmp_path).as_posix() for path in saved] == [
        f"replays/battle{battle}/3m_now.SC2Replay" for battle in (0, 1)
    ]
    assert saved[0].read_text() == "1 battles"
    assert isinstance(env, envs.GameEnv)
    assert not isinstance(envs.make("embedded", "3m", 1), envs.GameEnv)


def test_what_is_missing_is_said_with_what_to_run(standin, tmp_path, monkeypatch):
    wrong = tmp_path / "wrong" / "smac" / "facade"
    wrong.mkdir(parents=True)
    (wrong.parent / "__init__.py").touch()

    def refused():
        with pytest.raises(UserError) as error:
            envs.make("starcraft2", "3m", 1)
        assert "\n" not in str(error.value)
        return str(error.value)

    installation.map_path(standin.game, "3m").write_text("another")
    assert "roma starcraft2 fetch" in refused()
    monkeypatch.setenv("SC2PATH", str(tmp_path / "nowhere"))
    assert f"there is no StarCraft II in {tmp_path}/nowhere; run: roma starcraft2 fetch" in refused()
    with pytest.raises(UserError, match="there is no StarCraft II"):
        envs.engine_digest("starcraft2")
    monkeypatch.syspath_prepend(str(tmp_path / "wrong"))
    assert f"another project than SMAC; run: pip uninstall --yes smac && {installation.INSTALL}" in refused()
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if not entry.endswith(("wrong", "standin"))])
    assert refused() == f"engine 'starcraft2' needs SMAC, which is not installed; run: {installation.INSTALL}"


def test_settings_reach_smac_and_the_journal(battles):
    journal = []
    env = battles(journal=journal, settings=GameSettings(difficulty="A", step_mul=4))
    env.reset(SEEDS)
    deadline = time.monotonic() + 60
    while "difficulty A, step_mul 4" not in env._workers[0].log_tail():
        assert time.monotonic() < deadline
    assert (journal[0]["difficulty"], journal[0]["step_mul"]) == ("A", 4)


def test_settings_are_part_of_a_runs_configuration():
    plain = resolve("3m", "qmix", 0, engine="starcraft2")
    harder = resolve("3m", "qmix", 0, engine="starcraft2", overrides={"difficulty": "A"})
    assert plain.engine_settings == GameSettings()
    assert harder.engine_settings.difficulty == "A"
    assert plain.digest != harder.digest
    with pytest.raises(UserError, match="not a known value of difficulty"):
        resolve("3m", "qmix", 0, engine="starcraft2", overrides={"difficulty": "B"})


def test_the_digest_is_of_the_game(standin):
    digest, version = envs.engine_digest("starcraft2"), envs.engine_version("starcraft2", "3m")
    assert digest == envs.engine_digest("starcraft2")
    assert version == envs.engine_version("starcraft2", "3m") != envs.engine_version("starcraft2", "6z4b")
    assert version.startswith("4.6.2+")
    newer = standin.game / "Versions" / "Base75689"
    newer.mkdir()
    (newer / "SC2_x64").touch()
    assert envs.engine_digest("starcraft2") != digest
    assert envs.engine_version("starcraft2", "3m").startswith("4.10+")
    assert installation.facts()["game_version"] == "4.10"


def real_game() -> bool:
    try:
        installation.check_package()
        return installation.game_at(installation.game_folder()) is not None
    except UserError:
        return False


@pytest.mark.starcraft2
@pytest.mark.skipif(not real_game(), reason="needs SMAC and StarCraft II: roma starcraft2 doctor")
def test_the_real_game_from_end_to_end(tmp_path):
    for map_name in ("3m", *AUTHORS_MAP_TYPES):
        env = StarCraft2(map_name, 2)
        try:
            assert env.info == envs.make("embedded", map_name, 1).info
            runner = Runner(env, RandomActor(), 0)
            episodes = runner.play(Stream.TRAIN, 0, 4, epsilon=1.0)
            assert all(episode.terminated and episode.length <= env.info.episode_limit for episode in episodes)
            assert all(episode.episode_return > 0 for episode in episodes)
            assert len(env.save_replays(tmp_path / map_name)) == 2
        finally:
            env.close()
