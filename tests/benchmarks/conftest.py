"""Saved measurements: facts about the machine that affect speed, and none that identify it."""

import pytest
import torch

KEPT = ("machine", "python_version", "system")


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-steps", type=int, default=20_000, help="environment steps of a whole run; default: 20000")


def pytest_benchmark_update_machine_info(machine_info):
    kept = {name: machine_info[name] for name in KEPT} | {"cpu": {"brand_raw": machine_info["cpu"].get("brand_raw")}}
    machine_info.clear()
    machine_info.update(kept)


def pytest_benchmark_update_json(output_json):
    """Keep the statistics of rounds instead of the rounds, and only the commit of the repository."""
    output_json["commit_info"] = {"id": output_json["commit_info"].get("id")}
    for benchmark in output_json["benchmarks"]:
        benchmark["stats"].pop("data", None)
