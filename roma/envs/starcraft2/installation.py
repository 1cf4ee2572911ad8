"""Installation of StarCraft II and of its packages: folders, downloads and checks.

game_files.csv lists all files with their addresses and checksums. The game is in the folder that SC2PATH names,
otherwise in the user's cache. Its maps are inside the game's folder.
"""

import csv
import hashlib
import os
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from roma.support.errors import UserError, unknown
from roma.support.files import write_bytes
from roma.support.system.tools import ToolError, ask

INSTALL = "pip install -c constraints.txt -e '.[starcraft2]'"  # in the project's folder
TABLE = Path(__file__).parent / "game_files.csv"
DEFAULT_VERSION = "4.6.2"  # the game's version in the paper
LICENCE_WORD = "iagreetotheeula"  # password of the archives; using it means accepting the licence
MAPS = Path("Maps", "SMAC_Maps")  # SMAC's folder for maps, inside the game's folder
CHUNK = 1 << 20
ATTEMPTS = 5  # consecutive attempts of a download without new data
ANSWER_SECONDS = 60

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """File to download: one line of game_files.csv."""

    kind: str  # licence, game or map
    name: str  # version of the game, or name of the map
    build: int | None  # number of the version in the names of the game's folders
    sha256: str  # empty if none is published
    url: str

    @property
    def file_name(self) -> str:
        """Last part of the address."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Game:
    """Installed game."""

    folder: Path
    build: int
    version: str


@cache
def table() -> tuple[RemoteFile, ...]:
    """Return all files of game_files.csv."""
    with TABLE.open(newline="", encoding="utf-8") as lines:
        return tuple(
            RemoteFile(row["kind"], row["name"], int(row["build"] or 0) or None, row["sha256"], row["url"])
            for row in csv.DictReader(lines)
        )


def of_kind(kind: str) -> dict[str, RemoteFile]:
    """Return the files of one kind by name."""
    return {file.name: file for file in table() if file.kind == kind}


def cache_folder() -> Path:
    """Return the folder of downloads and, without SC2PATH, of games."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "roma" / "starcraft2"


def game_folder(version: str = DEFAULT_VERSION) -> Path:
    """Return the game's folder, which may not exist yet: SC2PATH, or a folder of the cache for each version."""
    named = os.environ.get("SC2PATH")
    return Path(named).expanduser() if named else cache_folder() / version / "StarCraftII"


def game_at(folder: Path) -> Game | None:
    """Return the newest game in a folder; None if there is none."""
    builds = [int(path.parent.name.removeprefix("Base")) for path in folder.glob("Versions/Base*/SC2_x64")]
    if not builds:
        return None
    versions = {file.build: name for name, file in of_kind("game").items()}
    return Game(folder, max(builds), versions.get(max(builds), "unknown"))


def installed_game() -> Game:
    """Return the game that runs use.

    Raises:
        UserError: There is none; the message says what to run.
    """
    folder = game_folder()
    game = game_at(folder)
    if game is None:
        raise UserError(
            f"there is no StarCraft II in {folder}; run: roma starcraft2 fetch, or set SC2PATH to its folder"
        )
    return game


def map_path(folder: Path, map_name: str) -> Path:
    """Return the path of a map in a game's folder. Its name is the paper's, even if the archive's name differs."""
    return folder / MAPS / f"{map_name}.SC2Map"


def map_state(folder: Path, map_name: str) -> str:
    """Return the problem with a map in a game's folder; empty if there is none."""
    path = map_path(folder, map_name)
    if not path.exists():
        return f"{path} is missing"
    found, expected = digest_of(path), of_kind("map")[map_name].sha256
    return "" if found == expected else f"{path} has SHA-256 {found}, not {expected}"


def check_map(game: Game, map_name: str) -> None:
    """Check that a map is installed and has the expected checksum.

    Raises:
        UserError: It is missing, or it is another file.
    """
    wrong = map_state(game.folder, map_name)
    if wrong:
        raise UserError(f"{wrong}; run: roma starcraft2 fetch")


def digest_of(path: Path) -> str:
    """Return the SHA-256 (hex) of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(version: str, accept_licence: Callable[[str], bool], accepted_digest: str | None, say: Say) -> Path:
    """Download the missing parts of a version of the game and of the maps; return the game's folder.

    Args:
        version: Version of the game.
        accept_licence: Called once with the licence's address before the game is downloaded; returns whether the user
            accepts the licence.
        accepted_digest: SHA-256 that an archive without a published checksum must have.
        say: Called with messages about progress.

    Raises:
        UserError: There is no such version, the licence or a checksum was refused, or a download failed.
    """
    games = of_kind("game")
    if version not in games:
        raise unknown("version of the game", version, games)
    folder = game_folder(version)
    game = game_at(folder)
    if game is None:
        licence = next(iter(of_kind("licence").values())).url
        if not accept_licence(licence):
            raise UserError(f"read the game's licence, {licence}; to accept it: roma starcraft2 fetch --accept-licence")
        archive = cache_folder() / "downloads" / games[version].file_name
        download(games[version], archive, accepted_digest, say)
        say(f"unpacking {archive.name} into {folder}")
        unpack(archive, folder)
        archive.unlink()
    elif game.build != games[version].build:
        raise UserError(f"{folder} contains version {game.version} of the game (build {game.build}), not {version}")
    for name, file in of_kind("map").items():
        if map_state(folder, name):
            download(file, map_path(folder, name), None, say)
    return folder


def download(file: RemoteFile, target: Path, accepted_digest: str | None, say: Say) -> None:
    """Download a file to `target`, continuing an earlier attempt.

    Args:
        file: The file.
        target: Its path here.
        accepted_digest: SHA-256 that a file without a published checksum must have.
        say: Called with messages about progress.

    Raises:
        UserError: The checksum is wrong (the file is then removed) or was not accepted, or the download failed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if file.sha256 or not target.exists():
        part = target.with_name(target.name + ".part")
        say(f"fetching {file.url}" + (f" from byte {part.stat().st_size} on" if part.exists() else ""))
        _fetch_all(file.url, part)
        if file.sha256 and (found := digest_of(part)) != file.sha256:
            part.unlink()
            raise UserError(f"{file.url} has SHA-256 {found}, not {file.sha256}: refused and removed")
        part.replace(target)
    if not file.sha256 and (found := digest_of(target)) != accepted_digest:
        mistaken = f", not {accepted_digest}" if accepted_digest else ""
        raise UserError(
            f"no checksum of {file.file_name} is published; the downloaded file has SHA-256 {found}{mistaken}; "
            f"if you trust it, continue with: roma starcraft2 fetch --version {file.name} --accept-digest {found}"
        )


def _fetch_all(url: str, part: Path) -> None:
    """Download a whole file, continuing after interruptions."""
    fruitless = 0
    while fruitless < ATTEMPTS:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _fetch_rest(url, part):
                return
            reason = "the connection broke off"
        except urllib.error.HTTPError as error:
            raise UserError(f"{url} cannot be fetched: {error.code} {error.reason}") from None
        except (OSError, HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        fruitless = 0 if part.exists() and part.stat().st_size > before else fruitless + 1
    raise UserError(f"{url} cannot be fetched: {reason}; the downloaded part is kept, and the same command continues")


def _fetch_rest(url: str, part: Path) -> bool:
    """Request the missing rest of a file; return whether the file is now complete, by the server's length."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=ANSWER_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # no data after ours: the file is complete, or it is another file
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return True
            part.unlink()
            return False
        raise
    with answer:
        resumed = answer.status == 206
        if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink()  # not the requested rest
            return False
        with part.open("ab" if resumed else "wb") as file:
            length = answer.headers.get("Content-Length")
            expected = None if length is None else int(length) + (have if resumed else 0)
            shutil.copyfileobj(answer, file, CHUNK)
    return expected is None or part.stat().st_size >= expected


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the folder StarCraftII of an archive to `folder`, completely or not at all.

    Raises:
        UserError: The archive is damaged, or the folder is not empty.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty and contains no game; remove it or set SC2PATH to another folder")
    with tempfile.TemporaryDirectory(prefix=".beside-", dir=folder.parent) as beside:
        if shutil.which("unzip"):  # hundreds of times faster than Python with an encrypted archive
            command = ["unzip", "-q", "-o", "-P", LICENCE_WORD, str(archive), "-d", beside]
            complaint = _complaint(command)
        else:
            complaint = _unpack_slowly(archive, Path(beside))
        unpacked = Path(beside, "StarCraftII")
        if complaint or game_at(unpacked) is None:
            raise UserError(
                f"{archive} cannot be unpacked: {complaint or 'there is no game in it'}; remove it and retry"
            )
        if folder.exists():
            folder.rmdir()
        unpacked.replace(folder)


def _complaint(command: list[str]) -> str:
    """Run a program; return its message if it failed, otherwise an empty text."""
    try:
        ask(command)
    except ToolError as error:
        return str(error)
    return ""


def _unpack_slowly(archive: Path, folder: Path) -> str:
    """Unpack with Python alone; return what went wrong, or an empty text."""
    try:
        with zipfile.ZipFile(archive) as content:
            for member in content.infolist():
                path = Path(content.extract(member, folder, LICENCE_WORD.encode()))
                if mode := member.external_attr >> 16 & 0o777:
                    path.chmod(mode)
    except (zipfile.BadZipFile, RuntimeError, OSError) as error:
        return str(error)
    return ""


def check_package() -> None:
    """Check that SMAC's package is installed, and not another package of that name.

    Raises:
        UserError: It is not; the message says what to run.
    """
    spec = find_spec("smac")
    if spec is None:
        raise UserError(f"engine 'starcraft2' needs SMAC, which is not installed; run: {INSTALL}")
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if not any((folder / "env" / "starcraft2").is_dir() for folder in folders):
        raise UserError(
            f"the installed package smac is another project than SMAC; run: pip uninstall --yes smac && {INSTALL}"
        )


def package_versions() -> dict[str, str | None]:
    """Return the versions of SMAC (its commit if installed from git) and of its dependencies; None if missing."""
    return {name: _version(name) for name in ("smac", "pysc2", "s2clientprotocol", "protobuf")}


def _version(name: str) -> str | None:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    _, commit, after = (found.read_text("direct_url.json") or "").partition('"commit_id": "')
    return after.partition('"')[0] if commit else found.version


def facts() -> dict[str, Any]:
    """Return the installed versions of the game and its packages.

    Raises:
        UserError: There is no game.
    """
    game = installed_game()
    return {"game_version": game.version, "game_build": game.build, "packages": package_versions()}


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check of `roma starcraft2 doctor`."""

    subject: str
    good: bool
    detail: str  # the state, or the problem and what to run


def examine() -> list[Finding]:
    """Check all parts that StarCraft II needs; return the findings."""
    findings = []
    try:
        check_package()
        versions = ", ".join(f"{name} {version}" for name, version in package_versions().items())
        findings.append(Finding("packages", "None" not in versions, versions))
    except UserError as error:
        findings.append(Finding("packages", False, str(error)))
    try:
        game = installed_game()
    except UserError as error:
        return [*findings, Finding("game", False, str(error))]
    executable = game.folder / "Versions" / f"Base{game.build}" / "SC2_x64"
    if os.access(executable, os.X_OK):
        findings.append(Finding("game", True, f"version {game.version}, build {game.build}, in {game.folder}"))
    else:
        findings.append(Finding("game", False, f"{executable} is not executable; run: chmod +x {executable}"))
    for name in of_kind("map"):
        wrong = map_state(game.folder, name)
        findings.append(
            Finding(f"map {name}", not wrong, f"{wrong}; run: roma starcraft2 fetch" if wrong else "as pinned")
        )
    return findings


def write_report(findings: list[Finding], target: Path) -> None:
    """Write findings as lines of text."""
    write_bytes(target, "".join(f"{finding.subject}: {finding.detail}\n" for finding in findings).encode())
