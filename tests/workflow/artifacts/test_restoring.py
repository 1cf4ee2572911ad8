"""The script that restores shipped runs: what it imports, and what a full disk leaves."""

import sys

from tests.workflow.artifacts.test_tracking import call


def test_a_full_disk_leaves_no_part_of_a_file(root, tmp_path):
    program = (
        f"import sys; sys.path.insert(0, {str(root)!r}); from pathlib import Path; "
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "from workflow.artifacts.shipping import _write; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); "
        "_write(Path('folder', 'file'), bytes(200), 0o644)"
    )
    assert "File too large: 'folder/file'" in call(tmp_path, sys.executable, "-c", program, status=1)
    assert list((tmp_path / "folder").iterdir()) == []


def test_restoring_takes_the_standard_library_only(root):
    program = (
        "import sys; before = set(sys.modules); import workflow.artifacts.shipping; print(*set(sys.modules) - before)"
    )
    loaded = {name.partition(".")[0] for name in call(root, sys.executable, "-c", program).split()}
    assert loaded <= {*sys.stdlib_module_names, "workflow"}
