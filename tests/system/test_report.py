"""Report page in a real browser: no errors, no requests, complete content, mouse and keyboard control.

The scale of the report has three figures, one of them never drawn, a table and claims.
"""

import re

import pytest

from roma.cli import main
from tests.synthetic import write_runs
from tests.system.browser import chromium
from tests.system.test_pdf import SCALE

FIGURES = """
fig09: {title: Baselines, plot: curves, maps: [2s3z, 5m_vs_6m], arms: [roma, qmix]}
single: {title: One map, plot: curves, maps: [8m_vs_9m], arms: [roma, qmix]}
fig04: {title: Not drawn, plot: curves, maps: [MMM2], arms: [roma]}
claims: {title: Claims, table: claims}
"""
DESKTOP, PHONE = (1280, 900), (390, 844)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_runs(SCALE, folder)
    results, figures = folder / "data" / "embedded" / "lab", folder / "figures"
    (folder / "figures.yaml").write_text(FIGURES)
    assert main(["summarise", str(results)]) == 0
    for name in ("fig09", "single", "claims"):
        draw = ["plot", name, "--summary", str(results / "summary"), "--out", str(figures)]
        assert main([*draw, "--figures", str(folder / "figures.yaml")]) == 0
    (figures / "table1.csv").write_text("arm,words\nroma,ROMA\n")
    page = ["report", "--summary", str(results / "summary"), "--figures", str(figures)]
    assert main([*page, "--list", str(folder / "figures.yaml"), "--out", str(figures / "report.html")]) == 0
    return figures / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser, report):
    """The report in a desktop window; afterwards the console must be empty and no request may have been sent."""
    browser.open(report.as_uri(), *DESKTOP)
    yield browser
    assert browser.complaints() == []
    assert browser.requests() == [report.as_uri()]


def test_every_figure_is_drawn_and_every_link_leads_somewhere(page, report):
    widths = page.value("[...document.images].map((image) => image.naturalWidth)")
    assert len(widths) == 4  # two figures, and the panels of one
    assert min(widths) > 500
    links = page.value("[...document.links].map((link) => link.getAttribute('href'))")
    inner = [link[1:] for link in links if link.startswith("#")]
    assert {"fig09", "single", "fig04", "table1"} <= set(inner)
    assert page.value(f"{inner!r}.filter((name) => !document.getElementById(name))") == []
    beside = {link for link in links if not link.startswith("#")}
    assert beside >= {"fig09.png", "fig09.pdf", "fig09.csv", "fig09_2s3z.pdf", "table1.csv", "claims.tex"}
    for name in beside:
        assert (report.parent / name).exists()


def test_evidence_of_a_claim_is_one_press_away(page):
    page.run("document.querySelector('#claim-maven_below_qmix a[href=\"#fig09\"]').click()")
    page.settle()
    assert page.value("document.querySelector('article:target').id") == "fig09"
    hidden = "document.querySelector('#claim-maven_below_qmix dl').checkVisibility()"
    assert not page.value(hidden)
    page.run("document.querySelector('#claim-maven_below_qmix summary').click()")
    assert page.value(hidden)


def test_a_figure_leads_back_to_its_claims(page):
    page.run("document.querySelector('#fig09 .mentions').open = true")
    page.run("document.querySelector('#fig09 .mentions a[href=\"#claim-maven_below_qmix\"]').click()")
    page.settle()
    assert page.value("document.querySelector('.claim:target').id") == "claim-maven_below_qmix"


def test_the_page_begins_with_the_outcome_and_a_chart(page):
    assert "planned runs are finished" in page.value("document.querySelector('.outcome').innerText")
    assert page.value("document.querySelector('#chart').getBoundingClientRect().top") < DESKTOP[1] * 2 / 3


def test_a_phone_shows_single_panels(page, report):
    shown = "['.whole', '.panels'].map((name) => document.querySelector(`#fig09 ${name}`).checkVisibility())"
    assert page.value(shown) == [True, False]
    page.open(report.as_uri(), *PHONE)
    assert page.value(shown) == [False, True]
    assert page.value("document.querySelector('#fig09 .panels img').clientWidth") > 300


def test_mathematics_is_rendered(page):
    words = "document.querySelector('#claim-identifiability_steadies p').innerHTML"
    assert "without <i>L</i><sub>I</sub>" in page.value(words)


def shown_arms(page):
    return page.value("[...document.querySelectorAll('#chart .series')].map((line) => line.dataset.arm)")


def test_arms_can_be_hidden_and_shown(page):
    assert sorted(shown_arms(page)) == ["qmix", "roma"]
    press = "document.querySelector('#chart-arms button').click()"
    page.run(press)
    assert shown_arms(page) == ["qmix"]
    assert page.value("document.querySelector('#chart-arms button').ariaPressed") == "false"
    page.run(press)
    assert sorted(shown_arms(page)) == ["qmix", "roma"]


def test_pointing_at_a_curve_reads_its_values(page):
    page.run("document.querySelector('#chart').scrollIntoView({block: 'center', behavior: 'instant'})")
    x, y, width = page.value(
        "(({x, y, width}) => [x, y, width])(document.querySelector('#chart').getBoundingClientRect())"
    )
    readings = []
    for share in (0.3, 0.9):
        page.mouse("mouseMoved", x + share * width, y + 60)
        page.settle()
        readings.append(page.value("document.querySelector('#chart-readout').innerText"))
    assert readings[0] != readings[1]
    assert re.search(r"At [\d.]+k environment steps", readings[0])
    assert re.search(r"ROMA\s+0\.\d{3}\s+0\.\d{3} to [01]\.\d{3}, n = 3", readings[0])


def test_curves_are_read_by_keys_too(page):
    page.run("document.querySelector('#chart').focus()")
    page.key("ArrowLeft")
    last = page.value("document.querySelector('#chart-readout strong').innerText")
    page.key("ArrowLeft")
    assert page.value("document.querySelector('#chart-readout strong').innerText") != last
    assert last == "At 200k environment steps"


def test_map_measure_and_single_seeds_change_the_plot(page):
    lines = "document.querySelector('#chart svg').innerHTML"
    choose = "const one = document.querySelector('{}'); one.value = '{}'; one.dispatchEvent(new Event('change'))"
    page.run(choose.format("#chart-map", "2s3z"))
    seen = {page.value(lines)}
    page.run(choose.format("#chart-map", "8m_vs_9m"))
    seen.add(page.value(lines))
    page.run(choose.format("#chart-metric", "test_return_mean"))
    seen.add(page.value(lines))
    page.run("document.querySelector('#chart-seeds').click()")
    seen.add(page.value(lines))
    assert len(seen) == 4
    assert page.value("document.querySelectorAll('#chart .seed').length") == 6


SCENE = "['role', 'battle'].map((name) => document.querySelector(`#${name}-view svg`).innerHTML)"


def test_scrubbing_moves_roles_and_battle_together(page):
    before = page.value(SCENE)
    page.run("document.querySelector('#episode-time').focus()")
    for _ in range(5):
        page.key("ArrowRight")
    after = page.value(SCENE)
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert page.value("document.querySelector('#episode-now').innerText").startswith("t = 6 of ")


def test_playing_goes_on_by_itself_until_paused(page):
    press = "document.querySelector('#episode-play').click()"
    page.run(f"{press}; await new Promise((done) => setTimeout(done, 900))")
    assert page.value("document.querySelector('#episode-time').valueAsNumber") > 1
    page.run(press)
    stopped = page.value("document.querySelector('#episode-time').value")
    page.run("await new Promise((done) => setTimeout(done, 600))")
    assert page.value("document.querySelector('#episode-time').value") == stopped


def test_roles_turn_by_mouse_and_by_keys(page):
    page.run("document.querySelector('#role-view').scrollIntoView({block: 'center', behavior: 'instant'})")
    box = "(({x, y}) => [x, y])(document.querySelector('#role-view').getBoundingClientRect())"
    x, y = page.value(box)
    first = page.value(SCENE)
    page.mouse("mousePressed", x + 20, y + 20, buttons=1)
    page.mouse("mouseMoved", x + 120, y + 60, buttons=1)
    page.mouse("mouseReleased", x + 120, y + 60)
    page.settle()
    turned = page.value(SCENE)
    assert turned[0] != first[0]
    assert turned[1] == first[1]
    page.run("document.querySelector('#role-view').focus()")
    page.key("ArrowUp")
    assert page.value(SCENE)[0] != turned[0]


def test_a_unit_pointed_at_is_found_in_both_views(page):
    page.run("document.querySelector('#battle-view [data-unit=\"3\"]').dispatchEvent(new PointerEvent('pointerenter'))")
    focused = "[...document.querySelectorAll('.unit.focused')].map((unit) => unit.dataset.unit)"
    assert page.value(focused) == ["3", "3"]


def test_every_seed_and_stage_can_be_chosen(page):
    options = "[...document.querySelector('#episode-{}').options].map((option) => option.value)"
    assert page.value(options.format("seed")) == ["0", "1", "2"]
    assert page.value(options.format("step")) == ["0", "200000"]
    before = page.value(SCENE)
    choose = (
        "const one = document.querySelector('#episode-{}'); one.value = '{}'; one.dispatchEvent(new Event('change'))"
    )
    opened = page.value("document.querySelector('#episode-seed').value")
    page.run(choose.format("seed", next(seed for seed in ("0", "1") if seed != opened)))
    assert page.value(SCENE)[0] != before[0]
    page.run(choose.format("step", "0"))
    assert page.value("document.querySelector('#episode-now').innerText") == "t = 1 of 1"
    page.run(choose.format("map", "8m_vs_9m"))
    assert page.value("document.querySelectorAll('#role-view .unit').length") == 8


def test_runs_are_found_by_words(page):
    search = (
        "const one = document.querySelector('#runs-search'); one.value = '{}'; one.dispatchEvent(new Event('input'))"
    )
    count = "[...document.querySelectorAll('#table-runs tbody tr')].filter((row) => row.checkVisibility()).length"
    assert page.value(count) == 18
    page.run(search.format("2S3Z roma"))
    assert page.value(count) == 3
    assert page.value("document.querySelector('#runs-count').innerText") == "3 of 18 runs"


def test_the_theme_follows_the_system_until_it_is_chosen(page, report):
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.value(ground)
    page.run("document.querySelector('#theme').click(); document.querySelector('#theme').click()")
    dark = page.value(ground)
    assert light != dark
    page.open(report.as_uri(), *DESKTOP, scheme="dark")
    assert page.value(ground) == dark


def test_everything_is_reached_by_tab(page):
    wanted = {"#content", "#claims", "theme", "chart-map", "chart", "role-view", "episode-time", "runs-search"}
    for _ in range(300):
        page.key("Tab")
        wanted.discard(page.value("document.activeElement.id || document.activeElement.getAttribute('href')"))
        if not wanted:
            break
    assert not wanted


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_nothing_is_wider_than_the_window_and_text_stands_out(page, report, size, scheme):
    page.open(report.as_uri(), *size, scheme=scheme)
    page.run("const one = document.querySelector('#chart-metric'); one.value = 'silhouette_position'")
    page.run("document.querySelector('#chart-metric').dispatchEvent(new Event('change'))")
    page.run("document.querySelector('#chart').focus()")
    page.key("ArrowLeft")
    assert "(observations)" in page.value("document.querySelector('#chart-readout').innerText")
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.value("document.documentElement.scrollWidth <= innerWidth")
    assert page.value("document.querySelector('#role-view svg').clientWidth") > 300
    for selector in ("body", ".lead", "nav a", "#table-runs td", ".verdict.undecided", ".claim .place", ".files a"):
        assert page.run(CONTRAST.format(selector)) >= 4.5, selector


# Contrast ratio of WCAG 2 between the text of an element and its background.
CONTRAST = """
let behind = document.querySelector('{0}');
const ink = getComputedStyle(behind).color;
const clear = (colour) => colour === 'rgba(0, 0, 0, 0)' || colour.includes('/');
while (clear(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
const light = (colour) => {{
  const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
  const linear = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}};
const [low, high] = [light(ink), light(getComputedStyle(behind).backgroundColor)].sort((a, b) => a - b);
return (high + 0.05) / (low + 0.05);
"""
