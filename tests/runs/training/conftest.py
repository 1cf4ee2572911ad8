import pytest

from tests.runs.training.short_runs import run


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A finished run; tests that change it must copy it first."""
    directory = tmp_path_factory.mktemp("undisturbed")
    assert run(directory) is None
    return directory
