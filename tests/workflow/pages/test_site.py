"""The documentation site of a small repository: its parts, and that mistakes fail. `make docs` builds the real one."""

import os
import re
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("mkdocs", reason="the extra `docs` is not installed: pip install -c constraints.txt -e '.[docs]'")

PAGES = {
    "README.md": "# Home\n\nSee [the guide](docs/guide.md#what-it-is-a-guide), [the code](roma/inner/code.py),\n"
    "[a test](tests/test_code.py), [data](analysis/data.csv) and [the package](roma/inner/README.md).\n",
    "CONTRIBUTING.md": "# Contributing\n",
    "CHANGELOG.md": "# Changes\n",
    "docs/guide.md": "# Guide\n\n## What it is: a guide\n\nOf $L_D$ and `$L_I$`, [home](../README.md).\n\n"
    "- outer\n  - inner\n",
    "roma/__init__.py": '"""The package."""\n',
    "roma/inner/__init__.py": "",
    "roma/inner/README.md": "# Inner\n\nBack [to the code](code.py).\n",
    "roma/inner/code.py": '"""Code."""\n\n\ndef double(number: int) -> int:\n    """Return twice the number.\n\n'
    '    Args:\n        number: The number.\n    """\n    return 2 * number\n',
    "analysis/data.csv": "a,b\n",
    "tests/test_code.py": "assert 1 + 1 == 2\n",
}


@pytest.fixture
def build(root, tmp_path):
    """Return a function that builds the site of PAGES, with some of them changed."""

    def call(**changed):
        for path, text in (PAGES | changed).items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text, encoding="utf-8")
        (tmp_path / "workflow" / "pages").mkdir(parents=True)
        for part in ("mkdocs.yml", "workflow/pages/site.py"):
            shutil.copy(root / part, tmp_path / part)
        command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
        environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": ""}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return call


def test_pages_modules_and_linked_files_are_in_the_site(build, tmp_path):
    outcome = build()
    assert outcome.returncode == 0, outcome.stderr
    site = tmp_path / "site"
    home = (site / "index.html").read_text(encoding="utf-8")
    for link, text in (
        ("guide.html#what-it-is-a-guide", "the guide"),
        ("modules/roma/inner/code.html", "the code"),
        ("tests/test_code.html", "a test"),
        ("analysis/data.csv", "data"),
        ("roma/inner/index.html", "the package"),
    ):
        assert f'<a href="{link}">{text}</a>' in home
        assert (site / link.partition("#")[0]).exists()
    guide = (site / "guide.html").read_text(encoding="utf-8")
    assert 'id="what-it-is-a-guide"' in guide
    assert "<math" in guide
    assert "<code>$L_I$</code>" in guide
    assert re.search(r"<li>outer\s*<ul>\s*<li>inner", guide)
    module = (site / "modules" / "roma" / "inner" / "code.html").read_text(encoding="utf-8")
    assert "Return twice the number." in module
    assert not re.search(r'(?:src|href)="https?://(?!squidfunk)', home), "fetched from elsewhere"


def test_mistakes_fail_and_each_is_named(build):
    half = '\n\ndef half(number: int) -> float:\n    """Halve.\n\n    Args:\n        numbr: It.\n    """'
    mistakes = {
        "README.md": ("[gone](docs/gone.md)", "gone.md"),
        "docs/guide.md": ("[gone](../README.md#gone)", "#gone"),
        "roma/inner/code.py": (half, "numbr"),
    }
    outcome = build(**{path: f"{PAGES[path]}{mistake}\n" for path, (mistake, _) in mistakes.items()})
    assert outcome.returncode != 0
    warnings = [line for line in outcome.stderr.splitlines() if line.startswith("WARNING")]  # any of them is an error
    assert len(warnings) == len(mistakes)
    for _, message in mistakes.values():
        assert any(message in warning for warning in warnings)


def test_a_link_to_a_file_that_is_missing_fails_and_is_named(build):
    outcome = build(**{"README.md": PAGES["README.md"] + "[gone](roma/gone.py)\n"})
    assert outcome.returncode != 0
    assert "roma/gone.py, which is no file of the repository" in outcome.stderr
