"""Configuration of a run: validation, digest, and reconstruction from its options."""

import json
import math
import subprocess
import sys
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roma import envs
from roma.cli import build_parser
from roma.envs.skirmish.options import EnvOptions
from roma.learners import algorithm, algorithm_names
from roma.runs.config import (
    UNKNOWN,
    canonical_options,
    check_versions,
    differences,
    from_json,
    milestone_steps,
    parse,
    parse_assignments,
    resolve,
)
from roma.runs.protocols import PRESETS, Protocol
from roma.support.errors import UserError, unknown
from roma.support.schemas.settings import facts, kinds

settings = st.fixed_dictionaries(
    {},
    optional={
        "gamma": st.floats(0, 1),
        "parallel_envs": st.integers(1, 64),
        "double_q": st.booleans(),
        "mixer": st.sampled_from(["qmix", "vdn"]),
        "learning_rate": st.floats(1e-8, 1),
    },
)


@given(settings)
def test_description_and_options_give_the_configuration_back(overrides):
    config = resolve("2s3z", "roma", 7, "smac_v1", overrides=overrides)
    assert from_json(json.loads(json.dumps(config.to_json()))) == config
    options = build_parser().parse_args(["train", *canonical_options(config)])
    again = resolve(
        options.map,
        options.algorithm,
        int(options.seed),
        options.protocol,
        options.engine,
        parse_assignments(options.set),
    )
    assert again == config
    assert again.digest == config.digest


def test_presets_hold_the_published_numbers():
    paper = resolve("2s3z", "qmix", 0, "paper")
    assert (
        paper.protocol_settings.parallel_envs,
        paper.protocol_settings.batch_size,
        paper.protocol_settings.buffer_size,
    ) == (8, 32, 5000)
    assert (paper.protocol_settings.test_episodes, paper.protocol_settings.test_interval) == (24, 20_000)
    assert paper.hyperparameters.hypernet_hidden == 0
    benchmark = resolve("2s3z", "qmix", 0, "smac_v1")
    assert (benchmark.protocol_settings.parallel_envs, benchmark.protocol_settings.test_episodes) == (1, 32)
    assert (benchmark.protocol_settings.test_interval, benchmark.hyperparameters.hypernet_hidden) == (10_000, 64)


def test_every_setting_is_in_the_identity_but_the_spelling_of_a_value_is_not():
    plain = resolve("2s3z", "roma", 0)
    assert resolve("2s3z", "roma", 0, overrides={"gamma": "0.990"}).digest == plain.digest
    assert resolve("10z5b_vs_2z3s", "roma", 0).digest == resolve("10z5b_vs_2s3z", "roma", 0).digest
    others = [
        resolve("2s3z", "qmix", 0),
        resolve("2s3z", "roma", 1),
        resolve("2s3z", "roma", 0, "smac_v1"),
        resolve("2s3z", "roma", 0, overrides={"gamma": 0.98}),
        resolve("2s3z", "roma", 0, overrides={"parallel_test_envs": 4}),
    ]
    assert len({config.digest for config in [plain, *others]}) == 6


def test_variants_are_overridden_by_the_run_and_presets_by_variants():
    assert resolve("2s3z", "roma_td", 0).hyperparameters.lambda_specialisation == 0
    assert (
        resolve("2s3z", "roma_td", 0, overrides={"lambda_specialisation": "0.5"}).hyperparameters.lambda_specialisation
        == 0.5
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"map": "2s3x"}, "did you mean '2s3z'"),
        ({"map": "mmm2"}, "did you mean 'MMM2'"),
        ({"algorithm": "romma"}, "did you mean 'roma'"),
        ({"protocol": "papr"}, "did you mean 'paper'"),
        ({"engine": "embeded"}, "did you mean 'embedded'"),
        ({"seed": -1}, "between 0 and"),
        ({"overrides": {"gama": "0.9"}}, "did you mean 'gamma'"),
        ({"overrides": {"gamma": "high"}}, "gamma = 'high' is not a finite number"),
        ({"overrides": {"gamma": "nan"}}, "not a finite number"),
        ({"overrides": {"gamma": "1.5"}}, "gamma"),
        ({"overrides": {"parallel_envs": "1.5"}}, "not a whole number"),
        ({"overrides": {"parallel_envs": True}}, "not a whole number"),
        ({"overrides": {"parallel_envs": "0"}}, "at least 1"),
        ({"overrides": {"batch_size": "9999"}}, "exceeds buffer_size"),
        ({"overrides": {"double_q": "maybe"}}, "not true or false"),
        ({"overrides": {"mixer": "qmxi"}}, "did you mean 'qmix'"),
        ({"overrides": {"seed": "3"}}, "not a known setting"),
        ({"overrides": {"POSITIVE": "gamma"}}, "not a known setting"),
        ({"algorithm": "vdn", "overrides": {"hypernet_hidden": "8"}}, "not a known setting of vdn"),
        ({"algorithm": "iql", "overrides": {"mixer": "qmix"}}, "not a known setting of iql"),
        ({"algorithm": "coma", "overrides": {"double_q": "false"}}, "not a known setting of coma"),
        ({"algorithm": "coma", "overrides": {"target_update_episodes": "8"}}, "not a known setting of coma"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(UserError, match=message) as error:
        resolve(**{"map": "2s3z", "algorithm": "roma", "seed": 0, **arguments})
    assert "\n" not in str(error.value)


CLASSES = [algorithm(name).config_class for name in algorithm_names()]
CLASSES += [Protocol, EnvOptions, *map(envs.settings_class, envs.ENGINES)]


@pytest.mark.parametrize("settings", dict.fromkeys(CLASSES), ids=lambda each: f"{each.__module__}.{each.__name__}")
def test_every_setting_says_what_it_is_and_refuses_numbers_out_of_bounds(settings):
    for field in fields(settings):
        said, kind = facts(field), kinds(settings)[field.name]
        assert said.help, field.name
        assert "\n" not in said.help
        assert said.source, field.name
        numbers = {said.bound.least - 1, said.bound.most + 1} | ({said.bound.least} if said.bound.is_open else set())
        for number in (*numbers, math.inf, math.nan) if kind in (int, float) else ():
            with pytest.raises(UserError, match=f"^{field.name} = {number} must be "):
                settings(**{field.name: number})
        if kind == tuple[int, ...]:
            with pytest.raises(UserError, match=f"^{field.name} = 8,0 must be at least 1"):
                settings(**{field.name: (8, 0)})


def test_what_users_set_is_checked_as_it_is_converted():
    for setting, value, wanted in (
        ("gamma", "1.5", "between 0 and 1"),
        ("learning_rate", "0", "above 0"),
        ("role_dim", "-1", "at least 1"),
        ("hypernet_hidden", -1, "at least 0"),
        ("buffer_size", "0", "at least 1"),
        ("formation_breadth", "9", "between 0.125 and 8"),
    ):
        with pytest.raises(UserError, match=f"^{setting} = .* must be {wanted}"):
            resolve("3m", "roma", 0, overrides={setting: value})
    assert resolve("3m", "roma", 0, overrides={"entropy_weight": "-1"}).hyperparameters.entropy_weight == -1


@pytest.mark.parametrize(
    ("algorithm", "unknown", "nearest"), [("roma", "role_dims", "role_dim"), ("coma", "epsilon", "epsilon_start")]
)
def test_an_unknown_setting_lists_what_users_can_set(algorithm, unknown, nearest):
    with pytest.raises(UserError, match=f"did you mean '{nearest}'") as error:
        resolve("3m", algorithm, 0, overrides={unknown: "3"})
    listed = str(error.value).partition("known: ")[2].split(", ")
    assert set(listed) == set(resolve("3m", algorithm, 0).settings())


def test_assignments():
    assert parse_assignments(["a=1", " b = x=y "]) == {"a": "1", "b": "x=y"}
    for wrong in (["a"], ["=1"], ["a="], ["a=1", "a=2"]):
        with pytest.raises(UserError):
            parse_assignments(wrong)


def test_values_of_other_kinds():
    for spelt in ("1e5", "100_000", "100000.0", " 100000", "+1.0E+5", 100_000, 1e5):
        assert repr(parse("key", spelt, int)) == "100000"
    assert parse("key", str(2**62 + 1), int) == 2**62 + 1
    for wrong in ("1.5", 1.5, "ten", "", "inf", math.nan, True, None, [1]):
        with pytest.raises(UserError, match="is not a whole number"):
            parse("key", wrong, int)
    assert parse("key", "0,0.5", tuple[float, ...]) == (0.0, 0.5)
    assert parse("key", [1, 2], tuple[int, ...]) == (1, 2)
    assert parse("key", "none", int | None) is None
    assert parse("key", "3", int | None) == 3
    with pytest.raises(UserError, match="a list"):
        parse("key", 3, tuple[int, ...])


def test_unknown_names_all_and_the_nearest_if_one_is_near():
    assert str(unknown("map", "3n", ["8m", "3m"])) == "'3n' is not a known map (did you mean '3m'?); known: 3m, 8m"
    assert str(unknown("map", "Zerg", ["8m", "3m"])) == "'Zerg' is not a known map; known: 3m, 8m"


def test_milestones_before_the_end_and_the_end():
    million = 1_000_000
    assert milestone_steps(PRESETS["paper"].total_steps)[-3:] == [15 * million, 20 * million, 20_050_000]
    assert milestone_steps(2 * million) == [0, 50_000, 200_000, 500_000, million, 2 * million]
    assert milestone_steps(1000, [0, 500, 1000, 2000]) == [0, 500, 1000]


def test_configuration_needs_neither_torch_nor_numba():
    program = (
        "import sys; from roma.runs.config import resolve; import roma.cli; resolve('2s3z', 'roma', 0).digest; "
        "print([name for name in ('torch', 'numba', 'pyarrow', 'pandas') if name in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


def test_runs_on_a_game_are_planned_before_it_is_installed() -> None:
    planned = resolve("3m", "qmix", 0, engine="starcraft2")
    played = replace(planned, engine_version="4.6.2+01234567")
    assert planned.engine_version == UNKNOWN
    assert differences(played.to_json(), planned.to_json()) == []
    other = replace(played, engine_version="4.10+89abcdef")
    assert differences(played.to_json(), other.to_json()) == ["engine_version = 4.6.2+01234567 (not 4.10+89abcdef)"]
    check_versions(other, "a run")


def test_what_another_version_made_says_so() -> None:
    config = resolve("3m", "coma", 0)
    check_versions(config, "a run")
    for changes, what in (({"algorithm_version": 7}, "coma"), ({"engine_version": "7"}, "the engine embedded on 3m")):
        with pytest.raises(UserError, match=f"a run was made with version 7 of {what}; this is version 1"):
            check_versions(replace(config, **changes), "a run")


def test_settings_that_differ_are_named_with_both_values() -> None:
    held, wanted = (
        resolve("3m", name, 0, overrides=values).to_json()
        for name, values in (("qmix", {"gamma": 0.9, "further_layers": (8, 4)}), ("vdn", {"double_q": False}))
    )
    assert differences(held, held) == []
    assert differences(held, wanted) == [
        "algorithm = qmix (not vdn)",
        "double_q = true (not false)",
        "further_layers = 8,4 (not none)",
        "gamma = 0.9 (not 0.99)",
    ]


def test_the_engines_settings_are_settings_of_the_run() -> None:
    """They change the digest, are restored from the configuration, and reach the engine."""
    plain, other = (resolve("3m", "qmix", 0, overrides=values) for values in ({}, {"acquire_range": "7"}))
    assert plain.digest != other.digest
    assert other.engine_settings.acquire_range == 7
    assert from_json(other.to_json()) == other
    assert canonical_options(other)[-2:] == ["--set", "acquire_range=7.0"]
    with pytest.raises(UserError, match="acquire_range"):
        resolve("3m", "qmix", 0, overrides={"aquire_range": 7})
