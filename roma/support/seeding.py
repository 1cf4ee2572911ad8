"""Where every random number comes from.

Nothing in a run carries a random state along. Each battle, the decisions in it and each update have a seed of their
own, which is computed from (run seed, stream, index). Battles and the sampling of the replay seed generators with it;
all other noise takes it as the key of `roma.support.noise`, which computes every number from key, purpose, timestep and
agent. Resuming a run therefore needs counters only, no episode's noise depends on the episodes that run beside it, and
no battle of an evaluation or a test can ever be one that was trained on.

A seed has 63 bits: 5 for the stream, 58 for the pair (run seed, index), scrambled by a bijection. Two different triples
never share a seed, and neighbouring ones have nothing in common.
"""

from enum import IntEnum

STREAM_BITS = 5
RUN_BITS = 22
INDEX_BITS = 36
PAIR_BITS = RUN_BITS + INDEX_BITS
MAX_RUN_SEED = 2**RUN_BITS - 1


class Stream(IntEnum):
    """What randomness is for. The numbers are part of every recorded result: never renumber, only append."""

    TRAIN = 0  # battles trained on; index: training episode
    TEST = 1  # battles of the greedy tests; index: test episode since the run's beginning
    EVALUATE = 2  # battles of `roma evaluate`; index: episode
    ROLLOUT = 3  # recorded battles for pictures; index: episode
    TRAIN_NOISE = 4  # exploration, sampled roles and latents of an episode; index: episode, as in TRAIN
    TEST_NOISE = 5
    EVALUATE_NOISE = 6
    ROLLOUT_NOISE = 7
    SAMPLE = 8  # which episodes an update reads; index: update
    LEARN = 9  # noise inside an update's loss; index: update
    ROUND = 10  # what is learnt from a round at once; index: the round's first episode
    DIAGNOSTICS = 11  # noise inside a learner's diagnostics; index: the update before them


def seed_of(run_seed: int, stream: Stream, index: int) -> int:
    """The seed in [0, 2**63) number `index` of this stream in the run with this seed."""
    if not 0 <= run_seed <= MAX_RUN_SEED:
        raise ValueError(f"run seed {run_seed} lies outside 0..{MAX_RUN_SEED}")
    if not 0 <= index < 2**INDEX_BITS:
        raise ValueError(f"index {index} lies outside 0..2**{INDEX_BITS}-1")
    return stream << PAIR_BITS | _scramble(run_seed << INDEX_BITS | index)


def episode_seed(run_seed: int, stream: Stream, index: int) -> int:
    """The seed of battle number `index` of a stream of battles (TRAIN, TEST, EVALUATE or ROLLOUT)."""
    return seed_of(run_seed, stream, index)


def noise_seed(run_seed: int, stream: Stream, index: int) -> int:
    """The key of the noise of all decisions in battle number `index` of a stream of battles."""
    return seed_of(run_seed, Stream[f"{stream.name}_NOISE"], index)


def _scramble(value: int) -> int:
    """A bijection on PAIR_BITS-bit numbers: steps of SplitMix64's finaliser, each invertible modulo 2**PAIR_BITS."""
    mask = 2**PAIR_BITS - 1
    value = (value + 0x1E3779B97F4A7C15) & mask
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & mask
    return value ^ value >> 31
