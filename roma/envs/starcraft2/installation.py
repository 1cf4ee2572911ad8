"""The real game and the packages that play it: where they lie, how they are fetched and how they are checked.

What there is to fetch, from where and with which checksums, stands in game_files.csv. The game lies in the folder that
SC2PATH names, otherwise in a cache of the user's; its maps lie inside it.
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
DEFAULT_VERSION = "4.6.2"  # of the game: the paper's
LICENCE_WORD = "iagreetotheeula"  # the password of the archives; who types it accepts the licence
MAPS = Path("Maps", "SMAC_Maps")  # where SMAC looks for maps, in the game's folder
CHUNK = 1 << 20
ATTEMPTS = 5  # of a download in a row that bring nothing new
ANSWER_SECONDS = 60

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One line of the table."""

    kind: str  # licence, game or map
    name: str  # version of the game, or name of the map
    build: int | None  # by which the game's own folders name the version
    sha256: str  # empty where nobody has published it
    url: str

    @property
    def file_name(self) -> str:
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Game:
    """An installed game."""

    folder: Path
    build: int
    version: str


@cache
def table() -> tuple[RemoteFile, ...]:
    """All files that there are to fetch."""
    with TABLE.open(newline="", encoding="utf-8") as lines:
        return tuple(
            RemoteFile(row["kind"], row["name"], int(row["build"] or 0) or None, row["sha256"], row["url"])
            for row in csv.DictReader(lines)
        )


def of_kind(kind: str) -> dict[str, RemoteFile]:
    """The files of one kind by name."""
    return {file.name: file for file in table() if file.kind == kind}


def cache_folder() -> Path:
    """Where downloads and, without SC2PATH, games are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "roma" / "starcraft2"


def game_folder(version: str = DEFAULT_VERSION) -> Path:
    """Where the game lies or is to lie: SC2PATH, or a folder of the cache for each version."""
    named = os.environ.get("SC2PATH")
    return Path(named).expanduser() if named else cache_folder() / version / "StarCraftII"


def game_at(folder: Path) -> Game | None:
    """The newest game in a folder, None where there is none."""
    builds = [int(path.parent.name.removeprefix("Base")) for path in folder.glob("Versions/Base*/SC2_x64")]
    if not builds:
        return None
    versions = {file.build: name for name, file in of_kind("game").items()}
    return Game(folder, max(builds), versions.get(max(builds), "unknown"))


def installed_game() -> Game:
    """The game that runs play on; UserError with what to run where there is none."""
    folder = game_folder()
    game = game_at(folder)
    if game is None:
        raise UserError(
            f"there is no StarCraft II in {folder}; run: roma starcraft2 fetch, or set SC2PATH to its folder"
        )
    return game


def map_path(folder: Path, map_name: str) -> Path:
    """Where a map lies in a game's folder, under the paper's name whatever its archive was called."""
    return folder / MAPS / f"{map_name}.SC2Map"


def map_state(folder: Path, map_name: str) -> str:
    """What is wrong with a map in a game's folder; empty if nothing is."""
    path = map_path(folder, map_name)
    if not path.exists():
        return f"{path} is missing"
    found, expected = digest_of(path), of_kind("map")[map_name].sha256
    return "" if found == expected else f"{path} has SHA-256 {found}, not {expected}"


def check_map(game: Game, map_name: str) -> None:
    """UserError unless the map is there and is the very file that the paper's experiments are about."""
    wrong = map_state(game.folder, map_name)
    if wrong:
        raise UserError(f"{wrong}; run: roma starcraft2 fetch")


def digest_of(path: Path) -> str:
    """SHA-256 of a file of any size, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(version: str, accept_licence: Callable[[str], bool], accepted_digest: str | None, say: Say) -> Path:
    """Fetches what is missing of a version of the game and of the maps; returns the game's folder.

    `accept_licence` is asked once, with the licence's address, before anything of the game is downloaded. An archive
    whose checksum nobody has published is unpacked only if its SHA-256 is `accepted_digest`. UserError where something
    is refused, or cannot be fetched.
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
        raise UserError(f"{folder} holds version {game.version} of the game (build {game.build}), not {version}")
    for name, file in of_kind("map").items():
        if map_state(folder, name):
            download(file, map_path(folder, name), None, say)
    return folder


def download(file: RemoteFile, target: Path, accepted_digest: str | None, say: Say) -> None:
    """Downloads a file to `target`, going on where an earlier attempt broke off; what is there already stays.

    UserError where its checksum is wrong (it is then removed), where it has none and its SHA-256 was not accepted, and
    where the server cannot be reached or breaks off again and again.
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
            f"nobody has published a checksum of {file.file_name}; what was fetched has SHA-256 {found}{mistaken}; "
            f"if you trust it, go on with: roma starcraft2 fetch --version {file.name} --accept-digest {found}"
        )


def _fetch_all(url: str, part: Path) -> None:
    """Downloads until the server has no more, picking up after each break."""
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
    raise UserError(f"{url} cannot be fetched: {reason}; what came is kept, and the same command goes on from there")


def _fetch_rest(url: str, part: Path) -> bool:
    """One request for what is still missing; returns whether the file is now as long as the server says."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=ANSWER_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing lies behind what we have: all was there, or it is another file
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return True
            part.unlink()
            return False
        raise
    with answer:
        resumed = answer.status == 206
        if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink()  # not the rest that was asked for
            return False
        with part.open("ab" if resumed else "wb") as file:
            length = answer.headers.get("Content-Length")
            expected = None if length is None else int(length) + (have if resumed else 0)
            shutil.copyfileobj(answer, file, CHUNK)
    return expected is None or part.stat().st_size >= expected


def unpack(archive: Path, folder: Path) -> None:
    """Puts the game of an archive, which is in a folder StarCraftII there, in place of `folder`; complete or absent.

    UserError where the archive is damaged, or where the folder is there and not empty.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty and holds no game; remove it or set SC2PATH to another folder")
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
    """Run a program; return what it said where it failed, or nothing."""
    try:
        ask(command)
    except ToolError as error:
        return str(error)
    return ""


def _unpack_slowly(archive: Path, folder: Path) -> str:
    """Unpacks without help; returns what went wrong, or nothing."""
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
    """UserError, with what to run, unless the package of SMAC is there, and not the other of that name."""
    spec = find_spec("smac")
    if spec is None:
        raise UserError(f"engine 'starcraft2' needs SMAC, which is not installed; run: {INSTALL}")
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if not any((folder / "env" / "starcraft2").is_dir() for folder in folders):
        raise UserError(
            f"the installed package smac is another project than SMAC; run: pip uninstall --yes smac && {INSTALL}"
        )


def package_versions() -> dict[str, str | None]:
    """Versions of SMAC (its commit, where it came from git) and of what it stands on; None where one is missing."""
    return {name: _version(name) for name in ("smac", "pysc2", "s2clientprotocol", "protobuf")}


def _version(name: str) -> str | None:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    _, commit, after = (found.read_text("direct_url.json") or "").partition('"commit_id": "')
    return after.partition('"')[0] if commit else found.version


def facts() -> dict[str, Any]:
    """What is installed here: the game and its packages. UserError where there is no game."""
    game = installed_game()
    return {"game_version": game.version, "game_build": game.build, "packages": package_versions()}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the doctor looked at."""

    subject: str
    good: bool
    detail: str  # what was found, or what is wrong and what to run


def examine() -> list[Finding]:
    """Looks at each part that the real game needs."""
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
    """What the doctor found, as lines of text."""
    write_bytes(target, "".join(f"{finding.subject}: {finding.detail}\n" for finding in findings).encode())
