"""Episode files of non-deterministic engines, whose episodes cannot be re-simulated.

Each episode is one file, written once and shared by the checkpoints. The file name has the number of the episode in its
run and the first digits of the SHA-256 of the content.
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
    """Write the episodes of a replay buffer that have no file yet.

    Returns:
        The file names of all episodes in the buffer, in the order of their slots.
    """
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
    """Return the episodes in these files, and remove the files from number `inserted` on.

    The removed episodes were written after this checkpoint and are discarded on resume.

    Args:
        folder: Folder of the episode files.
        names: Names of the files to read.
        inserted: Episodes ever inserted into the replay buffer when the checkpoint was written.

    Raises:
        UserError: A file is missing or damaged.
    """
    remove_unfinished(folder)
    for path in folder.glob("e*.safetensors"):
        if _number(path.name) >= inserted:
            path.unlink()
    return [_read(folder / name) for name in names]


def keep(folder: Path, names: Iterable[str]) -> None:
    """Remove the files of all episodes that are older than the oldest of these."""
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
