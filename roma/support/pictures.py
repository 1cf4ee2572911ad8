"""matplotlib with its default settings: pictures do not depend on the user's backend or matplotlibrc."""

import os
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from importlib.util import find_spec
from pathlib import Path

PDF_FONTS = 42  # TrueType, which publishers require


def import_matplotlib() -> None:
    """Import matplotlib even if the user's settings break the import.

    Notebooks export a backend that is missing in the environments of their commands, and a matplotlibrc may have any
    encoding. Such settings are ignored here; `own_settings` overrides those that work.
    """
    try:
        import matplotlib
    except (ValueError, OSError):
        spec = find_spec("matplotlib")
        assert spec is not None
        assert spec.origin is not None
        os.environ.pop("MPLBACKEND", None)
        for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
            del sys.modules[name]  # left over from the failed import
        with chdir(Path(spec.origin).parent / "mpl-data"):  # matplotlib prefers the matplotlibrc of the working folder
            import matplotlib  # noqa: F401


@contextmanager
def own_settings() -> Iterator[None]:
    """Use matplotlib's default settings inside the block and restore the previous ones after it."""
    import_matplotlib()
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams["pdf.fonttype"] = PDF_FONTS
        yield
