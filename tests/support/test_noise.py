"""Random numbers by address: known answers, distributions, and independence of other draws."""

import os
import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy import special, stats

from roma.support import noise
from roma.support.noise import Purpose, normals, uniforms

KEYS = [0, 1, 2**32, 2**63 - 1]


@njit
def words_at(key, agent, step, block, purpose):
    return noise.philox(key, agent, step, block, purpose)


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [  # of Random123, the library of Philox's authors
        (0, (0, 0, 0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        (2**64 - 1, (2**32 - 1,) * 4, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (0x299F31D0A4093822, (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_words_are_those_of_philox(key, counter, expected):
    assert " ".join(f"{word:08x}" for word in words_at(np.uint64(key), *counter)) == expected


def test_numbers_are_of_their_address():
    drawn = uniforms(Purpose.LATENT, KEYS, 3, 2, 6, first=5)
    for r, key in enumerate(KEYS):
        for t in range(3):
            for i in range(2):
                words = [word for block in (0, 1) for word in words_at(np.uint64(key), i, 5 + t, block, 3)]
                assert drawn[r, t, i].tolist() == [word / 2**32 for word in words[:6]]


@settings(deadline=None)  # the first example compiles
@given(
    rows=st.lists(st.integers(0, 3), min_size=1),
    first=st.integers(0, 9),
    steps=st.integers(1, 3),
    agents=st.integers(1, 5),
    numbers=st.integers(1, 7),
)
def test_numbers_do_not_depend_on_what_else_is_drawn(rows, first, steps, agents, numbers):
    for draw in (uniforms, normals):
        everything = draw(Purpose.ROLE, KEYS, 12, 5, 7)
        part = draw(Purpose.ROLE, [KEYS[row] for row in rows], steps, agents, numbers, first)
        np.testing.assert_array_equal(part, everything[rows, first : first + steps, :agents, :numbers])


def test_no_two_addresses_have_the_same_numbers():
    drawn = np.concatenate([uniforms(purpose, KEYS, 20, 10, 8) for purpose in Purpose])
    repeated = drawn.size - len(np.unique(drawn))
    assert repeated <= 2  # by chance 0.12 pairs of equal words among 32 000


def test_uniform_numbers_are_uniform():
    numbers = uniforms(Purpose.EXPLORATION, range(100), 50, 10, 4)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert stats.kstest(numbers.ravel(), "uniform").pvalue > 0.001
    assert abs(np.corrcoef(numbers.reshape(-1, 4).T) - np.eye(4)).max() < 0.02  # 4 standard deviations of chance


def test_normal_numbers_are_normal():
    numbers = normals(Purpose.ROLE, range(100), 50, 10, 4)
    assert numbers.dtype == np.float32
    assert stats.kstest(numbers.ravel(), "norm").pvalue > 0.001
    assert abs(np.corrcoef(numbers.reshape(-1, 4).T) - np.eye(4)).max() < 0.02  # 4 standard deviations of chance


def test_normal_numbers_are_the_inverse_distribution_function():
    words = np.linspace(0, 2**32 - 1, 1_000_001).astype(np.uint32)
    found = np.array([normal_of(word) for word in words[:: 10**3]])
    of_points = special.ndtri(((words >> np.uint32(9)) + 0.5) / 2**23)
    np.testing.assert_allclose(found, of_points[:: 10**3], rtol=1e-6, atol=1e-6)
    ends = [normal_of(np.uint32(word)) for word in (0, 2**31 - 1, 2**31, 2**32 - 1)]
    assert ends[0] == -ends[3] == pytest.approx(special.ndtri(0.5 / 2**23), rel=1e-6)
    assert ends[1] == -ends[2] == pytest.approx(special.ndtri(0.5 - 0.5 / 2**23), rel=1e-6)


@njit
def normal_of(word):
    return noise.normal(word)


PINNED = "c0db1a29e67803b3901de4cc091d23cc6daf11bf392b04986599a3edf1f53cd6"
PROGRAM = """
from hashlib import sha256
from roma.support.noise import Purpose, normals, uniforms
drawn = [draw(purpose, [3, 2**62 + 5], 40, 27, 3, 7) for purpose in Purpose for draw in (uniforms, normals)]
print(sha256(b"".join(each.tobytes() for each in drawn)).hexdigest())
"""


def test_numbers_are_the_same_under_another_instruction_set():
    """With machine code for the oldest 64-bit processors, and against recorded digests."""
    environment = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    plain = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, text=True, capture_output=True, check=True)
    drawn = [draw(purpose, [3, 2**62 + 5], 40, 27, 3, 7) for purpose in Purpose for draw in (uniforms, normals)]
    here = sha256(b"".join(each.tobytes() for each in drawn)).hexdigest()
    assert plain.stdout.strip() == here == PINNED
