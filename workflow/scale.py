"""Keys of scale files, and reading and validation of scale files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NewType

from roma.envs.registry import EngineName
from roma.support.errors import UserError
from roma.support.schemas.reading import read_yaml
from roma.support.schemas.settings import AT_LEAST_ONE, setting
from roma.support.schemas.structure import Matching, Name, convert

Overrides = NewType("Overrides", dict[str, Any])  # settings by name; roma.runs.config converts and checks the values
Names = tuple[Name, ...]
PerMap = int | Mapping[str, int]
Curve = Literal["test_battle_won_mean", "test_return_mean", "test_ep_length_mean"]


class Sha256(Matching):
    """Digest of a file."""

    __slots__ = ()
    PATTERN = "[0-9a-f]{64}"
    FORM = "64 hexadecimal digits"


class Words(Matching):
    """Text that is not empty."""

    __slots__ = ()
    PATTERN = r"[\s\S]*\S[\s\S]*"
    FORM = "not empty"


@dataclass(kw_only=True)
class Download:
    """Options of `roma starcraft2 fetch`."""

    version: Literal["4.6.2", "4.10"] = setting(None, "Version of the game.")
    licence: Literal["accepted"] = setting(None, "`accepted` if you accept the licence of the game.")
    accept_digest: Sha256 = setting(None, "SHA-256 of an accepted archive without a published checksum.")


@dataclass(kw_only=True)
class RolloutEpisodes:
    """Episodes in which roles are measured."""

    last: int = setting(None, "Episodes of a run's last policy.", bound=AT_LEAST_ONE)
    earlier: int = setting(None, "Episodes of each earlier policy.", bound=AT_LEAST_ONE)


@dataclass(kw_only=True)
class Cell:
    """Block of the grid: each of its arms on each of its maps."""

    maps: Literal["maps", "ablation_maps"] | Names = setting(help="Names of maps, or one of the scale's lists of maps.")
    arms: Names = setting(help="Names of arms.")
    tranche: Name = setting(None, "Tranche of the runs; required if the scale has tranches.")
    seeds: tuple[int, ...] = setting(None, "Seeds; by default the scale's.")
    protocol: str = setting(None, "Protocol; by default the arm's, then the scale's.")
    total_steps: PerMap = setting(None, "Environment steps of a run; by default the scale's.", bound=AT_LEAST_ONE)
    test_interval: PerMap = setting(None, "Environment steps between tests.", bound=AT_LEAST_ONE)
    overrides: Overrides = setting(None, "Settings of the runs; they override the arm's and the scale's.")


@dataclass(kw_only=True)
class Arm:
    """Arm that differs from the algorithm of its name."""

    algorithm: str = setting(None, "Name of an algorithm; by default the arm's name.")
    protocol: str = setting(None, "Protocol; by default the scale's.")
    overrides: Overrides = setting(None, "Settings of the runs.")
    sweep: Mapping[str, Mapping[Name, Any]] = setting(
        None,
        "Values of each setting by short name; there is one arm, ARM_NAME_NAME, for each combination.",
    )


@dataclass(kw_only=True)
class Scale:
    """Scale of the replication: its runs, their total steps, and the figures that are drawn from them."""

    scale: Name = setting(help="Name of the scale and of the folder of its results.")
    engine: EngineName = setting(help="Engine of all episodes.")
    starcraft2: Download = setting(None, "Options of `roma starcraft2 fetch`, used if the game is missing.")
    protocol: str = setting(help="Preset of episodes, updates and tests; an arm or a cell may have another one.")
    seeds: tuple[int, ...] = setting(help="Seeds of every cell, one run for each; a cell may have others.")
    tranches: Names = setting(
        None, "Names of the parts of the grid, in their training order; each cell must then name its tranche."
    )
    open_tranches: Names = setting(None, "Tranches to train; by default all.")
    total_steps: PerMap = setting(
        help="Total environment steps of a run, for all maps or by map with a default.", bound=AT_LEAST_ONE
    )
    test_interval: PerMap = setting(
        None, "Environment steps between tests; by default the protocol's.", bound=AT_LEAST_ONE
    )
    overrides: Overrides = setting(None, "Settings of every run: of its protocol, algorithm or engine.")
    milestones: tuple[int, ...] = setting(
        None, "Environment steps at which policies are kept, in addition to the end; by default those of `roma train`."
    )
    checkpoint_seconds: int | float = setting(
        None, "Seconds between checkpoints, the most that a killed run loses; by default those of `roma train`."
    )
    evaluation_episodes: int = setting(help="Greedy episodes of the final evaluation of each run.", bound=AT_LEAST_ONE)
    rollout_episodes: RolloutEpisodes = setting(
        None, "Episodes in which roles are measured; by default those of `roma measure`."
    )
    maps: Names = setting(help="The paper's maps.")
    ablation_maps: Literal["all"] | Names = setting(
        help="Maps of the ablations; `all` stands for all maps of the paper."
    )
    cells: tuple[Cell, ...] = setting(help="Blocks of the grid, each with arms and maps.")
    arms: dict[Name, Arm] = setting(None, "Arms that differ from the algorithm of their name.")
    figures: Names = setting(help="Figures and tables to draw, by their names or groups in figures.yaml.")
    withheld: Words = setting(
        None, 'Reason for not showing verdicts and roles, in words that follow "withheld"; by default they are shown.'
    )
    curves: tuple[Curve, ...] = setting(help="Metrics of learning curves, from top to bottom.")


def read_scale(path: Path) -> dict[str, Any]:
    """Return the content of a scale file, converted and checked by `check`.

    Raises:
        UserError: There is no such file, it is not YAML, or `check` fails.
    """
    if not path.exists():
        raise UserError(f"there is no scale file {path}")
    return check(read_yaml(path), str(path))


def check(config: Any, source: str) -> dict[str, Any]:
    """Return the content of a scale with every value converted to its type, except for settings in overrides.

    Args:
        config: Content of the YAML file, possibly changed by `snakemake --config`.
        source: Name of the file, for messages.

    Raises:
        UserError: A key is unknown or missing, or a value is not valid; the message has its place and what is valid.
    """
    try:
        converted: dict[str, Any] = convert(config, Scale)
    except UserError as error:
        raise UserError(f"{source}: {error}") from None
    return converted
