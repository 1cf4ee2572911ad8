"""matplotlib with its own defaults: pictures depend on no backend and no matplotlibrc of the reader's."""

import os
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from importlib.util import find_spec
from pathlib import Path

PDF_FONTS = 42  # TrueType, which publishers ask for


def import_matplotlib() -> None:
    """Import matplotlib, also where the reader's settings keep it from being imported.

    Notebooks export a backend that their commands' environments may lack, and a matplotlibrc may be of any encoding.
    Such settings are passed over; those that work are left to `own_settings`.
    """
    try:
        import matplotlib
    except (ValueError, OSError):
        spec = find_spec("matplotlib")
        assert spec is not None
        assert spec.origin is not None
        os.environ.pop("MPLBACKEND", None)
        for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
            del sys.modules[name]  # what the failed attempt has left
        with chdir(Path(spec.origin).parent / "mpl-data"):  # whose matplotlibrc comes before all others then
            import matplotlib  # noqa: F401


@contextmanager
def own_settings() -> Iterator[None]:
    """Draw with matplotlib's defaults in the block; the settings from before return after it."""
    import_matplotlib()
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams["pdf.fonttype"] = PDF_FONTS
        yield
