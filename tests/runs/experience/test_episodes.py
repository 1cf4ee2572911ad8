"""Episodes as files."""

import numpy as np
import pytest

from roma.runs.experience import episodes
from roma.runs.experience.replay import Replay
from roma.runs.experience.runner import Episode, Seen


@pytest.mark.parametrize("latent", [None, 0, 11])
def test_what_was_drawn_for_an_episode_is_kept_with_it(tmp_path, latent):
    seen = Seen(np.zeros((2, 3, 4), np.float32), np.zeros((2, 5), np.float32), np.ones((2, 3, 6), bool), ("marine",))
    moves = np.zeros((1, 3), np.uint8)
    replay = Replay(4)
    replay.insert([Episode(7, np.zeros((2, 1, 6)), moves, np.ones(1, np.float32), True, False, seen, latent)])
    (episode,) = episodes.load(tmp_path, episodes.store(tmp_path, replay), replay.inserted)
    assert (episode.seed, episode.latent, episode.seen.unit_types) == (7, latent, ("marine",))
