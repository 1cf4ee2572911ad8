"""Training loop of a run: play a round, store it, update, keep milestones, test when due, write checkpoints.

The numbers of a run are a function of its configuration alone. Nothing here may make them depend on the clock, on the
machine or on the number of interruptions. All state that survives an interruption is in RunState, and all randomness is
derived from counters (roma.support.seeding).
"""

import math
import resource
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from logging import Logger
from pathlib import Path
from typing import Any

import torch

from roma import envs, learners
from roma.runs import checkpoint
from roma.runs.checkpoint import Checkpoint, RunState
from roma.runs.config import RunConfig
from roma.runs.directory import FORMAT, RunDirectory
from roma.runs.experience.replay import BatchBuilder, Replay
from roma.runs.experience.runner import Episode, Runner, unit_types
from roma.runs.progress import Bar, Pulse
from roma.support.errors import UserError
from roma.support.files import digest, json_content, parquet_content, remove_unfinished, write_bytes, write_together
from roma.support.seeding import Stream, seed_of
from roma.support.system.memory import return_unused_memory
from roma.support.system.provenance import describe, now

Row = Mapping[str, float]
COUNTERS = ("t_env", "episode", "updates")
TEST_METRICS = ("test_battle_won_mean", "test_return_mean", "test_ep_length_mean")
TRAIN_METRICS = ("battle_won_mean", "return_mean", "ep_length_mean")
TIMING = ("t_env", "wall_seconds", "env_steps_per_second", "resumes")
KILOBYTES_PER_MB = 1000  # Linux reports the peak memory of a process in kilobytes
REBUILD_BATTLES = 32  # parallel environments that re-simulate the replay buffer of a checkpoint


class Run:
    """Run in progress: its parts, its state, and the training loop."""

    def __init__(
        self,
        config: RunConfig,
        engine_digest: str,
        directory: Path,
        total_steps: int,
        milestones: Sequence[int],
        device: str,
        threads: int,
        log: Logger,
        stored: Checkpoint | None,
    ) -> None:
        self.config, self.files, self.total_steps = config, RunDirectory(directory), total_steps
        self.milestones, self.log = milestones, log
        protocol_settings = config.protocol_settings
        self.state = stored.state if stored else RunState(started=now())
        self.env = envs.make(
            config.engine, config.map, protocol_settings.parallel_envs, config.engine_settings, self.state.game_sessions
        )
        self.learner = learners.make_learner(
            config.algorithm, config.hyperparameters, self.env.info, config.seed, device
        )
        actor = self.learner.actor()
        self.runner = self.test_runner = Runner(self.env, actor, config.seed)
        # A non-deterministic engine is tested on the training environments, because each additional environment may be
        # a process of several gigabytes.
        if protocol_settings.parallel_test_envs != protocol_settings.parallel_envs and self.env.deterministic:
            test_env = envs.make(
                config.engine, config.map, protocol_settings.parallel_test_envs, config.engine_settings
            )
            self.test_runner = Runner(test_env, actor, config.seed)
        largest = max(protocol_settings.batch_size, protocol_settings.parallel_envs)
        self.batches = BatchBuilder(self.env, largest, torch.device(device))
        self.replay = Replay(protocol_settings.buffer_size)
        self.policies: dict[int, bytes] = {}
        self._prepare_directory()
        if stored is not None:
            self._restore(stored)
        self._note_segment(describe() | {"engine_digest": engine_digest, "device": device, "threads": threads})
        self._clocks = time.monotonic() - self.state.wall_seconds, time.process_time() - self.state.cpu_seconds
        self._keep_milestones()

    @property
    def at_end(self) -> bool:
        """True if the run has reached its total steps."""
        return self.state.t_env >= self.total_steps

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the values of a row of metrics."""
        played = (*COUNTERS, *TEST_METRICS, *TRAIN_METRICS, "epsilon")
        return (*played, *self.learner.stat_names, *self.learner.diagnostic_names)

    def play(
        self, stopped: Callable[[], bool], checkpoint_seconds: float, tell: Callable[[Row, Row], None] | None = None
    ) -> None:
        """Play rounds until the end, or until `stopped` returns true, and write checkpoints.

        Args:
            stopped: Function that returns whether the run should stop after the current round.
            checkpoint_seconds: Seconds between checkpoints; another one is written after the last round.
            tell: Function that gets the row of metrics and the row of clocks of each test.
        """
        self._tell = tell
        last_checkpoint = time.monotonic()
        unsaved = False
        bar = Bar(self.state.t_env, self.total_steps)
        family = self.state.segments[-1]["cpu_family"]
        with Pulse(self.files.progress_file, self.state.t_env, self.total_steps, family) as pulse:
            while not (self.at_end or stopped()):
                self._play_round(bar)
                pulse.beat(self.state.t_env)
                unsaved = True
                if time.monotonic() - last_checkpoint >= checkpoint_seconds:
                    self._save_checkpoint()
                    last_checkpoint = time.monotonic()
                    unsaved = False
            bar.close()
            if unsaved:
                self._save_checkpoint()

    def finish(self) -> None:
        """Write all outputs together, the metrics last, because a run with metrics counts as complete."""
        state = self.state
        metrics = parquet_content(_columns(state.metrics, self.columns), COUNTERS)
        facts = {
            "format": FORMAT,
            "config": self.config.to_json(),
            "deterministic": envs.ENGINES[self.config.engine].deterministic,
            "total_steps": self.total_steps,
            "environment_steps": state.t_env,
            "episodes": state.episode,
            "updates": state.updates,
            "milestones": sorted(self.policies),
            "metrics_sha256": digest(metrics),
            "policies_sha256": {str(step): digest(self.policies[step]) for step in sorted(self.policies)},
            "started": state.started,
            "finished": now(),
            "resumes": state.resumes,
            "wall_seconds": state.wall_seconds,
            "cpu_seconds": state.cpu_seconds,
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES_PER_MB,
            "segments": state.segments,
        }
        if state.game_sessions:
            facts["game_sessions"] = state.game_sessions
        write_together(
            self._changed_policies()
            | {
                self.files.config_file: json_content(self.config.to_json()),
                self.files.timing_file: parquet_content(_columns(state.timing, TIMING), ("t_env", "resumes")),
                self.files.provenance_file: json_content(facts),
                self.files.metrics_file: metrics,
            }
        )
        checkpoint.forget_other_families(self.files.checkpoint_folder)
        self.log.info(
            "finished: %d environment steps, %d updates, %.0f s, %.0f environment steps/s over the whole run",
            state.t_env,
            state.updates,
            state.wall_seconds,
            state.t_env / state.wall_seconds,
        )

    def _prepare_directory(self) -> None:
        """Create folders and write config.json. The outputs of a complete shorter run stay until this run ends."""
        self.files.policy_folder.mkdir(exist_ok=True)
        for folder in (self.files.path, self.files.policy_folder):
            remove_unfinished(folder)
        _write_changed(self.files.config_file, json_content(self.config.to_json()))

    def _restore(self, stored: Checkpoint) -> None:
        self.policies = stored.policies
        self.learner.load_state_tensors(stored.learner)
        for step in self.policies:
            self._write_policy(step)
        for step in self.milestones:
            if step <= self.state.previous_t_env and step not in self.policies:
                self.log.warning("no policy was kept at %d steps: the run had passed this milestone already", step)
        if not self.at_end:
            env = self.env
            if env.deterministic:
                env = envs.make(self.config.engine, self.config.map, REBUILD_BATTLES, self.config.engine_settings)
            stored.restore_replay(self.replay, env)
            self.state.resumes += 1
            self.log.info("resumed from %s with %d episodes", stored.path.name, len(self.replay))

    def _note_segment(self, origin: dict[str, Any]) -> None:
        """Record the code and the machine of the following steps, unless they are those of the previous steps.

        They are read at the start, because the source files may change while the run is going on.
        """
        segments = self.state.segments
        if not segments or (not self.at_end and segments[-1] | origin != segments[-1]):
            segments.append({"since_step": self.state.t_env} | origin)

    def _play_round(self, bar: Bar) -> None:
        """Play, store, update, keep weights and test in PyMARL's order; updates get the count of earlier episodes."""
        state, protocol_settings = self.state, self.config.protocol_settings
        epsilon = self.learner.epsilon(state.t_env)
        episodes = self.runner.play(Stream.TRAIN, state.episode, protocol_settings.parallel_envs, epsilon)
        self.replay.insert(episodes)
        state.previous_t_env = state.t_env
        state.t_env += sum(episode.length for episode in episodes)
        for episode in episodes:
            self._count(dict(zip(TRAIN_METRICS, _results(episode), strict=True)))
        if self.learner.learns_from_rounds:
            key = seed_of(self.config.seed, Stream.ROUND, state.episode)
            self.learner.learn_from_round(self.batches.build(episodes), key)
        if len(self.replay) >= protocol_settings.batch_size:
            self._update(epsilon)
        self._keep_milestones()
        state.episode += protocol_settings.parallel_envs
        bar.advance(state.t_env - state.previous_t_env)
        if self._test_due():
            self._test(epsilon, bar)
            return_unused_memory()

    def _update(self, epsilon: float) -> None:
        """Update from one batch.

        Raises:
            UserError: A loss or gradient is not finite. No checkpoint is written after that.
        """
        state, seed = self.state, self.config.seed
        episodes = self.replay.sample(self.config.protocol_settings.batch_size, seed, state.updates)
        key = seed_of(seed, Stream.LEARN, state.updates)
        batch = self.batches.build(episodes)
        statistics = self.learner.update(batch, key, state.episode, epsilon)
        for name in self.learner.finite_stats:
            if not math.isfinite(statistics[name]):
                saved = checkpoint.paths(self.files.checkpoint_folder)
                raise UserError(
                    f"{name} is {statistics[name]} in update {state.updates} at {state.t_env} environment steps; "
                    f"last checkpoint: {saved[-1] if saved else 'none'}; "
                    f"seeds of the batch's episodes: {', '.join(str(episode.seed) for episode in episodes)}"
                )
        self._count(statistics)
        if self._test_due():
            types = [unit_types(self.config.map, episode) for episode in episodes]
            key = seed_of(seed, Stream.DIAGNOSTICS, state.updates)
            self._count(self.learner.diagnostics(batch, types, key))
        state.updates += 1

    def _test_due(self) -> bool:
        """Return whether a test is due: after the first round, and when a round reaches a multiple of the interval."""
        interval = self.config.protocol_settings.test_interval
        return not self.state.metrics or self.state.t_env // interval > self.state.metrics[-1]["t_env"] // interval

    def _test(self, epsilon: float, bar: Bar) -> None:
        """Play greedy episodes and add a row to the metrics: their means, and the training means since the last row."""
        state, count = self.state, self.config.protocol_settings.test_episodes
        episodes = self.test_runner.play(Stream.TEST, len(state.metrics) * count, count)
        row: dict[str, float] = {name: getattr(state, name) for name in COUNTERS}
        row |= zip(TEST_METRICS, map(_mean, zip(*map(_results, episodes), strict=True)), strict=True)
        row |= {name: total / number for name, (total, number) in state.sums.items()}
        row["epsilon"] = epsilon
        state.metrics.append(row)
        state.sums = {}
        self._read_clocks()
        before = state.timing[-1] if state.timing else dict.fromkeys(TIMING, 0.0)
        seconds = state.wall_seconds - before["wall_seconds"]
        rate = (state.t_env - before["t_env"]) / seconds
        clocks = (state.t_env, state.wall_seconds, rate, state.resumes)
        state.timing.append(dict(zip(TIMING, clocks, strict=True)))
        if self._tell is not None:
            self._tell(row, state.timing[-1])
        bar.show_win_rate(row["test_battle_won_mean"])
        self.log.info(
            "t_env %d: test win rate %.3f, return %.2f, length %.1f; training win rate %.3f, epsilon %.3f, loss %.4g, "
            "%d updates, %.0f steps/s",
            *(row[name] for name in ("t_env", *TEST_METRICS, "battle_won_mean", "epsilon")),
            row.get("loss", math.nan),
            state.updates,
            rate,
        )

    def _count(self, values: Mapping[str, float]) -> None:
        """Add values to the means of the next row."""
        for name, value in values.items():
            total, number = self.state.sums.get(name, (0.0, 0))
            self.state.sums[name] = [total + value, number + 1]

    def _keep_milestones(self) -> None:
        """Keep the policy's weights at each milestone that the last round reached; 0 means before any update."""
        for step in self.milestones:
            if self.state.previous_t_env < step <= self.state.t_env and step not in self.policies:
                facts = {
                    "config": self.config.to_json(),
                    "step": step,
                    "t_env": self.state.t_env,
                }
                self.policies[step] = checkpoint.pack_policy(self.learner.policy_tensors(), facts)
                self._write_policy(step)

    def _write_policy(self, step: int) -> None:
        """Write a policy file unless it exists: the files of a complete shorter run stay until this run ends."""
        file = self.files.policy_file(step)
        if not file.exists():
            write_bytes(file, self.policies[step])

    def _changed_policies(self) -> dict[Path, bytes]:
        """Return the policy files that must be written, with their content, and remove the evaluations of old ones.

        A file differs if a complete shorter run was trained on another processor family.
        """
        changed = {}
        for step, content in self.policies.items():
            file = self.files.policy_file(step)
            if not file.exists() or file.read_bytes() != content:
                changed[file] = content
                self.files.evaluation_file(step).unlink(missing_ok=True)
        return changed

    def _save_checkpoint(self) -> None:
        self._read_clocks()
        checkpoint.save(
            self.files.checkpoint_folder,
            self.config,
            self.state,
            self.learner.state_tensors(),
            self.replay,
            self.policies,
        )

    def _read_clocks(self) -> None:
        wall, cpu = self._clocks
        self.state.wall_seconds = time.monotonic() - wall
        self.state.cpu_seconds = time.process_time() - cpu


def _write_changed(file: Path, content: bytes) -> None:
    """Write a file unless it already has this content."""
    if not file.exists() or file.read_bytes() != content:
        write_bytes(file, content)


def _results(episode: Episode) -> tuple[float, float, float]:
    """Return win, return and length, in the order of TEST_METRICS and TRAIN_METRICS."""
    return float(episode.won), episode.episode_return, float(episode.length)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _columns(rows: Sequence[Mapping[str, float]], names: Iterable[str]) -> dict[str, list[float]]:
    return {name: [row.get(name, math.nan) for row in rows] for name in names}
