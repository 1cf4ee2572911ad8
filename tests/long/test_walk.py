"""The whole walk of the bounds-checked kernel: every map, every option; some minutes of one core."""

import re

from tests.walk import run


def test_no_array_is_left_on_any_map_under_any_options() -> None:
    episodes, steps = map(int, re.findall(r"\d+", run()))
    assert (episodes, steps > 100_000) == (80 * 26 * 4, True)
