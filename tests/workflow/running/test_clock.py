"""The clock is set back between two calls: results of the first one lie in the future."""

import os
import time

from tests.synthetic import write_runs
from tests.workflow import forked
from tests.workflow.conftest import SHORT, write_scale
from workflow.running.clock import bring_back


def test_results_from_the_future_are_inputs_like_others(repository):
    write_scale(repository, SHORT)
    write_runs(SHORT, repository)
    results = repository / "data/embedded/tiny"
    call = ("--cores", "1", "--configfile", "workflow/config/tiny.yaml")
    tomorrow = time.time() + 86_400
    for file in results.rglob("*"):
        os.utime(file, (tomorrow, tomorrow))
    status, printed = forked.snakemake(repository, *call, "--", "summary")
    assert status == 0, printed
    assert (results / "summary/runs.parquet").exists()
    assert "Nothing to be done" in forked.snakemake(repository, *call, "--", "summary")[1]


def test_only_times_in_the_future_change(tmp_path):
    past, future = tmp_path / "past", tmp_path / "future"
    for file, moment in ((past, 1e9), (future, time.time() + 1e6)):
        file.touch()
        os.utime(file, (moment, moment))
    bring_back([past, future, tmp_path / "missing"])
    assert past.stat().st_mtime == 1e9
    assert future.stat().st_mtime <= time.time()
