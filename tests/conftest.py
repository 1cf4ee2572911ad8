"""Shared fixtures and options of all tests."""

import errno
import faulthandler
import fcntl
import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.standin_smac import StandIn, install
from tests.workflow import forked

# Before torch is imported: one thread, as in runs, so that parallel tests do not compete and last bits do not differ.
os.environ["OMP_NUM_THREADS"] = "1"

# All test processes share the bytecode of the modules, even where the environment turns that off.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# No deadline for examples: times are not meaningful on a busy machine.
hypothesis.settings.register_profile("without_deadline", deadline=None)
hypothesis.settings.load_profile("without_deadline")

ROOT = Path(__file__).parent.parent
# Modules whose tests take longest. They begin first, so that no worker is left with them at the end.
LONGEST = (
    "workflow/test_adding.py",
    "workflow/test_dag.py",
    "workflow/artifacts/test_shipping.py",
    "workflow/artifacts/test_tracking.py",
    "workflow/campaign/test_campaign.py",
    "envs/test_starcraft2.py",
    "workflow/test_compare.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--random-episodes", type=int, default=50, help="episodes of random play a map; default: 50")
    parser.addoption("--walk-every", type=int, default=1, help="walk every n-th pair of options and map; default: all")
    parser.addoption("--campaign-kills", type=int, default=20, help="kills of a whole campaign; default: 20")
    parser.addoption("--kills", type=int, default=100, help="processes killed by the fault injection; default: 100")
    parser.addoption("--game-kills", type=int, default=8, help="workers of the game that are killed; default: 8")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None):  # of workers, which this process starts
        forked.share()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    # The garbage collector need not go through the objects of libraries and tests again and again.
    gc.freeze()


@pytest.fixture
def random_episodes(request: pytest.FixtureRequest) -> int:
    """Return the number of random episodes per map."""
    episodes: int = request.config.getoption("--random-episodes")
    return episodes


@pytest.fixture
def without_time_limit() -> None:
    """Disable the time limit for hanging tests, for tests whose duration depends on the command line."""
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def import_path() -> Iterator[None]:
    """Restore the import path after each test, because commands add the clone that they work in."""
    before = sys.path.copy()
    yield
    sys.path[:] = before


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder of the repository."""
    return ROOT


@pytest.fixture
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Install the stand-in for SMAC and the game in place of the real ones."""
    return install(tmp_path / "standin", monkeypatch)


@pytest.fixture
def refuse_locks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that makes flock fail below a folder, as on a file system without locks."""
    original = fcntl.flock

    def refuse(folder: Path, number: int = errno.ENOLCK) -> None:
        def flock(file, operation):
            if Path(file.name).is_relative_to(folder):
                raise OSError(number, os.strerror(number))
            original(file, operation)

        monkeypatch.setattr(fcntl, "flock", flock)

    return refuse
