"""`roma settings`: the settings of an algorithm, their resolved values, and the sources of these."""

import json
from dataclasses import fields

import pytest

from roma.cli import main
from roma.envs import ENGINES
from roma.learners import algorithm, algorithm_names
from roma.runs.config import resolve
from roma.runs.protocols import PRESETS
from roma.runs.settings import KINDS, describe


@pytest.mark.parametrize("name", algorithm_names())
def test_every_setting_of_every_algorithm_is_described(name):
    for protocol in PRESETS:
        for engine in ENGINES:
            found = describe(name, protocol, engine)
            assert {key: each.value for key, each in found.items()} == resolve(
                "3m", name, 0, protocol, engine
            ).settings()
            assert all(each.source and each.help and each.valid for each in found.values())
            assert {each.kind for each in found.values()} == set(KINDS)


def test_the_source_is_that_of_whoever_decides_the_value():
    release, benchmark = describe("roma_release"), describe("coma", "smac_v1")
    assert (release["role_hidden"].default, release["role_hidden"].value) == (12, 16)
    assert release["role_hidden"].source == "released code, revision 2d60448"
    assert release["role_dim"].source == "paper, appendix B"
    assert benchmark["batch_size"].value == 8
    assert benchmark["batch_size"].source == algorithm("coma").sources["batch_size"]
    assert describe("qmix", "smac_v1")["hypernet_hidden"].source == PRESETS["smac_v1"].source
    assert describe("qmix", "paper")["hypernet_hidden"].source == "the authors' release of ROMA"


def test_the_command_prints_a_line_a_setting_or_json(capsys):
    assert main(["settings", "qmix_lar", "--protocol", "smac_v1"]) == 0
    printed = capsys.readouterr().out
    (line,) = (line for line in printed.splitlines() if line.startswith("further_layers "))
    assert line.split()[1:3] == ["none", "80,25"]
    assert "list, each a whole number at least 1" in line
    assert main(["settings", "qmix_lar", "--protocol", "smac_v1", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [each["setting"] for each in listed] == list(resolve("3m", "qmix_lar", 0, "smac_v1").settings())
    assert {field.name for field in fields(algorithm("qmix_lar").config_class)} <= {each["setting"] for each in listed}
    assert main(["settings", "qmix_lr"]) == 2
    assert "did you mean 'qmix_lar'" in capsys.readouterr().err
