"""Runs that ship with the repository: DVC records them in git, and their files lie in data/bundle.

    python workflow/artifacts/shipping.py MAP/ARM/seedK --scale study   copy a shipped run into place and DVC's cache
    python workflow/artifacts/shipping.py MAP/ARM/seedK --make-way      remove it so that a longer run can start afresh

A clone restores them without DVC, account or network. This module uses only the standard library, so that it starts
quickly. The records are the lines of a scale's dvc.yaml and dvc.lock, as `workflow.artifacts.tracking` and DVC write
them.
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

STUDY = "study"  # the default scale of commands that use shipped runs
BUNDLE = Path("data/bundle")
CACHE = Path(".dvc/cache")
METRICS = "metrics.parquet"  # written last, because a run with metrics counts as complete

SHIPS = re.compile(r"^ *- (\S+):\n +persist: true\n +remote: bundle$", re.M)  # in dvc.yaml
LOCKED = re.compile(r"^ *- path:\s+(\S+)\n +hash: md5\n +md5: ([0-9a-f]{32})\n +size: (\d+)$", re.M)  # in dvc.lock
OF_RUN = re.compile(r"(data/[^/]+/[^/]+)/(?:runs|measurements)/([^/]+/[^/]+/seed\d+)/.+")
LAST = re.compile(r"/evaluations/t(\d+)\.json$")


@dataclass(frozen=True)
class ShippedFile:
    """File that ships."""

    path: str  # relative to the repository
    md5: str
    size: int  # bytes

    def stored(self, place: Path) -> Path:
        """Return the file with this content in a remote or cache of DVC."""
        return place / "files" / "md5" / self.md5[:2] / self.md5[2:]


@dataclass(frozen=True)
class ShippedRun:
    """Run that ships."""

    path: Path  # run directory, relative to the repository
    files: tuple[ShippedFile, ...]  # files of the run directory, and measurements

    @property
    def name(self) -> str:
        """Name of the run, MAP/ARM/seedK."""
        return "/".join(self.path.parts[-3:])

    @property
    def total_steps(self) -> int:
        """Total environment steps of the run: the step of its last evaluation."""
        return max(int(found[1]) for file in self.files if (found := LAST.search(file.path)))

    @property
    def digest(self) -> str:
        """Digest of all contents."""
        return hashlib.md5("".join(file.md5 for file in self.files).encode(), usedforsecurity=False).hexdigest()


def read_shipped(root: Path, scale: str) -> dict[str, ShippedRun]:
    """Return the runs of a scale that ship, by MAP/ARM/seedK.

    Args:
        root: Folder of the repository.
        scale: Name of the scale.
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
    """Return a line for each file of a run whose content, in the bundle or in place, differs from its record.

    Earlier tracked versions of a file and longer runs do not count as damage.
    """
    return [*broken(root, run), *_kept_nowhere(root, _not_in_place(root, run))]


def broken(root: Path, run: ShippedRun) -> list[str]:
    """Return a line for each file of a run that is missing or damaged in the bundle."""
    return [
        f"{file.path} (md5 {file.md5}) is {'damaged' if stored.exists() else 'missing'} in {BUNDLE}"
        for file in run.files
        if md5_of(stored := file.stored(root / BUNDLE)) != file.md5
    ]


def to_restore(root: Path, run: ShippedRun) -> list[ShippedFile]:
    """Return the files of a run to copy: those that are missing or in an earlier tracked version.

    Empty if a longer run is in place.

    Raises:
        ValueError: A file that is kept nowhere else would be overwritten.
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
    """Return a line for each file whose place holds a content that neither ships nor is in DVC's cache."""
    return [
        f"{file.path} is not the file that ships (md5 {file.md5}), and kept nowhere else"
        for file in wanted
        if (md5 := md5_of(root / file.path)) and not ShippedFile(file.path, md5, 0).stored(root / CACHE).exists()
    ]


def config(root: Path, run: ShippedRun) -> dict[str, Any]:
    """Return the content of a run's config.json, from its place if it exists, otherwise from the bundle."""
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
    """Copy a run from the bundle into place and, in a repository with DVC, into DVC's cache.

    Raises:
        ValueError: An object is missing or damaged, or a file that is kept nowhere else would be overwritten. Nothing
            has changed.
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
    """Remove a run without a checkpoint from its place, so that a longer run of the same identity can start afresh.

    Raises:
        ValueError: A file that is kept nowhere else would be lost. Nothing has changed.
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
    """Return the total steps of the complete run in a run directory; 0 if there is none."""
    try:
        steps: int = json.loads((directory / "provenance.json").read_text(encoding="utf-8"))["total_steps"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return steps if (directory / METRICS).exists() else 0


def _write(target: Path, content: bytes, mode: int) -> None:
    """Write a file atomically.

    Raises:
        OSError: The file cannot be written; the error names it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".beside-{os.getpid()}-{target.name}")
    try:
        beside.write_bytes(content)
        beside.chmod(mode)
        beside.replace(target)
    except OSError as error:
        error.filename = error.filename or str(target)  # a full disk names no file
        raise
    finally:
        beside.unlink(missing_ok=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", metavar="MAP/ARM/seedK")
    parser.add_argument("--scale", default=STUDY)
    parser.add_argument("--make-way", action="store_true", help="remove the run if it ships and has no checkpoint")
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
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
