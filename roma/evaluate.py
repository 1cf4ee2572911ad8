"""The final number of a run: greedy battles of its last weights, on seeds that neither training nor tests have seen."""

from pathlib import Path
from typing import Any

import torch

from roma import envs, learners, outputs
from roma.checkpoint import unpack
from roma.config import from_flat
from roma.envs import VectorEnv
from roma.errors import UserError
from roma.files import digest, write_json
from roma.learners.learner import NetworkLearner
from roma.runner import Episode, Runner
from roma.seeding import Stream


def load_policy(
    path: Path, episodes: int, battles: int | None = None
) -> tuple[NetworkLearner, VectorEnv, dict[str, Any]]:
    """A learner with the weights of a policy file, an environment to play so many episodes, and the facts in the file.

    `battles` of them are played side by side, by default as many as suit the engine.
    """
    tensors, facts = unpack(path.read_bytes())
    config = from_flat(facts["config"])
    battles = battles or envs.ENGINES[config.engine].side_by_side
    env = envs.make(config.engine, config.map, min(battles, episodes), config.battle)
    learner = learners.make_learner(config.algorithm, config.learner, env.info, config.seed, "cpu")
    learner.load_policy_tensors(tensors)
    return learner, env, facts


def play_policy(
    path: Path, stream: Stream, episodes: int, battles: int | None = None, first: int = 0, replays: Path | None = None
) -> tuple[list[Episode], dict[str, Any]]:
    """Greedy battles of the weights in a policy file, and the facts in the file.

    They are numbers `first` to `first + episodes - 1` of the stream; for `battles` see `load_policy`. Where the engine
    is a game that can save replays of its own, they go into the folder `replays`; UserError where it cannot.
    """
    learner, env, facts = load_policy(path, episodes, battles)
    if replays is not None and not isinstance(env, envs.GameEnv):
        raise UserError(f"the engine {facts['config']['engine']!r} has no replays of its own to save")
    runner = Runner(env, learner.actor(), facts["config"]["seed"])
    played = runner.play(stream, first, episodes)
    if replays is not None and isinstance(env, envs.GameEnv):
        env.save_replays(replays)
    return played, facts


def evaluate(
    directory: Path, episodes: int = 256, battles: int | None = None, threads: int = 1, replays: Path | None = None
) -> dict[str, Any]:
    """Plays a finished run's last weights (see `play_policy`) and writes evaluation.json; returns what it says."""
    torch.set_num_threads(threads)
    path = outputs.last_policy(directory)
    played, facts = play_policy(path, Stream.EVALUATE, episodes, battles, replays=replays)
    won, returns, lengths = zip(*((e.won, e.episode_return, e.length) for e in played), strict=True)
    engine = facts["config"]["engine"]
    battles = battles or envs.ENGINES[engine].side_by_side
    result = {
        "map": facts["config"]["map"],
        "algorithm": facts["config"]["algorithm"],
        "seed": facts["config"]["seed"],
        "step": facts["step"],
        "episodes": episodes,
        "battles": battles,
        "battle_won_mean": sum(won) / episodes,
        "return_mean": sum(returns) / episodes,
        "ep_length_mean": sum(lengths) / episodes,
        "battle_won": won,
        "return": returns,
        "ep_length": lengths,
        "policy": path.name,
        "policy_sha256": digest(path.read_bytes()),
        "engine": engine,
        "engine_version": envs.engine_version(engine, facts["config"]["map"]),
        "engine_digest": envs.engine_digest(engine),
    }
    write_json(directory / outputs.EVALUATION, result)
    return result
