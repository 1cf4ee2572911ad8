"""Evaluation of a run: greedy episodes of its last policy, on seeds that neither training nor tests have used."""

from pathlib import Path
from typing import Any

import torch

from roma import envs, learners
from roma.envs import VectorEnv
from roma.learners.base.learner import NetworkLearner
from roma.runs import checkpoint
from roma.runs.config import check_versions, from_json
from roma.runs.directory import FORMAT, RunDirectory
from roma.runs.experience.runner import Episode, Runner
from roma.support.errors import UserError
from roma.support.files import file_digest, write_json
from roma.support.numbers import ordered_sum
from roma.support.seeding import Stream

ELSEWHERE = "write to another file (--out) or overwrite it (--replace)"


def load_policy(
    path: Path, episodes: int, battles: int | None = None
) -> tuple[NetworkLearner[Any, Any], VectorEnv, dict[str, Any]]:
    """Load a policy file and make an environment for it.

    Args:
        path: Policy file.
        episodes: Number of episodes that will be played.
        battles: Number of parallel environments; by default the number that suits the engine.

    Returns:
        A learner with the weights, an environment, and the facts in the file.

    Raises:
        UserError: The file cannot be read, or was made with other versions of algorithm or engine.
    """
    tensors, facts = checkpoint.load_policy(path)
    config = from_json(facts["config"])
    check_versions(config, path)
    battles = battles or envs.ENGINES[config.engine].side_by_side
    env = envs.make(config.engine, config.map, min(battles, episodes), config.engine_settings)
    learner = learners.make_learner(config.algorithm, config.hyperparameters, env.info, config.seed, "cpu")
    learner.load_policy_tensors(tensors)
    return learner, env, facts


def play_policy(
    path: Path, stream: Stream, episodes: int, battles: int | None = None, first: int = 0, replays: Path | None = None
) -> tuple[list[Episode], dict[str, Any]]:
    """Play greedy episodes with the weights of a policy file.

    Args:
        path: Policy file.
        stream: Stream of the episodes.
        episodes: Number of episodes.
        battles: Number of parallel environments; by default the number that suits the engine.
        first: Index of the first episode in the stream.
        replays: Folder for the game's own replay files.

    Returns:
        The episodes, and the facts in the file.

    Raises:
        UserError: `load_policy` fails, or the engine has no replay files of its own.
    """
    learner, env, facts = load_policy(path, episodes, battles)
    if replays is not None and not isinstance(env, envs.GameEnv):
        raise UserError(f"the engine {facts['config']['engine']!r} has no replay files of its own to save")
    runner = Runner(env, learner.actor(), facts["config"]["seed"])
    played = runner.play(stream, first, episodes)
    if replays is not None and isinstance(env, envs.GameEnv):
        env.save_replays(replays)
    return played, facts


def evaluate(
    directory: Path,
    episodes: int = 256,
    battles: int | None = None,
    threads: int = 1,
    replays: Path | None = None,
    step: int | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """Play greedy episodes with a policy of a finished run, write their evaluation and return its content.

    Args:
        directory: Run directory.
        episodes: Number of episodes, on seeds that neither training nor tests use.
        battles: Number of parallel environments; by default the number that suits the engine.
        threads: Threads of torch.
        replays: Folder for the game's own replay files.
        step: Milestone of the policy, in environment steps; by default the end of the run.
        out: File to write; by default evaluations/t<step>.json of the run. It is overwritten.

    Raises:
        UserError: The run is not finished, or it kept no policy at `step`.
    """
    torch.set_num_threads(threads)
    run = RunDirectory(directory)
    path, facts = _policy_and_facts(run, episodes, battles, step)
    played, _ = play_policy(path, Stream.EVALUATE, episodes, battles, replays=replays)
    won, returns, lengths = zip(*((e.won, e.episode_return, e.length) for e in played), strict=True)
    result = {
        **facts,
        "battle_won_mean": sum(won) / episodes,
        "return_mean": ordered_sum(returns) / episodes,
        "ep_length_mean": sum(lengths) / episodes,
        "battle_won": won,
        "return": returns,
        "ep_length": lengths,
    }
    file = out or run.evaluation_file(facts["step"])
    file.parent.mkdir(exist_ok=True)
    write_json(file, result)
    return result


def recorded(
    directory: Path, episodes: int, battles: int | None = None, step: int | None = None, out: Path | None = None
) -> dict[str, Any] | None:
    """Return the evaluation that `evaluate` would overwrite if it has the same settings; None if there is none.

    The digest of the engine's source is not a setting: the version of the engine decides its numbers.

    Args:
        directory: Run directory.
        episodes: Number of episodes.
        battles: Number of parallel environments; None: the number that suits the engine.
        step: Milestone of the policy, in environment steps; None: the end of the run.
        out: File; None: evaluations/t<step>.json of the run.

    Raises:
        UserError: The file has an evaluation with other settings or cannot be read; the run is not finished; it kept
            no policy at `step`.
    """
    run = RunDirectory(directory)
    _, facts = _policy_and_facts(run, episodes, battles, step)
    file = out or run.evaluation_file(facts["step"])
    if not file.exists():
        return None
    held = run.read_json(file)
    others = [name for name in facts if name != "engine_digest" and held.get(name) != facts[name]]
    if others:
        differing = ", ".join(f"{name} {held.get(name)} instead of {facts[name]}" for name in others)
        raise UserError(f"{file} holds another evaluation ({differing}): {ELSEWHERE}")
    return held


def _policy_and_facts(
    run: RunDirectory, episodes: int, battles: int | None, step: int | None
) -> tuple[Path, dict[str, Any]]:
    """Return the policy file of an evaluation, and what an evaluation says about itself beside its episodes."""
    step = run.last_step() if step is None else step
    if step not in run.milestones():
        raise UserError(f"{run.path} has no policy of step {step}; kept: {', '.join(map(str, run.milestones()))}")
    path = run.kept_policy(step)
    config = checkpoint.load_policy(path)[1]["config"]
    engine = config["engine"]
    return path, {
        "format": FORMAT,
        **{name: config[name] for name in ("map", "algorithm", "algorithm_version", "seed", "protocol")},
        **{name: config[name] for name in ("engine", "engine_version")},
        "engine_digest": envs.engine_digest(engine),
        "step": step,
        "policy": path.name,
        "policy_sha256": file_digest(path),
        "episodes": episodes,
        "parallel_envs": battles or envs.ENGINES[engine].side_by_side,
    }
