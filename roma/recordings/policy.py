"""Policies of runs, to play in loops of one's own: `roma.load`.

    policy = roma.load("10m_vs_11m/qmix/seed0")
    env = roma.envs.smac.StarCraft2Env(map_name=policy.map)
    observations, state = env.reset()
    policy.reset(state)
    reward, terminated, info = env.step(policy.act(observations, env.get_avail_actions()))

Shapes: A agents, O observation size, S state size, U actions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from roma.learners.base.roles import RoleLearner
from roma.recordings.evaluate import load_policy
from roma.runs.config import RunConfig, from_json
from roma.runs.directory import RunDirectory
from roma.scenarios import load_map
from roma.support.errors import UserError, suggestion
from roma.support.seeding import Stream, noise_seed
from roma.support.system.clone import find_clone

SHIPPED_NAME = re.compile(r"[A-Za-z0-9_]+/[A-Za-z0-9_]+/seed\d+")
STEP = re.compile(r"t(\d+)\.safetensors")


class Policy:
    """A trained team that decides greedily, as in tests and evaluations.

    The hidden states and last actions of the agents are kept inside, so one policy plays one episode at a time.

    Attributes:
        config: Configuration of the run.
        step: Environment steps after which the policy was kept.
    """

    def __init__(self, file: Path) -> None:
        """Read a policy file.

        Raises:
            UserError: The file was made with another version of the algorithm or of the engine on its map.
        """
        self._learner, env, facts = load_policy(file, 1)
        self._info = env.info
        self._actor = self._learner.actor()
        self.config: RunConfig = from_json(facts["config"])
        self.step: int = facts["step"]
        self._episode: int | None = None  # none has begun
        self._seen: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None  # before the last decision
        self._last_actions = np.empty(0, np.int64)

    @property
    def map(self) -> str:
        """The map that the policy was trained on."""
        return self.config.map

    @property
    def has_roles(self) -> bool:
        """Whether the agents have roles, see `roles`."""
        return isinstance(self._learner, RoleLearner)

    def __repr__(self) -> str:
        config = self.config
        return f"<policy of {config.algorithm} on {config.map}, seed {config.seed}, {self.step} environment steps>"

    def reset(self, state: ArrayLike, episode: int | None = None) -> None:
        """Begin an episode: hidden states are zero, and there is no last action.

        Args:
            state: The environment's first state, (S,): `env.get_state()`, or `env.state()` of PettingZoo. Arms with
                latents draw theirs by it.
            episode: Number of the episode, which decides what sampled roles and latents draw, as in `roma evaluate`;
                by default one more than that of the episode before, and first 0.

        Raises:
            UserError: The state is not of this map, or not in SMAC's default form.
        """
        first = self._array("state", state, (self._info.state_size,), np.float32)
        self._episode = episode if episode is not None else 0 if self._episode is None else self._episode + 1
        self._actor.begin([noise_seed(self.config.seed, Stream.EVALUATE, self._episode)], first[None])
        self._seen, self._last_actions = None, np.full(self._info.n_agents, -1)

    def act(self, observations: Any, available_actions: Any = None) -> Any:
        """Decide the next timestep.

        Args:
            observations: As SMAC gives them, (A, O), or as PettingZoo does, by agent; there each is
                `{"observation": (O,), "action_mask": (U,)}`, or (O,) with the masks in `available_actions`.
            available_actions: As SMAC gives them, (A, U); of PettingZoo with `mask="info"` the infos, by agent.

        Returns:
            The actions, (A,), or by agent where the observations are so. An agent without an available action gets 0.

        Raises:
            UserError: No episode has begun, or observations or available actions are missing or have another shape.
        """
        if self._episode is None:
            raise UserError("no episode has begun: policy.reset(state) begins one")
        names: list[str] = []
        if isinstance(observations, Mapping):
            names = self._agent_names()
            observations, available_actions = _by_agent(names, observations, available_actions)
        if available_actions is None:
            raise UserError("the available actions are missing: policy.act(observations, available_actions)")
        n_agents = self._info.n_agents
        obs = self._array("observations", observations, (n_agents, self._info.obs_size), np.float32)
        available = self._array("available actions", available_actions, (n_agents, self._info.n_actions), np.bool_)
        actions = self._actor.act(obs[None], available[None], np.ones(1, np.bool_), None)[0]
        self._seen, self._last_actions = (obs, self._last_actions), actions
        return dict(zip(names, actions.tolist(), strict=True)) if names else actions

    def roles(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and variance of the agents' roles at the last decision, each (A, role_dim).

        Raises:
            UserError: The arm has no roles, or nothing was decided in this episode.
        """
        if not isinstance(self._learner, RoleLearner):
            raise UserError(f"the agents of {self.config.algorithm} have no roles")
        if self._seen is None:
            raise UserError("nothing was decided in this episode: call policy.act first")
        mean, variance = self._learner.roles(*(torch.from_numpy(seen[None]) for seen in self._seen))
        return mean[0].numpy(), variance[0].numpy()

    def _agent_names(self) -> list[str]:
        """Return PettingZoo's names of the agents, in the order of the rows of observations."""
        from roma.envs.pettingzoo import agent_names  # here, as SMAC's class does without PettingZoo

        return agent_names(list(load_map(self.map).unit_types)[: self._info.n_agents])

    def _array(self, what: str, given: ArrayLike, shape: tuple[int, ...], kind: type[Any]) -> NDArray[Any]:
        try:
            array = np.array(given, kind)
        except ValueError as error:
            raise UserError(f"{what} are no array: {error}") from None
        if array.shape != shape:
            raise UserError(
                f"{what} of shape {array.shape} do not fit: the policy of {self.config.algorithm} on {self.map} takes "
                f"{shape}, as an environment of that map has them with SMAC's default options"
            )
        return array


def _by_agent(
    names: list[str], observations: Mapping[str, Any], available_actions: Mapping[str, Any] | None
) -> tuple[list[Any], list[Any] | None]:
    """Return observations and masks of available actions in the order of the agents' names.

    Raises:
        UserError: An agent is missing.
    """
    masks = observations if available_actions is None else available_actions
    for found in (observations, masks):
        if missing := [name for name in names if name not in found]:
            raise UserError(f"no observation or info of {', '.join(missing)}; there are: {', '.join(found)}")
    seen = [_part(observations[name], "observation") for name in names]
    if available_actions is None and not isinstance(observations[names[0]], Mapping):
        return seen, None
    return seen, [_part(masks[name], "action_mask") for name in names]


def _part(value: Any, name: str) -> Any:
    return value[name] if isinstance(value, Mapping) else value


def load(run: str | PathLike[str], step: int | None = None) -> Policy:
    """Return a policy of a run, see `roma.load`."""
    directory = RunDirectory(Path(run) if Path(run).is_dir() else _restored(str(run)))
    kept = sorted(int(found[1]) for file in directory.policy_folder.glob("t*") if (found := STEP.fullmatch(file.name)))
    if step is None:
        return Policy(directory.kept_policy(directory.last_step()))
    if step not in kept:
        here = ", ".join(map(str, kept)) or "none"
        raise UserError(f"{directory.policy_folder} has no policy of step {step}; kept there: {here}")
    return Policy(directory.policy_file(step))


def _restored(name: str) -> Path:
    """Return the run directory of a run that ships, which is restored if it is not in place.

    Raises:
        UserError: There is no such run, no clone, or the run cannot be restored.
    """
    if not SHIPPED_NAME.fullmatch(name):
        raise UserError(f"there is no folder {name}, and it is not the name MAP/ARM/seedK of a run that ships")
    clone = find_clone(Path.cwd()) or find_clone(Path(__file__).parent)
    if clone is None:
        raise UserError(
            f"there is no folder {name}, and runs come with a clone of the project only: neither {Path.cwd()} nor a "
            "folder above is one; give the path of a run directory"
        )
    shipping = _shipping(clone)
    shipped = shipping.read_shipped(clone, shipping.STUDY)
    if name not in shipped:
        known = ", ".join(sorted(shipped)) or "none"
        raise UserError(f"{name!r} is not a run that ships{suggestion(name, shipped)}; known: {known}")
    try:
        shipping.restore(clone, shipped[name])
    except ValueError as error:
        raise UserError(str(error)) from None
    return clone / Path(shipped[name].path)


def _shipping(clone: Path) -> ModuleType:
    """Return the module of a clone that knows which runs ship, under a name that hides no module of the user's."""
    specification = spec_from_file_location("_roma_shipping", clone / "workflow" / "artifacts" / "shipping.py")
    assert specification is not None
    assert specification.loader is not None
    module = module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
