"""What it takes to go on with a run as if nothing had happened, in one safetensors file.

The file holds the learner's tensors, the run's counters and records, and the replay as seeds, actions and, where the
actor draws any, latents: the engine is deterministic, so the battles are fought again on resume. No observation and no
random state is stored. Where chance rules the battles, the episodes themselves are stored, beside the checkpoints
(roma.episodes).

The file's name carries the beginning of its own SHA-256: a flipped byte or a missing end is noticed, and the checkpoint
before is used instead.
"""

import json
import re
import shutil
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from logging import Logger
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from roma import episodes as episode_files
from roma.envs import VectorEnv
from roma.errors import UserError
from roma.files import DIGEST_LENGTH, digest, remove_unfinished, write_bytes
from roma.replay import Replay
from roma.runner import Episode, resimulate
from roma.support import locks

FORMAT = 2  # of the contents and of what follows from them, such as noise; raise it when either changes
KEPT = 2  # the newest, and one to fall back on
ELSEWHERE = "elsewhere"  # folder of the checkpoints that were written on other families of processors


@dataclass
class RunState:
    """Counters and records of a run, all JSON-able."""

    t_env: int = 0  # environment steps of training
    previous_t_env: int = -1  # the same before the last round, which reached the horizons between the two
    episode: int = 0  # training episodes
    updates: int = 0
    metrics: list[dict[str, float]] = field(default_factory=list)  # one row per test
    timing: list[dict[str, float]] = field(default_factory=list)  # likewise; clocks, which are no part of the result
    sums: dict[str, list[float]] = field(default_factory=dict)  # [sum, count] of what is averaged since the last row
    journal: list[dict[str, Any]] = field(default_factory=list)  # what an engine where chance rules has to tell
    origins: list[dict[str, Any]] = field(default_factory=list)  # code and machine, again wherever either changed
    started: str = ""  # UTC, ISO 8601
    resumes: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Identity:
    """What a checkpoint belongs to. It is of no use to a run of which any of this differs."""

    config_hash: str
    engine_version: str  # of the run's map
    format: int = FORMAT


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read."""

    path: Path
    state: RunState
    learner: Mapping[str, Tensor]
    policies: dict[int, bytes]  # milestone: content of its policy file
    _replay: Mapping[str, Tensor]
    _replay_facts: Mapping[str, Any]

    @property
    def family(self) -> str:
        """The family of processors on which it was written."""
        return str(self.state.origins[-1]["cpu_family"])

    def restore_replay(self, replay: Replay, env: VectorEnv) -> None:
        """Fills `replay` with the battles it held, from their files or fought again on `env`.

        Raises UserError where they do not come out as they did.
        """
        inserted = self._replay_facts["inserted"]
        if "episodes" in self._replay_facts:
            folder = self.path.parent / episode_files.FOLDER
            replay.restore(episode_files.load(folder, self._replay_facts["episodes"], inserted), inserted)
            return
        lengths = self._replay["lengths"].tolist()
        actions = np.split(self._replay["actions"].numpy(), np.cumsum(lengths)[:-1])
        try:
            episodes = resimulate(env, self._replay["seeds"].tolist(), actions)
        except ValueError:  # an action that was available then is not so now
            episodes = []
        if _outcome_digest(episodes) != self._replay_facts["outcomes"]:
            raise UserError(
                f"the battles in {self.path} do not come out here as they did when they were played; "
                "remove it to start from scratch, or resume on the machine that wrote it"
            )
        if "latents" in self._replay:
            latents = self._replay["latents"].tolist()
            episodes = [replace(each, latent=latent) for each, latent in zip(episodes, latents, strict=True)]
        replay.restore(episodes, inserted)


def save(
    directory: Path,
    identity: Identity,
    state: RunState,
    learner: Mapping[str, Tensor],
    replay: Replay,
    policies: Mapping[int, bytes],
) -> Path:
    """Writes a checkpoint and removes all but the newest two."""
    episodes = replay.episodes
    tensors = {f"learner/{name}": tensor.detach().cpu().contiguous() for name, tensor in learner.items()}
    tensors |= {
        f"policy/{step}": torch.frombuffer(bytearray(blob), dtype=torch.uint8) for step, blob in policies.items()
    }
    replay_facts: dict[str, Any] = {"inserted": replay.inserted, "outcomes": _outcome_digest(episodes)}
    if any(episode.seen is not None for episode in episodes):
        replay_facts["episodes"] = episode_files.store(directory / episode_files.FOLDER, replay)
    else:
        tensors["replay/seeds"] = torch.tensor([episode.seed for episode in episodes], dtype=torch.int64)
        tensors["replay/lengths"] = torch.tensor([episode.length for episode in episodes], dtype=torch.int64)
        if latents := [episode.latent for episode in episodes if episode.latent is not None]:
            tensors["replay/latents"] = torch.tensor(latents, dtype=torch.int64)
        tensors["replay/actions"] = torch.from_numpy(np.concatenate([episode.actions for episode in episodes]))
    facts = {"identity": asdict(identity), "state": asdict(state), "replay": replay_facts}
    content = pack(tensors, facts)
    moment = f"t{state.t_env:09d}-"
    path = directory / f"{moment}{digest(content)[:DIGEST_LENGTH]}.safetensors"
    write_bytes(path, content)
    for other in paths(directory):
        if other.name.startswith(moment) and other != path:
            other.unlink()
    for old in paths(directory)[:-KEPT]:
        old.unlink()
    if "episodes" in replay_facts:
        kept = (unpack_facts(other.read_bytes())["replay"].get("episodes", []) for other in paths(directory))
        episode_files.keep(directory / episode_files.FOLDER, [name for names in kept for name in names])
    return path


def newest(directory: Path, identity: Identity, log: Logger) -> Checkpoint | None:
    """The newest undamaged checkpoint, None where there is none or where it is of a run with another identity.

    Raises UserError if all are damaged.
    """
    damaged: list[Path] = []
    for path in reversed(paths(directory)):
        content = path.read_bytes()
        if not path.stem.endswith(f"-{digest(content)[:DIGEST_LENGTH]}"):
            damaged.append(path)
            continue
        tensors, facts = unpack(content)
        if facts["identity"] != asdict(identity):
            return None
        for broken in damaged:
            log.warning("checkpoint %s is damaged: removed, going back to %s", broken.name, path.name)
            broken.unlink()
        return _checkpoint(path, tensors, facts)
    if damaged:
        listed = ", ".join(map(str, damaged))
        raise UserError(f"all checkpoints are damaged, remove them to start from scratch: {listed}")
    return None


def of_family(directory: Path, identity: Identity, family: str, log: Logger) -> Checkpoint | None:
    """Return the newest checkpoint as `newest` does, if it was written on this family of processors.

    One of another family is kept: all checkpoints move into a folder named after that family. If such a folder exists
    for this family, its checkpoints come back.
    """
    stored = newest(directory, identity, log)
    if stored is None or stored.family == family:
        return stored
    aside = directory / ELSEWHERE / _folder_name(stored.family)
    log.warning("begun on %s: its checkpoints are kept in %s, here the run begins anew", stored.family, aside)
    _move(directory, aside)
    _move(directory / ELSEWHERE / _folder_name(family), directory)
    return newest(directory, identity, log)


def forget_other_families(directory: Path) -> None:
    """Remove the checkpoints that were kept for other families of processors."""
    shutil.rmtree(directory / ELSEWHERE, ignore_errors=True)


def _move(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in paths(source):
        path.replace(target / path.name)


def _folder_name(family: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", family)


def paths(directory: Path) -> list[Path]:
    """The checkpoints in a directory, oldest first."""
    return sorted(directory.glob("t*-*.safetensors"))


@contextmanager
def only_writer(directory: Path, wait: bool = False) -> Iterator[bool]:
    """Keep any other process from writing the same run.

    Args:
        directory: the checkpoints' folder; created if it is missing.
        wait: wait until the other process is done.

    Yields:
        Whether processes on other machines are kept away too (`roma.support.locks.exclusive`).

    Raises:
        UserError: another process is writing it, and `wait` is false.
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


def pack(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> bytes:
    """A safetensors file with `facts` as JSON in its header: the same input gives the same bytes."""
    return safetensors.torch.save(dict(tensors), {"facts": json.dumps(facts)})


def unpack(content: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and facts that `pack` put together."""
    return safetensors.torch.load(content), unpack_facts(content)


def unpack_facts(content: bytes) -> dict[str, Any]:
    """The facts alone."""
    (header_size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + header_size])
    facts: dict[str, Any] = json.loads(header["__metadata__"]["facts"])
    return facts


def _checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Checkpoint:
    return Checkpoint(
        path=path,
        state=RunState(**facts["state"]),
        learner=_part(tensors, "learner/"),
        policies={int(step): bytes(blob.numpy()) for step, blob in _part(tensors, "policy/").items()},
        _replay=_part(tensors, "replay/"),
        _replay_facts=facts["replay"],
    )


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _outcome_digest(episodes: Sequence[Episode]) -> str:
    """Digest of all lengths, rewards and endings."""
    endings = ((episode.length, episode.terminated, episode.won) for episode in episodes)
    rewards = b"".join(episode.reward.tobytes() for episode in episodes)
    return digest(repr(list(endings)).encode() + rewards)
