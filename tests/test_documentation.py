"""Commands and links in README.md, CONTRIBUTING.md, docs and the pages of packages: all of them work."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from roma.cli import build_parser, main
from roma.envs.skirmish.recordings import drawing
from roma.recordings import rollout

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "roma/**/*.md", "tests/golden/**/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "coming_from.md"  # commands of other people's projects
)
# A command in a code block is complete and may have a comment; a command in backticks may be incomplete.
BLOCK = re.compile(r"^ {4}((?:roma|make|python|pytest|snakemake) .*?)(?: +#.*)?$", re.MULTILINE)
TEXT = re.compile(r"`((?:roma|make|python|pytest|snakemake) [^`]+)`")


def commands(pattern):
    """Return the page and the words of every command."""
    return [
        pytest.param(shlex.split(command.replace("...", "").replace("\n", " ")), id=f"{page.name}: {command}")
        for page in PAGES
        for command in dict.fromkeys(pattern.findall(page.read_text(encoding="utf-8")))
    ]


def subparser(words):
    """Return the parser of the subcommand that the words name, and the remaining words."""
    parser = build_parser()
    while (choices := next((action.choices for action in parser._actions if action.dest in LEVELS), None)) and words:
        if words[0].startswith("-"):
            break
        assert words[0] in choices, words
        parser, words = choices[words[0]], words[1:]
    return parser, words


LEVELS = ("command", "action", "page")


@pytest.mark.parametrize("words", commands(BLOCK))
def test_a_command_of_a_block_can_be_called_as_it_stands(words):
    if words[0] == "roma":
        build_parser().parse_args(words[1:])
    else:
        check(words)


@pytest.mark.parametrize("words", commands(TEXT))
def test_a_command_of_the_text_has_that_name_and_these_options(words):
    if words[0] == "roma":
        parser, left = subparser(words[1:])
        known = {option for action in parser._actions for option in action.option_strings}
        assert {word for word in left if word.startswith("--")} <= known
    else:
        check(words)


def check(words):
    """Check that the names in a command other than `roma` exist."""
    program, *arguments = words
    if program == "make":
        makefile = (ROOT / "Makefile").read_text()
        targets, variables = [], []
        for word in arguments:
            (variables if "=" in word else targets).append(word)
        for target in targets:
            assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), target
        for variable in variables:
            assert re.search(rf"\b{variable.partition('=')[0]}\b", makefile), variable
    elif program == "snakemake":
        rules = "".join(file.read_text() for file in [ROOT / "Snakefile", *ROOT.glob("workflow/rules/*.smk")])
        if "--configfile" in arguments:
            assert (ROOT / arguments[arguments.index("--configfile") + 1]).exists()
        for target in {"figures", "videos", "report", "all"} & set(arguments):
            assert re.search(rf"^rule {target}:", rules, re.MULTILINE) or target == "all"
    elif arguments[0] == "-m" and program == "python":
        assert find_spec(arguments[1]), arguments[1]
    elif program == "python":
        assert (ROOT / arguments[0]).exists()
    for word in arguments:
        assert not word.startswith("tests/") or (ROOT / word.partition("::")[0]).exists(), word


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        file, _, heading = target.partition("#")
        if "://" in file:
            continue
        linked = page.parent / file if file else page
        assert linked.exists(), target
        if heading and linked.suffix == ".md":
            titles = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


def test_the_experiments_of_the_readme_run_one_after_the_other(tmp_path, monkeypatch):
    """Those of README and guide, with fewer steps, episodes, frames and untrained networks, in an empty folder."""
    pictures = drawing.pictures
    monkeypatch.setattr(rollout, "UNTRAINED", 2)
    monkeypatch.setattr(drawing, "pictures", lambda episode, steps, view: pictures(episode, list(steps)[:2], view))
    shorter = {"--steps": "400", "--milestones": "0"}
    fewer = {"evaluate": ["--episodes=2"], "measure": ["--episodes=2", "--earlier-episodes=1"]}
    fewer["calibrate"] = ["--maps=2s3z", "--battles=2", "--networks=1"]
    monkeypatch.chdir(tmp_path)
    called = []
    text = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/guide.md"))
    for command in BLOCK.findall(text):
        program, *words = shlex.split(command)
        if program != "roma" or words[0] == "campaign":
            continue
        for option in shorter.keys() & set(words):
            words[words.index(option) + 1] = shorter[option]
        words += [] if "--runs" in words else fewer.get(words[0], [])
        too_short = "--runs" in words  # to be compared with released ones
        assert main(words) == (2 if too_short else 0), command
        called.append(words[0])
    assert {"train", "evaluate", "measure", "play", "calibrate"} <= set(called)
    assert (tmp_path / "film" / "battle.gif").exists()
