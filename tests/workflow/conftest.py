import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from roma.envs.skirmish.kernel.compiler import KERNEL
from roma.nets.ops import compiler as ops
from roma.nets.ops.acting import compiler as acting
from roma.support import noise
from tests.workflow import forked
from workflow.artifacts import shipping
from workflow.campaign import pausing

PARTS = (
    "docs/operating_characteristics.md",
    "Snakefile",
    "Makefile",
    "environment.yml",
    "pyproject.toml",
    "constraints.txt",
    ".gitignore",
    ".dvcignore",
)
FOLDERS = ("workflow", "analysis", "roma", "docs/learning")

TINY = {
    "scale": "tiny",
    "engine": "embedded",
    "protocol": "smac_v1",
    "seeds": [0, 1, 2],
    "total_steps": 100_000,
    "milestones": [0],
    "evaluation_episodes": 4,
    "maps": ["3m", "8m"],
    "ablation_maps": ["3m"],
    "cells": [{"maps": "maps", "arms": ["roma", "qmix"]}],
    "figures": ["validation"],
    "curves": ["test_battle_won_mean"],
}

# A run that takes a second.
SHORT = TINY | {
    "seeds": [0],
    "total_steps": 300,
    "test_interval": 200,
    "overrides": {"test_episodes": 2, "batch_size": 2, "hidden_dim": 8},
    "maps": ["3m"],
    "cells": [{"maps": ["3m"], "arms": ["qmix"]}],
}


def copy_repository(root: Path, target: Path) -> None:
    """Copy the files of DAG and tracking, without results.

    The copy has the bytecode of the original and uses its machine code: compiling it again would take 50 seconds of a
    core.
    """

    def nothing_made(folder: str, names: list[str]) -> set[str]:
        machine_code = set(names) if Path(folder).name == "__pycache__" else set()
        return {name for name in machine_code if not name.endswith(".pyc")} | left_out(folder, names)

    left_out = shutil.ignore_patterns("golden", ".*")
    for part in FOLDERS:
        shutil.copytree(root / part, target / part, ignore=nothing_made)
    for part in PARTS:
        shutil.copy(root / part, target / part)
    (target / ".dvc").mkdir()
    for part in ("config", ".gitignore"):
        shutil.copy(root / ".dvc" / part, target / ".dvc" / part)
    (target / "profiles").symlink_to("workflow/profiles")
    for compiler in (KERNEL, acting.COMPILER, ops.COMPILER, noise.COMPILER):
        if compiler.folder and compiler.folder.is_relative_to(root):
            link = target / compiler.folder.relative_to(root)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(compiler.folder)


@pytest.fixture
def repository(root, tmp_path):
    copy_repository(root, tmp_path)
    write_scale(tmp_path, TINY)
    return tmp_path


def write_scale(repository: Path, config: dict) -> Path:
    path = repository / "workflow" / "config" / f"{config['scale']}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def ship_by_hand(folder: Path, scale: str) -> None:
    """Record all runs of a scale that are in place below a folder as ones that ship, as DVC writes it, without DVC."""
    described, locked = "", ""
    results = folder / "data" / "embedded" / scale
    left_out = ("checkpoints", "logs")
    for file in sorted(file for file in results.rglob("*.*") if not set(left_out) & set(file.parts)):
        content, name = file.read_bytes(), file.relative_to(folder).as_posix()
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        described += f"    - {name}:\n        persist: true\n        remote: bundle\n"
        locked += f"    - path: {name}\n      hash: md5\n      md5: {md5}\n      size: {len(content)}\n"
        stored = shipping.ShippedFile(name, md5, len(content)).stored(folder / shipping.BUNDLE)
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_bytes(content)
    (results / "dvc.yaml").write_text(f"stages:\n  all:\n    outs:\n{described}")
    (results / "dvc.lock").write_text(f"stages:\n  all:\n    outs:\n{locked}")


@pytest.fixture
def snakemake(repository) -> Callable[..., str]:
    """Return a function that calls Snakemake there and returns standard output and error together."""

    def call(*arguments: str, scale: str | None = "tiny", status: int = 0) -> str:
        chosen = ["--configfile", f"workflow/config/{scale}.yaml"] if scale else []
        found, printed = forked.snakemake(repository, "--cores", "2", *chosen, *arguments)
        assert found == status, printed
        return printed

    return call


def planned(output: str) -> dict[str, int]:
    """Return the number of jobs per rule, from the table of a dry run or from the line that begins a run."""
    if "Nothing to be done" in output:
        return {}
    if begun := re.search(r"\d+ jobs?: (.+)", output):
        counts = (each.split() for each in begun[1].split(", "))
        return {rule: int(number) for number, rule in counts}
    rows = output.split("Job stats:")[1].split("\n\n")[0].strip().splitlines()[2:]
    return {name: int(count) for name, count in (row.split() for row in rows) if name != "total"}


@pytest.fixture
def state(tmp_path, monkeypatch):
    """Return a separate folder for the state of campaigns in this test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return pausing.state_folder()
