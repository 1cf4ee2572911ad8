"""Compilation with Numba, whose machine code is kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


class Compiler:
    """Numba's compiler for the functions of one module or package, which keeps their machine code between processes.

    Args:
        package: name of the module or package that defines the functions.
    """

    def __init__(self, package: str) -> None:
        self.package = package

    def compiled(self, function: Callable[..., Any]) -> Any:
        """Compile a function that allocates nothing.

        Numba's reference counting is left out (`_nrt`): its atomic operations take most of the time of small functions.
        """
        return self.compile(function, _nrt=False)

    def inlined(self, function: Callable[..., Any]) -> Any:
        """Compile a small function that allocates nothing into its callers."""
        return self.compile(function, _nrt=False, forceinline=True)

    def compile(self, function: Callable[..., Any], **options: Any) -> Any:
        """Compile a function with further options of `numba.njit`.

        Division by zero follows NumPy's rules: no division is preceded by a test.
        """
        options["error_model"] = "numpy"
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # neither the package's folder nor the user's cache folder can be written
            return njit(**options)(function)
