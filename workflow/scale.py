"""The keys of a scale file, and scale files read: values are converted first, then checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NewType

from roma.envs.registry import EngineName
from roma.support.errors import UserError
from roma.support.schema import read_yaml
from roma.support.settings import AT_LEAST_ONE, setting
from roma.support.structure import Matching, Name, convert

Overrides = NewType("Overrides", dict[str, Any])  # settings by name; roma.runs.config converts and checks them
Names = tuple[Name, ...]
PerMap = int | Mapping[str, int]
Curve = Literal["test_battle_won_mean", "test_return_mean", "test_ep_length_mean"]


class Sha256(Matching):
    """Digest of a file."""

    __slots__ = ()
    PATTERN = "[0-9a-f]{64}"
    FORM = "64 hexadecimal digits"


class Words(Matching):
    """Text that says something."""

    __slots__ = ()
    PATTERN = r"[\s\S]*\S[\s\S]*"
    FORM = "not empty"


@dataclass(kw_only=True)
class Download:
    """What `roma starcraft2 fetch` is told."""

    version: Literal["4.6.2", "4.10"] = setting(None, "Version of the game.")
    licence: Literal["accepted"] = setting(None, "Says that you accept the licence of the game.")
    accept_digest: Sha256 = setting(None, "SHA-256 of an archive whose checksum nobody has published.")


@dataclass(kw_only=True)
class RolloutEpisodes:
    """Episodes in which roles are measured."""

    last: int = setting(None, "Episodes of a run's last policy.", bound=AT_LEAST_ONE)
    earlier: int = setting(None, "Episodes of each earlier policy.", bound=AT_LEAST_ONE)


@dataclass(kw_only=True)
class Cell:
    """A block of the grid: each of its arms on each of its maps."""

    maps: Literal["maps", "ablation_maps"] | Names = setting(
        help="Names of maps, or which of the scale's two lists of maps."
    )
    arms: Names = setting(help="Names of arms.")
    tranche: Name = setting(None, "The tranche that the runs belong to; required if the scale has tranches.")
    seeds: tuple[int, ...] = setting(None, "Seeds; by default the scale's.")
    protocol: str = setting(None, "Protocol; by default the arm's, then the scale's.")
    total_steps: PerMap = setting(None, "Environment steps of a run; by default the scale's.", bound=AT_LEAST_ONE)
    test_interval: PerMap = setting(None, "Environment steps between tests.", bound=AT_LEAST_ONE)
    overrides: Overrides = setting(None, "Settings of the runs; they count before the arm's and the scale's.")


@dataclass(kw_only=True)
class Arm:
    """An arm that is more than the algorithm of its name."""

    algorithm: str = setting(None, "Name of an algorithm; by default the arm's name.")
    protocol: str = setting(None, "Protocol; by default the scale's.")
    overrides: Overrides = setting(None, "Settings of the runs.")
    sweep: Mapping[str, Mapping[Name, Any]] = setting(
        None,
        "Settings with the values each takes, by short names; an arm ARM_NAME_NAME for every combination.",
    )


@dataclass(kw_only=True)
class Scale:
    """One scale of the replication: which runs there are, how long they last, which figures are drawn from them."""

    scale: Name = setting(help="Name of the folder of all results of this scale.")
    engine: EngineName = setting(help="What plays the episodes.")
    starcraft2: Download = setting(None, "What `roma starcraft2 fetch` is told if the game is missing.")
    protocol: str = setting(help="Preset of episodes, updates and tests; an arm or a cell may have its own.")
    seeds: tuple[int, ...] = setting(help="One run of every cell for each of these; a cell may have its own.")
    tranches: Names = setting(
        None, "Names of the parts of the grid, in the order in which they are trained; each cell then names its own."
    )
    open_tranches: Names = setting(None, "The tranches whose runs are targets; by default all.")
    total_steps: PerMap = setting(
        help="Environment steps of a run, for all maps or by map with a default.", bound=AT_LEAST_ONE
    )
    test_interval: PerMap = setting(
        None, "Environment steps between tests; by default the protocol's.", bound=AT_LEAST_ONE
    )
    overrides: Overrides = setting(None, "Settings of every run, of its algorithm, protocol or engine.")
    milestones: tuple[int, ...] = setting(
        None, "Environment steps at which policies are kept, besides the end; by default those of `roma train`."
    )
    checkpoint_seconds: int | float = setting(
        None, "Seconds between the checkpoints of a run, the most that a killed one loses; by default `roma train`'s."
    )
    evaluation_episodes: int = setting(help="Greedy episodes of the final evaluation of each run.", bound=AT_LEAST_ONE)
    rollout_episodes: RolloutEpisodes = setting(
        None, "Episodes in which roles are measured; by default those of `roma measure`."
    )
    maps: Names = setting(help="The paper's maps.")
    ablation_maps: Literal["all"] | Names = setting(
        help="The maps on which the ablations run; all takes every map of the paper."
    )
    cells: tuple[Cell, ...] = setting(help="Blocks of the grid, each every one of its arms on every one of its maps.")
    arms: dict[Name, Arm] = setting(None, "Arms that are more than the algorithm of their name.")
    figures: Names = setting(
        help="Figures and tables to draw, by their names in figures.yaml or those of their groups."
    )
    withheld: Words = setting(
        None, 'Why verdicts and roles are not shown, in words that go on after "withheld"; by default they are shown.'
    )
    curves: tuple[Curve, ...] = setting(help="What learning curves show, from top to bottom.")


def read_scale(path: Path) -> dict[str, Any]:
    """Return the content of a scale file, converted and checked as by `check`.

    Raises:
        UserError: There is no such file, it is not YAML, or it says what no scale may.
    """
    if not path.exists():
        raise UserError(f"there is no scale file {path}")
    return check(read_yaml(path), str(path))


def check(config: Any, source: str) -> dict[str, Any]:
    """Return the content of a scale with every value in its type. Settings in overrides are left as they are.

    Args:
        config: What was read from YAML, or given with `snakemake --config`.
        source: Where it was read, for messages.

    Raises:
        UserError: A key is unknown or missing, or a value is not valid; one line says where and what is wanted.
    """
    try:
        converted: dict[str, Any] = convert(config, Scale)
    except UserError as error:
        raise UserError(f"{source}: {error}") from None
    return converted
