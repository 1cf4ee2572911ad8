"""Scale files: their content, their grids, and the errors for mistakes in them."""

import copy

import pytest
import yaml

from analysis import FIGURES, claims, figure_list
from roma import envs
from roma.learners import make_learner
from roma.learners.roma.config import OTHER_READING, OTHER_REDUCTION
from roma.runs.config import MILESTONES, milestone_steps, resolve
from roma.support.errors import UserError
from workflow.grid import (
    expand,
    fetch_options,
    figure_files,
    milestone_option,
    milestones_of,
    summaries_beside,
)
from workflow.scale import check

BESIDE = ("extra", "extra_smac_v1")
SCALES = ("smoke", "demo", "lab", "paper")
MAPS = {
    "2s3z",
    "5m_vs_6m",
    "8m_vs_9m",
    "10m_vs_11m",
    "27m_vs_30m",
    "MMM2",
    "6z4b",
    "10z5b_vs_2s3z",
    "6s4z_vs_10b30z",
}
COMPARED = {"roma", "iql", "coma", "qmix", "qtran", "maven"}
ABLATIONS = {"roma_td", "roma_td_li", "roma_td_ld", "qmix_nps", "qmix_lar"}
ABLATION_MAPS = {"MMM2", "10z5b_vs_2s3z", "10m_vs_11m"}


@pytest.fixture
def scale(root):
    """Return a fresh copy of a scale, by name."""

    def read(name):
        return yaml.safe_load((root / "workflow" / "config" / f"{name}.yaml").read_text())

    return read


@pytest.mark.parametrize("name", SCALES)
def test_every_scale_names_every_cell_of_the_paper(scale, name):
    config = scale(name)
    check(config, name)
    cells = set()
    for cell in config["cells"]:
        maps = config[cell["maps"]] if isinstance(cell["maps"], str) else cell["maps"]
        cells |= {(map_name, arm) for map_name in maps for arm in cell["arms"]}
    paper = {(map_name, arm) for map_name in MAPS for arm in COMPARED}
    paper |= {(map_name, arm) for map_name in ABLATION_MAPS for arm in ABLATIONS}
    beyond = {("3m", "qmix"), ("3m", "roma")} if name in ("smoke", "demo") else set()
    assert cells == paper | beyond
    assert config["scale"] == name
    expand(config, name)


@pytest.mark.parametrize(("name", "beside"), list(zip(BESIDE, ("paper", "lab"), strict=True)))
def test_arms_beyond_the_paper_stand_in_scales_of_their_own(scale, name, beside):
    """Each scale of the paper's cells has one of the same protocol and length for other arms, for comparison."""
    config = scale(name)
    check(config, name)
    grid = expand(config, name)
    beyond = {"vdn", "maven_release", "qmix_lar_matched", OTHER_READING, "roma_no_dissimilarity"}
    beyond |= {"roma_release", "roma_release_epsilon_50", "roma_release_readme"}
    cells = {(map_name, arm) for map_name in ABLATION_MAPS for arm in beyond}
    assert set(grid.cells) == cells | {(map_name, "roma_release") for map_name in MAPS}
    assert len(grid.runs) == 150
    assert not beyond & (COMPARED | ABLATIONS)
    assert set(figure_list.chosen(config["figures"])["extra"]["arms"]) == beyond
    alike = {(run.config.protocol, run.total_steps) for run in grid.runs.values()}
    assert alike == {(run.config.protocol, run.total_steps) for run in expand(scale(beside), beside).runs.values()}


@pytest.mark.parametrize("name", ["study", "lab", "paper"])
def test_what_verdicts_on_roma_need_is_there_for_the_release(scale, name):
    """Every cell of ROMA in a claim has a cell of the released variant, in the same scale or in the one beside it."""
    cells = set(expand(scale(name), name).cells).union(*(expand(scale(other), other).cells for other in BESIDE))
    compared = {cell for claim in claims.load() for part in claim.parts for cell in part.cells if cell[1] == "roma"}
    assert {name for name, _ in compared} == {name for name, arm in cells if arm == "roma_release"} == MAPS
    if name == "study":
        assert {name for name, arm in expand(scale(name), name).cells if arm == "roma_release"} == MAPS


def test_the_search_for_the_weights_covers_their_product_on_seeds_of_its_own(scale):
    config = scale("lambda")
    check(config, "lambda")
    runs = expand(config, "lambda").runs
    assert len(runs) == 2 * 25 * 3
    assert {map_name for map_name, _, _ in runs} == {"10m_vs_11m", "MMM2"}
    reported = {seed for name in (*SCALES, *BESIDE, "sensitivity") for seed in scale(name)["seeds"]}
    assert not {seed for _, _, seed in runs} & reported
    powers = {10.0**-exponent for exponent in range(1, 6)}
    learners = {arm: run.config.hyperparameters for (_, arm, _), run in runs.items()}
    weights = {arm: (each.lambda_identifiability, each.lambda_specialisation) for arm, each in learners.items()}
    assert set(weights.values()) == {(first, second) for first in powers for second in powers}
    assert weights["roma_I4_D2"] == (1e-4, 1e-2)
    assert runs["MMM2", "roma_I4_D2", 100].config == resolve("MMM2", "roma", 100)


def test_every_reading_is_one_change(scale):
    config = scale("sensitivity")
    check(config, "sensitivity")
    runs = expand(config, "sensitivity").runs
    settings = {arm: run.config.settings() for (_, arm, _), run in runs.items()}
    changes = {}
    for arm, each in settings.items():
        reference, _, reading = arm.partition("_")
        changes.setdefault(reference, {})[reading] = set(each.items()) - set(settings[reference].items())
    for of_reference in changes.values():
        assert of_reference.pop("") == set()
        assert {len(change) for change in of_reference.values()} == {1}
        assert len({frozenset(change) for change in of_reference.values()}) == len(of_reference)
    assert {reference: len(readings) for reference, readings in changes.items()} == {"roma": 13, "qmix": 5}
    assert changes["qmix"].items() <= changes["roma"].items()
    assert len(runs) == 2 * (14 + 6) * 5
    assert changes["roma"][OTHER_READING.removeprefix("roma_")] == {("pair_reduction", OTHER_REDUCTION)}


@pytest.mark.parametrize("name", ["lab", "paper"])
def test_exactly_345_runs_or_495(scale, name):
    config = scale(name)
    assert len(expand(config, name).runs) == 345
    assert len(expand(config | {"ablation_maps": "all"}, name).runs) == 495


def steps_by(grid, of):
    """Return the total steps of runs, grouped by the key `of`."""
    found = {}
    for run in grid.runs.values():
        found.setdefault(of(run), set()).add(run.total_steps)
    return found


def test_the_study_has_its_cells_in_tranches(scale):
    config = scale("study")
    check(config, "study")
    grid = expand(config, "study")
    assert grid.tranches == ("pilot", "T0", "V", "T1", "T1b", "T2", "T3", "T4", "T5", "readings")
    million = 1_000_000
    paper = {(map_name, arm) for map_name in MAPS - {"27m_vs_30m"} for arm in COMPARED}
    paper |= {(map_name, arm) for map_name in ABLATION_MAPS for arm in ABLATIONS}
    paper |= {("27m_vs_30m", arm) for arm in ("roma", "qmix")}
    beyond = {(map_name, "roma_release") for map_name in MAPS} | {("10m_vs_11m", "roma_no_dissimilarity")}
    beyond |= {(map_name, OTHER_READING) for map_name in ("10m_vs_11m", "MMM2")}
    beyond |= {(map_name, arm) for map_name in ABLATION_MAPS for arm in ("maven_release", "qmix_lar_matched")}
    smac_v1 = {(name, arm) for name in ("10m_vs_11m", "MMM2") for arm in config["arms"] if arm.endswith("smac_v1")}
    readings = {run.key[:2] for run in grid.runs.values() if "readings" in run.tranches}
    assert readings == {("10m_vs_11m", arm) for arm in scale("sensitivity")["arms"]}
    assert set(grid.cells) == paper | beyond | smac_v1 | readings
    assert config["arms"].items() >= scale("sensitivity")["arms"].items()

    # Steps depend on the map only, except in tranche V.
    beside = {run.key for run in grid.runs.values() if run.config.protocol == "smac_v1"}
    assert {key[:2] for key in beside} == smac_v1
    large = {"10m_vs_11m": 8, "10z5b_vs_2s3z": 8, "MMM2": 10, "6z4b": 10, "6s4z_vs_10b30z": 10}
    of_paper = steps_by(grid, lambda run: None if run.key in beside else run.map)
    assert of_paper == {None: {2 * million}} | {name: {large.get(name, 5) * million} for name in MAPS}

    # One seed of the readings and of V, five in the cells of the first claims, three in the others.
    seeds = {cell: sum(run.key[:2] == cell for run in grid.runs.values()) for cell in grid.cells}
    five = {(name, arm) for name in ABLATION_MAPS for arm in ("roma", "qmix", "roma_td")}
    five |= {(name, arm) for name in ("10m_vs_11m", "10z5b_vs_2s3z") for arm in ABLATIONS}
    assert seeds == {cell: 1 if cell in readings | smac_v1 else 5 if cell in five else 3 for cell in grid.cells}


def test_priorities_follow_the_tranches_and_extensions_wait_for_theirs(scale):
    config = scale("study")
    grid = expand(config, "study")
    first = {
        name: [grid.priority(run, 0) for run in grid.runs.values() if next(iter(run.tranches)) == name]
        for name in grid.tranches
    }
    assert [set(values) for values in first.values()] == [{number} for number in range(10, 0, -1)]
    pilot = grid.runs["10m_vs_11m", "qmix", 0]
    assert pilot.tranches == {"pilot": 5_000_000, "T1": 8_000_000}
    ranks = [grid.priority(pilot, steps) for steps in (0, 1_000_000, 5_000_000, 8_000_000)]
    assert ranks == [10, 10, 7, 0]
    assert expand(scale("paper"), "paper").runs["MMM2", "roma", 0].tranches == {}


def test_only_open_tranches_are_targets_and_a_changed_table_changes_no_identity(scale):
    config = scale("study")
    everything = expand(config, "study").runs
    opened = expand(config | {"open_tranches": ["pilot", "V"]}, "study").runs
    assert len(opened) == 9 + 6
    assert steps_by(expand(config | {"open_tranches": ["pilot"]}, "study"), lambda run: run.map) == {
        name: {1_000_000 if name == "27m_vs_30m" else 5_000_000} for name in MAPS
    }
    for key, run in opened.items():
        assert (run.config, run.options) == (everything[key].config, everything[key].options)


def test_the_matched_qmix_has_as_many_acting_parameters_as_roma(scale):
    runs = expand(scale("study"), "study").runs
    ratios = {}
    for map_name in ABLATION_MAPS:
        info = envs.make("embedded", map_name, 1).info
        sizes = []
        for arm in ("qmix_lar_matched", "roma"):
            config = runs[map_name, arm, 0].config
            agent = make_learner(config.algorithm, config.hyperparameters, info, 0).online.agent
            sizes.append(sum(parameter.numel() for parameter in agent.parameters()))
        ratios[map_name] = sizes[0] / sizes[1]
    assert ratios == pytest.approx({"10m_vs_11m": 1.001, "MMM2": 0.971, "10z5b_vs_2s3z": 1.093}, abs=0.001)


def test_runs_of_the_large_scales(scale):
    paper, lab = expand(scale("paper"), "paper"), expand(scale("lab"), "lab")
    assert {(run.total_steps, run.config.protocol) for run in paper.runs.values()} == {(20_050_000, "paper")}
    assert {(run.total_steps, run.config.protocol) for run in lab.runs.values()} == {(2_000_000, "smac_v1")}
    assert {run.seed for run in paper.runs.values()} == {0, 1, 2, 3, 4}
    assert all(run.options.count("--set") == 0 for run in paper.runs.values())


def test_demo_also_learns_3m(scale):
    grid = expand(scale("demo"), "demo")
    for arm in ("qmix", "roma"):
        assert grid.runs["3m", arm, 0].config.protocol == "smac_v1"
    assert grid.runs["2s3z", "qmix", 0].config.protocol == "paper"
    assert scale("demo")["curves"] == ["test_battle_won_mean", "test_return_mean"]


def test_every_scale_of_a_million_steps_or_more_keeps_the_same_milestones(scale):
    for name in ("lab", "paper", *BESIDE, "lambda", "sensitivity"):
        assert tuple(milestones_of(scale(name))) == MILESTONES
    option = milestone_option(scale("paper"))
    assert [int(part) for part in option.split(",")] == list(MILESTONES)
    demo = expand(scale("demo"), "demo").runs
    kept = milestones_of(scale("demo"))
    assert milestone_steps(demo["27m_vs_30m", "roma", 0].total_steps, kept) == [0, 2000, 4000]
    assert milestone_steps(demo["3m", "roma", 0].total_steps, kept) == [0, 2000, 4000, 50_000, 60_000]


def test_nearest_word_counts(scale):
    config = scale("smoke")
    config["arms"] = {"roma": {"protocol": "smac_v1", "overrides": {"learning_rate": 0.001, "test_episodes": 3}}}
    config["total_steps"] = {"default": 1000, "MMM2": 500}
    config["cells"].append({"maps": ["8m"], "arms": ["roma"], "protocol": "paper", "total_steps": 50})
    config["cells"][-1]["overrides"] = {"test_episodes": 7}
    grid = expand(config, "smoke")
    roma, other = grid.runs["MMM2", "roma", 0], grid.runs["8m", "roma", 0]
    assert (roma.total_steps, roma.config.protocol, roma.config.protocol_settings.test_episodes) == (
        500,
        "smac_v1",
        3,
    )
    assert (other.total_steps, other.config.protocol, other.config.protocol_settings.test_episodes) == (50, "paper", 7)
    assert roma.config.hyperparameters.learning_rate == other.config.hyperparameters.learning_rate == 0.001
    assert grid.runs["MMM2", "qmix", 0].config.protocol_settings.test_episodes == 2
    assert grid.runs["2s3z", "qmix", 0].total_steps == 1000


def test_an_arm_may_be_an_algorithm_by_another_name(scale):
    config = scale("smoke")
    config["arms"] = {"roma_fast": {"algorithm": "roma", "overrides": {"learning_rate": 0.01}}}
    config["cells"] = [{"maps": ["3m"], "arms": ["roma", "roma_fast"]}]
    runs = expand(config, "smoke").runs
    assert runs["3m", "roma_fast", 0].config.algorithm == "roma"
    assert runs["3m", "roma_fast", 0].config.digest != runs["3m", "roma", 0].config.digest


def test_a_sweep_is_an_arm_for_every_combination(scale):
    config = scale("smoke")
    values = {"learning_rate": {"fast": 0.01, "slow": 0.001}, "mixer": {"vdn": "vdn", "qmix": "qmix"}}
    config["arms"] = {"roma": {"overrides": {"gamma": 0.9}, "sweep": values}}
    config["cells"] = [{"maps": ["3m"], "arms": ["qmix", "roma"]}]
    check(config, "smoke")
    runs = expand(config, "smoke").runs
    found = {
        arm: (run.config.hyperparameters.learning_rate, run.config.hyperparameters.mixer)
        for (_, arm, _), run in runs.items()
    }
    assert list(found) == ["qmix", "roma_fast_vdn", "roma_fast_qmix", "roma_slow_vdn", "roma_slow_qmix"]
    assert (found["roma_fast_vdn"], found["roma_slow_qmix"]) == ((0.01, "vdn"), (0.001, "qmix"))
    assert {run.config.algorithm for run in runs.values()} == {"qmix", "roma"}
    assert runs["3m", "roma_slow_vdn", 0].config.hyperparameters.gamma == 0.9


def test_the_hash_follows_the_overrides_of_its_own_run_only(scale):
    config = scale("smoke")
    before = expand(config, "smoke").runs
    config["arms"] = {"roma_td": {"overrides": {"learning_rate": 0.001}}}
    config["total_steps"] = 3000
    after = expand(config, "smoke").runs
    changed = {key for key in before if before[key].config.digest != after[key].config.digest}
    assert {arm for _, arm, _ in changed} == {"roma_td"}


def test_memory_follows_the_map_and_the_attempt(scale):
    runs = expand(scale("paper"), "paper").runs
    small, large = runs["5m_vs_6m", "qmix", 0], runs["27m_vs_30m", "qmix", 0]
    assert small.memory_mb(1) < large.memory_mb(1) <= 6000
    assert large.memory_mb(2) == pytest.approx(2 * large.memory_mb(1), abs=1)
    assert large.runtime_minutes(1) > small.runtime_minutes(1)


def test_the_real_game_asks_for_its_processes_and_stored_observations(scale):
    runs = [expand({**scale("paper"), "engine": engine}, "paper").runs for engine in ("embedded", "starcraft2")]
    assert runs[0].keys() == runs[1].keys()
    key = ("27m_vs_30m", "qmix", 0)
    embedded, real = runs[0][key], runs[1][key]
    assert (embedded.processes, real.processes) == (1, 8)
    assert real.memory_mb(1) > embedded.memory_mb(1) + 8 * 2000 + 28_000  # games, and a dense buffer of observations
    assert real.runtime_minutes(1) > embedded.runtime_minutes(1)
    assert embedded.config.digest != real.config.digest


def test_fetch_options():
    assert fetch_options({}) == ""
    chosen = {"version": "4.10", "licence": "accepted", "accept_digest": "0" * 64}
    assert fetch_options({"starcraft2": chosen}) == f"--version 4.10 --accept-digest {'0' * 64} --accept-licence"


SWEPT = {"algorithm": "roma", "sweep": {"gamma": {"b": 0.9}}}


def cell(**changes):
    return {"cells": [{"maps": ["3m"], "arms": ["qmix"], **changes}]}


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"seedz": [0]}, "seedz is not a known key (did you mean 'seeds'?)"),
        (cell(protocoll="paper"), "cells[0].protocoll is not a known key (did you mean 'protocol'?)"),
        ({"arms": {"qmix": {"overide": {}}}}, "arms.qmix.overide is not a known key (did you mean 'overrides'?)"),
        ({"seeds": [-1]}, "seeds[0]"),
        ({"seeds": [0, 0]}, "seeds"),
        ({"total_steps": 0}, "total_steps"),
        ({"total_steps": {"default": "long"}}, "total_steps"),
        ({"milestones": [0.5]}, "milestones[0]"),
        ({"engine": "starcraft"}, "engine"),
        ({"curves": ["loss"]}, "curves[0]"),
        ({"scale": "../up"}, "scale"),
        ({"arms": {"qmix": {"sweep": {"gamma": {}}}}}, "arms.qmix.sweep.gamma"),
        ({"arms": {"qmix": {"sweep": {"gamma": {"0.9": 0.9}}}}}, "'0.9' does not match"),
    ],
)
def test_what_breaks_the_schema_is_one_line(scale, changes, part):
    with pytest.raises(UserError) as error:
        check(scale("smoke") | changes, "some.yaml")
    assert str(error.value).startswith("some.yaml: ")
    assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_every_missing_key_is_an_error(scale):
    for key in ("scale", "seeds", "total_steps", "cells"):
        config = scale("smoke")
        del config[key]
        with pytest.raises(UserError, match=key):
            check(config, "some.yaml")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        (cell(maps=["2s3zz"]), "'2s3zz' is not a known map (did you mean '2s3z'?)"),
        (cell(arms=["romma"]), "'romma' is not a known arm (did you mean 'roma'?)"),
        (
            {**cell(arms=["mine"]), "arms": {"mine": {"algorithm": "quix"}}},
            "arms.mine: 'quix' is not a known algorithm",
        ),
        (cell(arms=["qmix"], overrides={"learning_rat": 1}), "did you mean 'learning_rate'"),
        (cell(overrides={"learning_rate": "fast"}), "learning_rate"),
        (cell(protocol="papr"), "did you mean 'paper'"),
        ({"tranches": ["T0"]}, "a cell of roma, iql, coma, qmix, qtran, maven has no tranche; known: T0"),
        (cell(tranche="T1") | {"tranches": ["T0"]}, "'T1' is not a known tranche"),
        ({"open_tranches": ["T0"]}, "'T0' is not a known tranche"),
        (cell(total_steps={"2s3z": 5}), "no total_steps for 3m"),
        (cell(total_steps={"default": 5, "3mm": 5}), "did you mean '3m'"),
        ({"arms": {"rmoa": {}}}, "did you mean 'roma'"),
        ({"arms": {"roma": {"sweep": {"gama": {"high": 0.9}}}}}, "did you mean 'gamma'"),
        ({**cell(arms=["a", "a_b"]), "arms": {"a": SWEPT, "a_b": {"algorithm": "roma"}}}, "the arm a_b appears twice"),
        ({"cells": cell()["cells"] * 2}, "appears twice"),
    ],
)
def test_what_does_not_exist_is_one_line(scale, changes, part):
    config = scale("smoke") | changes
    check(config, "some.yaml")
    with pytest.raises(UserError) as error:
        expand(config, "some.yaml")
    assert str(error.value).startswith("some.yaml: ")
    assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_figures_cover_the_nine_maps_once():
    figures = yaml.safe_load(FIGURES.read_text())
    assert figures["fig04"]["maps"][0] == "MMM2"
    assert sorted(figures["fig04"]["maps"] + figures["fig09"]["maps"]) == sorted(MAPS)
    for name in ("fig04", "fig09"):
        assert set(figures[name]["arms"]) == COMPARED


def test_files_of_a_figure(scale):
    figures = figure_list.chosen(scale("demo")["figures"])
    files = [file for name, figure in figures.items() for file in figure_files(name, figure)]
    assert {"fig04.png", "fig04.pdf", "fig09.png", "fig09.pdf", "fig04_MMM2.png", "validation_3m.pdf"} <= set(files)
    panels = [file for file in files if file.endswith(".png") and file.removesuffix(".png") not in figures]
    # Of figures 4 and 9, 5 and 6, validation, pictures of roles, curves of roles, their influence and their losses.
    assert len(panels) == 9 + 2 * 3 + 1 + 11 + 3 * 3
    assert {"cost.csv", "cost.md", "cost.tex"} <= set(files)
    assert not [file for file in files if file.startswith("cost_")]
    with pytest.raises(UserError, match="did you mean 'fig04'"):
        figure_list.chosen(["fig44"])


def test_a_figure_reads_the_summaries_that_there_are_beside_its_own(scale, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("lab", "extra"):
        (tmp_path / "data/embedded" / folder / "summary").mkdir(parents=True)
        (tmp_path / "data/embedded" / folder / "summary" / "finals.parquet").touch()
    figure = {"beside": ["lab", "extra", "lambda"]}
    assert summaries_beside(figure, scale("lab")) == ["data/embedded/extra/summary/finals.parquet"]
    assert summaries_beside({}, scale("lab")) == []


def test_the_plan_has_the_seeds_of_all_tranches(scale):
    config = scale("study")
    opened = expand(config | {"open_tranches": ["pilot"]}, "study")
    assert opened.planned == expand(config, "study").planned
    assert opened.planned["10m_vs_11m", "qmix"] == 5  # the pilot's seed is one of them
    assert opened.planned["27m_vs_30m", "qmix"] == 3
    assert ("27m_vs_30m", "iql") not in opened.planned


def test_runs_of_unequal_length_are_evaluated_where_all_of_a_map_have_been(scale):
    grid = expand(scale("study"), "study")
    lengths = {key: run.total_steps for key, run in grid.runs.items()}
    run = grid.runs["10m_vs_11m", "qmix", 0]
    assert grid.evaluated_steps(run, lengths, MILESTONES) == [8_000_000]
    lengths["10m_vs_11m", "roma", 3] = 5_000_000
    assert grid.evaluated_steps(run, lengths, MILESTONES) == [4_000_000, 8_000_000]
    assert grid.evaluated_steps(grid.runs["10m_vs_11m", "roma", 3], lengths, MILESTONES) == [4_000_000, 5_000_000]
    assert grid.evaluated_steps(grid.runs["MMM2", "roma", 3], lengths, MILESTONES) == [10_000_000]
    of_smac = grid.runs["10m_vs_11m", "qmix_smac_v1", 0]
    assert grid.evaluated_steps(of_smac, lengths, MILESTONES) == [2_000_000]


def test_no_claim_asks_for_more_than_the_study_trains(scale):
    runs = expand(scale("study"), "study").runs.values()
    trained = {(run.map, run.arm): run.total_steps for run in runs if run.config.protocol == "paper"}
    asked = {
        (name, arm, claim.id): claim.least_steps("paper", name)
        for claim in claims.load()
        for part in claim.parts
        for term in part.terms
        for name in term.maps
        for arm in term.arms
        if (name, arm) in trained
    }
    assert len({cell[:2] for cell in asked}) > 40
    assert [cell for cell, steps in asked.items() if steps > trained[cell[:2]]] == []


def test_primary_claims_stand_on_cells_with_five_seeds(scale):
    planned = expand(scale("study"), "study").planned
    primary = [claim for claim in claims.load() if claim.question == "primary"]
    assert [claim.id for claim in primary] == ["study_lead", "study_losses", "position_first", "roles_matter"]
    terms = [term for claim in primary for part in claim.parts for term in part.terms]
    assert {planned[name, arm] for term in terms for name in term.maps for arm in term.arms} == {5}


def test_expansion_leaves_the_scale_as_it_was(scale):
    config = scale("demo")
    before = copy.deepcopy(config)
    expand(config, "demo")
    assert config == before
