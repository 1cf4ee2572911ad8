"""Seeds never meet, and never change: they are part of every recorded result."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roma.seeding import INDEX_BITS, MAX_RUN_SEED, Stream, episode_seed, noise_seed, seed_of

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


def test_pinned_values():
    assert episode_seed(0, Stream.TRAIN, 0) == 287484552520675890
    assert noise_seed(3, Stream.TEST, 48) == 1637738068887661544


@pytest.mark.parametrize(("run_seed", "index"), [(-1, 0), (MAX_RUN_SEED + 1, 0), (0, -1), (0, 2**INDEX_BITS)])
def test_outside_the_range_is_an_error(run_seed, index):
    with pytest.raises(ValueError, match="outside"):
        seed_of(run_seed, Stream.TRAIN, index)
