"""Checkpoints: the complete state of a run, from which it resumes as if it had never been interrupted.

A checkpoint is one file of roma.support.container. It holds the tensors of the learner, the counters and records of the
run, and the replay buffer as seeds, actions and, if the actor draws any, latents. A deterministic engine re-simulates
the episodes on resume. The file holds no observations and no random state. For a non-deterministic engine, the episodes
themselves are stored beside the checkpoints (roma.runs.experience.episodes).

A checksum detects a damaged checkpoint; the run then resumes from the one before.
"""

import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from logging import Logger
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roma.envs import VectorEnv
from roma.runs.config import RunConfig, identity_of
from roma.runs.experience import episodes as episode_files
from roma.runs.experience.replay import Replay
from roma.runs.experience.runner import Episode, resimulate
from roma.support import container
from roma.support.errors import UserError
from roma.support.files import digest, remove_unfinished, write_bytes
from roma.support.system import locks

KIND = container.Kind("checkpoint", "checkpoint", format=1)
POLICY = container.Kind("policy", "policy", format=1)
KEPT = 2  # checkpoints: the newest, and one to fall back on
ELSEWHERE = "elsewhere"  # folder of the checkpoints that were written on other processor families


@dataclass
class RunState:
    """Counters and records of a run; all of them can be written as JSON."""

    t_env: int = 0  # environment steps of training
    previous_t_env: int = -1  # t_env before the last round
    episode: int = 0  # training episodes
    updates: int = 0
    metrics: list[dict[str, float]] = field(default_factory=list)  # one row per test
    timing: list[dict[str, float]] = field(default_factory=list)  # clock readings, one row per test; not a result
    sums: dict[str, list[float]] = field(default_factory=dict)  # [sum, count] of each metric since the last row
    game_sessions: list[dict[str, Any]] = field(default_factory=list)  # processes of the game; empty for other engines
    segments: list[dict[str, Any]] = field(default_factory=list)  # code and machine; a new entry when either changes
    started: str = ""  # UTC, ISO 8601
    resumes: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """Content of a checkpoint file."""

    path: Path
    state: RunState
    learner: Mapping[str, Tensor]
    policies: dict[int, bytes]  # milestone: content of its policy file
    _replay: Mapping[str, NDArray[Any]]
    _replay_facts: Mapping[str, Any]

    @property
    def family(self) -> str:
        """The processor family on which the checkpoint was written."""
        return str(self.state.segments[-1]["cpu_family"])

    def restore_replay(self, replay: Replay, env: VectorEnv) -> None:
        """Fill the replay buffer with the stored episodes, read from their files or re-simulated.

        Args:
            replay: Replay buffer to fill.
            env: Environment on which episodes are re-simulated.

        Raises:
            UserError: An episode file is missing or damaged, or the re-simulated outcomes differ from the recorded
                ones.
        """
        inserted = self._replay_facts["inserted"]
        if "episodes" in self._replay_facts:
            folder = self.path.parent / episode_files.FOLDER
            replay.restore(episode_files.load(folder, self._replay_facts["episodes"], inserted), inserted)
            return
        lengths = self._replay["lengths"].tolist()
        actions = np.split(self._replay["actions"], np.cumsum(lengths)[:-1])
        try:
            episodes = resimulate(env, self._replay["seeds"].tolist(), actions)
        except ValueError:  # a recorded action is no longer available
            episodes = []
        if _outcome_digest(episodes) != self._replay_facts["outcomes"]:
            raise UserError(
                f"the episodes in {self.path} cannot be re-simulated here: their outcomes differ from the recorded "
                "ones; remove the checkpoint to start from scratch, or resume on the machine that wrote it"
            )
        if "latents" in self._replay:
            latents = self._replay["latents"].tolist()
            episodes = [replace(each, latent=latent) for each, latent in zip(episodes, latents, strict=True)]
        replay.restore(episodes, inserted)


def save(
    directory: Path,
    config: RunConfig,
    state: RunState,
    learner: Mapping[str, Tensor],
    replay: Replay,
    policies: Mapping[int, bytes],
) -> Path:
    """Write a checkpoint and remove all but the newest two.

    Args:
        directory: Folder of the checkpoints.
        config: Configuration of the run.
        state: Counters and records.
        learner: Tensors of the learner.
        replay: Replay buffer.
        policies: Contents of the policy files, by milestone (environment steps).

    Returns:
        The path of the checkpoint.
    """
    episodes = replay.episodes
    tensors = {f"learner/{name}": _array(tensor) for name, tensor in learner.items()}
    tensors |= {f"policy/{step}": np.frombuffer(content, np.uint8) for step, content in policies.items()}
    replay_facts: dict[str, Any] = {"inserted": replay.inserted, "outcomes": _outcome_digest(episodes)}
    if any(episode.seen is not None for episode in episodes):
        replay_facts["episodes"] = episode_files.store(directory / episode_files.FOLDER, replay)
    else:
        tensors["replay/seeds"] = np.array([episode.seed for episode in episodes], np.int64)
        tensors["replay/lengths"] = np.array([episode.length for episode in episodes], np.int64)
        if latents := [episode.latent for episode in episodes if episode.latent is not None]:
            tensors["replay/latents"] = np.array(latents, np.int64)
        tensors["replay/actions"] = np.concatenate([episode.actions for episode in episodes])
    facts = {"config": config.to_json(), "state": asdict(state), "replay": replay_facts}
    path = directory / f"t{state.t_env:09d}.safetensors"
    write_bytes(path, container.encode(KIND, facts, tensors))
    for old in paths(directory)[:-KEPT]:
        old.unlink()
    if "episodes" in replay_facts:
        kept = (container.load(other, KIND)[0]["replay"].get("episodes", []) for other in paths(directory))
        episode_files.keep(directory / episode_files.FOLDER, [name for names in kept for name in names])
    return path


def newest(directory: Path, config: RunConfig, log: Logger) -> Checkpoint | None:
    """Return the newest undamaged checkpoint; None if there is none or if it belongs to another run.

    Damaged checkpoints newer than the returned one are removed, with a warning.

    Raises:
        UserError: All checkpoints are damaged, or one has another format.
    """
    damaged: list[Path] = []
    for path in reversed(paths(directory)):
        try:
            facts, tensors = container.load(path, KIND)
        except container.DamagedError:
            damaged.append(path)
            continue
        if identity_of(facts["config"]) != config.identity:
            return None
        for broken in damaged:
            log.warning("checkpoint %s is damaged: removed, going back to %s", broken.name, path.name)
            broken.unlink()
        return _checkpoint(path, facts, tensors)
    if damaged:
        listed = ", ".join(map(str, damaged))
        raise UserError(f"all checkpoints are damaged, remove them to start from scratch: {listed}")
    return None


def of_family(directory: Path, config: RunConfig, family: str, log: Logger) -> Checkpoint | None:
    """Return the newest checkpoint that was written on a processor family; None as in `newest`.

    Checkpoints of another family are moved to a folder named after that family. The checkpoints of this family are
    moved back from its folder, if there is one.
    """
    stored = newest(directory, config, log)
    if stored is None or stored.family == family:
        return stored
    aside = directory / ELSEWHERE / _folder_name(stored.family)
    log.warning("the run was begun on %s: its checkpoints move to %s, and it starts again here", stored.family, aside)
    _move(directory, aside)
    _move(directory / ELSEWHERE / _folder_name(family), directory)
    return newest(directory, config, log)


def forget_other_families(directory: Path) -> None:
    """Remove the checkpoints that were kept for other processor families."""
    shutil.rmtree(directory / ELSEWHERE, ignore_errors=True)


def _move(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in paths(source):
        path.replace(target / path.name)


def _folder_name(family: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", family)


def paths(directory: Path) -> list[Path]:
    """Return the checkpoint files in a directory, oldest first."""
    return sorted(directory.glob("t*.safetensors"))


@contextmanager
def only_writer(directory: Path, wait: bool = False) -> Iterator[bool]:
    """Keep all other processes from writing the same run for the duration of the block.

    Args:
        directory: Folder of the checkpoints; it is created if it is missing.
        wait: Wait for another process that is writing the run.

    Yields:
        Whether the lock excludes processes on other machines, too (`roma.support.system.locks.exclusive`).

    Raises:
        UserError: Another process is writing the run, and `wait` is false.
    """

    def waiting() -> None:
        print(f"waiting for another process that is writing the run in {directory.parent}", file=sys.stderr, flush=True)

    directory.mkdir(exist_ok=True)
    try:
        with locks.exclusive(directory / "lock", waiting if wait else None) as everywhere:
            remove_unfinished(directory)
            yield everywhere
    except locks.TakenError:
        raise UserError(f"another process is writing the run in {directory.parent}") from None


def pack_policy(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> bytes:
    """Return the content of a policy file; the same input gives the same bytes."""
    return container.encode(POLICY, facts, {name: _array(tensor) for name, tensor in tensors.items()})


def load_policy(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the facts of a policy file.

    Raises:
        UserError: The file cannot be read, is damaged, of another kind or of another format.
    """
    facts, arrays = container.load(path, POLICY)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}, facts


def _array(tensor: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array


def _checkpoint(path: Path, facts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Checkpoint:
    return Checkpoint(
        path=path,
        state=RunState(**facts["state"]),
        learner={name: torch.from_numpy(array) for name, array in _part(tensors, "learner/").items()},
        policies={int(step): content.tobytes() for step, content in _part(tensors, "policy/").items()},
        _replay=_part(tensors, "replay/"),
        _replay_facts=facts["replay"],
    )


def _part(tensors: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}


def _outcome_digest(episodes: Sequence[Episode]) -> str:
    """Return the digest of all lengths, rewards and endings."""
    endings = ((episode.length, episode.terminated, episode.won) for episode in episodes)
    rewards = b"".join(episode.reward.tobytes() for episode in episodes)
    return digest(repr(list(endings)).encode() + rewards)
