"""Runs that ship with the repository: recorded by DVC in git, their files in data/bundle.

    python workflow/shipping.py MAP/ARM/seedK --scale study      copies a shipped run into place and into DVC's cache
    python workflow/shipping.py MAP/ARM/seedK --make-way         removes it there, if a longer one has to begin anew

A clone has them without DVC, account or network: only the standard library is used, which starts in a moment. The
records are the lines of a scale's dvc.yaml and dvc.lock, as `workflow.tracking` and DVC write them.
"""

import argparse
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STUDY = "study"  # the scale whose shipped runs are drawn where no other is named
BUNDLE = Path("data/bundle")
CACHE = Path(".dvc/cache")
METRICS = "metrics.parquet"  # comes last into place: a run that has them is complete

SHIPS = re.compile(r"^ *- (\S+):\n +persist: true\n +remote: bundle$", re.M)  # in dvc.yaml
LOCKED = re.compile(r"^ *- path:\s+(\S+)\n +hash: md5\n +md5: ([0-9a-f]{32})\n +size: (\d+)$", re.M)  # in dvc.lock
OF_RUN = re.compile(r"(data/[^/]+/[^/]+)/(?:runs|measurements)/([^/]+/[^/]+/seed\d+)/.+")
LAST = re.compile(r"/evaluations/t(\d+)\.json$")


@dataclass(frozen=True)
class ShippedFile:
    """A file that ships."""

    path: str  # below the repository's folder
    md5: str
    size: int  # bytes

    def stored(self, place: Path) -> Path:
        """Return the file with this content in a remote or cache of DVC."""
        return place / "files" / "md5" / self.md5[:2] / self.md5[2:]


@dataclass(frozen=True)
class ShippedRun:
    """A run that ships."""

    path: Path  # of its run directory, below the repository's folder
    files: tuple[ShippedFile, ...]  # of the run directory, and its measurements

    @property
    def name(self) -> str:
        """The run as MAP/ARM/seedK."""
        return "/".join(self.path.parts[-3:])

    @property
    def total_steps(self) -> int:
        """The environment steps of the run, at which its last policy was evaluated."""
        return max(int(found[1]) for file in self.files if (found := LAST.search(file.path)))

    @property
    def digest(self) -> str:
        """Digest of all contents."""
        return hashlib.md5("".join(file.md5 for file in self.files).encode(), usedforsecurity=False).hexdigest()


def read_shipped(root: Path, scale: str) -> dict[str, ShippedRun]:
    """Return the runs of a scale that ship, by MAP/ARM/seedK.

    Args:
        root: The repository's folder.
        scale: The name of the scale.
    """
    files: dict[tuple[str, str], list[ShippedFile]] = {}
    for description in sorted(root.glob(f"data/*/{scale}/dvc.yaml")):
        ships = set(SHIPS.findall(description.read_text(encoding="utf-8")))
        lock = description.with_name("dvc.lock")
        for path, md5, size in LOCKED.findall(lock.read_text(encoding="utf-8") if lock.exists() else ""):
            if path in ships and (found := OF_RUN.fullmatch(path)):
                files.setdefault((found[1], found[2]), []).append(ShippedFile(path, md5, int(size)))
    return {
        name: ShippedRun(Path(results, "runs", name), tuple(sorted(of_run, key=lambda file: file.path)))
        for (results, name), of_run in files.items()
    }


def damaged(root: Path, run: ShippedRun) -> list[str]:
    """Return a line for each file of a run whose content, in the bundle or in place, is not what its record says.

    What was tracked before is no damage, nor is a longer run.
    """
    return [*broken(root, run), *_kept_nowhere(root, _not_in_place(root, run))]


def broken(root: Path, run: ShippedRun) -> list[str]:
    """Return a line for each file of a run that the bundle does not have as recorded."""
    return [
        f"{file.path} (md5 {file.md5}) is {'damaged' if stored.exists() else 'missing'} in {BUNDLE}"
        for file in run.files
        if md5_of(stored := file.stored(root / BUNDLE)) != file.md5
    ]


def to_restore(root: Path, run: ShippedRun) -> list[ShippedFile]:
    """Return the files of a run that are not in place, or there with what was tracked before; none if a longer run is.

    Raises:
        ValueError: A file in place would be lost.
    """
    wanted = _not_in_place(root, run)
    if lines := _kept_nowhere(root, wanted):
        raise ValueError(f"{'; '.join(lines)}: move or remove it first")
    return wanted


def _not_in_place(root: Path, run: ShippedRun) -> list[ShippedFile]:
    if _held_steps(root / run.path) > run.total_steps:
        return []
    return [file for file in run.files if md5_of(root / file.path) != file.md5]


def _kept_nowhere(root: Path, wanted: Iterable[ShippedFile]) -> list[str]:
    """Return a line for each file in whose place is something that neither ships nor is in DVC's cache."""
    return [
        f"{file.path} is not the file that ships (md5 {file.md5}), and kept nowhere else"
        for file in wanted
        if (md5 := md5_of(root / file.path)) and not ShippedFile(file.path, md5, 0).stored(root / CACHE).exists()
    ]


def config(root: Path, run: ShippedRun) -> dict[str, Any]:
    """Return the content of a run's config.json, in place or else in the bundle."""
    (file,) = (file for file in run.files if file.path.endswith("/config.json"))
    place = root / file.path
    content: dict[str, Any] = json.loads((place if place.exists() else file.stored(root / BUNDLE)).read_bytes())
    return content


def lay_out(root: Path, run: ShippedRun, folder: Path) -> Path:
    """Copy what tells of a run, all but weights and measurements, into another folder; return its run directory there.

    What is in place does not matter.

    Raises:
        ValueError: An object is missing or damaged. Nothing is copied then.
    """
    if lines := broken(root, run):
        raise ValueError("; ".join(lines))
    for file in (file for file in run.files if file.path.endswith((".json", METRICS))):
        _write(folder / file.path, file.stored(root / BUNDLE).read_bytes(), 0o644)
    return folder / run.path


def restore(root: Path, run: ShippedRun) -> None:
    """Copy a run from the bundle into place and, in a repository with DVC, into its cache.

    Raises:
        ValueError: An object is missing or damaged, or a file in place would be lost. Nothing is changed then.
    """
    wanted = to_restore(root, run)
    contents = {}
    for file in wanted:
        stored = file.stored(root / BUNDLE)
        content = stored.read_bytes() if stored.exists() else b""
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != file.md5:
            raise ValueError("; ".join(broken(root, run)))
        contents[file] = content
    for file in sorted(wanted, key=lambda file: file.path.endswith(METRICS)):
        if (root / CACHE.parent).is_dir() and not (kept := file.stored(root / CACHE)).exists():
            _write(kept, contents[file], 0o444)
        _write(root / file.path, contents[file], 0o644)


def make_way(root: Path, run: ShippedRun) -> None:
    """Remove a run from its place where there is no checkpoint, so that a longer run of its identity can begin anew.

    Raises:
        ValueError: A file in place would be lost. Nothing is changed then.
    """
    if any((root / run.path / "checkpoints").glob("t*.safetensors")) or _held_steps(root / run.path) > run.total_steps:
        return
    to_restore(root, run)
    for file in run.files:
        (root / file.path).unlink(missing_ok=True)


def md5_of(path: Path) -> str | None:
    """Return the MD5 of a file; None if there is none."""
    try:
        return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    except FileNotFoundError:
        return None


def _held_steps(directory: Path) -> int:
    """Return the total steps of the run that is complete in a run directory; 0 if none is."""
    try:
        steps: int = json.loads((directory / "provenance.json").read_text(encoding="utf-8"))["total_steps"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return steps if (directory / METRICS).exists() else 0


def _write(target: Path, content: bytes, mode: int) -> None:
    """Write a file, complete or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".beside-{os.getpid()}-{target.name}")
    beside.write_bytes(content)
    beside.chmod(mode)
    beside.replace(target)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", metavar="MAP/ARM/seedK")
    parser.add_argument("--scale", default=STUDY)
    parser.add_argument("--make-way", action="store_true", help="remove it, if it ships and has no checkpoint")
    options = parser.parse_args()
    run = read_shipped(Path(), options.scale).get(options.run)
    try:
        if run is None and not options.make_way:
            raise ValueError(f"{options.run} of scale {options.scale!r} does not ship")
        if run is not None:
            (make_way if options.make_way else restore)(Path(), run)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
