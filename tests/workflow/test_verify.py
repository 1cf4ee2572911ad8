"""Finished runs drawn at random and trained again, through Snakemake."""

import json
import subprocess

import pandas as pd
import pytest
import yaml

from roma.errors import UserError
from roma.files import file_digest
from tests.synthetic import write_runs
from tests.workflow.conftest import SHORT, TINY, planned, write_scale
from workflow.verify import drawn


def test_the_seed_of_the_draw_decides(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no finished run"):
        drawn(TINY)
    write_runs(TINY, tmp_path)
    choices = [drawn(TINY | {"verify": {"seed": seed}}) for seed in range(20)]
    assert drawn(TINY) == choices[0] == drawn(TINY | {"verify": {"runs": 3}})
    assert {len(set(choice)) for choice in choices} == {3}
    assert len({run for choice in choices for run in choice}) == 12  # every run has its chance
    assert len(drawn(TINY | {"verify": {"runs": 100}})) == 12

    tracked = [{f"data/embedded/tiny/runs/3m/roma/seed{seed}/metrics.parquet": {}} for seed in (0, 9)]
    description = {"stages": {"metrics": {"outs": tracked}}}
    (tmp_path / "data" / "embedded" / "tiny" / "dvc.yaml").write_text(yaml.safe_dump(description))
    with pytest.raises(UserError, match="dvc pull data/embedded/tiny/runs/3m/roma/seed9/metrics"):
        drawn(TINY)


def test_a_run_is_trained_again_and_any_change_of_it_is_found(repository, snakemake):
    write_scale(repository, SHORT)
    snakemake("--", "summary")
    results = repository / "data" / "embedded" / "tiny"
    output = snakemake("--", "verify")
    assert "| 3m | qmix | 0 | equal | bit for bit | same processor family and versions |" in output
    assert not list((results / "verification" / "runs").rglob("*.parquet"))

    # A number of the record is changed, with its digest: the next verification finds it, fails and leaves the table.
    run = results / "runs" / "3m" / "qmix" / "seed0"
    metrics = pd.read_parquet(run / "metrics.parquet")
    metrics.loc[1, "test_return_mean"] += 0.001
    metrics.to_parquet(run / "metrics.parquet")
    facts = json.loads((run / "provenance.json").read_text())
    (run / "provenance.json").write_text(json.dumps(facts | {"metrics_sha256": file_digest(run / "metrics.parquet")}))
    assert planned(snakemake("--dry-run", "--", "verify")) == {"verdict": 1, "verdicts": 1, "verify": 1}
    output = snakemake("--", "verify", status=1)
    assert "test_return_mean in row 1: " in output
    table = (results / "verification" / "verdicts.md").read_text()
    assert "| 3m | qmix | 0 | different | bit for bit |" in table

    # Of another revision of the code nothing is known yet.
    assert planned(snakemake("--dry-run", "--", "verify")) == {"verify": 1}
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "Code"]):
        subprocess.run([*git, *command], cwd=repository, check=True)
    assert planned(snakemake("--dry-run", "--", "verify")) == {"verdict": 1, "verdicts": 1, "verify": 1}


def test_without_results_there_is_one_line(repository, snakemake):
    output = snakemake("--", "verify", status=1)
    assert "error: there is no finished run in data/embedded/tiny to verify" in output
    assert "Traceback" not in output
