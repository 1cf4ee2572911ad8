"""Study of the readings of L_D: its decision rule, its input, and the agreement of page and record."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.studies import readings
from analysis.studies.readings import MAPS, UP_TO
from roma.learners.roma.columns import ROLE_COLUMNS
from roma.learners.roma.config import HEADLINE_REDUCTION, OTHER_READING, OTHER_REDUCTION
from roma.runs.config import resolve
from roma.support.errors import UserError
from tests.synthetic import write_runs

SCALE = {
    "scale": "studied",
    "engine": "embedded",
    "protocol": "paper",
    "seeds": [0],
    "total_steps": 2_000_000,
    "milestones": [0],
    "evaluation_episodes": 4,
    "maps": list(MAPS),
    "ablation_maps": list(MAPS),
    "cells": [
        {"maps": "maps", "arms": ["summed", "averaged"]},
        {"maps": ["10m_vs_11m"], "arms": ["roma_release", "roma_release_epsilon_50"]},
    ],
    "arms": {
        "summed": {"algorithm": "roma", "overrides": {"pair_reduction": "sum"}},
        "averaged": {"algorithm": "roma", "overrides": {"pair_reduction": "mean"}},
    },
    "figures": ["validation"],
    "curves": ["test_battle_won_mean"],
}
SOUND, UNSOUND = (2.0, 0.8), (200.0, 0.97)


def rows_of(reading, name, ratio, share):
    """Return tests of a run of 2 million steps with a constant ratio of variances and a constant share of high I'."""
    count = 101
    columns = {column: np.full(count, 0.5) for column in readings.KEPT}
    columns |= {"t_env": 20_000 * np.arange(count) + 213, "information_high_share": np.full(count, share)}
    columns["posterior_variance"] = ratio * columns["role_variance"]
    rows = pd.DataFrame({"arm": reading, "map": name, **columns})
    rows.loc[0, list(ROLE_COLUMNS)] = np.nan
    return rows


def study(**values):
    """Return the record of a study whose runs have constant ratios and shares on each map."""
    parts = [rows_of(reading, name, *pair) for reading, pair in values.items() for name in MAPS]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("of_sum", "of_mean", "chosen", "words"),
    [
        (
            SOUND,
            SOUND,
            "sum",
            "the sum is sound and the mean is sound: `roma` uses the sum, and the mean is the arm `roma_p",
        ),
        (
            SOUND,
            UNSOUND,
            "sum",
            "the sum is sound and the mean is not sound: `roma` uses the sum, and the mean is the arm",
        ),
        (UNSOUND, SOUND, "mean", "the mean is sound: `roma` uses the mean, and the sum is the arm `roma_literal`."),
        (
            UNSOUND,
            UNSOUND,
            "sum",
            "the sum is not sound and the mean is not sound: `roma` uses the sum, and the mean is",
        ),
    ],
)
def test_the_sum_is_the_headline_unless_the_mean_alone_is_sound(of_sum, of_mean, chosen, words):
    judgements = readings.judged(study(sum=of_sum, mean=of_mean))
    assert len(judgements) == 8
    assert readings.headline(judgements) == chosen
    assert words in readings.decision(judgements)


@pytest.mark.parametrize(
    ("ratio", "share", "sound"),
    [
        (1.0, 0.5, True),
        (0.1, 0.5, True),
        (10.0, 0.5, True),
        (0.0999, 0.5, False),
        (10.001, 0.5, False),
        (1.0, 0.8999, True),
        (1.0, 0.9, False),
    ],
)
def test_bounds(ratio, share, sound):
    assert readings.sound("sum", readings.judged(study(sum=(ratio, share)))) is sound


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("step", UP_TO)
def test_one_map_at_one_step_is_enough_to_be_unsound(name, step):
    tests = study(sum=SOUND)
    tests.loc[(tests["map"] == name) & (tests["t_env"] // 20_000 == step // 20_000), "information_high_share"] = 1.5
    judgements = readings.judged(tests)
    assert [(each.map, each.up_to) for each in judgements if not each.sound] == [(name, step)]
    assert readings.sound("sum", judgements) is False


def test_means_of_the_last_five_tests_up_to_each_step_count():
    tests = rows_of("mean", "MMM2", 1.0, 0.5)
    number = np.arange(len(tests))
    tests["posterior_variance"], tests["role_variance"] = number.astype(float), np.where(number == 50, 6.0, 1.0)
    tests["information_high_share"] = number / 1000
    first, second = readings.judged(tests)
    assert (first.up_to, second.up_to) == UP_TO
    assert first.posterior_variance == np.mean([46, 47, 48, 49, 50])  # the fiftieth test was due at a million steps
    assert first.ratio == pytest.approx(48 / 2)  # of the means, not the mean of ratios
    assert second.ratio == pytest.approx(98)
    assert (first.high_share, second.high_share) == (pytest.approx(0.048), pytest.approx(0.098))


def test_neither_win_rates_nor_living_agents_decide():
    tests = study(sum=UNSOUND, mean=SOUND)
    changed = tests.copy()
    others = [column for column in readings.KEPT if column not in (*readings.JUDGED, "t_env")]
    assert {"test_battle_won_mean", "posterior_variance_living", "information_high_share_living"} < set(others)
    changed[others] = 17.0
    assert readings.judged(changed) == readings.judged(tests)


def test_without_all_runs_nothing_is_decided():
    tests = study(sum=UNSOUND, mean=SOUND)
    partial = tests[(tests["arm"] != "sum") | (tests["map"] != "MMM2")]
    judgements = readings.judged(partial)
    assert readings.sound("sum", judgements) is None
    assert readings.sound("mean", judgements) is True
    assert readings.headline(judgements) == "sum"
    assert "runs of the sum are missing" in readings.decision(judgements)
    assert "runs of the sum and of the mean are missing" in readings.decision([])


@pytest.mark.parametrize("lost", ["posterior_variance", "role_variance", "information_high_share"])
def test_a_test_without_its_values_is_an_error(lost):
    tests = study(mean=SOUND)
    tests.loc[(tests["map"] == "MMM2") & (tests["t_env"] // 20_000 == 48), lost] = np.nan
    with pytest.raises(UserError, match=r"run of mean on MMM2 lacks .* in a test up to 1,000,000 steps"):
        readings.judged(tests)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Directories of the study's six runs by arm and map."""
    root = tmp_path_factory.mktemp("study")
    return {
        (run.arm, run.map): root / "data" / "embedded" / "studied" / "runs" / run.directory
        for run in write_runs(SCALE, root, points=101, measured=False)
    }


def test_runs_are_recorded_by_what_they_are(runs, tmp_path):
    folder = tmp_path / "record"
    readings.record(list(runs.values())[:3], folder)
    readings.record(runs.values(), folder)
    table, tests = readings.read(folder)
    assert sorted(table[["arm", "map"]].itertuples(index=False, name=None)) == sorted(
        [(arm, name) for arm in ("sum", "mean") for name in MAPS]
        + [(arm, "10m_vs_11m") for arm in ("roma_release", "roma_release_epsilon_50")]
    )
    assert set(table["engine_digest"]) == {"0123456789abcdef"}
    recorded = tests[(tests["arm"] == "mean") & (tests["map"] == "MMM2")]
    metrics = pd.read_parquet(runs["averaged", "MMM2"] / "metrics.parquet")
    np.testing.assert_allclose(recorded["posterior_variance"], metrics["posterior_variance"], rtol=1e-4)
    assert len(recorded) == 101
    readings.record(runs.values(), folder)
    for before, after in zip((table, tests), readings.read(folder), strict=True):
        pd.testing.assert_frame_equal(before, after)


@pytest.mark.parametrize(
    ("map_name", "changes"),
    [
        ("MMM2", {"seeds": [1]}),
        ("MMM2", {"protocol": "smac_v1"}),
        ("MMM2", {"overrides": {"mask_dead": True}}),
        ("8m", {}),
    ],
)
def test_other_runs_are_refused(map_name, changes, tmp_path):
    scale = SCALE | {"cells": [{"maps": [map_name], "arms": ["roma"]}], "arms": {}} | changes
    (run,) = write_runs(scale, tmp_path, points=3, measured=False)
    directory = tmp_path / "data" / "embedded" / "studied" / "runs" / run.directory
    with pytest.raises(UserError, match=f"{directory} is no run of the study. With seed 0, protocol paper and engine"):
        readings.record([directory], tmp_path / "record")


def test_the_named_arms_are_known_as_what_they_are():
    found = {arm: readings.arm_of(resolve("MMM2", arm, 0), Path("run")) for arm in ("roma", OTHER_READING)}
    assert found == {"roma": HEADLINE_REDUCTION, OTHER_READING: OTHER_REDUCTION}


def test_a_shorter_run_is_refused(tmp_path):
    scale = SCALE | {"total_steps": 1_900_000, "cells": [{"maps": ["MMM2"], "arms": ["roma"]}], "arms": {}}
    (run,) = write_runs(scale, tmp_path, points=96, measured=False)
    directory = tmp_path / "data" / "embedded" / "studied" / "runs" / run.directory
    with pytest.raises(UserError, match=r"1,90\d,\d+ environment steps, not 2,000,000"):
        readings.record([directory], tmp_path / "record")


def test_runs_on_several_engines_are_not_compared(runs, tmp_path):
    folder = tmp_path / "record"
    readings.record(runs.values(), folder)
    table = pd.read_csv(folder / "runs.csv", dtype=str)
    table.loc[0, "engine_version"] = "7"
    table.to_csv(folder / "runs.csv", index=False)
    with pytest.raises(UserError, match=r"several engine versions.* 7"):
        readings.read(folder)


def test_page_and_pictures_are_made_from_the_record(runs, tmp_path, root):
    folder, page = tmp_path / "record", tmp_path / "readings.md"
    readings.record(runs.values(), folder)
    page.write_text((root / readings.PAGE).read_text(encoding="utf-8"), encoding="utf-8")
    readings.write(folder, page)
    text = page.read_text(encoding="utf-8")
    table, tests = readings.read(folder)
    for each in readings.judged(tests):
        values = f"{each.posterior_variance:.3g} | {each.role_variance:.3g} | {each.ratio:.3g} | {each.high_share:.3g}"
        assert f"| {each.reading} | {each.map} | {each.up_to:,} | {values} |" in text
    assert readings.decision(readings.judged(tests)) in text
    assert "(readings.png)" in text
    assert "| `roma_release_epsilon_50` | 2,000,000 |" in text
    for name in ("readings.png", "readings_release.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert readings.with_blocks(text, table, tests) == text


def test_the_picture_shows_both_readings_and_what_the_rule_allows(runs, tmp_path):
    folder = tmp_path / "record"
    readings.record([path for (arm, _), path in runs.items() if arm in ("summed", "averaged")], folder)
    table, tests = readings.read(folder)
    figure = readings.draw(table, tests, "0" * 64)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["ROMA, $L_D$ summed over pairs (n = 1)", "ROMA, $L_D$ averaged over pairs (n = 1)"]
    assert [axis.get_title() for axis in figure.axes[:2]] == list(MAPS)
    assert figure.axes[0].get_yscale() == "log"
    shaded = {place // 2 for place, axis in enumerate(figure.axes) if axis.patches}
    assert shaded == {readings.DRAWN.index("variance_ratio"), readings.DRAWN.index("information_high_share")}
    assert "Not run yet: `roma_release` and `roma_release_epsilon_50`." in readings.release_block(table, tests)


def test_a_page_without_a_place_is_refused():
    with pytest.raises(UserError, match="no place for the block readings"):
        readings.with_blocks("# Title", *readings.read(readings.FOLDER / "none"))


def test_the_page_shows_the_record(root):
    page = (root / readings.PAGE).read_text(encoding="utf-8")
    assert readings.with_blocks(page, *readings.read(root / readings.FOLDER)) == page, "run: roma docs readings"


def test_the_headline_is_what_the_rule_says_of_the_record(root):
    _, tests = readings.read(root / readings.FOLDER)
    assert readings.headline(readings.judged(tests)) == HEADLINE_REDUCTION
