"""Seeds of all random numbers, computed from (run seed, stream, index).

No part of a run carries a random state. Each episode, its decisions and each update have their own seed. The engine and
the sampling from the replay buffer seed generators with it. All other noise uses it as the key of `roma.support.noise`,
which computes every number from key, purpose, timestep and agent. Therefore a run resumes from counters alone, the
noise of an episode does not depend on the episodes played in parallel, and evaluations and tests never repeat an
episode seed of training.

A seed has 63 bits: 5 for the stream and 58 for the pair (run seed, index), scrambled by a bijection. Two different
triples never share a seed, and the seeds of neighbouring triples are unrelated.
"""

from enum import IntEnum

STREAM_BITS = 5
RUN_BITS = 22
INDEX_BITS = 36
PAIR_BITS = RUN_BITS + INDEX_BITS
MAX_RUN_SEED = 2**RUN_BITS - 1


class Stream(IntEnum):
    """Random stream. The values are part of every recorded result: append, never renumber."""

    TRAIN = 0  # training episodes; index: training episode
    TEST = 1  # episodes of greedy tests; index: test episode since the start of the run
    EVALUATE = 2  # episodes of `roma evaluate`; index: episode
    ROLLOUT = 3  # recorded episodes for figures; index: episode
    TRAIN_NOISE = 4  # exploration, sampled roles and latents of an episode; index: episode, as in TRAIN
    TEST_NOISE = 5
    EVALUATE_NOISE = 6
    ROLLOUT_NOISE = 7
    SAMPLE = 8  # choice of the episodes of an update; index: update
    LEARN = 9  # noise in the loss of an update; index: update
    ROUND = 10  # noise in learning from a whole round; index: first episode of the round
    DIAGNOSTICS = 11  # noise in the diagnostics of a learner; index: the update before them


def seed_of(run_seed: int, stream: Stream, index: int) -> int:
    """Return the seed, in [0, 2**63), of one index of a stream.

    Args:
        run_seed: Seed of the run, from 0 to MAX_RUN_SEED.
        stream: Stream of the seed.
        index: Index in the stream, from 0; the members of Stream document its meaning.

    Raises:
        ValueError: The run seed or the index is out of range.
    """
    if not 0 <= run_seed <= MAX_RUN_SEED:
        raise ValueError(f"run seed {run_seed} lies outside 0..{MAX_RUN_SEED}")
    if not 0 <= index < 2**INDEX_BITS:
        raise ValueError(f"index {index} lies outside 0..2**{INDEX_BITS}-1")
    return stream << PAIR_BITS | _scramble(run_seed << INDEX_BITS | index)


def episode_seed(run_seed: int, stream: Stream, index: int) -> int:
    """Return the seed of episode number `index` of a stream of episodes (TRAIN, TEST, EVALUATE or ROLLOUT)."""
    return seed_of(run_seed, stream, index)


def noise_seed(run_seed: int, stream: Stream, index: int) -> int:
    """Return the key of the noise of all decisions in episode number `index` of a stream of episodes."""
    return seed_of(run_seed, Stream[f"{stream.name}_NOISE"], index)


def _scramble(value: int) -> int:
    """Apply a bijection on PAIR_BITS-bit numbers: SplitMix64's finaliser, each step invertible modulo 2**PAIR_BITS."""
    mask = 2**PAIR_BITS - 1
    value = (value + 0x1E3779B97F4A7C15) & mask
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & mask
    return value ^ value >> 31
