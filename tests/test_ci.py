"""The checks of `.ci/run`, in a repository whose steps do nothing but tell their names."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

STEPS = ["environment", "lint", "docs", "unit", "sample", "peers", "system", "smoke"]
MADE = ["lint", "docs", "test", "test-sample", "test-peers tests/peers/test_torchrl.py", "test-system"]
MAKEFILE = """
venv:
	@mkdir -p .venv/bin
	@printf '#!/bin/sh\\necho "snakemake $$*"; echo "$${LEFT-Nothing to be done}"\\n' > .venv/bin/snakemake
	@chmod +x .venv/bin/snakemake
%:
	@echo made $@ $(PEERS) in $(CURDIR); test $@ != '$(FAILING)'
"""


@pytest.fixture
def run(root, tmp_path, monkeypatch):
    """Return a function that calls `.ci/run` of a repository, and what it printed."""
    repository, scratch = tmp_path / "repository", tmp_path / "scratch"
    for part in (".ci/run", "workflow/campaign/pausing.py"):
        (repository / part).parent.mkdir(parents=True)
        shutil.copy(root / part, repository / part)
    (repository / "Makefile").write_text(MAKEFILE)
    scratch.mkdir()
    git = ["git", "-C", str(repository), "-c", "user.name=nobody", "-c", "user.email=nobody"]
    for words in (["init", "--quiet"], ["add", "--force", "."], ["commit", "--quiet", "-m", "files"]):
        subprocess.run([*git, *words], check=True)
    monkeypatch.delenv("TIME_LIMITED", raising=False)
    (repository / "Makefile").write_text("not committed")

    def call(*steps, **environment):
        outcome = subprocess.run(
            [repository / ".ci" / "run", *steps],
            env=os.environ | {"TMPDIR": str(scratch), "XDG_STATE_HOME": str(tmp_path / "state")} | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not list(scratch.iterdir()), "the clone is left behind"
        return outcome

    return call


def table(output):
    """The names, seconds and budgets of the table."""
    return re.findall(r"^(\w+) +(\d+) +(\d+)(?:  over budget)?$", output, re.MULTILINE)


def made(output):
    """The targets that were made, all of them in a clone."""
    lines = re.findall(r"^made (.*) in (\S+)$", output, re.MULTILINE)
    assert {Path(folder).parents[1].name for _, folder in lines} == {"scratch"}
    return [target for target, _ in lines]


def test_without_a_step_all_run_within_half_an_hour(run):
    outcome = run()
    assert outcome.returncode == 0, outcome.stderr
    assert made(outcome.stdout) == MADE
    rows = table(outcome.stdout)
    assert [name for name, _, _ in rows] == STEPS
    assert sum(int(budget) for _, _, budget in rows) == 30 * 60
    assert re.fullmatch(r"All checks passed in \d+ s\.", outcome.stdout.splitlines()[-1])


@pytest.mark.parametrize("step", STEPS[1:])
def test_one_step_runs_alone_in_an_environment_of_its_own(run, step):
    outcome = run(step)
    assert outcome.returncode == 0, outcome.stderr
    assert [name for name, _, _ in table(outcome.stdout)] == ["environment", step]
    assert ("-- figures" in outcome.stdout) == (step == "smoke")
    assert outcome.stdout.splitlines()[-1].startswith("All checks passed")


def test_a_step_that_fails_ends_it_with_the_table(run):
    outcome = run(FAILING="docs")
    assert outcome.returncode == 2
    assert made(outcome.stdout) == MADE[:2]
    assert [name for name, _, _ in table(outcome.stdout)] == STEPS[:2]
    assert "All checks passed" not in outcome.stdout


def test_a_replication_that_leaves_something_to_do_fails(run):
    outcome = run("smoke", LEFT="one job is left")
    assert outcome.returncode == 1
    assert "one job is left" in outcome.stdout
    assert "All checks passed" not in outcome.stdout


@pytest.mark.parametrize("steps", [["lintt"], ["lint", "docs"], [""]])
def test_an_unknown_step_is_named_before_any_work(run, steps):
    outcome = run(*steps)
    assert outcome.returncode == 2
    known = "lint docs unit sample peers system smoke"
    assert outcome.stderr == f"error: there is no step '{' '.join(steps)}'; known: {known}; without a step, all run\n"
    assert not outcome.stdout


def test_a_step_over_its_budget_is_reported_and_passes(run, root, tmp_path):
    script = tmp_path / "repository" / ".ci" / "run"
    script.write_text(re.sub(r"\[(\w+)\]=\d+", r"[\1]=-1", script.read_text()))
    outcome = run("lint")
    assert outcome.returncode == 0
    assert len(re.findall(r"^\w+ +\d+ +-1  over budget$", outcome.stdout, re.MULTILINE)) == 2


def test_jobs_of_continuous_integration_are_the_steps(root):
    (job,) = yaml.safe_load((root / ".github" / "workflows" / "ci.yml").read_text())["jobs"].values()
    assert job["strategy"]["matrix"]["step"] == STEPS[1:]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run ${{ matrix.step }}"]
    assert os.access(root / ".ci" / "run", os.X_OK)
