"""Download and checks of the game's files, from a local server that breaks off or sends wrong data."""

import hashlib
import http.server
import os
import random
import re
import shutil
import threading
import zipfile
from dataclasses import dataclass, field

import pytest

from roma import cli
from roma.envs.starcraft2 import installation
from roma.envs.starcraft2.installation import RemoteFile, download
from roma.support.errors import UserError

CONTENT = random.Random(0).randbytes(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    breaks: list[int] = field(default_factory=list)  # numbers of bytes after which the next answers break off
    ranges: bool = True  # whether parts are sent
    wrong_part: bool = False  # whether the server sends another part than the requested one
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path and range of each request


@pytest.fixture
def server():
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked_range = self.headers.get("Range")
            state.asked.append((self.path, asked_range))
            content = state.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            begin = 0
            if asked_range and state.ranges:
                begin = int(re.fullmatch(r"bytes=(\d+)-", asked_range)[1])
                if begin >= len(content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(content)}")
                    self.end_headers()
                    return
                begin -= 1000 * state.wrong_part
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            end = begin + state.breaks.pop(0) if state.breaks else len(content)
            self.wfile.write(content[begin:end])

        def log_message(self, *arguments):
            pass

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
    thread.start()
    state.url = f"http://127.0.0.1:{listening.server_port}"
    state.files["/map"] = CONTENT
    yield state
    listening.shutdown()
    thread.join()
    listening.server_close()


def fetched(server, target, sha256=DIGEST, path="/map", accepted=None):
    said = []
    download(RemoteFile("map", "3m", None, sha256, server.url + path), target, accepted, said.append)
    return said


def test_a_download_that_breaks_off_is_picked_up(server, tmp_path):
    server.breaks = [100_000, 0, 50_000]
    fetched(server, tmp_path / "folder" / "file")
    assert (tmp_path / "folder" / "file").read_bytes() == CONTENT
    assert [part for _, part in server.asked] == [None, "bytes=100000-", "bytes=100000-", "bytes=150000-"]
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["file"]


def test_a_download_that_is_given_up_goes_on_with_the_next_command(server, tmp_path):
    server.breaks = [100_000, *[0] * installation.ATTEMPTS]
    with pytest.raises(UserError, match="broke off; the downloaded part is kept"):
        fetched(server, tmp_path / "file")
    assert not (tmp_path / "file").exists()
    server.asked.clear()
    assert "from byte 100000 on" in fetched(server, tmp_path / "file")[0]
    assert server.asked == [("/map", "bytes=100000-")]
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("lie", ["no ranges", "wrong part"])
def test_a_server_that_sends_no_parts_is_read_from_the_beginning(server, tmp_path, lie):
    server.breaks = [100_000]
    server.ranges, server.wrong_part = lie != "no ranges", lie == "wrong part"
    fetched(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_what_was_complete_but_not_yet_in_place_is_not_fetched_again(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT)
    fetched(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.asked == [("/map", f"bytes={len(CONTENT)}-")]


def test_a_wrong_checksum_is_refused_and_nothing_stays(server, tmp_path):
    server.files["/map"] = CONTENT[:-1] + b"?"
    with pytest.raises(UserError, match=f"not {DIGEST}: refused and removed"):
        fetched(server, tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_remains_of_another_file_are_noticed(server, tmp_path):
    (tmp_path / "file.part").write_bytes(b"?" * 400_000)  # longer than what is there now
    fetched(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    (tmp_path / "other.part").write_bytes(b"?" * 1000)
    with pytest.raises(UserError, match="refused and removed"):
        fetched(server, tmp_path / "other")
    fetched(server, tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == CONTENT


def test_without_a_checksum_only_the_very_file_that_was_accepted_is_taken(server, tmp_path):
    for accepted in (None, "0" * 64):
        with pytest.raises(UserError, match="no checksum of") as error:
            fetched(server, tmp_path / "file", sha256="", accepted=accepted)
        assert f"--accept-digest {DIGEST}" in str(error.value)
    fetched(server, tmp_path / "file", sha256="", accepted=DIGEST)
    assert len(server.asked) == 1  # it was kept meanwhile


def test_what_is_not_there_is_said(server, tmp_path):
    with pytest.raises(UserError, match="404"):
        fetched(server, tmp_path / "file", path="/nothing")
    server.url = "http://127.0.0.1:1"
    with pytest.raises(UserError, match="cannot be fetched"):
        fetched(server, tmp_path / "file")


@pytest.fixture
def archive(server, tmp_path, monkeypatch):
    """A server with the game and the maps, and a table of them; returns the archive's digest."""
    executable = zipfile.ZipInfo("StarCraftII/Versions/Base69232/SC2_x64")
    executable.external_attr = 0o755 << 16
    with zipfile.ZipFile(tmp_path / "game.zip", "w") as content:
        content.writestr(executable, "the game")
    server.files["/game.zip"] = (tmp_path / "game.zip").read_bytes()
    rows = [
        RemoteFile("licence", "of the game", None, "", "http://licence"),
        RemoteFile("game", "4.6.2", 69232, "", f"{server.url}/game.zip"),
        RemoteFile("game", "4.10", 75689, "", f"{server.url}/newer.zip"),
        RemoteFile("map", "3m", None, DIGEST, f"{server.url}/map"),
        RemoteFile("map", "6z4b", None, DIGEST, f"{server.url}/map"),
    ]
    monkeypatch.setattr(installation, "table", lambda: tuple(rows))
    monkeypatch.delenv("SC2PATH", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return installation.digest_of(tmp_path / "game.zip")


@pytest.mark.parametrize("unzip", [True, False])
def test_fetch_from_nothing_to_a_game_with_maps(server, archive, tmp_path, monkeypatch, capsys, unzip):
    if not unzip:
        monkeypatch.setattr(shutil, "which", lambda name: None)
    elif not shutil.which("unzip"):
        pytest.skip("unzip is not installed here")
    command = ["starcraft2", "fetch"]
    assert cli.main(command) == 2  # no terminal, so no question
    assert "read the game's licence, http://licence; to accept it" in capsys.readouterr().err
    assert not server.asked
    command.append("--accept-licence")
    assert cli.main(command) == 2
    assert f"--accept-digest {archive}" in capsys.readouterr().err
    assert cli.main([*command, "--accept-digest", archive]) == 0
    folder = tmp_path / "cache" / "roma" / "starcraft2" / "4.6.2" / "StarCraftII"
    assert f"the game and its maps are in {folder}" in capsys.readouterr().out
    game = installation.installed_game()
    assert (game.folder, game.version) == (folder, "4.6.2")
    assert os.access(folder / "Versions" / "Base69232" / "SC2_x64", os.X_OK)
    assert {path.name for path in (folder / "Maps" / "SMAC_Maps").iterdir()} == {"3m.SC2Map", "6z4b.SC2Map"}
    assert not list((tmp_path / "cache" / "roma" / "starcraft2" / "downloads").iterdir())

    server.asked.clear()
    installation.map_path(folder, "6z4b").write_text("something else")
    assert cli.main(["starcraft2", "fetch"]) == 0  # the licence is of the game only
    assert server.asked == [("/map", None)]


def test_a_damaged_archive_leaves_no_game(server, archive, tmp_path):
    server.files["/game.zip"] = b"PK" + server.files["/game.zip"][50:]
    damaged = hashlib.sha256(server.files["/game.zip"]).hexdigest()
    with pytest.raises(UserError, match="cannot be unpacked"):
        installation.fetch("4.6.2", lambda licence: True, damaged, print)
    assert not installation.game_folder().exists()
    assert not list(installation.game_folder().parent.glob(".beside-*"))


def test_a_folder_of_ones_own_is_respected(server, archive, tmp_path, monkeypatch):
    monkeypatch.setenv("SC2PATH", str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letters").touch()
    with pytest.raises(UserError, match="is not empty and contains no game"):
        installation.fetch("4.6.2", lambda licence: True, archive, print)
    (tmp_path / "mine" / "letters").unlink()
    assert installation.fetch("4.6.2", lambda licence: True, archive, print) == tmp_path / "mine"
    with pytest.raises(UserError, match=r"contains version 4.6.2 of the game \(build 69232\), not 4.10"):
        installation.fetch("4.10", lambda licence: True, archive, print)
    with pytest.raises(UserError, match=r"known: 4.10, 4.6.2"):
        installation.fetch("5.0", lambda licence: True, archive, print)


def test_the_licence_is_asked_for_where_someone_is_there(archive, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: "no")
    assert cli.main(["starcraft2", "fetch"]) == 2
    assert "http://licence" in capsys.readouterr().out
    monkeypatch.setattr("builtins.input", lambda prompt: installation.LICENCE_WORD)
    assert cli.main(["starcraft2", "fetch"]) == 2
    assert "--accept-digest" in capsys.readouterr().err


def test_the_doctor_names_what_is_missing(standin, capsys, monkeypatch, tmp_path):
    def lines(status):
        assert cli.main(["starcraft2", "doctor", "--report", str(tmp_path / "report")]) == status
        return capsys.readouterr().out.splitlines()

    versions = dict.fromkeys(("smac", "pysc2", "s2clientprotocol", "protobuf"), "1")
    monkeypatch.setattr("roma.envs.starcraft2.installation.package_versions", lambda: versions)
    found = lines(0)
    assert found[0] == "ok      packages: smac 1, pysc2 1, s2clientprotocol 1, protobuf 1"
    assert "version 4.6.2, build 69232" in found[1]
    assert all(line.startswith("ok") for line in found)
    assert len((tmp_path / "report").read_text().splitlines()) == len(found)

    (tmp_path / "report").unlink()
    installation.map_path(standin.game, "3m").unlink()
    (standin.game / "Versions" / "Base69232" / "SC2_x64").chmod(0o644)
    versions["pysc2"] = None
    missing = [line for line in lines(1) if line.startswith("MISSING")]
    assert [line.split(":")[0].split()[1:] for line in missing] == [["packages"], ["game"], ["map", "3m"]]
    assert "chmod +x" in missing[1]
    assert missing[2].endswith("run: roma starcraft2 fetch")
    assert not (tmp_path / "report").exists()
    monkeypatch.setenv("SC2PATH", str(tmp_path / "nowhere"))
    assert "there is no StarCraft II in" in lines(1)[-1]


def test_the_table_pins_everything_that_can_be_pinned():
    from roma.scenarios import map_names

    maps = installation.of_kind("map")
    assert sorted(maps) == map_names()
    for file in maps.values():
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert re.search("/[0-9a-f]{40}/", file.url)  # of one commit
    originals = {name: maps[name].file_name for name in ("6z4b", "10z5b_vs_2s3z", "6s4z_vs_10b30z")}
    assert list(originals.values()) == ["bane_vs_bane1.SC2Map", "zb_vs_sz.SC2Map", "sz_vs_zb.SC2Map"]
    assert set(installation.of_kind("game")) == {"4.6.2", "4.10"}
