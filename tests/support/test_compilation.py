"""Machine code on disk: the next process finds it, unless it is outdated."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numba
import pytest

from roma.support import compilation
from roma.support.compilation import KEPT, Compiler, all_compiled, mark_compiled
from tests.workflow import forked

FILES = {
    "rooms/__init__.py": "",
    "rooms/compiler.py": "from roma.support.compilation import Compiler\nROOMS = Compiler('rooms', 'facts')\n",
    "rooms/numbers.py": """
from rooms.compiler import ROOMS

@ROOMS.inlined
def tripled(x):
    return 3 * x
""",
    "rooms/caller.py": """
from facts import EXTRA
from rooms.compiler import ROOMS
from rooms.numbers import tripled

@ROOMS.compiled
def total(x):
    return tripled(x) + EXTRA
""",
    "facts.py": "EXTRA = 1\n",
}
PROGRAM = """
import json
from rooms.caller import total
from rooms.compiler import ROOMS
value, stats = total(2), total.stats
print(json.dumps([value, sum(stats.cache_hits.values()), ROOMS.folder and str(ROOMS.folder), stats.cache_path]))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return the folder of a package with two modules in which one compiled function calls another."""
    for name, text in FILES.items():
        file = tmp_path / "site" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "site"


def edit(file: Path, old: str, new: str) -> None:
    """Change a source file and its length, because Python compares modules by time in seconds and length."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new) + "# edited\n", encoding="utf-8")


def spoil(folder: Path) -> None:
    """Make it impossible to create a folder, even for root."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file stands where the folder should be", encoding="utf-8")


def execute(program: str, package: Path, user: str, **environment: str) -> str:
    """Run a program as a user whose home is beside the package; return its output."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("NUMBA_", "XDG_"))}
    paths = {"HOME": str(package.parent / user), "PYTHONPATH": f"{package}{os.pathsep}{Path(__file__).parents[2]}"}
    own = inherited | paths | environment
    status, printed = forked.run(package, forked.PYTHON, "-c", program, environment=own)
    assert status == 0, printed
    return printed


def run(package: Path, user: str = "ada", **environment: str) -> tuple[int, int, Path | None]:
    """Call the package's function in another process; return its value, the cache hits and the cache folder."""
    value, hits, folder, of_function = json.loads(execute(PROGRAM, package, user, **environment))
    assert (folder is None) == (of_function is None)
    if folder is None:
        return value, hits, None
    assert Path(of_function).is_relative_to(folder)
    return value, hits, Path(folder)


def test_a_change_anywhere_reaches_every_caller(package: Path) -> None:
    value, hits, folder = run(package)
    assert (value, hits) == (7, 0)
    assert folder is not None
    assert folder.parent == package / "rooms" / "__pycache__"
    assert run(package) == (7, 1, folder)
    edit(package / "rooms" / "numbers.py", "3 * x", "4 * x")  # a function that is inlined into another module's
    assert run(package)[:2] == (9, 0)
    edit(package / "facts.py", "1", "100")  # a constant from outside the package
    assert run(package)[:2] == (108, 0)
    edit(package / "rooms" / "caller.py", "+ EXTRA", "- EXTRA")
    assert run(package)[:2] == (-92, 0)
    assert run(package)[:2] == (-92, 1)


def test_two_users_of_a_read_only_installation_keep_their_own(package: Path, tmp_path: Path) -> None:
    spoil(package / "rooms" / "__pycache__")
    for user in ("ada", "ben"):
        home = tmp_path / user
        assert run(package, user)[1] == 0
        assert run(package, user)[1] == 1
        assert [folder.parent for folder in home.rglob("rooms-*")] == [home / ".cache" / "roma"]


def test_a_copy_of_the_sources_finds_what_another_compiled(package: Path, tmp_path: Path) -> None:
    shared = str(tmp_path / "shared")
    copy = shutil.copytree(package, tmp_path / "copy" / "site", ignore=shutil.ignore_patterns("__pycache__"))
    first, second = (run(folder, NUMBA_CACHE_DIR=shared) for folder in (package, copy))
    assert (first[:2], second[:2]) == ((7, 0), (7, 1))
    assert first[2] == second[2]
    edit(copy / "rooms" / "numbers.py", "3 * x", "4 * x")
    assert run(copy, NUMBA_CACHE_DIR=shared)[:2] == (9, 0)
    assert run(package, NUMBA_CACHE_DIR=shared)[:2] == (7, 1)


def test_where_nothing_can_be_written_it_is_compiled_in_memory(package: Path, tmp_path: Path) -> None:
    spoil(package / "rooms" / "__pycache__")
    spoil(tmp_path / "nobody")
    assert run(package, "nobody") == (7, 0, None)


def test_a_file_that_was_cut_is_replaced(package: Path) -> None:
    folder = run(package)[2]
    assert folder is not None
    for suffix, share in ((".nbi", 0), (".nbi", 0.5), (".nbc", 0.5), (".nbc", 0.99)):
        files = [file for file in folder.rglob("*") if file.suffix == suffix]
        assert len(files) == 2
        for file in files:
            content = file.read_bytes()
            file.write_bytes(content[: int(share * len(content))])
        assert run(package) == (7, 0, folder)
    assert run(package) == (7, 1, folder)


def test_a_file_that_lost_a_part_but_kept_its_length_is_replaced(package: Path) -> None:
    """After a power failure, pages that were not written are zero; here those in the middle."""
    folder = run(package)[2]
    assert folder is not None
    files = list(folder.rglob("*.nbc"))
    assert len(files) == 2
    for file in files:
        content = bytearray(file.read_bytes())
        middle, length = len(content) // 2, min(64, len(content) // 8)
        content[middle : middle + length] = bytes(length)
        file.write_bytes(content)
    assert run(package) == (7, 0, folder)
    assert run(package) == (7, 1, folder)


def test_a_file_that_cannot_be_saved_stays_in_memory(package: Path) -> None:
    """The folder vanishes after the functions are defined, and a file takes its place."""
    program = [
        "import shutil",
        "from rooms.caller import total",
        "from rooms.compiler import ROOMS",
        "shutil.rmtree(ROOMS.folder)",
        "ROOMS.folder.write_text('in the way')",
        "print(total(2), total(2.5))",
    ]
    assert execute("\n".join(program), package, "ada") == "7 8.5\n"


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that the user sets with NUMBA_CACHE_DIR."""
    folder = tmp_path / "named"
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(folder))
    return folder


def test_a_folder_named_by_the_user_comes_first_and_one_of_another_user_is_passed_over(
    named: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Compiler("roma.support").folder
    assert first is not None
    assert first.parent == named
    first.rmdir()
    spoil(first)
    second = Compiler("roma.support").folder
    assert second is not None
    assert second.parent.name == "__pycache__"
    assert second.name == first.name
    monkeypatch.setattr(Path, "mkdir", refuse_in(second.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    third = Compiler("roma.support").folder
    second.rmdir()
    assert third == tmp_path / "xdg" / "roma" / first.name


def test_that_all_is_compiled_is_known_for_these_sources_and_this_processor(
    named: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compilers = [Compiler("roma.support"), Compiler("roma.scenarios")]
    assert not all_compiled(compilers)
    mark_compiled(compilers[:1])
    assert not all_compiled(compilers)
    mark_compiled(compilers)
    assert all_compiled([Compiler("roma.support"), Compiler("roma.scenarios")])
    with monkeypatch.context() as patched:
        patched.setattr(compilation, "get_host_cpu_name", lambda: "abacus")
        assert not all_compiled(compilers)
    digest = Compiler("roma").digest
    with monkeypatch.context() as patched:  # a source of the project that is none of these packages
        patched.setattr(Compiler, "digest", property(lambda compiler: f"another than {digest}"))
        assert not all_compiled(compilers)
    assert all_compiled(compilers)
    assert compilers[0].folder is not None
    shutil.rmtree(compilers[0].folder)
    mark_compiled(compilers)  # is no error
    assert not all_compiled(compilers)


def refuse_in(parent: Path) -> Any:
    """Return a Path.mkdir for a file system with one read-only folder."""
    mkdir = Path.mkdir

    def refusing(self: Path, *arguments: Any, **options: Any) -> None:
        if self.parent == parent:
            raise PermissionError
        mkdir(self, *arguments, **options)

    return refusing


def test_the_least_recently_used_states_are_removed(named: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def use(state: int) -> Path:
        monkeypatch.setenv("NUMBA_STATE_OF_THIS_TEST", str(state))
        folder = Compiler("roma.support").folder
        assert folder is not None
        return folder

    named.mkdir()
    foreign = [named / name for name in ("roma.support-notes", "roma-0123456789abcdef")]
    for folder in foreign:
        folder.mkdir()
    folders = [use(state) for state in range(KEPT)]
    for age, folder in enumerate(folders):
        os.utime(folder, (age, age))
    use(0)
    newest = use(KEPT)
    assert set(named.iterdir()) == {*foreign, newest, folders[0], *folders[2:]}


def test_options_of_numba_are_part_of_the_digest_and_folders_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Compiler("roma.support").digest
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/somewhere")
    assert Compiler("roma.support").digest == plain
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
    assert Compiler("roma.support").digest != plain


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"roma\.support\.compilations"):
        _ = Compiler("roma.support.compilations").digest
