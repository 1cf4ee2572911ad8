"""What is played for the recorded trajectories, and the digest of an episode.

A play is a tactic under some options and settings, on some seeds. A tactic is a script for each agent, as in
`12N 20H 40AE`: twelve timesteps north, twenty timesteps still, forty timesteps of attacking or else going east, and
again from the start. An action that is not available is passed over; whoever has none left stops.

    N S E W   move        A L   attack (heal) the first or the last target in reach
    H         stop        ?     a random available action
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roma.envs.skirmish.engine import RandomPolicy, Skirmish
from roma.envs.skirmish.options import Choices, EnvOptions
from roma.scenarios.actions import EAST, FIRST_TARGET, NORTH, SOUTH, STOP, WEST

TRAINED_PLAY = Path(__file__).parents[2] / "golden" / "trained_play"
MOVES = {"N": NORTH, "S": SOUTH, "E": EAST, "W": WEST, "H": STOP}
DIGITS = 12  # hexadecimal digits of an episode's digest

Decide = Callable[[NDArray[np.bool_]], NDArray[np.int64]]  # available actions (A, U) of one battle to actions (A,)

SWITCHES = [each.name for each in fields(EnvOptions) if isinstance(each.default, bool)]
ALL_ON = EnvOptions(
    **dict.fromkeys(SWITCHES, True) | {"obs_instead_of_state": False, "reward_sparse": False},  # type: ignore[arg-type]
    move_amount=3,
)
ALL_OFF = EnvOptions(**dict.fromkeys(SWITCHES, False), reward_defeat=-5)  # type: ignore[arg-type]
SPARSE = EnvOptions(reward_sparse=True, obs_instead_of_state=True, obs_timestep_number=True, obs_all_health=False)


@dataclass(frozen=True, slots=True)
class Play:
    """A tactic under options and settings, one episode for each seed."""

    tactic: tuple[str, ...]  # scripts of the agents, again from the first if there are more agents; (): SMAC's script
    seeds: tuple[int, ...]
    options: EnvOptions = field(default_factory=EnvOptions)
    choices: Choices = field(default_factory=Choices)


PLAYS: dict[str, Play] = {
    "random": Play(("1?",), tuple(range(8))),
    "scripted": Play((), (*range(7), 13)),
    "random, all options on": Play(("1?",), (10, 11), options=ALL_ON),
    "random, all options off": Play(("1?",), (12, 13), options=ALL_OFF),
    "scripted, sparse reward": Play((), (14, 15), options=SPARSE),
    "advance": Play(("1AE",), (1, 20, 21, 22)),
    "split fire": Play(("1AE", "1AE", "1LE"), (37, 111)),
    "stand": Play(("1AH",), (24, 25)),
    "hit and run": Play(("3AE 2W",), (26, 27)),
    "retreat": Play(("25AE 30W 1AE",), (28, 29)),
    "hide": Play(("12N 1H",), (30,)),
    "lure": Play(("10N 18H 6S 30E 40S", "10N 200H"), (31, 32)),
    "escape": Play(("14AE 7N 20W 14S 20E 14N 20W 14S 20E",), (35, 36)),
    "decoy": Play(("30AE 40?", "200S"), (33, 34)),
    "other settings, random": Play(
        ("1?",),
        (40, 41),
        options=EnvOptions(obs_pathing_grid=True),
        choices=Choices(prefer_attackers=True, backswing=1, patience=8, splash_edge=0, formation_gap=0),
    ),
    "other settings, scripted": Play(
        (),
        (42, 43),
        options=EnvOptions(obs_terrain_height=True),
        choices=Choices(acquire_range=7, notice_range=5, look_every=1, reaction=1, keep_formation=False),
    ),
}


def tactic_policy(tactic: Sequence[str], seed: int) -> Decide:
    """Return what a tactic does in one episode; the seed decides `?`."""
    scripts = [cycle(list(_wishes(script))) for script in tactic]
    random = RandomPolicy(seed)

    def decide(avail: NDArray[np.bool_]) -> NDArray[np.int64]:
        wishes = [next(script) for script in scripts]
        drawn = random(avail[None])[0]
        return np.array([_choose(wishes[i % len(wishes)], avail[i], int(drawn[i])) for i in range(len(avail))])

    return decide


def _wishes(script: str) -> Iterator[str]:
    for steps, wish in re.findall(r"(\d+)([NSEWHAL?]+)", script):
        yield from [wish] * int(steps)


def _choose(wish: str, avail: NDArray[np.bool_], drawn: int) -> int:
    for letter in wish:
        if letter == "?":
            return drawn
        if letter in MOVES:
            if avail[MOVES[letter]]:
                return MOVES[letter]
        elif (targets := np.flatnonzero(avail[FIRST_TARGET:])).size:
            return FIRST_TARGET + int(targets[0 if letter == "A" else -1])
    return int(avail.argmax())  # stop, or nothing for the dead


def recorded_policy(actions: NDArray[np.int8]) -> Decide:
    """Return a policy that repeats recorded actions (L, A).

    Where one is not available, as after a change of the rules, or where there are no more, it takes the first action
    that is: so trained play need not be recorded again after such a change.
    """
    moments = iter(actions.astype(np.int64))

    def decide(avail: NDArray[np.bool_]) -> NDArray[np.int64]:
        first = avail.argmax(1)
        wanted = next(moments, first)
        return np.where(np.take_along_axis(avail, wanted[:, None], 1)[:, 0], wanted, first)

    return decide


@dataclass(frozen=True, slots=True)
class TrainedPlay:
    """Greedy episodes of trained weights, as seeds and actions."""

    policy: str  # whose
    seeds: NDArray[np.int64]  # (K,)
    actions: list[NDArray[np.int8]]  # K of (L, A)

    def save(self, path: Path) -> None:
        """Write a compressed file without pickles; the same play gives the same bytes."""
        path.parent.mkdir(exist_ok=True)
        lengths = np.array([len(each) for each in self.actions])
        np.savez_compressed(
            path, policy=self.policy, seeds=self.seeds, lengths=lengths, actions=np.concatenate(self.actions)
        )

    @classmethod
    def load(cls, path: Path) -> TrainedPlay:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            actions = np.split(file["actions"], np.cumsum(file["lengths"])[:-1])
            return cls(str(file["policy"]), file["seeds"], actions)


def trained_play(map_name: str) -> TrainedPlay | None:
    """Return the trained play on a map, if there is any."""
    path = TRAINED_PLAY / f"{map_name}.npz"
    return TrainedPlay.load(path) if path.exists() else None


def names_of(map_name: str) -> list[str]:
    """Return the names of all plays on a map."""
    return [*PLAYS, "trained"] if trained_play(map_name) else list(PLAYS)


def episode_digests(
    map_name: str,
    name: str,
    n_battles: int = 8,
    episodes: Sequence[int] | None = None,
    prepare: Callable[[Skirmish], None] = lambda env: None,
) -> list[str]:
    """Return the digests of a play's episodes, or of some of them.

    Args:
        map_name: canonical name.
        name: of PLAYS, or "trained".
        n_battles: how many are played side by side.
        episodes: their numbers; by default all.
        prepare: is called with each environment before it is used.
    """
    if name == "trained":
        trained = trained_play(map_name)
        assert trained is not None
        play = Play(("recorded",), tuple(trained.seeds.tolist()))
    else:
        play = PLAYS[name]
    chosen = list(range(len(play.seeds)) if episodes is None else episodes)
    digests = []
    for start in range(0, len(chosen), n_battles):
        together = chosen[start : start + n_battles]
        if name == "trained":
            policies = [recorded_policy(trained.actions[k]) for k in together]
        else:
            policies = [tactic_policy(play.tactic, play.seeds[k]) for k in together]
        env = Skirmish(map_name, len(together), play.options, play.choices)
        prepare(env)
        digests += play_episodes(env, np.array([play.seeds[k] for k in together]), policies if play.tactic else None)
    return digests


def refuse(env: Skirmish, active: NDArray[np.bool_]) -> None:
    """Ask for actions that are not available, which must leave the battles as they are."""
    for actions in (env.avail_actions.argmin(2), np.full_like(env.last_actions, -1)):
        with suppress(ValueError):
            env.step(actions, active)
            raise AssertionError(f"{actions.tolist()} were not refused")


def play_episodes(
    env: Skirmish, seeds: NDArray[np.int64], policies: Sequence[Decide] | None, timesteps: int | None = None
) -> list[str]:
    """Play one episode in each battle, to its end or for so many timesteps, and return their digests.

    Without policies the agents are under SMAC's script.
    """
    hashes = [hashlib.sha256() for _ in seeds]
    half = np.arange(len(seeds)) % 2 == 0
    env.reset(seeds, half)
    env.reset(seeds, ~half)
    active, shown = np.ones(len(seeds), np.bool_), (env.snapshots, env.obs, env.state, env.avail_actions)
    for b, digest in enumerate(hashes):
        digest.update(b"".join(array[b].tobytes() for array in shown))
    refuse(env, active)
    while active.any() and timesteps != 0:
        timesteps = None if timesteps is None else timesteps - 1
        if policies is None:
            outcome = env.step_scripted(active)
        else:
            actions = env.last_actions.copy()
            for b in np.flatnonzero(active):
                actions[b] = policies[b](env.avail_actions[b])
            outcome = env.step(actions, active)
        for b in np.flatnonzero(active):
            parts = (*shown, env.last_actions, *outcome[:3], env._end)
            hashes[b].update(b"".join(array[b].tobytes() for array in parts))
        active &= ~outcome.terminated
    again = np.empty_like(env.obs), np.empty_like(env.state), np.empty_like(env.avail_actions)
    env.observe_snapshots(env.snapshots, env.last_actions, env._battles.step, *again)
    for b, digest in enumerate(hashes):
        digest.update(b"".join(array[b].tobytes() for array in again))
    return [digest.hexdigest()[:DIGITS] for digest in hashes]
