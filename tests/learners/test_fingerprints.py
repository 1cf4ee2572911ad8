"""Identity of the algorithms: fingerprints of short runs, and the changes that they detect."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from roma.learners import algorithm_names
from roma.learners.base.learner import NetworkLearner
from roma.learners.coma import learner as coma
from roma.learners.qmix import learner as qmix
from roma.learners.roma import losses as roma
from roma.learners.versions import ALGORITHM_VERSIONS
from roma.runs.protocols import PRESETS
from roma.support.system.processor import family
from tests.learners.fingerprints import golden
from tests.learners.fingerprints.__main__ import main
from tests.learners.fingerprints.golden import Record, Traces
from tests.learners.fingerprints.runs import EXCLUDED, LEAST_UPDATES, STEPS, Trace, run_config, run_names, trace_anew

ROOT = Path(__file__).parents[2]
ALGORITHMS = ("iql", "vdn", "qmix", "coma", "qtran", "maven", "roma")  # the others are their variants
SAMPLE = ("coma", "qmix", "roma")
RUN = "3m smac_v1"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_runs_are_the_recorded_ones(algorithm: str) -> None:
    compare(algorithm)


def compare(algorithm: str) -> None:
    """Train all runs of an algorithm and compare them with the recorded ones."""
    wrong, said = golden.check(algorithm)
    assert wrong is None, wrong
    if said:
        warnings.warn(said, stacklevel=1)
    for run, found in golden.traces(algorithm).items():
        assert found.updates >= LEAST_UPDATES, run
        assert found.target_updates >= 1, run
        assert not found.digests.keys() & EXCLUDED.keys(), run
        assert {"metrics.loss", "metrics.test_return_mean", "last_target_update"} <= found.digests.keys(), run


def test_every_algorithm_has_a_version_and_is_recorded() -> None:
    assert list(ALGORITHM_VERSIONS) == algorithm_names()
    assert list(golden.read()) == algorithm_names()


def test_every_algorithm_runs_on_both_maps_under_all_protocols() -> None:
    plain = [f"{map_name} {protocol}" for map_name in STEPS for protocol in PRESETS]
    assert run_names("qmix") == plain
    assert {"3m paper log_density=false", "3m paper pairs=allpairs"} <= set(run_names("roma")) - set(plain)
    assert {"3m paper double_q=false", "3m paper mixer_activation=relu"} <= set(run_names("roma"))  # those of QMIX, too


def test_a_switch_of_a_scale_file_reaches_its_run() -> None:
    assert run_config("roma", "3m paper log_density=false").hyperparameters == replace(
        run_config("roma", "3m paper").hyperparameters, log_density=False
    )


def change_coma(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = coma.td_lambda_targets
    monkeypatch.setattr(coma, "td_lambda_targets", lambda *arguments: 1.01 * targets(*arguments))


def change_roma(monkeypatch: pytest.MonkeyPatch) -> None:
    divergence = roma.kl_divergence
    monkeypatch.setattr(roma, "kl_divergence", lambda *arguments: 1.01 * divergence(*arguments))


def change_exploration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NetworkLearner, "epsilon", lambda self, t_env: 0.1)


def write_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute the same numbers with another expression."""
    for module in (qmix, roma):
        monkeypatch.setattr(
            module, "td_targets", lambda reward, ended, following, gamma: gamma * (1 - ended) * following + reward
        )


CHANGES: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], set[str]]] = {
    "COMA's targets": (change_coma, {"coma"}),
    "a loss on roles": (change_roma, {"roma"}),
    "exploration": (change_exploration, {"coma", "qmix", "roma"}),
    "another expression": (write_otherwise, set()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_moves_the_algorithms_that_it_touches(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By digests if there are any for this processor family, and by losses as on other families."""
    apply, touched = CHANGES[change]
    apply(monkeypatch)
    records, found = golden.read(), {name: {RUN: trace_anew(name, RUN)} for name in SAMPLE}
    for processor in (family(), "another"):
        assert {name for name in SAMPLE if golden.moved(records[name], processor, found[name])} == touched


def traced(losses: list[float], **digests: str) -> Trace:
    return Trace(digests, {"loss": losses}, 50, 1)


def recorded(**changes: object) -> Record:
    families = {
        "this": {"3m paper": {"a": "01", "metrics.loss": "02"}, "2s3z paper": {"a": "03", "metrics.loss": "04"}}
    }
    losses = {"3m paper": {"loss": [1.0, 2.0]}, "2s3z paper": {"loss": [3.0, -4.0]}}
    return replace(Record(1, {"3m": "1", "2s3z": "1"}, ["a", "metrics.loss"], losses, families), **changes)  # type: ignore[arg-type]


FOUND: Traces = {
    "3m paper": traced([1.0, 2.0], a="01", **{"metrics.loss": "02"}),
    "2s3z paper": traced([3.0, -4.0], a="03", **{"metrics.loss": "04"}),
}
MOVED: Traces = FOUND | {"2s3z paper": traced([3.0, -4.002], a="05", **{"metrics.loss": "06"})}
ADVICE = (
    "If that is not intended, the last change is wrong. If it is, raise the version of coma in "
    "roma/learners/versions.py to 2 and run: python -m tests.learners.fingerprints write"
)


@pytest.mark.parametrize(
    ("record", "version", "processor", "found", "message"),
    [
        (recorded(), 1, "this", FOUND, None),
        (recorded(), 1, "that", FOUND, None),
        (
            recorded(),
            None,
            "this",
            FOUND,
            "coma has no version: give it version 1 in roma/learners/versions.py and",
        ),
        (None, 1, "this", FOUND, "no fingerprints of coma are recorded; run: python -m tests.learners.fingerprints"),
        (recorded(), 2, "this", MOVED, "coma has version 2, fingerprints are recorded of version 1; run: python -m"),
        (recorded(version=2), 1, "this", FOUND, "coma has version 1, below the recorded 2: a version is only ever"),
        (
            recorded(engine={"3m": "0", "2s3z": "1"}),
            1,
            "this",
            MOVED,
            "fingerprints of coma are recorded on engine version 0 of 3m, which is 1; run, where nothing else was chan",
        ),
        (
            recorded(),
            1,
            "this",
            MOVED,
            "runs of coma are no longer those of version 1: metrics.loss of 2s3z paper differs, 2 of 4 values do. "
            + ADVICE,
        ),
        (
            recorded(),
            1,
            "that",
            MOVED,
            "runs of coma are no longer those of version 1: loss of 2s3z paper, update 2 differs, 1 of 4 losses do. "
            + ADVICE,
        ),
        (recorded(), 1, "this", {"3m paper": FOUND["3m paper"]}, "coma is recorded with other runs than it has now; "),
        (
            recorded(),
            1,
            "this",
            FOUND | {"3m paper": traced([1.0, 2.0], a="01", b="07", **{"metrics.loss": "02"})},
            "coma is recorded with other names than it has now: b; run: python -m tests.learners.fingerprints write",
        ),
    ],
)
def test_what_to_do_is_said(
    record: Record | None, version: int | None, processor: str, found: Traces, message: str | None
) -> None:
    wrong = golden.problem("coma", record, version, {"3m": "1", "2s3z": "1"}, processor, found)
    assert wrong == message if message is None else str(wrong).startswith(message)


def test_on_an_unknown_family_it_is_said_that_only_losses_were_compared() -> None:
    assert golden.notice(recorded(), "this") is None
    said = "no fingerprints are recorded for the processor family 'that' (recorded: 'this'): the losses of 5 updates we"
    assert str(golden.notice(recorded(), "that")).startswith(said)


@pytest.mark.parametrize(
    ("old", "new", "different"),
    [
        ([1.0, 2.0], [1.0, 2.0 * (1 + 0.9e-4)], False),
        ([1.0, 2.0], [1.0, 2.0 * (1 + 1.1e-4)], True),
        ([1e-9, 2.0], [2e-9, 2.0], False),
        ([float("nan")], [float("nan")], False),
        ([float("nan")], [0.0], True),
        ([0.0], [1e-9], True),
        ([1.0] * 6, [1.0] * 4 + [2.0] * 2, True),
        ([1.0] * 6, [1.0] * 5 + [2.0], False),  # play may have gone another way
    ],
)
def test_losses_are_compared_relative_to_the_largest(old: list[float], new: list[float], different: bool) -> None:
    record = recorded(losses={"3m paper": {"loss": old}})
    assert bool(golden.moved(record, "that", {"3m paper": traced(new)})) == different


def test_updates_alike_are_counted_from_the_first() -> None:
    recorded_losses = {"loss": [1.0, 2.0, 3.0], "loss_td": [1.0, 2.0, 3.0]}
    assert golden.updates_alike(recorded_losses, recorded_losses) == 3
    assert golden.updates_alike(recorded_losses, {"loss": [1.0, 2.0, 3.0], "loss_td": [1.0, 0.0, 3.0]}) == 1


class Machine:
    """Controlled inputs of `golden`: versions, processor family, and results of runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        self.versions, self.engine, self.processor = {"coma": 1, "qmix": 1}, {"3m": "1"}, "this"
        self.found = {"coma": dict(FOUND), "qmix": dict(FOUND)}
        monkeypatch.setattr(golden, "FILE", path)
        monkeypatch.setattr(golden, "algorithm_names", lambda: list(self.found))
        monkeypatch.setattr(golden, "ALGORITHM_VERSIONS", self.versions)
        monkeypatch.setattr(golden, "engine_versions", lambda: dict(self.engine))
        monkeypatch.setattr(golden, "family", lambda: self.processor)
        monkeypatch.setattr(golden, "traces", lambda name: self.found[name])

    def update(self) -> list[tuple[str | None, str | None]]:
        return [golden.update(name) for name in self.found]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return two algorithms with new records."""
    machine = Machine(monkeypatch, tmp_path / "fingerprints.json")
    assert machine.update() == [(f"{name}: version 1, 2 values of 2 runs", None) for name in ("coma", "qmix")]
    assert golden.read()["coma"] == recorded(engine={"3m": "1"})
    return machine


def test_a_changed_algorithm_is_recorded_only_under_a_new_version(machine: Machine) -> None:
    before = golden.FILE.read_text()
    machine.found["coma"] = dict(MOVED)
    (change, refusal), other = machine.update()
    assert (change, other) == (None, (None, None))
    assert str(refusal).endswith(ADVICE)
    assert golden.FILE.read_text() == before
    machine.versions["coma"] = 2
    assert machine.update() == [("coma: version 2, 2 values of 2 runs", None), (None, None)]
    assert golden.read()["coma"].families["this"]["2s3z paper"] == {"a": "05", "metrics.loss": "06"}
    assert golden.read()["qmix"].version == 1
    machine.versions["coma"] = 1
    assert machine.update()[0] == (None, "coma has version 1, below the recorded 2: a version is only ever raised")
    del machine.versions["coma"]
    assert str(machine.update()[0][1]).startswith("coma has no version: ")


def test_a_raised_engine_is_recorded_under_the_same_version(machine: Machine) -> None:
    machine.engine["3m"] = "2"
    machine.found["coma"] = dict(MOVED)
    assert machine.update()[0] == ("coma: version 1, 2 values of 2 runs", None)
    assert golden.read()["coma"].engine == {"3m": "2"}


def on_another_family(machine: Machine) -> None:
    """Record the digests of another processor family whose losses differ in their last digits."""
    machine.processor = "that"
    machine.found["coma"] = {
        run: Trace({name: f"1{digest}" for name, digest in each.digests.items()}, {"loss": losses}, 50, 1)
        for (run, each), losses in zip(FOUND.items(), ([1.00001, 2.0], [3.0, -4.00001]), strict=True)
    }
    assert machine.update()[0] == ("coma: version 1, processor family 'that' is new", None)


def test_another_family_is_recorded_beside_the_first(machine: Machine) -> None:
    on_another_family(machine)
    record = golden.read()["coma"]
    assert record.families["that"]["3m paper"] == {"a": "101", "metrics.loss": "102"}
    assert replace(record, families={"this": record.families["this"]}) == recorded(engine={"3m": "1"})
    assert machine.update()[0] == (None, None)
    machine.versions["coma"] = 2
    machine.update()
    assert list(golden.read()["coma"].families) == ["that"], "those of the first are of the old version"


def test_another_family_is_not_recorded_where_losses_differ(machine: Machine) -> None:
    before = golden.FILE.read_text()
    machine.processor, machine.found["coma"] = "that", dict(MOVED)
    assert str(machine.update()[0][1]).startswith("runs of coma are no longer those of version 1: loss of 2s3z paper")
    assert "that" not in golden.read()["coma"].families
    assert golden.read()["coma"] == recorded(engine={"3m": "1"})
    assert golden.FILE.read_text() != before, "qmix's are recorded"


def test_a_rename_edits_the_list_and_no_digest(machine: Machine) -> None:
    on_another_family(machine)
    before = golden.FILE.read_text()
    machine.processor = "this"
    machine.found["coma"] = {
        run: replace(each, digests={"z": each.digests["a"], "metrics.loss": each.digests["metrics.loss"]})
        for run, each in FOUND.items()
    }
    assert machine.update()[0] == ("coma: version 1, a is now z", None)
    assert golden.FILE.read_text() == before.replace('"a"', '"z"', 1)
    assert golden.read()["coma"].families["that"]["3m paper"] == {"z": "101", "metrics.loss": "102"}


def test_new_values_are_added_and_old_ones_removed(machine: Machine) -> None:
    on_another_family(machine)
    machine.processor = "this"
    machine.found["coma"] = {
        run: replace(each, digests={"b": "99", "metrics.loss": each.digests["metrics.loss"]})
        for run, each in FOUND.items()
    } | {"3m smac_v1": traced([5.0], b="98")}
    assert machine.update()[0] == ("coma: version 1, b is new; a is gone; run '3m smac_v1' is new", None)
    record = golden.read()["coma"]
    assert record.names == ["metrics.loss", "b"]
    assert record.losses["3m smac_v1"] == {"loss": [5.0]}
    assert record.families["this"]["3m paper"] == {"b": "99", "metrics.loss": "02"}
    assert record.families["this"]["3m smac_v1"] == {"b": "98"}
    assert record.families["that"] == {"3m paper": {"metrics.loss": "102"}, "2s3z paper": {"metrics.loss": "104"}}
    assert machine.update()[0] == (None, None)


def test_what_is_no_algorithm_any_more_is_removed(machine: Machine) -> None:
    del machine.found["coma"]
    assert machine.update() == [(None, None)]
    assert list(golden.read()) == ["qmix"]


def test_the_command_says_what_failed(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "coma", "qmix"]) == 0
    machine.versions["coma"] = 2
    assert main(["check", "coma"]) == 1
    assert capsys.readouterr().err.startswith("coma has version 2, fingerprints are recorded of version 1; run: ")
    assert main(["write", "coma"]) == 0
    assert capsys.readouterr().out == "coma: version 2, 2 values of 2 runs\n"
    machine.processor = "that"
    assert main(["check", "coma"]) == 0
    assert capsys.readouterr().out.startswith("no fingerprints are recorded for the processor family 'that'")
    assert main(["check", "romma"]) == 2
    assert capsys.readouterr().err.startswith("error: 'romma' is not a known algorithm (did you mean 'roma'?)")
