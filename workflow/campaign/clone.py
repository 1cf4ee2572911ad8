"""The campaign's clone: what it is to run, the commit that is checked out there, and its Python."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from roma.support.errors import UserError
from roma.support.schema import read_yaml
from roma.support.system.tools import ToolError, ask
from workflow.campaign import pausing

NAMED = Path("workflow/campaign.yaml")
KEYS = {"revision": "[0-9a-f]{40}", "tree": "[0-9a-f]{40}", "scale": "[A-Za-z0-9_]+"}
# What must be equal in two revisions for runs to go on from one to the other: recorded play and short trainings. There
# may be new maps and algorithms.
GUARDS = ("tests/golden/trajectories.json", "tests/golden/fingerprints.json")
OWN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # of the caller's environment


@dataclass(frozen=True)
class Named:
    """What workflow/campaign.yaml says."""

    revision: str  # a commit
    tree: str  # that commit's tree, which another commit may have, too
    scale: str
    open: tuple[str, ...]  # tranches; none: the scale has none


def read_named(project: Path) -> Named:
    """Read workflow/campaign.yaml as it is committed.

    Raises:
        UserError: the file is missing, not committed, or not of its form.
    """
    file = project / NAMED
    if not file.exists():
        raise UserError(
            f"there is no {NAMED}: it names the commit that the campaign runs (revision, and tree as of "
            "`git rev-parse COMMIT^{tree}`), a scale, and the open tranches (open: [...])"
        )
    if _git(project, "status", "--porcelain", "--", str(NAMED)):
        raise UserError(f"{NAMED} is not committed as it stands: commit it by itself first")
    said = read_yaml(file)
    if not isinstance(said, Mapping) or said.keys() != {*KEYS, "open"}:
        raise UserError(f"{NAMED} must have the keys {', '.join([*KEYS, 'open'])} and no others")
    for key, pattern in KEYS.items():
        if not re.fullmatch(pattern, str(said[key])):
            raise UserError(f"{NAMED}: {key} = {said[key]!r} does not match {pattern}")
    if not isinstance(said["open"], list) or not all(isinstance(name, str) for name in said["open"]):
        raise UserError(f"{NAMED}: open = {said['open']!r} is not a list of tranches")
    return Named(str(said["revision"]), str(said["tree"]), str(said["scale"]), tuple(said["open"]))


def find_commit(project: Path, named: Named) -> str:
    """Return the named commit or, where the clone does not know it, any commit with its tree.

    Raises:
        UserError: no commit has that tree, or the commit's tree is another one.
    """
    tree = _object(project, f"{named.revision}^{{tree}}")
    if tree == named.tree:
        return named.revision
    if tree is not None:
        raise UserError(f"{NAMED}: the tree of {named.revision} is {tree}, not {named.tree}")
    for line in _git(project, "log", "--all", "--format=%H %T").splitlines():
        commit, tree = line.split()
        if tree == named.tree:
            return commit
    raise UserError(f"{NAMED}: neither the commit {named.revision} nor one with the tree {named.tree} is known here")


def folder_of(project: Path) -> Path:
    """Return the folder of this machine's last campaign; before any, the one beside the project's clone."""
    return Path(pausing.record(pausing.state_folder()).get("folder", f"{project}-campaign"))


def check_out(project: Path, folder: Path, commit: str) -> None:
    """Make the campaign's clone, or move it forward to a commit under which its runs can go on.

    Raises:
        UserError: the folder lies inside the project's or is something else, its tracked files were changed, or runs
            cannot go on under the commit.
    """
    if folder.is_relative_to(project) or project.is_relative_to(folder):
        raise UserError(f"the campaign's folder {folder} and the project's {project} must not contain each other")
    if not (folder / ".git").exists():
        if folder.exists() and any(folder.iterdir()):
            raise UserError(f"{folder} is there and is no clone: choose another --folder")
        _git(project, "clone", "--quiet", "--no-checkout", str(project), str(folder))
        _git(folder, "checkout", "--quiet", "--detach", commit)
        return
    if _git(folder, "status", "--porcelain", "--untracked-files=no"):
        raise UserError(f"tracked files in {folder} were changed: a campaign runs what is committed")
    held = _git(folder, "rev-parse", "HEAD")
    if held == commit:
        return
    _git(folder, "fetch", "--quiet", str(project), commit)
    if _object(folder, f"{held}^{{tree}}") != _object(folder, f"{commit}^{{tree}}"):
        if not _holds(folder, "merge-base", "--is-ancestor", held, commit):
            raise UserError(f"the campaign is at {held}, from which {commit} does not descend: it only moves forward")
        for guard in GUARDS:
            before, after = (json.loads(_git(folder, "show", f"{name}:{guard}")) for name in (held, commit))
            if changed := [key for key, recorded in before.items() if after.get(key) != recorded]:
                raise UserError(f"runs cannot go on from {held} to {commit}: {changed[0]} in {guard} differs")
    _git(folder, "checkout", "--quiet", "--detach", commit)


def find_python(folder: Path, chosen: Path | None) -> Path:
    """Return the Python of the campaign's environment, which is made from the lock where none is chosen."""
    if chosen is None:
        done = subprocess.run(["make", "--no-print-directory", "-C", str(folder), "venv"], env=clean_environment())
        if done.returncode:
            raise UserError(f"the environment in {folder} could not be made, see above")
    python = (chosen.absolute() if chosen else folder / ".venv") / "bin" / "python"
    program = "import roma, workflow.campaign.supervisor; print(roma.__file__)"
    environment = clean_environment() | {"PYTHONPATH": str(folder)}
    try:
        found = ask([str(python), "-c", program], folder, environment)
    except ToolError as error:
        if error.status is None:
            raise UserError(f"there is no environment in {python.parents[1]}: {error}") from None
        raise UserError(f"{python} does not run the code in {folder}: {error}") from None
    if not Path(found).is_relative_to(folder):
        raise UserError(f"{python} does not run the code in {folder}: {found}")
    return python


def clean_environment() -> dict[str, str]:
    """Return the environment variables of this process without those that choose a Python or speak to a make."""
    return {name: value for name, value in os.environ.items() if name not in OWN}


def _object(folder: Path, name: str) -> str | None:
    """Return the hash of an object of a repository; None where there is none of that name."""
    question = ("rev-parse", "--verify", "--quiet", name)
    return _git(folder, *question) if _holds(folder, *question) else None


def _holds(folder: Path, *question: str) -> bool:
    """Return the answer of a git command that says no by exit status 1."""
    try:
        _git(folder, *question)
    except ToolError as error:
        if error.status != 1:
            raise
        return False
    return True


def _git(folder: Path, *arguments: str) -> str:
    return ask(["git", *arguments], folder)
