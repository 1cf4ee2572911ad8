"""Simulated studies whose roles depend on positions, health, types or the past, or on nothing; each draws a table."""

import numpy as np
import pandas as pd

from analysis.measures import behaviour, nulls, probes, roles
from analysis.measures import milestones as measures
from tests.analysis.worlds import ABLATIONS, COURSE, EPISODES, NETWORKS, SEEDS, ZERG, row, several
from tests.milestones import milestone

# ---- Roles that follow positions


COUNTED = np.ones((EPISODES, 27), bool)


def first_decisions(rng, features_of):
    """Return positions of agents at the first decision, and their features."""
    position = rng.uniform(-1, 1, (*COUNTED.shape, 2))
    return position, features_of(position)


def correlation(position, features):
    """Return the rank correlation of features with positions."""
    return np.mean(roles.rank_correlation(roles.distances(features), roles.distances(position), COUNTED))


def following(rng, noise):
    """Return features with positions and noise of this deviation."""
    return lambda position: np.pad(position, ((0, 0), (0, 0), (0, 1))) + rng.normal(0, noise, (*position.shape[:2], 3))


def of_network(rng):
    """Return features of an untrained network: a random map of positions and other varying inputs."""

    def features(position):
        others = rng.uniform(-1, 1, (*position.shape[:2], 3)) * rng.uniform(0.3, 1.2)
        return np.concatenate([position, others], -1) @ rng.standard_normal((5, 3))

    return features


def positions(trained):
    def of_run(rng):
        position, features = first_decisions(rng, trained(rng))
        return correlation(position, features), correlation(position, nulls.permuted(features, COUNTED, rng))

    def rows(rng):
        found = np.array(several(SEEDS, lambda: of_run(rng)))
        untrained = several(NETWORKS, lambda: correlation(*first_decisions(rng, of_network(rng))))
        cell, measure = "27m_vs_30m/roma", "position_correlation_first"
        return [
            row(cell, measure, found[:, 0]),
            row(cell, measure, found[:, 1], "permuted"),
            row(cell, measure, untrained, "untrained", 0),
        ]

    return rows


def health(follows):
    """Simulate late roles that follow health or not; three dimensions of the observation weakly depend on it."""

    def of_run(rng):
        share = rng.uniform(0.2, 1, (EPISODES, 10))
        gap = np.abs(share[:, :, None] - share[:, None])
        counted = np.ones(share.shape, bool)
        observation = np.concatenate([share[..., None], rng.uniform(0, 1, (EPISODES, 10, 9))], -1)
        seen = {
            "roles": np.stack([follows * share, *rng.normal(0, 0.16, (2, *share.shape))], -1),
            "projected": nulls.projected(observation, rng),
            "principal": nulls.principal(observation, counted),
        }
        return {name: roles.rank_correlation(roles.distances(f), gap, counted).mean() for name, f in seen.items()}

    def rows(rng):
        runs = pd.DataFrame(several(SEEDS, lambda: of_run(rng)))
        cell, measure = "10m_vs_11m/roma", "health_correlation_late"
        return [
            *(row(cell, measure, runs[name], name) for name in runs),
            row(cell, measure, rng.normal(0.06, 0.09, NETWORKS), "untrained", 0),
            row("10m_vs_11m/roma_td", measure, rng.normal(0.08, 0.06, SEEDS)),
        ]

    return rows


# ---- The more sorted, the more is won, given the step


def courses(partial):
    """Simulate two series that rise with training, each in its own way, with this correlation of their residuals."""

    def rows(rng):
        cell, measure = "MMM2/roma", "silhouette_type_first"
        sorted_by, won = 1 / (1 + np.exp(4 - COURSE / 2e5)), 1 / (1 + np.exp(5 - COURSE / 2e5))
        noise = rng.multivariate_normal([0, 0], [[1, partial], [partial, 1]], (SEEDS, len(COURSE)))
        sides = [part + 0.1 * noise[..., side] for side, part in enumerate((sorted_by, won))]
        return [
            *(row(cell, measure, sides[0][:, place], stage=step) for place, step in enumerate(COURSE)),
            ("tests", sides[1]),
        ]

    return rows


# ---- Two groups that behave differently


def groups(apart, behaving):
    """Simulate roles in two clusters at this distance, or in one, and attacks at this effect size.

    A share of 8 decisions has a standard deviation of 0.18 by chance, and 0.23 with the agents' own deviation of 0.15.
    """

    def of_run(rng):
        lengths = (12,) * 32
        plain = milestone(agents=10, enemies=2, lengths=lengths)
        half = rng.permuted(np.tile([0, 0, 0, 0, 1, 1, 1, 1, 1, 1], (32, 1)), axis=1)
        heaps = rng.normal(0, 1, (32, 10, 3)) + apart * half[..., None] / np.sqrt(3)
        attack = 0.5 + rng.normal(0, 0.15, half.shape) + behaving * 0.23 * (half - 0.5)
        for number, start in enumerate(plain.starts):
            plain.role_mean[start] = heaps[number]
            attacking = rng.random((12, 10)) < attack[number]
            plain.actions[start : start + 12] = np.where(attacking, 6, 1)
            plain.units[start + 1 : start + 13, 0, 2] = 0  # the first explosion
            plain.actions[start + 1 : start + 12, 0] = 0
        found = measures.of_features(plain, ZERG, "6z4b", plain.role_mean)
        return found, behaviour.structureless_groups(plain, ZERG, rng)

    def rows(rng):
        runs = several(SEEDS, lambda: of_run(rng))
        names = ("group_silhouette", "group_difference")
        return [
            row("6z4b/roma", name, [run[place][name] for run in runs], reference)
            for name in names
            for place, reference in enumerate(("roles", "structureless"))
        ]

    return rows


# ---- Twenty untrained networks a run


def at_first(mean, deviation):
    """Simulate untrained networks of five runs with this silhouette by unit type."""
    return lambda rng: [
        row("MMM2/roma", "silhouette_type_first", rng.normal(0.8, 0.1, SEEDS)),
        row("MMM2/roma", "silhouette_type_first", rng.normal(mean, deviation, SEEDS * NETWORKS), "untrained", 0),
    ]


# ---- Roles in time, and what the past says of them


def told(ratio):
    """Simulate roles that the past predicts with this ratio of signal to noise, in each of three dimensions."""

    def of_run(rng, ratio):
        past = rng.normal(size=(300, 16))
        role = np.sqrt(ratio) * past[:, :3] + rng.normal(size=(300, 3))
        return probes.information(past, role, np.arange(300) % 3, np.arange(300) >= 150)

    def rows(rng):
        cell, measure = "MMM2/roma", "role_information"
        return [
            row(cell, measure, several(SEEDS, lambda: of_run(rng, ratio))),
            row(cell, measure, several(NETWORKS, lambda: of_run(rng, 0.05)), "untrained", 0),
            row("MMM2/roma_td", measure, several(SEEDS, lambda: of_run(rng, 0.05))),
        ]

    return rows


def still(memory):
    """Simulate roles that keep this share of their previous value with L_I, and 0.7 without."""

    def of_run(rng, memory):
        plain = milestone(agents=6, lengths=(30,) * 4)
        steps = np.sqrt(1 - memory**2) * rng.normal(size=plain.role_mean.shape)
        for moment in range(1, len(steps)):
            steps[moment] += memory * steps[moment - 1]
        return roles.stability(steps, plain.alive[:, :6], plain.episode)

    return lambda rng: [
        row(f"{name}/{arm}", "stability", several(SEEDS, lambda kept=kept: of_run(rng, kept)))
        for name in ABLATIONS
        for arm, kept in (("roma", memory), ("roma_td_ld", 0.7))
    ]
