"""Commands that pause a campaign until they end."""

import signal
import subprocess
import sys


def test_commands_that_pause_need_no_campaign(state, tmp_path, root):
    script = [sys.executable, root / "workflow" / "campaign" / "pausing.py"]
    done = subprocess.run([*script, "sh", "-c", "echo done; exit 7"], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (7, "done\n")
    assert subprocess.run([*script, "nothing-of-this-name"], stderr=subprocess.DEVNULL, check=False).returncode == 127
    (tmp_path / "state").rename(tmp_path / "away")
    (tmp_path / "state").touch()  # a state folder that is not writable
    assert subprocess.run([*script, "true"], check=False).returncode == 0
    with subprocess.Popen([*script, "sh", "-c", "echo begun; exec sleep 1000"], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"begun\n"
        process.terminate()
        assert process.wait() == 128 + signal.SIGTERM


def test_what_measures_pauses_a_campaign(root):
    planned = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "test", "bench", "bench-cells", "baseline", "VENV="],
        cwd=root,
        text=True,
        capture_output=True,
        check=True,
    ).stdout
    assert planned.count("workflow/campaign/pausing.py pytest") == 3
    assert planned.count("workflow/campaign/pausing.py python -m tests.benchmarks.cells") == 1
    assert (
        'python3 "$repository/workflow/campaign/pausing.py" "$repository/.ci/run"' in (root / ".ci" / "run").read_text()
    )
