"""Mistakes in YAML files: one line with the mistake and its place."""

import pytest

from roma.cli import main
from roma.support.errors import UserError
from roma.support.schemas.reading import read_yaml


def test_text_is_utf_8_whatever_the_locale(tmp_path):
    file = tmp_path / "scale.yaml"
    file.write_bytes("withheld: Größe × 2\n".encode())
    assert read_yaml(file) == {"withheld": "Größe × 2"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"scale: lab\nmaps: [3m, 8m\nseeds: [0]\n", r"scale\.yaml, line 3, column 6: this is not YAML: while parsing"),
        (b"<<<<<<< HEAD\nscale: lab\n=======\n", r"scale\.yaml, line 2, column 6: this is not YAML"),
        (b"scale: \xfc\n", r"scale\.yaml cannot be read: .*invalid start byte"),
    ],
)
def test_a_mistake_is_one_line_that_says_where(tmp_path, content, message):
    file = tmp_path / "scale.yaml"
    file.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_yaml(file)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("command", [["watch", "--once"], ["track"], ["redraw"]])
def test_no_command_answers_a_mistake_with_a_traceback(tmp_path, capsys, command):
    file = tmp_path / "scale.yaml"
    file.write_text("scale: 'lab\n", encoding="utf-8")
    assert main([*command, str(file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {file}, line 2, column 1: this is not YAML")
