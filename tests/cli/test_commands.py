"""The command `roma`: its list of commands, its imports, and the commands that need a clone."""

import ast
import json
import os
import subprocess
import sys

import pytest

import analysis
from roma.cli import GROUPS, build_parser, main

COMMANDS = [name for group in GROUPS for name in group.commands]
HEAVY = ("torch", "numba", "pandas", "matplotlib", "scipy")
HELP = """
import contextlib, io, json, sys
from roma.cli import main
modules, calls = json.loads(sys.argv[1])
for call in calls:
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        main([*call, "--help"])
    print(json.dumps([printed.getvalue(), [name for name in modules if name in sys.modules]]))
"""

# Commands that need a clone, with their required arguments.
IN_A_CLONE = {
    "cost": ["lab"],
    "watch": ["lab"],
    "verify": [],
    "restore": [],
    "track": ["lab"],
    "redraw": ["lab"],
    "compare": ["mine", "--map", "3m"],
    "campaign": ["status"],
    "claims": [],
    "docs": ["learning"],
}


def helped(modules, *calls):
    """Return the help of commands in turn in one process, each with those of the modules that are imported by then."""
    command = [sys.executable, "-c", HELP, json.dumps([modules, calls])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def help_of_commands():
    return dict(zip(COMMANDS, helped(HEAVY, *([name] for name in COMMANDS)), strict=True))


def test_the_list_has_all_commands_and_imports_no_group():
    ((text, found),) = helped([*HEAVY, "numpy", "roma.envs", "roma.runs"], [])
    assert found == []
    for name in COMMANDS:
        assert f"\n  {name} " in text


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_imports_nothing_heavy(help_of_commands, name):
    text, found = help_of_commands[name]
    assert text.startswith(f"usage: roma {name} ")
    assert found == []


def test_a_command_has_a_description_and_help_for_each_option():
    (commands,) = (action for action in build_parser()._actions if action.dest == "command")
    assert list(commands.choices) == COMMANDS
    for name, parser in commands.choices.items():
        assert parser.description, name
        assert all(action.help or action.choices or action.metavar for action in parser._actions), name


@pytest.mark.parametrize("name", IN_A_CLONE)
def test_outside_a_clone_a_command_that_needs_one_says_so(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([name, *IN_A_CLONE[name]]) == 2
    expected = f"error: roma {name} works in a clone of the project: neither {tmp_path} nor a folder above is one\n"
    assert capsys.readouterr().err == expected


def test_those_commands_are_the_ones_that_are_listed_so():
    assert {name for group in GROUPS if "in a clone" in group.title for name in group.commands} == set(IN_A_CLONE)


@pytest.mark.parametrize(
    ("command", "option"), [(["plot", "fig04"], "--figures"), (["report", "--figures", "."], "--list")]
)
def test_without_a_clone_the_figure_list_is_asked_for(command, option, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(analysis, "FIGURES", tmp_path / "figures.yaml")
    assert main([*command, "--summary", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert f"roma {command[0]} without {option} works with the code of a clone only" in capsys.readouterr().err


def test_a_scale_is_a_name_or_a_file_also_from_a_folder_below(root, monkeypatch, capsys):
    monkeypatch.chdir(root / "workflow")
    for scale in ("smoke", "config/smoke.yaml"):
        assert main(["track", scale]) == 2
        assert capsys.readouterr().err == (
            "error: scale 'smoke' is never tracked: it is made from scratch in minutes\n"
        )
    assert main(["watch", "smok", "--once"]) == 2
    assert "did you mean 'smoke'?" in capsys.readouterr().err
    assert os.getcwd() == str(root / "workflow")


def test_a_run_that_is_not_there_is_named_before_a_page_is_written(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(root)
    for page in ("learning", "readings"):
        assert main(["docs", page, str(tmp_path / "nowhere")]) == 2
        assert capsys.readouterr().err == f"error: there is no folder {tmp_path}/nowhere\n"


def test_an_interrupted_command_leaves_no_traceback(monkeypatch, capsys):
    monkeypatch.setattr("workflow.cost.report", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
    assert main(["cost", "lab"]) == 130
    assert capsys.readouterr().err == ""


def test_nothing_imports_the_command_line(root):
    found = []
    for folder in ("roma", "analysis", "workflow"):
        for file in (root / folder).rglob("*.py"):
            text = file.read_text()
            for node in ast.walk(ast.parse(text)) if "roma.cli" in text else ():
                modules = [node.module] if isinstance(node, ast.ImportFrom) else []
                modules += [name.name for name in node.names] if isinstance(node, ast.Import) else []
                if any(str(module).startswith("roma.cli") for module in modules):
                    found.append(file.relative_to(root).as_posix())
    assert {file for file in found if not file.startswith("roma/cli/")} == {"roma/__main__.py"}
