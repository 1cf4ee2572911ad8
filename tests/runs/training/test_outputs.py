"""Outputs of a run, and the inputs that determine them."""

import json
import math

import pandas as pd
import pyarrow.parquet as pq
import pytest

from roma import envs
from roma.learners.qmix.learner import Learner
from roma.learners.roma.columns import ROLE_COLUMNS
from roma.learners.roma.learner import Learner as RomaLearner
from roma.runs.config import resolve
from roma.runs.directory import RunDirectory
from roma.runs.loop import COUNTERS, TEST_METRICS, TRAIN_METRICS, Run
from roma.support.files import file_digest
from roma.support.seeding import Stream, episode_seed
from roma.support.system.provenance import describe
from tests.runs.training.short_runs import (
    COMA,
    CONFIG,
    QMIX,
    SETTINGS,
    TOTAL_STEPS,
    describe_as,
    results,
    run,
    stop_in_round,
)


def test_a_finished_run_has_all_outputs(undisturbed):
    for name in ("metrics.parquet", "timing.parquet"):
        assert pq.read_schema(undisturbed / name).metadata[b"format"] == b"1"
    table = pq.read_table(undisturbed / "metrics.parquet")
    assert tuple(table.column_names[:10]) == (*COUNTERS, *TEST_METRICS, *TRAIN_METRICS, "epsilon")
    assert {"loss", "loss_td", "grad_norm", "q_tot_mean", "role_entropy"} < set(table.column_names)
    assert [str(table.schema.field(name).type) for name in COUNTERS] == ["int64"] * 3
    rows = table.to_pylist()
    assert [row["t_env"] // 400 for row in rows] == [0, 1, 2, 3, 4]
    assert all(row["updates"] == row["episode"] // 4 - 1 for row in rows)  # the first after the second round
    assert json.loads((undisturbed / "config.json").read_text()) == CONFIG.to_json()
    provenance = json.loads((undisturbed / "provenance.json").read_text())
    assert (provenance["format"], provenance["config"]) == (1, CONFIG.to_json())
    assert (provenance["deterministic"], provenance["total_steps"]) == (True, TOTAL_STEPS)
    assert provenance["segments"][0]["engine_digest"] == envs.engine_digest("embedded")
    assert provenance["milestones"] == [0, 800, TOTAL_STEPS]
    names = {f"t{step}.safetensors" for step in provenance["milestones"]}
    assert {path.name for path in (undisturbed / "policies").iterdir()} == names
    assert len(pq.read_table(undisturbed / "timing.parquet")) == 5
    assert len((undisturbed / "train.log").read_text().splitlines()) == 6  # one for each test, and the end


def test_the_learner_is_given_the_episode_counter_before_the_round(tmp_path, monkeypatch):
    episodes, original = [], Learner.update

    def update(self, batch, key, episode, epsilon):
        episodes.append(episode)
        return original(self, batch, key, episode, epsilon)

    monkeypatch.setattr(Learner, "update", update)
    run(tmp_path, total_steps=600, config=QMIX)
    assert episodes == list(range(4, 4 * len(episodes) + 1, 4))


def test_the_seed_decides(undisturbed, tmp_path):
    run(tmp_path, config=resolve("3m", "roma", 4, overrides=SETTINGS))
    assert results(tmp_path) != results(undisturbed)


@pytest.mark.parametrize("parallel_test_envs", [1, 6])
def test_how_many_tests_are_played_side_by_side_changes_nothing(undisturbed, tmp_path, parallel_test_envs):
    run(tmp_path, config=resolve("3m", "roma", 3, overrides={**SETTINGS, "parallel_test_envs": parallel_test_envs}))
    assert results(tmp_path)["metrics.parquet"] == results(undisturbed)["metrics.parquet"]


def test_every_row_after_an_update_has_the_health_of_the_role_losses(undisturbed):
    table = pq.read_table(undisturbed / "metrics.parquet")
    assert tuple(table.column_names[-len(ROLE_COLUMNS) :]) == tuple(ROLE_COLUMNS)
    between = {name for name in ROLE_COLUMNS if name.startswith("dissimilarity_between")}  # 3m has one unit type
    for row in table.to_pylist():
        measured = {name for name in ROLE_COLUMNS if math.isfinite(row[name])}
        assert measured == (ROLE_COLUMNS.keys() - between if row["updates"] else set())


def test_measuring_the_role_losses_changes_nothing_that_is_learnt(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(RomaLearner, "diagnostics", lambda *arguments: {})
    run(tmp_path)
    tables = [pq.read_table(directory / "metrics.parquet") for directory in (undisturbed, tmp_path)]
    assert not tables[0].equals(tables[1])
    first, second = (table.drop_columns(list(ROLE_COLUMNS)).to_pandas() for table in tables)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    first, second = results(undisturbed), results(tmp_path)
    assert {name: first[name] for name in first if name != "metrics.parquet"} == {
        name: second[name] for name in second if name != "metrics.parquet"
    }


def test_coma_learns_from_the_round_just_played(tmp_path, monkeypatch):
    seen, original = [], Run._update

    def update(self, epsilon):
        seeds = [episode.seed for episode in self.replay.sample(4, 3, self.state.updates)]
        first = self.state.episode
        assert sorted(seeds) == sorted(episode_seed(3, Stream.TRAIN, first + each) for each in range(4))
        seen.append(epsilon)
        original(self, epsilon)

    monkeypatch.setattr(Run, "_update", update)
    run(tmp_path, 500, COMA)
    assert seen[0] == 0.5
    assert seen == sorted(seen, reverse=True)


def test_provenance_tells_apart_what_was_made_elsewhere(undisturbed, tmp_path, monkeypatch):
    """A run moves to another machine half way; its segments are in the order of their steps."""
    here = json.loads((undisturbed / "provenance.json").read_text())
    (segment,) = here["segments"]
    assert segment.keys() == describe().keys() | {"since_step", "engine_digest", "threads", "device"}
    assert here.keys() >= {"started", "finished", "resumes", "wall_seconds", "cpu_seconds"}
    assert segment["since_step"] == 0
    assert here["metrics_sha256"] == file_digest(undisturbed / "metrics.parquet")
    policies = RunDirectory(undisturbed).policy_file
    assert here["policies_sha256"] == {str(step): file_digest(policies(step)) for step in here["milestones"]}
    assert len(here["milestones"]) > 1
    stop_in_round(monkeypatch, 4)
    run(tmp_path)
    stop_in_round(monkeypatch, 2)
    run(tmp_path)  # still on the same machine
    describe_as(monkeypatch, cpu="Abacus", git_revision="later")
    run(tmp_path)
    moved = json.loads((tmp_path / "provenance.json").read_text())
    before, after = moved["segments"]
    assert before == segment
    assert (after["cpu"], after["git_revision"], after["threads"]) == ("Abacus", "later", 1)
    assert 0 < after["since_step"] < TOTAL_STEPS
    assert moved["resumes"] == 2
    assert results(tmp_path) == results(undisturbed)


def test_sources_of_the_engine_are_information_alone(undisturbed, tmp_path, monkeypatch):
    """A docstring in the engine changes its source digest; the run resumes and records both digests."""
    run(tmp_path, TOTAL_STEPS // 2)
    monkeypatch.setattr(envs, "engine_digest", lambda engine: "changed")
    run(tmp_path)
    assert [part["engine_digest"] for part in RunDirectory(tmp_path).provenance["segments"]][1:] == ["changed"]
    longer = results(undisturbed)
    assert {name: content for name, content in results(tmp_path).items() if name in longer} == longer
