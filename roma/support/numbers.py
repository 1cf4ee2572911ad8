"""Sums whose bits do not depend on the version of Python."""

from collections.abc import Iterable
from functools import reduce
from operator import add


def ordered_sum(values: Iterable[float]) -> float:
    """Return the sum of numbers, each added to the sum of those before it; 0 without any.

    From Python 3.12 on, `sum` makes up for rounding, which changes last bits. What is stored or compared is therefore
    added here: as `sum` did in Python 3.11, with which runs were recorded.

    Args:
        values: The numbers, in the order in which they are added.
    """
    return reduce(add, values, 0)
