"""`roma evaluate`: the last policy of a finished run, on separate episode seeds."""

import json

import pyarrow.parquet as pq
import pytest

from roma import envs
from roma.cli import main
from roma.learners import make_learner
from roma.recordings.evaluate import play_policy
from roma.runs.checkpoint import load_policy
from roma.runs.config import resolve
from roma.runs.directory import FORMAT, RunDirectory
from roma.runs.experience.runner import Runner
from roma.runs.training import train
from roma.support.files import file_digest
from roma.support.seeding import Stream, episode_seed

SETTINGS = {"parallel_envs": 2, "batch_size": 4, "test_episodes": 2, "parallel_test_envs": 2, "hidden_dim": 8}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("finished")
    train(resolve("3m", "roma", 1, overrides=SETTINGS), directory, 300)
    return directory


def test_evaluation_says_what_was_played(finished, capsys):
    assert main(["evaluate", str(finished), "--episodes", "10", "--battles", "4"]) == 0
    assert "over 10 greedy episodes" in capsys.readouterr().out
    result = json.loads((finished / "evaluations" / "t300.json").read_text())
    assert len(result["battle_won"]) == len(result["return"]) == len(result["ep_length"]) == result["episodes"] == 10
    assert result["battle_won_mean"] == pytest.approx(sum(result["battle_won"]) / 10)
    assert (result["step"], result["policy"]) == (300, "t300.safetensors")
    assert result["policy_sha256"] == file_digest(finished / "policies" / "t300.safetensors")
    assert result["engine_version"] == envs.engine_version("embedded", "3m")
    assert result["engine_digest"] == envs.engine_digest("embedded")


def test_an_evaluation_that_exists_is_shown_and_overwritten_only_if_asked(finished, tmp_path, capsys):
    """As that of a shipped run, made by earlier code with the same version of the engine."""
    command = ["evaluate", str(finished), "--step", "0"]
    file, elsewhere = finished / "evaluations" / "t0.json", tmp_path / "new" / "mine.json"
    assert main([*command, "--episodes", "4"]) == 0
    first, made = capsys.readouterr().out.splitlines()
    assert made == f"written to {file}"
    made_by_this_code = file.read_bytes()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"engine_digest": "of earlier code"}))
    held = file.read_bytes()
    assert main([*command, "--episodes", "4"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        first,
        f"read from {file}; --replace plays the episodes again",
    ]
    for options, differing in (
        (["--episodes", "5"], "episodes 4 instead of 5"),
        (["--episodes", "4", "--battles", "2"], "parallel_envs 32 instead of 2"),
    ):
        assert main([*command, *options]) == 2
        assert capsys.readouterr().err == (
            f"error: {file} holds another evaluation ({differing}): write to another file (--out) or overwrite it "
            "(--replace)\n"
        )
    assert main([*command, "--episodes", "4", "--save-replays", str(tmp_path)]) == 2
    assert "evaluated already" in capsys.readouterr().err
    assert main([*command, "--episodes", "5", "--out", str(elsewhere)]) == 0
    assert f"written to {elsewhere}" in capsys.readouterr().out
    assert json.loads(elsewhere.read_text())["episodes"] == 5
    assert file.read_bytes() == held
    assert main([*command, "--episodes", "4", "--replace"]) == 0
    assert file.read_bytes() == made_by_this_code


def test_evaluation_is_repeatable_and_on_seeds_of_its_own(finished):
    path = finished / "policies" / "t300.safetensors"
    one, _ = play_policy(path, Stream.EVALUATE, 6, battles=4)
    other, _ = play_policy(path, Stream.EVALUATE, 6, battles=4)
    assert [(e.seed, e.length, e.episode_return) for e in one] == [(e.seed, e.length, e.episode_return) for e in other]
    assert [e.seed for e in one] == [episode_seed(1, Stream.EVALUATE, i) for i in range(6)]


def test_trunk_role_encoder_and_role_decoder_alone_act_as_the_run_did(finished):
    """The run's first test precedes its first update, like the policy kept at step 0."""
    weights, _ = load_policy(finished / "policies" / "t0.safetensors")
    config = RunDirectory(finished).config
    env = envs.make(config.engine, config.map, 2, config.engine_settings)
    learner = make_learner(config.algorithm, config.hyperparameters, env.info, seed=9)
    acting = {name: value for name, value in weights.items() if name.startswith(("trunk.", "role_"))}
    learner.online.agent.load_state_dict(acting)
    played = Runner(env, learner.actor(), config.seed).play(Stream.TEST, 0, 2)
    tested = pq.read_table(finished / "metrics.parquet").to_pylist()[0]
    assert tested["updates"] == 0
    assert sum(episode.episode_return for episode in played) / 2 == tested["test_return_mean"]
    assert sum(episode.length for episode in played) / 2 == tested["test_ep_length_mean"]


def test_weights_decide(finished):
    first, last = (finished / "policies" / f"t{step}.safetensors" for step in (0, 300))
    actions = [play_policy(path, Stream.EVALUATE, 1, 1)[0][0].actions.tolist() for path in (first, last)]
    assert actions[0] != actions[1]


def test_an_unfinished_run_is_an_error(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path)]) == 2
    assert main(["evaluate", str(tmp_path / "nowhere")]) == 2
    (tmp_path / "provenance.json").write_text(f'{{"format": {FORMAT}, "total_steps": 100}}')
    assert main(["evaluate", str(tmp_path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error"] * 3
    assert "not finished" in lines[2]
