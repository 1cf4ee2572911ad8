"""A run on a disk that fills up: the largest permitted file is too small for a checkpoint.

tests/system fills a real disk.
"""

import json

from roma.runs import checkpoint
from roma.support.files import BESIDE
from tests.runs import faults
from tests.runs.training.short_runs import TOTAL_STEPS, arguments, results


def test_a_run_goes_on_once_there_is_room(undisturbed, tmp_path):
    newest = checkpoint.paths(undisturbed / "checkpoints")[-1]
    process = faults.start(arguments(tmp_path, TOTAL_STEPS), largest_file=newest.stat().st_size - 1000)
    faults.join(process)
    assert process.exitcode == 2
    assert json.loads((tmp_path / "progress.json").read_text())["state"] == "failed"
    assert len(checkpoint.paths(tmp_path / "checkpoints")) == checkpoint.KEPT
    assert not list(tmp_path.rglob(f"{BESIDE}*"))
    process = faults.start(arguments(tmp_path, TOTAL_STEPS))
    faults.join(process)
    assert process.exitcode == 0
    assert "resumed from" in (tmp_path / "train.log").read_text()
    assert results(tmp_path) == results(undisturbed)
