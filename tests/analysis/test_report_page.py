"""Text and data of the report; tests/system/test_report.py tests the page in a browser."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from analysis import claims
from analysis import table as tables
from analysis.report.claims import linked, outcome
from analysis.report.contents import episodes, opening, pictures, read, role_measures, rounded
from analysis.report.mathematics import html
from analysis.report.page import figure, from_markdown, grid, render
from roma.cli import main

FIGURE_LIST = """
fig04: {title: Known, plot: curves, maps: [MMM2, 3m], arms: [roma]}
fig05: {title: Never drawn, plot: curves}
cost: {title: Never counted, table: cost}
claims: {title: Claims, table: claims}
"""


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    """Write a summary without costs and role measures, and a folder with a figure, a table, claims and hostile text."""
    folder = tmp_path_factory.mktemp("report")
    summary, figures, figure_list = folder / "lab" / "summary", folder / "figures", folder / "list.yaml"
    summary.mkdir(parents=True)
    for name in ("runs", "plan", "curves", "intervals", "evaluations", "finals", "episodes"):
        (summary / f"{name}.parquet").write_bytes((results / "summary" / f"{name}.parquet").read_bytes())
    pd.read_parquet(results / "summary" / "roles.parquet").iloc[:0].to_parquet(summary / "roles.parquet")
    figures.mkdir()
    figure_list.write_text(FIGURE_LIST)
    for name in ("fig04.png", "fig04.pdf", "fig04_MMM2.png", "table1.tex"):
        (figures / name).write_bytes(b"picture")
    (figures / "videos").mkdir()
    (figures / "videos" / "MMM2.gif").touch()
    (figures / "fig04.csv").write_text("map\nMMM2\n")
    (figures / "table1.csv").write_text("arm,words\nroma,<script>alert(1)</script>\n")
    assert (
        main(["plot", "claims", "--summary", str(summary), "--out", str(figures), "--figures", str(figure_list)]) == 0
    )
    return folder


@pytest.fixture
def folders(written, tmp_path):
    """Return a copy of the summary, of the folder of figures and of the figure list, which the test may change."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return tmp_path / "lab" / "summary", tmp_path / "figures", tmp_path / "list.yaml"


@pytest.fixture
def page(folders):
    return render(read(*folders))


class Elements(HTMLParser):
    """Collector of start tags with their attributes, in order."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_every_file_is_linked_and_every_figure_shown(page, folders):
    tags = Elements(page).found
    targets = {attributes.get("href") for tag, attributes in tags if tag == "a"}
    beside = {file.relative_to(folders[1]).as_posix() for file in folders[1].rglob("*.*")}
    assert beside == {target for target in targets if not target.startswith("#")}
    assert [attributes["src"][:22] for tag, attributes in tags if tag == "img"] == ["data:image/png;base64,"]


def test_a_figure_of_several_maps_has_its_panels_for_narrow_windows(folders):
    folder = folders[1]
    for name in ("fig04_3m.png", "fig04_3m.pdf", "fig04_MMM2.pdf"):
        (folder / name).write_bytes(b"panel")
    (picture,) = (one for one in read(*folders).figures if one.name == "fig04")
    found = Elements(figure(picture)).found
    assert [attributes["class"] for tag, attributes in found if tag == "div"] == ["whole", "panels"]
    words = [attributes["alt"] for tag, attributes in found if tag == "img"]
    assert [word.rsplit(": ", 1)[1] for word in words[1:]] == ["MMM2", "3m"]  # in the order of the figure list


def test_claims_are_linked_from_the_figures_that_they_mention(folders, page):
    of_figure = page.split("<article id='fig04'")[1].split("</article>")[0]
    found = [attributes["href"] for tag, attributes in Elements(of_figure).found if tag == "a"]
    mentioned = [claim.id for claim in claims.load() if re.search(r"figures? (\d+, )*(\d+ and )?4\b", claim.place)]
    assert [link.removeprefix("#claim-") for link in found if link.startswith("#claim-")] == mentioned
    assert len(mentioned) > 3


def test_the_outcome_is_one_sentence(page):
    words = re.search(r"<p class=\"outcome\">([^<]*)</p>", page)[1]
    assert words == (
        f"No experiment has decided any of the paper&#x27;s {len(claims.load())} claims so far: "
        "12 of 12 planned runs are finished, 6 of them of ROMA."
    )


def test_the_outcome_counts_verdicts_of_the_headline_variant():
    verdicts = [
        claims.REPRODUCED,
        f"{claims.REPRODUCED} so far",
        claims.CONTRADICTED,
        claims.UNDECIDED,
        claims.REPRODUCED,
    ]
    table = pd.DataFrame({"verdict": verdicts, "variant": [*["roma"] * 4, "roma_release"]})
    runs = pd.DataFrame({"arm": ["qmix", "roma_release"]})
    assert outcome(table, runs, 9) == (
        "On this engine, experiments reproduce 2, contradict 1 and leave open 1 of the paper's 4 claims; "
        "2 of 9 planned runs are finished, none of them of ROMA."
    )
    held = table.assign(verdict=claims.WITHHELD)
    assert outcome(held, runs, 9).startswith("The verdicts on the paper's 4 claims are withheld; ")
    assert outcome(None, runs, 9).startswith("There are no verdicts ")


def test_the_chart_opens_where_the_means_rise_most():
    def series(map_name, metric, *mean):
        return {"map": map_name, "metric": metric, "mean": list(mean)}

    won, gained = "test_battle_won_mean", "test_return_mean"
    flat = [series("3m", won, 0.0, 0.0), series("8m", gained, 0.0, 3.0), series("3m", gained, 0.0, 9.0, None)]
    assert opening([*flat, series("8m", won, 0.5, 0.7)]) == {"map": "8m", "metric": won}
    assert opening(flat) == {"map": "3m", "metric": gained}
    assert opening([series("3m", won, 0.0, 0.9), *[series("8m", won, 0.0, 0.5)] * 2])["map"] == "8m"  # two arms
    assert opening([]) == {}


def test_every_inner_link_has_its_target(page):
    tags = Elements(page).found
    names = {attributes["id"] for _, attributes in tags if "id" in attributes}
    inner = {attributes["href"][1:] for tag, attributes in tags if tag == "a" and attributes["href"].startswith("#")}
    assert {"fig04", "table1", "fig05", "runs"} <= inner
    assert inner <= names


def test_what_is_missing_is_named(page):
    for words in (
        "fig05: Never drawn",
        "fig05 was not drawn",
        "cost: Never counted",
        "cost was not made",
        "measures of roles",
        "wall times and memory",
    ):
        assert words in page
    assert "verdicts on the paper" not in page


def test_text_of_tables_is_escaped_in_markup_and_in_data(folders):
    summary, *_ = folders
    name = "</script><img src=x onerror=alert(1)>"
    for table in ("runs", "curves", "intervals", "finals", "episodes"):
        frame = pd.read_parquet(summary / f"{table}.parquet")
        frame.assign(map=frame["map"].replace("MMM2", name)).to_parquet(summary / f"{table}.parquet")
    page = render(read(*folders))
    assert "<img src=x" not in page
    assert "<script>alert" not in page
    assert name in json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])["maps"]


def test_script_and_style_are_the_ones_the_policy_admits(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert policy.count("'sha256-") == 2
    assert "unsafe" not in policy


def test_a_table_is_read_as_it_was_written(tmp_path):
    frame = pd.DataFrame({"arm": ["a | b", "c"], "$R^2$": [0.12345, np.nan]})
    tables.write(frame, tmp_path / "table2", "A caption.")
    caption, found = from_markdown((tmp_path / "table2.md").read_text())
    assert caption == "A caption."
    assert found.to_numpy().tolist() == [["a | b", "0.123"], ["c", tables.ABSENT]]
    assert list(found) == ["arm", "$R^2$"]
    assert "<i>R</i><sup>2</sup>" in grid(found, "table2")


def test_every_claim_stands_under_its_question_with_its_verdicts(folders, page):
    listed = claims.load()
    tags = Elements(page).found
    names = [attributes["id"] for _, attributes in tags if attributes.get("class") == "claim"]
    assert names == [f"claim-{claim.id}" for claim in listed]
    for claim in listed:
        assert html(claim.statement) in page
    marks = [attributes["class"] for _, attributes in tags if attributes.get("class", "").startswith("verdict ")]
    assert len(marks) == sum(len(claim.variants) for claim in listed) + len(claims.VERDICTS)
    counts = map(int, re.findall(r"</span> (\d+)</li>", page))
    assert sum(counts) == len(listed)
    assert claims.claims_digest() in page


def test_what_a_claim_mentions_is_linked_where_it_is_there():
    text = linked("section 5.2, figures 4 and 9; table 2 & figure 14", {"fig04", "table2", "fig14"})
    assert text == (
        "section 5.2, figures <a href='#fig04'>4</a> and 9; table <a href='#table2'>2</a> &amp; "
        "figure <a href='#fig14'>14</a>"
    )


def test_runs_come_with_their_cost(folders):
    summary, *_ = folders
    runs = pd.read_parquet(summary / "runs.parquet")
    cost = runs[["map", "arm", "seed", "total_steps"]].assign(wall_seconds=17.25, resumes=2)
    cost.to_parquet(summary / "cost.parquet")
    page = render(read(*folders))
    assert "wall seconds</th>" in page
    assert page.count("<td class='number'>17.25</td>") == len(runs)
    assert page.count("steps</th>") == 1


def test_series_are_the_intervals_and_their_seeds(folders):
    data = read(*folders).data
    intervals = pd.read_parquet(folders[0] / "intervals.parquet")
    assert len(data["series"]) == intervals.groupby(["map", "arm", "metric"]).ngroups
    assert data["series"][0]["arm"] == "roma"
    one = next(
        one
        for one in data["series"]
        if (one["map"], one["arm"], one["metric"]) == ("MMM2", "qmix", "test_battle_won_mean")
    )
    seeds = np.array(list(one["seeds"].values()))
    assert seeds.shape == (3, len(one["steps"]))
    np.testing.assert_allclose(one["mean"], seeds.mean(0), atol=1e-4)


def test_role_measures_become_series_with_references():
    rows = [
        {
            "map": "3m",
            "arm": "roma",
            "seed": seed,
            "step": step,
            "measure": "drift",
            "reference": reference,
            "value": seed + step,
        }
        for seed in (0, 1, 2)
        for step in (0, 10)
        for reference in ("roles", "observations")
    ]
    roles, observations = role_measures(pd.DataFrame(rows))
    assert (roles["reference"], observations["reference"]) == ("", "observations")
    assert roles["steps"] == [0, 10]
    assert roles["mean"] == [1, 11]
    assert roles["seeds"]["2"] == [2, 12]
    assert roles["low"][0] < 1 < roles["high"][0]


def test_episodes_keep_every_moment_of_every_unit(results):
    frame = pd.read_parquet(results / "summary" / "episodes.parquet")
    mine = frame[(frame["map"] == "MMM2") & (frame["seed"] == 1)]
    first, last = sorted(episodes(mine.sample(frac=1, random_state=0)), key=lambda one: one["step"])
    moments = mine.loc[mine["step"] == last["step"], "t"].max()
    assert (len(first["x"]), len(last["x"])) == (1, moments)
    assert last["agents"] == 10
    assert sorted(set(last["types"])) == ["Marauder", "Marine", "Medivac"]
    row = mine[(mine["step"] == last["step"]) & (mine["t"] == 7) & (mine["unit"] == 2)].iloc[0]
    assert last["health"][6][2] == round(row["health"], 1)
    assert last["roles"][6][2] == [round(row[f"role_{axis}"], 3) for axis in range(3)]
    assert last["target"][6][2] == row["target"]
    assert first["max_shield"] == [0] * len(first["types"])


def test_panels_belong_to_their_figure_and_other_files_come_last(tmp_path):
    for name in ("fig1.png", "fig1_MMM2.png", "fig1_MMM2.pdf", "extra.csv"):
        (tmp_path / name).touch()
    found = pictures(tmp_path, {"fig1": {"title": "One"}, "fig2": {"title": "Two"}})
    assert [picture.name for picture in found] == ["fig1", "fig2", "extra"]
    assert {file.name for file in found[0].parts} == {"fig1_MMM2.png", "fig1_MMM2.pdf"}
    assert found[1].files == []
    assert [picture.is_table for picture in found] == [False, False, True]


def test_numbers_that_are_none_become_null():
    assert rounded([1.23456, np.nan], 2) == [1.23, None]
    assert rounded([1.0, 2.0], 0) == [1, 2]
    assert rounded([1, 2, 3, 4], 0, (2, 2)) == [[1, 2], [3, 4]]


def test_the_command_writes_the_page_and_names_what_is_missing(folders, tmp_path, capsys):
    summary, figures, figure_list = map(str, folders)
    command = ["report", "--figures", figures, "--list", figure_list, "--out", str(tmp_path / "new" / "report.html")]
    assert main([*command, "--summary", summary]) == 0
    assert (tmp_path / "new" / "report.html").read_text().startswith("<!doctype html>")
    (folders[0] / "finals.parquet").unlink()
    assert main([*command, "--summary", summary]) == 2
    assert "finals.parquet is missing" in capsys.readouterr().err
    assert main([*command, "--summary", str(tmp_path / "nowhere")]) == 2
    assert f"there is no folder {tmp_path / 'nowhere'}" in capsys.readouterr().err
