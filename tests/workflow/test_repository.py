"""Files that install, describe and check the project: their agreement with each other."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from roma import __version__
from tests.workflow.conftest import SHORT, copy_repository, write_scale


@pytest.fixture
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


@pytest.fixture
def constraints(root):
    """Return {name: versions}; there are several versions if platforms differ."""
    pins: dict[str, set[str]] = {}
    for line in (root / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            pins.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement.specifier))
    return pins


def direct_dependencies(project):
    extras = project["optional-dependencies"].values()
    return [Requirement(text) for text in sum(extras, project["dependencies"])]


def test_every_direct_dependency_is_pinned_as_it_asks(project, constraints):
    for requirement in direct_dependencies(project):
        if requirement.url:
            assert re.fullmatch(r"git\+https://[^@]+@[0-9a-f]{40}", requirement.url)
            continue
        pins = constraints[canonicalize_name(requirement.name)]
        for pin in pins:
            assert re.fullmatch(r"==[0-9][0-9a-z.]*", pin), f"{requirement.name}{pin}"
            assert requirement.specifier.contains(pin.removeprefix("=="))


def test_constraints_are_of_no_machine(root, constraints):
    text = (root / "constraints.txt").read_text()
    for part in ("://", "--", " @ ", "+cpu", "file:"):
        assert part not in text
    assert any(name.startswith("nvidia-") for name in constraints), "compiled where a CPU build of torch was visible"


def test_what_computes_has_one_version_on_every_platform(project, constraints):
    own = {canonicalize_name(each.name): str(each.specifier) for each in map(Requirement, project["dependencies"])}
    for name in ("torch", "numpy", "scipy", "numba", "llvmlite"):
        assert constraints[name] == {own[name]}, name


def test_conda_and_pip_take_the_same(root, project):
    environment = yaml.safe_load((root / "environment.yml").read_text())
    conda = [part for part in environment["dependencies"] if isinstance(part, str)]
    (pip,) = (part["pip"] for part in environment["dependencies"] if isinstance(part, dict))
    assert conda == [f"python{project['requires-python']}", "pip"]
    assert pip == ["-c constraints.txt", "-e .[dev,docs,slurm]"]
    command = "pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs,slurm]'"
    assert command in (root / "Makefile").read_text()


def test_all_files_accept_the_same_versions_of_python(root, project):
    accepted = SpecifierSet(project["requires-python"])
    versions = [f"3.{minor}" for minor in range(30) if f"3.{minor}" in accepted]
    classifier = "Programming Language :: Python :: "
    assert versions == [text.removeprefix(classifier) for text in project["classifiers"] if text.startswith(classifier)]
    assert f"\nVERSIONS := {' '.join(versions)}\n" in (root / "Makefile").read_text()
    (job,) = yaml.safe_load((root / ".github" / "workflows" / "ci.yml").read_text())["jobs"].values()
    matrix = job["strategy"]["matrix"]
    tried = [(step, version) for step in matrix["step"] for version in matrix["python"]]
    tried += [(more["step"], more["python"]) for more in matrix["include"]]
    assert sorted(version for step, version in tried if step == "unit") == versions


def test_make_finds_a_python_that_is_accepted(root, tmp_path):
    command = ["make", "--no-print-directory", "--eval=found: ; @$(FIND_PYTHON)", "found"]

    def found(*pythons):
        words = [*command, f"PYTHON={' '.join(map(str, pythons))}"]
        return subprocess.run(words, cwd=root, capture_output=True, text=True, check=False).stdout.strip()

    for name, version in (("old", "(3, 10, 9)"), ("accepted", "(3, 13, 0)"), ("new", "(3, 14, 0)")):
        script = f"import sys; sys.version_info = {version}; exec(sys.argv[2])"
        (tmp_path / name).write_text(f"#!/bin/sh\nexec {sys.executable} -c '{script}' \"$@\"\n")
        (tmp_path / name).chmod(0o755)
    assert found(tmp_path / "old", "missing", tmp_path / "accepted", sys.executable) == str(tmp_path / "accepted")
    assert found(sys.executable, tmp_path / "accepted") == sys.executable
    assert found(tmp_path / "old", tmp_path / "new") == ""


def test_a_missing_python_is_named_with_the_accepted_versions(root, tmp_path):
    command = ["make", "--no-print-directory", "venv", f"VENV={tmp_path / 'none'}", "PYTHON=missing"]
    outcome = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert outcome.returncode == 2
    assert "error: no Python of version 3.11 3.12 3.13 was found (tried missing)\n" in outcome.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("target", ["figures", "redraw", "track", "verify", "watch"])
def test_a_scale_that_does_not_exist_is_named_before_any_work(root, target):
    command = ["make", "--no-print-directory", target, "SCALE=demoo", "VENV="]
    outcome = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert outcome.returncode == 2
    known = "demo extra extra_smac_v1 lab lambda paper sensitivity smoke study"
    assert f"error: there is no scale 'demoo'; known: {known}\n" in outcome.stderr
    assert "snakemake" not in outcome.stdout


@pytest.mark.parametrize("program", ["make", "snakemake"])
def test_a_clone_below_a_letter_beyond_ascii_is_found_in_every_locale(root, tmp_path, program):
    """An editable install names the clone in the source of a module, which is UTF-8 in every locale."""
    clone = tmp_path / "für alle" / "roma clone"
    copy_repository(root, clone)
    write_scale(clone, SHORT)
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    installed = [folder for folder in sys.path if folder.endswith("-packages")]
    (packages / "base.pth").write_text("\n".join(installed), encoding="utf-8")
    roma = environment / "bin" / "roma"
    program_text = f"from pathlib import Path\nPath({str(clone / 'found')!r}).touch()\nraise SystemExit(1)\n"
    roma.write_text(f"#!{environment}/bin/python\n{program_text}", encoding="utf-8")
    roma.chmod(0o755)
    commands = {
        "make": ["make", "watch", "SCALE=tiny", f"VENV={environment}", "READY="],
        "snakemake": [
            environment / "bin" / "python",
            *("-m", "snakemake", "--cores", "1", "--configfile", "workflow/config/tiny.yaml", "--", "runs"),
        ],
    }
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(commands[program], cwd=clone, env=os.environ | ascii_only, capture_output=True, check=False)
    assert (clone / "found").exists(), done.stdout.decode() + done.stderr.decode()


def test_every_file_of_reference_numbers_is_described_and_read_by_a_test(root):
    folder = root / "tests" / "golden" / "algorithms"
    names = {path.stem for path in folder.glob("*.npz")}
    tests = [path.read_text() for part in ("learners", "nets") for path in (root / "tests" / part).glob("test_*.py")]
    assert names == {name for name in names if any(f'"{name}"' in text for text in tests)}
    rows = [line.split("|")[1] for line in (folder / "README.md").read_text().splitlines() if line.startswith("| `")]
    assert names == {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_citation_names_software_and_paper(root):
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "version", "license"} <= set(citation)
    paper = citation["preferred-citation"]
    assert paper["type"] == "conference-paper"
    assert [author["family-names"] for author in paper["authors"]] == ["Wang", "Dong", "Lesser", "Zhang"]


def test_the_version_is_the_same_everywhere(root, project):
    assert "version" in project["dynamic"]  # taken from the package
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    heading = re.search(r"^## (\S+),", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert {citation["version"], heading[1]} == {__version__}


def test_what_runs_needs_no_tool_of_development(root, project):
    development = {canonicalize_name(Requirement(text).name) for text in project["optional-dependencies"]["dev"]}
    needed = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
    assert not development & needed
    imported = set()
    for package in ("roma", "analysis", "workflow"):
        for path in (root / package).rglob("*.py"):
            imported |= set(re.findall(r"^\s*(?:import|from) (\w+)", path.read_text(), re.MULTILINE))
    assert not {canonicalize_name(name) for name in imported} & development


def test_commands_of_the_quick_checks_are_those_of_make_lint(root):
    hooks = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    makefile = (root / "Makefile").read_text()
    lint = makefile[makefile.index("lint:") : makefile.index("format:")]
    for hook in hooks:
        assert hook["name"].split()[0] in lint


def test_data_files_are_packaged(root, project):
    package_data = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert package_data == {
        "analysis": ["*.csv", "*.yaml", "py.typed"],
        "analysis.report": ["web/*"],
        "roma": ["py.typed"],
        "roma.envs.starcraft2": ["*.csv"],
        "roma.scenarios": ["*.csv", "*.parquet", "maps/*.json", "units/*.json"],
    }
    for package, patterns in package_data.items():
        for pattern in patterns:
            assert list(root.joinpath(*package.split(".")).glob(pattern))
    assert project["scripts"] == {"roma": "roma.cli:main"}


def test_a_clone_that_would_turn_line_ends_has_the_same_bytes(root, tmp_path):
    for name in (".gitattributes", ".ci/run", "roma/envs/skirmish/rules.py", "Makefile"):
        (tmp_path / "here" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, tmp_path / "here" / name)
    stored = tmp_path / "here" / "data" / "bundle" / "object"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"as it\r\nis\n")
    here = ["git", "-C", str(tmp_path / "here"), "-c", "user.name=nobody", "-c", "user.email=nobody"]
    subprocess.run([*here, "init", "--quiet"], check=True)
    subprocess.run([*here, "add", "--force", "."], check=True)
    subprocess.run([*here, "commit", "--quiet", "-m", "files"], check=True)
    clone = ["git", "-c", "core.autocrlf=true", "clone", "--quiet", str(tmp_path / "here"), str(tmp_path / "there")]
    subprocess.run(clone, check=True)
    for file in (tmp_path / "here").rglob("*"):
        if file.is_file() and ".git" not in file.parts:
            assert (tmp_path / "there" / file.relative_to(tmp_path / "here")).read_bytes() == file.read_bytes()


def test_the_container_is_made_by_steps_of_the_makefile(root):
    """Docker cannot be asked here; what the Dockerfile calls and copies exists."""
    lines = (root / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    instructions = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    called = " ".join(what for name, what in instructions if name in ("RUN", "CMD"))
    targets = re.findall(r'make"?,? "?([a-z-]+)', called)
    assert targets == ["venv", "figures"]
    makefile = (root / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    users = [what for name, what in instructions if name == "USER"]
    assert users == ["1000"]
    for sources in (what.split()[1:-1] for name, what in instructions if name == "COPY"):
        assert all((root / source).exists() for source in sources)
    base = next(what for name, what in instructions if name == "FROM")
    assert base.startswith("python:3.11-")  # which the Makefile asks for


def test_the_container_has_every_file_of_the_project(root):
    patterns = [line for line in (root / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )

    def matches(place, pattern):
        if pattern.startswith("**/"):
            return fnmatchcase(place.name, pattern.removeprefix("**/"))
        return len(place.parts) == len(Path(pattern).parts) and place.match(pattern)

    def ignored(name):
        places = [Path(name), *Path(name).parents]
        return any(matches(place, pattern) for place in places for pattern in patterns)

    assert not [name for name in tracked if name and ignored(name) and not name.startswith(".github/")]
    assert ignored(".venv/bin/python")
    assert ignored("figures/embedded/demo/fig04.png")
    assert ignored("data/embedded/demo/runs")
    assert ignored("roma/nets/__pycache__/x.pyc")
