"""The algorithms: one package for each family, with its hyper-parameters in `config` and its learner in `learner`.

Importing this package does not import torch; `make_learner` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from roma.learners.versions import version_of
from roma.support.errors import UserError, unknown
from roma.support.schemas.settings import facts

if TYPE_CHECKING:
    from roma.envs.vector import EnvInfo
    from roma.learners.base.config import BaseConfig
    from roma.learners.base.learner import NetworkLearner


@dataclass(frozen=True)
class AlgorithmSpec:
    """Named algorithm: a family of learners, and the settings that override the family's defaults."""

    name: str
    family: str
    config_class: type[Any]
    overrides: dict[str, object]
    protocol_settings: dict[str, object]  # overrides of every protocol, by the names of roma.runs.protocols.Protocol
    version: int  # of the algorithm's behaviour (roma.learners.versions)
    description: str = ""  # a few words, for tables
    sources: Mapping[str, str] = field(default_factory=dict)  # source of each setting's value
    tuning_trials: int | None = None  # runs spent in this project on choosing the settings; None: not stated


@cache
def _algorithms() -> dict[str, AlgorithmSpec]:
    found = {}
    for module_info in iter_modules(__path__):
        family = module_info.name
        if not module_info.ispkg or family == "base":
            continue
        module = import_module(f"{__name__}.{family}.config")
        protocol_settings = getattr(module, "PROTOCOL_SETTINGS", {})
        for name, overrides in module.VARIANTS.items():
            words = getattr(module, "DESCRIPTIONS", {}).get(name, "")
            config_class = getattr(module, "CONFIGS", {}).get(name, module.Config)
            sources = {each.name: facts(each).source for each in fields(config_class)}
            changed = getattr(module, "VARIANT_SOURCES", {}).get(name)
            sources |= {key: changed for key in (*overrides, *protocol_settings) if changed}
            trials = getattr(module, "TUNING_TRIALS", None)
            version = version_of(name, Path(str(module.__file__)).parent)
            found[name] = AlgorithmSpec(
                name, family, config_class, overrides, protocol_settings, version, words, sources, trials
            )
    return found


def add_folder(folder: Path) -> None:
    """Let the packages in a folder be families of algorithms in this process, as those in `roma/learners` are.

    Raises:
        UserError: There is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")
    __path__.append(str(folder))
    _algorithms.cache_clear()


def algorithm_names() -> list[str]:
    """Return the names of all algorithms, sorted."""
    return sorted(_algorithms())


def algorithm(name: str) -> AlgorithmSpec:
    """Return the algorithm of a name.

    Raises:
        UserError: There is none; the message suggests the nearest name and lists all.
    """
    if name not in _algorithms():
        raise unknown("algorithm", name, _algorithms())
    return _algorithms()[name]


def make_learner(
    name: str, config: BaseConfig, info: EnvInfo, seed: int, device: str = "cpu"
) -> NetworkLearner[Any, Any]:
    """Make a learner with initial weights.

    Args:
        name: Name of the algorithm.
        config: Its hyper-parameters.
        info: Sizes of the map.
        seed: Seed of the initial weights.
        device: Device of torch.

    Raises:
        UserError: There is no such algorithm.
    """
    module = import_module(f"{__name__}.{algorithm(name).family}.learner")
    learner: NetworkLearner[Any, Any] = module.Learner(config, info, seed, device)
    return learner
