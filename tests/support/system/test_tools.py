"""Other programs: their error messages reach the reader."""

import subprocess
import sys

import pytest

from roma.support.system.tools import ToolError, ask
from workflow.artifacts import budget, landing, tracking


def test_an_answer_comes_back_as_text(tmp_path):
    assert ask(["cat"], text="Größe\n") == "Größe"
    assert ask([sys.executable, "-c", "import os; print(os.getcwd())"], tmp_path) == str(tmp_path)


def test_a_failure_says_all_that_the_program_said():
    program = "import sys; print('first', file=sys.stderr); print('second', file=sys.stderr); sys.exit(3)"
    with pytest.raises(ToolError, match=r"failed in .*: first second$") as error:
        ask([sys.executable, "-c", program])
    assert error.value.status == 3
    with pytest.raises(ToolError, match=r"exit status 4$"):
        ask([sys.executable, "-c", "raise SystemExit(4)"])


def test_a_missing_program_is_named():
    with pytest.raises(ToolError, match=r"^no-such-program is needed: No such file") as error:
        ask(["no-such-program"])
    assert error.value.status is None


def test_git_and_dvc_are_heard(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ToolError, match="not a git repository"):
        landing._is_committed(tmp_path)
    with pytest.raises(ToolError, match="not a git repository"):
        budget.history([tmp_path])
    subprocess.run(["git", "init", "--quiet"], check=True)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core\n", encoding="utf-8")
    with pytest.raises(ToolError, match="Invalid line"):
        tracking._has_default_remote()
