"""ROMA: multi-agent reinforcement learning with emergent roles, and the baselines of its paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roma.support.system.processor import ignore_overrides

if TYPE_CHECKING:
    from os import PathLike

    from roma.recordings.policy import Policy

ignore_overrides()  # before any library that reads them is loaded

__version__ = "0.1.0"


def load(run: str | PathLike[str], step: int | None = None) -> Policy:
    """Return a policy of a run, which plays in environments of `roma.envs.smac` and `roma.envs.pettingzoo`.

    Args:
        run: A run directory. In a clone of the project, also the name `MAP/ARM/seedK` of a run that ships, which is
            restored if it is not in place; an existing folder of that name comes first.
        step: Environment steps after which the policy was kept; by default the run's end.

    Raises:
        UserError: There is no such run, it is not finished, or it has no policy of that step here. The message lists
            what there is.
    """
    from roma.recordings.policy import load as load_policy  # here: importing torch takes seconds

    return load_policy(run, step)
