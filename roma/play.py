"""`roma play`: one battle recorded and drawn, so that a person can see what happens."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
from safetensors import SafetensorError

from roma import envs, outputs
from roma.envs.skirmish.engine import RandomPolicy
from roma.envs.skirmish.replays.battle import GOES_ON, Battle, Recording
from roma.envs.skirmish.replays.file import load, save, verify
from roma.errors import UserError
from roma.files import make_writable_directory
from roma.seeding import Stream, episode_seed, noise_seed

REPLAY = "battle.safetensors"


def record(map_name: str, policy: str, number: int) -> Recording:
    """Battle `number` of a map under the policy "random" or "heuristic", SMAC's scripted `heuristic_ai`."""
    battle, random = Battle(map_name), RandomPolicy(noise_seed(0, Stream.ROLLOUT, number))
    battle.begin(episode_seed(0, Stream.ROLLOUT, number))
    while battle.result == GOES_ON:
        battle.play(None if policy == "heuristic" else random(battle.avail_actions)[0])
    return battle.recording(policy)


def record_trained(checkpoint: Path, number: int, map_name: str | None = None) -> Recording:
    """Greedy battle `number` of trained weights: the last of a run folder, or those of a policy file.

    UserError if it is neither, or of another map than `map_name`.
    """
    from roma.evaluate import play_policy

    path = outputs.last_policy(checkpoint) if checkpoint.is_dir() else checkpoint
    try:
        (episode,), facts = play_policy(path, Stream.ROLLOUT, 1, 1, first=number)
        config, step = facts["config"], facts["step"]
    except (OSError, struct.error, ValueError, LookupError, SafetensorError):
        raise UserError(f"{path} is neither a run folder nor a policy file of one") from None
    if map_name is not None and config["map"] != map_name:
        raise UserError(f"{path} was trained on {config['map']}, not on {map_name}")
    battle = Battle(config["map"])
    battle.begin(episode.seed)
    for actions in episode.actions:
        battle.play(actions)
    recording = battle.recording(f"{config['algorithm']} seed {config['seed']} at {step} steps")
    if not np.array_equal(recording.units, episode.snapshots):
        raise AssertionError("the engine fought two battles of one seed and one set of actions differently")
    return recording


def play(
    map_name: str | None, policy: str, checkpoint: Path | None, number: int, directory: Path | None
) -> tuple[Recording, Path]:
    """Record a battle and draw it; returns it and the folder written: replay, still.png, battle.gif, frames/."""
    if checkpoint is not None:
        recording = record_trained(checkpoint, number, map_name)
    else:
        assert map_name is not None
        recording = record(map_name, policy, number)
    player = re.sub(r"\W+", "_", recording.policy)
    directory = directory or Path("data/embedded/manual/replays", recording.map_name, player, f"battle{number}")
    make_writable_directory(directory)
    save(directory / REPLAY, recording)
    _render(recording, directory)
    return recording, directory


def show(replay: Path, directory: Path | None) -> tuple[Recording, Path, bool]:
    """Draw a replay file, beside it unless `directory` is given.

    Returns the recording, the folder, and whether the battle was fought again: one of this engine is, and must come out
    as recorded (else UserError); one of another engine is drawn as it stands in the file.
    """
    recording = load(replay)
    same_engine = recording.engine_digest == envs.engine_digest("embedded")
    if same_engine:
        verify(recording)
    directory = directory or replay.parent
    make_writable_directory(directory)
    _render(recording, directory)
    return recording, directory, same_engine


def _render(recording: Recording, directory: Path) -> None:
    from roma.envs.skirmish.replays.drawing import render

    render(recording, directory)
