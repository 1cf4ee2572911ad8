"""Sums that are the same under every version of Python."""

from roma.support.numbers import ordered_sum


def test_a_sum_is_rounded_after_each_number():
    """`sum` of Python 3.12 and later gives 1.0 and 2.0."""
    assert ordered_sum([0.1] * 10) == 0.9999999999999999
    assert ordered_sum([1.0, 1e100, 1.0, -1e100]) == 0.0


def test_numbers_without_rounding_stay_what_they_are():
    assert ordered_sum([]) == 0
    assert ordered_sum([True, False, True]) == 2
    assert ordered_sum(iter([3, 4])) == 7
