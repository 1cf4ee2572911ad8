"""The campaign's clone: its plan, the commit that is checked out, and its Python environment."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from roma.support.errors import UserError
from roma.support.schemas.reading import read_yaml
from roma.support.system.tools import ToolError, ask
from workflow.campaign import pausing

NAMED = Path("workflow/campaign.yaml")
KEYS = {"revision": "[0-9a-f]{40}", "tree": "[0-9a-f]{40}", "scale": "[A-Za-z0-9_]+"}
# Recorded play and short trainings. Runs can go on under another revision only if all old entries of these files are
# equal there; new maps and algorithms may be added.
GUARDS = ("tests/golden/trajectories.json", "tests/golden/fingerprints.json")
OWN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # variables not passed on


@dataclass(frozen=True)
class Named:
    """Content of workflow/campaign.yaml."""

    revision: str  # a commit
    tree: str  # tree of that commit; another commit may have the same tree
    scale: str
    open: tuple[str, ...]  # tranches; empty for a scale without tranches

    @property
    def opened(self) -> dict[str, list[str]]:
        """The setting of the scale that leaves only the open tranches; empty for a scale without tranches."""
        return {"open_tranches": list(self.open)} if self.open else {}


def read_named(project: Path) -> Named:
    """Read the committed workflow/campaign.yaml.

    Args:
        project: The project's clone.

    Raises:
        UserError: The file is missing, has uncommitted changes, or has another form.
    """
    file = project / NAMED
    if not file.exists():
        raise UserError(
            f"there is no {NAMED}: it names the commit that the campaign runs (revision, and tree as of "
            "`git rev-parse COMMIT^{tree}`), a scale, and the open tranches (open: [...])"
        )
    if _git(project, "status", "--porcelain", "--", str(NAMED)):
        raise UserError(f"{NAMED} has uncommitted changes: commit it separately first")
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
    """Return the named commit or, if the clone does not have it, any commit with the same tree.

    Args:
        project: The project's clone.
        named: Content of workflow/campaign.yaml.

    Raises:
        UserError: No commit has that tree, or the named commit has another tree.
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
    """Return the folder of this machine's last campaign; before the first, the default folder beside the project's."""
    return Path(pausing.record(pausing.state_folder()).get("folder", f"{project}-campaign"))


def check_out(project: Path, folder: Path, commit: str) -> None:
    """Make the campaign's clone, or move it forward to a commit under which its runs can go on.

    Args:
        project: The project's clone.
        folder: Folder of the campaign's clone.
        commit: Commit to check out.

    Raises:
        UserError: The folder overlaps with the project's clone or is not a clone, its tracked files were changed, or
            runs cannot go on under the commit.
    """
    if folder.is_relative_to(project) or project.is_relative_to(folder):
        raise UserError(f"the campaign's folder {folder} and the project's {project} must not contain each other")
    if not (folder / ".git").exists():
        if folder.exists() and any(folder.iterdir()):
            raise UserError(f"{folder} exists and is not a clone: choose another --folder")
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
    """Return the Python of the campaign's environment.

    Args:
        folder: The campaign's clone.
        chosen: Virtual environment; None: one with the locked versions of the revision, made if it is missing.

    Raises:
        UserError: The environment cannot be made, or its Python does not run the code of the campaign's clone.
    """
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
    """Return the environment variables of this process without those of its Python or of a calling make."""
    return {name: value for name, value in os.environ.items() if name not in OWN}


def _object(folder: Path, name: str) -> str | None:
    """Return the hash of an object in a repository; None if there is no object of that name."""
    question = ("rev-parse", "--verify", "--quiet", name)
    return _git(folder, *question) if _holds(folder, *question) else None


def _holds(folder: Path, *question: str) -> bool:
    """Return the answer of a git command that means "no" by exit status 1."""
    try:
        _git(folder, *question)
    except ToolError as error:
        if error.status != 1:
            raise
        return False
    return True


def _git(folder: Path, *arguments: str) -> str:
    return ask(["git", *arguments], folder)
