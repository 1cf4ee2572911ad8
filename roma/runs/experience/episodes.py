"""Episodes as files, for those that cannot be fought again: one file each, written once and shared by checkpoints.

A file's name carries the episode's number in its run and the beginning of its content's SHA-256.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from roma.runs.experience.replay import Replay
from roma.runs.experience.runner import Episode, Seen
from roma.support import container
from roma.support.errors import UserError
from roma.support.files import DIGEST_LENGTH, digest, remove_unfinished, write_bytes

KIND = container.Kind("episode", "episode", format=1)
FOLDER = "episodes"  # beside the checkpoints


def store(folder: Path, replay: Replay) -> list[str]:
    """Writes the replay's episodes that have no file yet; returns the names of all, in the order of their slots."""
    folder.mkdir(exist_ok=True)
    stored = {_number(path.name): path.name for path in folder.glob("e*.safetensors")}
    names = []
    for slot, episode in enumerate(replay.episodes):
        number = slot + (replay.inserted - 1 - slot) // replay.capacity * replay.capacity
        if number not in stored:
            content = _pack(episode)
            stored[number] = f"e{number:09d}-{digest(content)[:DIGEST_LENGTH]}.safetensors"
            write_bytes(folder / stored[number], content)
        names.append(stored[number])
    return names


def load(folder: Path, names: Iterable[str], inserted: int) -> list[Episode]:
    """The episodes of these names. Those from number `inserted` on, of a future that is given up, are removed.

    UserError names the first that is missing or damaged.
    """
    remove_unfinished(folder)
    for path in folder.glob("e*.safetensors"):
        if _number(path.name) >= inserted:
            path.unlink()
    return [_read(folder / name) for name in names]


def keep(folder: Path, names: Iterable[str]) -> None:
    """Removes the episodes older than all of these."""
    oldest = min(map(_number, names), default=0)
    for path in folder.glob("e*.safetensors"):
        if _number(path.name) < oldest:
            path.unlink()


def _number(name: str) -> int:
    return int(name[1:].partition("-")[0])


def _pack(episode: Episode) -> bytes:
    assert episode.seen is not None
    arrays: dict[str, NDArray[Any]] = {
        "snapshots": episode.snapshots,
        "actions": episode.actions,
        "reward": episode.reward,
        "obs": episode.seen.obs,
        "state": episode.seen.state,
        "avail_actions": episode.seen.avail_actions,
    }
    facts = {
        "seed": episode.seed,
        "terminated": episode.terminated,
        "won": episode.won,
        "latent": episode.latent,
        "unit_types": episode.seen.unit_types,
    }
    return container.encode(KIND, facts, arrays)


def _read(path: Path) -> Episode:
    content = path.read_bytes() if path.exists() else b""
    if not path.stem.endswith(f"-{digest(content)[:DIGEST_LENGTH]}"):
        raise UserError(f"{path} is missing or damaged; remove the folder {path.parent.parent} to start from scratch")
    facts, arrays = container.decode(content, KIND, path)
    obs, state, avail_actions = (arrays.pop(name) for name in ("obs", "state", "avail_actions"))
    seen = Seen(obs, state, avail_actions, tuple(facts.pop("unit_types")))
    values: dict[str, Any] = {**arrays, **facts}
    return Episode(seen=seen, **values)
