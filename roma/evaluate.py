"""The final number of a run: greedy battles of its last weights, on seeds that neither training nor tests have seen."""

from pathlib import Path
from typing import Any

import torch

from roma import envs, learners, outputs
from roma.checkpoint import unpack
from roma.config import from_flat
from roma.errors import UserError
from roma.files import digest, write_json
from roma.runner import Episode, Runner
from roma.seeding import Stream


def play_policy(
    path: Path, stream: Stream, episodes: int, battles: int | None = None, first: int = 0, replays: Path | None = None
) -> tuple[list[Episode], dict[str, Any]]:
    """Greedy battles of the weights in a policy file, and the facts in the file.

    They are numbers `first` to `first + episodes - 1` of the stream. `battles` of them are played side by side, by
    default as many as suit the engine. Where the engine is a game that can save replays of its own, they go into the
    folder `replays`; UserError where it cannot.
    """
    tensors, facts = unpack(path.read_bytes())
    config = from_flat(facts["config"])
    battles = battles or envs.ENGINES[config.engine].side_by_side
    env = envs.make(config.engine, config.map, min(battles, episodes), config.battle)
    if replays is not None and not isinstance(env, envs.GameEnv):
        raise UserError(f"the engine {config.engine!r} has no replays of its own to save")
    learner = learners.make_learner(config.algorithm, config.learner, env.info, config.seed, "cpu")
    learner.load_actor_tensors(tensors)
    runner = Runner(env, learner.actor(), config.seed, torch.Generator())
    played = runner.play(stream, first, episodes, epsilon=0.0)
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
        "engine_digest": envs.engine_digest(engine),
    }
    write_json(directory / outputs.EVALUATION, result)
    return result
