"""Branches of the kernel that recorded trajectories reach; half a minute of one core."""

from tests.envs.trajectories import golden
from tests.envs.trajectories.branches import REACHING, reasons, uncompiled


def test_all_branches_are_reached_but_those_with_a_reason() -> None:
    """The episodes that reach them are recorded ones: uncompiled, they have their recorded digests."""
    found = uncompiled(REACHING)
    records = golden.read()
    for map_name, play, numbers in REACHING:
        for k in numbers:
            assert found.digests[f"{map_name}/{play}/{k}"] == records[map_name].episodes[play][k]
    assert {branch.key for branch in found.unreached} == set(reasons())
