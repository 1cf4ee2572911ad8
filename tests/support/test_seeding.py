"""Seeds never collide and never change, because they are part of every recorded result."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roma.support.noise import Purpose, normals, uniforms
from roma.support.seeding import INDEX_BITS, MAX_RUN_SEED, Stream, episode_seed, noise_seed, seed_of

triples = st.tuples(st.integers(0, MAX_RUN_SEED), st.sampled_from(Stream), st.integers(0, 2**INDEX_BITS - 1))


@given(triples, triples)
def test_different_triples_have_different_seeds(one, other):
    assert (seed_of(*one) == seed_of(*other)) == (one == other)


@given(triples)
def test_seeds_fit_engine_and_generators(triple):
    assert 0 <= seed_of(*triple) < 2**63


def test_battles_of_training_testing_and_evaluation_are_disjoint():
    battles = [
        {episode_seed(0, stream, i) for i in range(2000)} for stream in (Stream.TRAIN, Stream.TEST, Stream.EVALUATE)
    ]
    assert len(set.union(*battles)) == 6000


def test_neighbouring_seeds_differ_in_about_half_their_bits():
    flips = [(seed_of(0, Stream.TRAIN, i) ^ seed_of(0, Stream.TRAIN, i + 1)).bit_count() for i in range(500)]
    assert 25 < sum(flips) / len(flips) < 33  # 58 bits are scrambled


@pytest.mark.parametrize("index", [0, 8])
def test_noise_of_different_streams_and_runs_has_nothing_in_common(index):
    """Compares draws, because a generator that reads only some bits of its seed would repeat them."""
    keys = [seed_of(run_seed, stream, index) for run_seed in (0, 1) for stream in Stream]
    for draw in (uniforms, normals):
        drawn = draw(Purpose.ROLE, keys, 20, 5, 3).reshape(len(keys), -1)
        assert abs(np.corrcoef(drawn) - np.eye(len(keys))).max() < 0.25  # 4 standard deviations of chance
        assert len(np.unique(drawn[:, :4], axis=0)) == len(keys)


def test_noise_reads_all_bits_of_its_key():
    keys = [5 ^ 1 << bit for bit in range(63)] + [5]
    assert len(np.unique(uniforms(Purpose.EXPLORATION, keys, 1, 1, 1))) == 64


def test_pinned_values():
    assert episode_seed(0, Stream.TRAIN, 0) == 287484552520675890
    assert noise_seed(3, Stream.TEST, 48) == 1637738068887661544


@pytest.mark.parametrize(("run_seed", "index"), [(-1, 0), (MAX_RUN_SEED + 1, 0), (0, -1), (0, 2**INDEX_BITS)])
def test_outside_the_range_is_an_error(run_seed, index):
    with pytest.raises(ValueError, match="outside"):
        seed_of(run_seed, Stream.TRAIN, index)
