"""BenchMARL trains on the embedded engine through TorchRL, and renders its evaluations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarl.algorithms import MappoConfig, QmixConfig
from benchmarl.environments import Task
from benchmarl.environments.pettingzoo.common import PettingZooClass
from benchmarl.experiment import Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig
from torchrl.envs import EnvBase, PettingZooWrapper

from roma.envs.pettingzoo import parallel_env

FRAMES, BATCH, LIMIT = 600, 200, 60


class SkirmishClass(PettingZooClass):
    """Maps as tasks of BenchMARL: the class that users write for an environment with PettingZoo's interface."""

    def get_env_fun(
        self, num_envs: int, continuous_actions: bool, seed: int | None, device: Any
    ) -> Callable[[], EnvBase]:
        return lambda: PettingZooWrapper(
            parallel_env(render_mode="rgb_array", **self.config),
            return_state=self.has_state(),
            categorical_actions=True,
            seed=seed,
            device=device,
        )

    def supports_discrete_actions(self) -> bool:
        return True

    def has_state(self) -> bool:
        return True


class SkirmishTask(Task):
    """Tasks by name."""

    M3 = None

    @staticmethod
    def associated_class() -> type[SkirmishClass]:
        return SkirmishClass


@pytest.mark.parametrize("algorithm", [QmixConfig, MappoConfig])
def test_an_algorithm_trains_and_renders(algorithm: Any, tmp_path: Path) -> None:
    """Weights change, returns are finite, and the evaluation writes a film of battles in which units move."""
    settings = replace(
        ExperimentConfig.get_from_yaml(),
        save_folder=str(tmp_path),
        max_n_frames=FRAMES,
        loggers=["csv"],
        create_json=False,
        render=True,
        evaluation=True,
        evaluation_interval=FRAMES,
        evaluation_episodes=2,
        on_policy_collected_frames_per_batch=BATCH,
        on_policy_n_envs_per_worker=2,
        on_policy_minibatch_size=BATCH,
        on_policy_n_minibatch_iters=2,
        off_policy_collected_frames_per_batch=BATCH,
        off_policy_n_envs_per_worker=2,
        off_policy_train_batch_size=64,
        off_policy_n_optimizer_steps=2,
        off_policy_memory_size=FRAMES,
    )
    experiment = Experiment(
        task=SkirmishTask.M3.get_task({"map_name": "3m", "max_cycles": LIMIT}),
        algorithm_config=algorithm.get_from_yaml(),
        model_config=MlpConfig.get_from_yaml(),
        critic_model_config=MlpConfig.get_from_yaml(),
        seed=0,
        config=settings,
    )
    experiment.logger.loggers[0].experiment.video_format = "pt"  # the format that needs no torchvision
    before = [weights.detach().clone() for weights in experiment.policy.parameters()]
    experiment.run()
    assert experiment.total_frames == FRAMES
    after = list(experiment.policy.parameters())
    assert all(weights.isfinite().all() for weights in after)
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    films = sorted(tmp_path.rglob("eval_video_*.pt"))
    assert len(films) == 2
    frames = torch.load(films[-1], weights_only=True)  # (1, timesteps, 3, height, width)
    assert frames.dtype == torch.uint8
    assert frames.shape[1] > 10
    assert not torch.equal(frames[0, 0], frames[0, -1])
