"""The walk of the bounds-checked kernel: every map, every option; some minutes of one core.

With --walk-every=37, each map is walked at least twice, each time with other options.
"""

import re

from tests.walk import run


def test_no_array_is_left_on_any_map_under_any_options(request, monkeypatch):
    every = request.config.getoption("--walk-every")
    if every > 1:
        monkeypatch.setenv("NUMBA_OPT", "1")  # the same checks, compiled in half the time
    episodes, steps = map(int, re.findall(r"\d+", run("--every", str(every))))
    pairs = len(range(0, 80 * 26, every))
    assert (episodes, steps > 12 * episodes) == (4 * pairs, True)
