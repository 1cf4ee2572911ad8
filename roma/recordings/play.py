"""Recording and drawing of single episodes, for `roma play`."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from roma import envs
from roma.envs.skirmish.engine import RandomPolicy
from roma.envs.skirmish.options import Choices, EnvOptions
from roma.envs.skirmish.recordings.battle import (
    DRAW,
    GOES_ON,
    LOST,
    TIME_LIMIT,
    WON,
    Battle,
    Recording,
    describe_unit,
    no_roles,
)
from roma.envs.skirmish.recordings.file import can_be_resimulated, load, save, verify
from roma.runs.config import from_json
from roma.runs.directory import RunDirectory
from roma.runs.experience.runner import Episode
from roma.scenarios import load_map, load_units
from roma.scenarios.actions import FIRST_TARGET
from roma.scenarios.rows import HEALTH
from roma.support.container import DamagedError
from roma.support.errors import UserError
from roma.support.files import make_writable_directory
from roma.support.pictures import import_matplotlib
from roma.support.seeding import Stream, episode_seed, noise_seed

RECORDING = "battle.safetensors"


def record(map_name: str, policy: str, number: int) -> Recording:
    """Record an episode of a policy that needs no training.

    Args:
        map_name: Canonical name of a map.
        policy: "random", or "heuristic" for SMAC's scripted `heuristic_ai`.
        number: Index of the episode.
    """
    battle, random = Battle(map_name), RandomPolicy(noise_seed(0, Stream.ROLLOUT, number))
    battle.begin(episode_seed(0, Stream.ROLLOUT, number))
    while battle.result == GOES_ON:
        battle.play(None if policy == "heuristic" else random(battle.avail_actions)[0])
    return battle.recording(policy)


def record_trained(checkpoint: Path, number: int, map_name: str | None = None) -> Recording:
    """Record a greedy episode of a trained policy, on the engine of its run.

    Args:
        checkpoint: Run directory, for its last policy, or policy file.
        number: Index of the episode.
        map_name: Map that the policy must have been trained on; None: any.

    Raises:
        UserError: `checkpoint` is neither a run directory nor a policy file, or the policy is for another map.
    """
    import torch

    from roma.learners.base.roles import RoleLearner
    from roma.recordings.evaluate import load_policy
    from roma.runs.experience.runner import Runner

    path = checkpoint
    if checkpoint.is_dir():
        run = RunDirectory(checkpoint)
        path = run.kept_policy(run.last_step())
    try:
        learner, env, facts = load_policy(path, 1)
        config, step = facts["config"], facts["step"]
    except DamagedError:
        raise UserError(f"{path} is neither a run folder nor a policy file of one") from None
    if map_name is not None and config["map"] != map_name:
        raise UserError(f"{path} was trained on {config['map']}, not on {map_name}")
    who = f"{config['algorithm']} seed {config['seed']} at {step} steps"
    (episode,) = Runner(env, learner.actor(), config["seed"]).play(Stream.ROLLOUT, number, 1)
    if episode.seen is not None:
        obs = episode.seen.obs
        recording = recording_of_game(episode, config["engine"], config["map"], who)
    else:
        choices = from_json(config).engine_settings
        assert isinstance(choices, Choices)  # only the embedded engine returns episodes without observations
        battle = Battle(config["map"], choices=choices)
        battle.begin(episode.seed)
        seen = [battle.obs[0].copy()]
        for actions in episode.actions:
            battle.play(actions)
            seen.append(battle.obs[0].copy())
        obs, recording = np.array(seen), battle.recording(who)
        if not np.array_equal(recording.units, episode.snapshots):
            raise AssertionError("the engine re-simulated an episode differently from the same seed and actions")
    last_actions = np.concatenate([np.full((1, recording.n_agents), -1), episode.actions])
    if not isinstance(learner, RoleLearner):
        return recording
    mean, variance = learner.roles(torch.from_numpy(obs), torch.from_numpy(last_actions))
    return replace(recording, role_mean=mean.numpy(), role_variance=variance.numpy())


def recording_of_game(episode: Episode, engine: str, map_name: str, policy: str) -> Recording:
    """Return an episode of the real game as a recording, which can be drawn but not re-simulated.

    The game does not report the targets of units, so the targets are those of the agents' last actions.

    Args:
        episode: Episode with observations.
        engine: Name of the engine.
        map_name: Canonical name of the map.
        policy: Description of the policy.
    """
    assert episode.seen is not None
    scenario, types = load_map(map_name), load_units()
    n_agents = episode.actions.shape[1]
    names = list(episode.seen.unit_types)
    alive = episode.snapshots[-1, :, HEALTH] > 0
    if episode.won:
        result = WON
    elif alive[:n_agents].any() and alive[n_agents:].any() and episode.length == scenario.episode_limit:
        result = TIME_LIMIT
    else:
        result = LOST if alive.any() else DRAW
    targets = np.full(episode.snapshots.shape[:2], -1, np.int16)
    heals = np.array([types[name].heal is not None for name in names[:n_agents]])
    chosen = episode.actions.astype(np.int16) - FIRST_TARGET
    targets[1:, :n_agents] = np.where(chosen >= 0, chosen + np.where(heals, 0, n_agents), -1)
    return Recording(
        map_name=map_name,
        seed=episode.seed,
        engine=engine,
        engine_version=envs.engine_version(engine, map_name),
        engine_digest=envs.engine_digest(engine),
        options=asdict(EnvOptions()),
        choices={},
        scripted=False,
        policy=policy,
        result=result,
        n_agents=n_agents,
        episode_limit=scenario.episode_limit,
        terrain=scenario.terrain,
        unit_types=names,
        types={name: describe_unit(types[name]) for name in sorted(set(names))},
        actions=episode.actions.astype(np.int16),
        rewards=episode.reward.astype(np.float64),
        units=episode.snapshots,
        targets=targets,
        role_mean=no_roles(len(episode.snapshots), n_agents),
        role_variance=no_roles(len(episode.snapshots), n_agents),
    )


def play(
    map_name: str | None, policy: str, checkpoint: Path | None, number: int, directory: Path | None
) -> tuple[Recording, Path]:
    """Record an episode, write its recording file and draw it as still.png, battle.gif and frames/.

    Args:
        map_name: Canonical name of a map; may be None if there is a checkpoint.
        policy: "random" or "heuristic"; not used if there is a checkpoint.
        checkpoint: Run directory or policy file of a trained policy.
        number: Index of the episode.
        directory: Folder of the files; None: a folder below data/.

    Returns:
        The recording, and the folder of the files.

    Raises:
        UserError: `record_trained` fails, or the folder is not writable.
    """
    if checkpoint is not None:
        recording = record_trained(checkpoint, number, map_name)
    else:
        assert map_name is not None
        recording = record(map_name, policy, number)
    player = re.sub(r"\W+", "_", recording.policy)
    directory = directory or Path(
        "data", recording.engine, "manual/recordings", recording.map_name, player, f"battle{number}"
    )
    make_writable_directory(directory)
    save(directory / RECORDING, recording)
    _render(recording, directory)
    return recording, directory


def show(path: Path, directory: Path | None) -> tuple[Recording, Path, bool]:
    """Draw a recording, after re-simulating it if it was made by this version of the engine.

    Args:
        path: File of the recording.
        directory: Folder of the pictures; None: the folder of the file.

    Returns:
        The recording, the folder of the pictures, and whether the episode was re-simulated.

    Raises:
        UserError: The file cannot be read, the re-simulated episode differs from the recorded one, or the folder is not
            writable.
    """
    recording = load(path)
    same_engine = can_be_resimulated(recording)
    if same_engine:
        verify(recording)
    directory = directory or path.parent
    make_writable_directory(directory)
    _render(recording, directory)
    return recording, directory, same_engine


def _render(recording: Recording, directory: Path) -> None:
    import_matplotlib()

    from roma.envs.skirmish.recordings.drawing import render

    render(recording, directory)
