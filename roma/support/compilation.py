"""Numba compilation with a disk cache whose key covers all sources that the machine code depends on.

Numba's own cache compares only the source file of the compiled function. The machine code also contains called
functions and constants from other files, so Numba would reuse it after those have changed. Here one folder holds the
machine code of one state of a whole package: a change anywhere in the package selects a new, empty folder.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from importlib.util import find_spec
from logging import NOTSET, WARNING, getLogger
from pathlib import Path
from typing import Any

import numba
from llvmlite.binding import get_host_cpu_features, get_host_cpu_name
from numba.core import serialize
from numba.core.caching import CompileResultCacheImpl, FunctionCache, UserProvidedCacheLocator

KEPT = 4  # cached states per package, so that several branches or Numba options can alternate without recompiling
MARK = "complete"  # file beside the machine code, with a digest of the sources and the processor for which all is there
DIGEST_LENGTH = 16  # hexadecimal digits of the digest in a folder's name

_config: Any = numba.config  # untyped: Numba sets its members at run time, from the environment
if getLogger("numba").level == NOTSET:  # otherwise a root logger at DEBUG gets about 94 000 lines per compilation
    getLogger("numba").setLevel(WARNING)


class Compiler:
    """Numba compiler for the functions of one package, with machine code cached between processes.

    The cache is the first writable folder of these: `NUMBA_CACHE_DIR`, if it is set; the package's `__pycache__`; the
    user's cache folder (`XDG_CACHE_HOME`, by default `~/.cache`). If none is writable, every process compiles for
    itself. A function whose cached file is damaged is compiled again.

    Args:
        package: Name of the package that defines the functions.
        others: Names of further modules or packages of the project whose functions or constants are compiled in.
    """

    def __init__(self, package: str, *others: str) -> None:
        self.package = package
        self.sources = (package, *others)

    def compiled(self, function: Callable[..., Any]) -> Any:
        """Compile a function that allocates nothing.

        Numba's reference counting is turned off (`_nrt`): its atomic operations dominate the time of small functions.
        """
        return self.compile(function, _nrt=False)

    def inlined(self, function: Callable[..., Any]) -> Any:
        """Inline a small function that allocates nothing into its callers.

        The arguments are records with many fields: passing them would cost more than most of these functions do.
        """
        return self.compile(function, _nrt=False, forceinline=True)

    def allocating(self, function: Callable[..., Any]) -> Any:
        """Compile a function that creates arrays."""
        return self.compile(function)

    def compile(self, function: Callable[..., Any], **options: Any) -> Any:
        """Compile a function with further options of `numba.njit`.

        Division by zero follows NumPy's rules, so that no division needs a preceding test. The wrapper for calls from C
        is left out: it would take a tenth of the compilation time.
        """
        options |= {"error_model": "numpy", "no_cfunc_wrapper": True}  # Numba's type hints lack the second
        dispatcher = numba.njit(**options)(function)
        if self.folder is not None:
            configured, _config.CACHE_DIR = _config.CACHE_DIR, str(self.folder)
            try:
                dispatcher._cache = _Cache(function)
            except RuntimeError:  # the folder is no longer writable: compile this function in memory
                pass
            finally:
                _config.CACHE_DIR = configured
        return dispatcher

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the sources, the version of Numba and its environment variables.

        `NUMBA_BOUNDSCHECK` and other variables change the machine code. Numba itself compares the processor and the
        version of Python.
        """
        digest = hashlib.sha256()
        for name in self.sources:
            files = _source_files(name)
            for path in files:
                place = path.relative_to(files[0].parent).as_posix()
                digest.update(f"{name} {place} ".encode() + path.read_bytes() + b"\0")
        options = {name: value for name, value in os.environ.items() if name.startswith("NUMBA_")}
        options.pop("NUMBA_CACHE_DIR", None)
        digest.update(repr((numba.__version__, sorted(options.items()))).encode())
        return digest.hexdigest()

    @cached_property
    def folder(self) -> Path | None:
        """The cache folder of the current state, created if necessary; None if no folder is writable."""
        for home in self._homes():
            folder = home / f"{self.package}-{self.digest[:DIGEST_LENGTH]}"
            if _make_usable(folder):
                self._prune(home, folder)
                return folder
        return None

    def _homes(self) -> Iterator[Path]:
        if _config.CACHE_DIR:
            yield Path(_config.CACHE_DIR)
        yield _source_files(self.package)[0].parent / "__pycache__"
        for user_cache in (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache")):
            if os.path.isabs(user_cache):
                yield Path(user_cache) / "roma"
                return

    def _prune(self, home: Path, used: Path) -> None:
        """Remove all but the most recently used states of this package from the cache."""
        others = set(home.glob(f"{self.package}-" + DIGEST_LENGTH * "[0-9a-f]")) - {used}
        for folder in sorted(others, key=_last_use, reverse=True)[KEPT - 1 :]:
            shutil.rmtree(folder, ignore_errors=True)  # another process may be removing it, too


def all_compiled(compilers: Sequence[Compiler]) -> bool:
    """Return whether `mark_compiled` was called for these sources, this processor and this version of Python.

    Args:
        compilers: Those of all packages in question.
    """
    for compiler in compilers:
        try:
            if compiler.folder is None or (compiler.folder / MARK).read_text(encoding="utf-8") != _needed():
                return False
        except OSError:
            return False
    return True


def mark_compiled(compilers: Sequence[Compiler]) -> None:
    """Say beside the machine code that it is all there; where that cannot be written, nobody is told.

    Args:
        compilers: Those of all packages in question.
    """
    with suppress(OSError):
        for compiler in compilers:
            if compiler.folder is not None:
                (compiler.folder / MARK).write_text(_needed(), encoding="utf-8")


def _needed() -> str:
    """Return a digest (hex) of what decides which machine code is needed: with it, none is missing."""
    processor = (get_host_cpu_name(), get_host_cpu_features().flatten(), sys.version_info[:2])
    return hashlib.sha256(f"{Compiler('roma').digest} {processor}".encode()).hexdigest()


def _source_files(name: str) -> list[Path]:
    """Return the source files of a module, or of a package with its subpackages; the file of `name` comes first."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    origin = Path(spec.origin)
    if spec.submodule_search_locations is None:
        return [origin]
    return [origin, *sorted(set(origin.parent.rglob("*.py")) - {origin})]


def _make_usable(folder: Path) -> bool:
    """Create a folder, mark it as recently used and return whether it is writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        os.utime(folder)
    except OSError:
        return False
    return True


def _last_use(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:  # removed by another process
        return 0


class _Locator(UserProvidedCacheLocator):
    """The subfolder of a module's machine code, named like the module.

    Numba names it after the path of the source file, so that another clone with the same sources would find nothing in
    a folder that both use.
    """

    def __init__(self, py_func: Any, py_file: str) -> None:
        super().__init__(py_func, py_file)
        self._cache_path = os.path.join(_config.CACHE_DIR, py_func.__module__)


class _CacheImplementation(CompileResultCacheImpl):
    """Serialisation of a compiled function with a digest of its content.

    Without the digest, Numba would load and execute a file that kept its length but lost content in a power failure.
    """

    _locator_classes = [_Locator]  # noqa: RUF012  (Numba's other locators ignore our folder)

    def reduce(self, cres: Any) -> tuple[bytes, bytes]:
        content = serialize.dumps(super().reduce(cres))
        return hashlib.sha256(content).digest(), content

    def rebuild(self, target_context: Any, payload: tuple[bytes, bytes]) -> Any:
        digest, content = payload
        if hashlib.sha256(content).digest() != digest:
            raise ValueError("damaged")
        return super().rebuild(target_context, pickle.loads(content))


class _Cache(FunctionCache):
    """Numba's cache of one function, tolerant of damaged files and failed writes."""

    _impl_class = _CacheImplementation

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the machine code for a signature; None if there is none or its file is damaged."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a truncated file raises different errors, depending on where it was cut
            try:
                self.flush()
            except OSError:
                self.disable()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Save the machine code for a signature; if that fails, as on a full disk, only this process has it."""
        try:
            super().save_overload(sig, data)
        except Exception:  # an index file that another process has just damaged may raise any error
            self.disable()
