"""Metrics of the health of role losses: against plain loops, and without side effects on training."""

import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from roma.learners import algorithm, make_learner
from roma.learners.roma.columns import ROLE_COLUMNS
from roma.learners.roma.health import EPISODES, role_health
from roma.learners.roma.networks import RoleNoise
from tests.learners.test_losses import INFO, double_batch, double_learner, gradients, noise_of
from tests.reference import plain_learner
from tests.reference.episodes import padded, random_batch

TYPES = ["Marine", "Marine", "Medivac", "Marauder", "Zealot"]  # of four agents and an enemy
LENGTHS = [7, 3, 5]


def batch_with_dead():
    """One agent dies in the first episode, two in the third."""
    batch = double_batch(LENGTHS)
    batch.obs[0, 3:, 1] = 0
    batch.obs[2, 2:, 0] = 0
    batch.obs[2, 4:, 3] = 0
    return batch


def measured(learner, batch, noise=None, types=TYPES):
    """Return the columns as numbers."""
    numbers = torch.tensor([[sorted(types).index(name) for name in types[: INFO.n_agents]]] * len(batch.obs))
    noise = noise_of(learner, batch) if noise is None else noise
    found = role_health(learner.online, learner.target, batch, noise, numbers, learner.objective)
    return {name: value.item() for name, value in found.items()}


def looped(learner, batch, noise):
    """Return the columns computed by loops over episodes, steps and pairs, with gradients of the plain losses."""
    online, agents = learner.online, INFO.n_agents
    _, steps = plain_learner.role_unroll(online.agent, batch, noise.online)
    of_agents = {"role_variance": [], "posterior_variance": [], "role_divergence": []}
    living, pairs, gaps = [], [], []
    trajectory = torch.zeros_like(steps[0][3])
    for step, (mean, variance, role, state) in enumerate(steps[:-1]):
        obs = batch.obs[:, step].flatten(0, 1)
        q_mean, q_variance = plain_learner.gaussian(online.trajectory_encoder, torch.cat([trajectory, obs], dim=1))
        for episode in range(len(batch.obs)):
            if not batch.mask[episode, step]:
                continue
            mine = slice(episode * agents, (episode + 1) * agents)
            p, q = (mean[mine], variance[mine]), (q_mean[mine], q_variance[mine])
            alive = batch.obs[episode, step].ne(0).any(-1)
            living += alive.tolist()
            of_agents["role_variance"] += p[1].mean(-1).tolist()
            of_agents["posterior_variance"] += q[1].mean(-1).tolist()
            divergence = torch.distributions.kl_divergence(
                *(torch.distributions.Normal(of_mean, of_variance.sqrt()) for of_mean, of_variance in (p, q))
            )
            of_agents["role_divergence"] += divergence.sum(-1).tolist()
            posterior = torch.distributions.Normal(q[0], q[1].sqrt())
            information, dissimilarity = {}, {}
            for i, j in permutations(range(agents), 2):
                information[i, j] = posterior.log_prob(role[mine][i])[j].sum().item()
                network = online.dissimilarity
                compared = torch.cat([trajectory[mine][i], trajectory[mine][j]])
                dissimilarity[i, j] = network.output_layer(network.hidden_layer(compared).relu()).abs().item()
            scaled = []
            for values in (information, dissimilarity):
                low, high = min(values.values()), max(values.values())
                scaled.append({pair: (value - low) / (high - low or 1) for pair, value in values.items()})
            norm = math.sqrt(sum(value**2 for value in scaled[1].values()))
            capped = sum(min(scaled[0][pair] + scaled[1][pair], 1) for pair in scaled[0])
            gaps.append(norm - capped + agents * (agents - 1) - 1)
            pairs += [
                (scaled[0][i, j], scaled[1][i, j], TYPES[i] == TYPES[j], bool(alive[i] and alive[j]))
                for i, j in scaled[0]
            ]
        trajectory = state.detach()
    found = {"specialisation_gap": np.mean(gaps)}
    pairs, living = np.array(pairs), np.array(living)
    for ending, of_pairs, agent in (("", pairs, living >= 0), ("_living", pairs[pairs[:, 3] == 1], living)):
        information, dissimilarity, alike = of_pairs[:, 0], of_pairs[:, 1], of_pairs[:, 2] == 1
        for name, share in (("q05", 0.05), ("q10", 0.1), ("q50", 0.5)):
            found[f"information_{name}{ending}"] = np.quantile(information, share)
        found[f"information_high_share{ending}"] = np.mean(information >= 0.9)
        found[f"dissimilarity_between_types{ending}"] = dissimilarity[~alike].mean()
        found[f"dissimilarity_within_types{ending}"] = dissimilarity[alike].mean()
        found |= {f"{name}{ending}": np.array(values)[agent].mean() for name, values in of_agents.items()}
    without = replace(learner.config, lambda_identifiability=0.0, lambda_specialisation=0.0)
    weights = {"lambda_identifiability": 1e-4, "lambda_specialisation": 1e-2}

    def loss(config):
        return plain_learner.roma_loss(online, learner.target, batch, noise, config)

    losses = {"td": loss(without)}
    for key, weight in weights.items():
        losses[key.removeprefix("lambda_")] = loss(replace(without, **{key: weight})) - loss(without)
    for name, each in losses.items():
        of_encoder = [part for key, part in gradients(learner, each).items() if key.startswith("agent.role_encoder.")]
        found[f"role_gradient_{name}"] = torch.cat([part.flatten() for part in of_encoder]).norm().item()
    return found


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_every_column_equals_a_plain_loop(reduction):
    learner, batch = double_learner("roma", pair_reduction=reduction), batch_with_dead()
    noise = noise_of(learner, batch)
    found, expected = measured(learner, batch, noise), looped(learner, batch, noise)
    assert found.keys() == expected.keys() == ROLE_COLUMNS.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-6), name


def test_the_two_reductions_differ_in_the_gradient_of_the_specialisation_loss_alone():
    batch = batch_with_dead()
    first, second = (measured(double_learner("roma", pair_reduction=each), batch) for each in ("sum", "mean"))
    assert {name for name in first if first[name] != second[name]} == {"role_gradient_specialisation"}
    pairs = INFO.n_agents * (INFO.n_agents - 1)
    assert first["role_gradient_specialisation"] == pytest.approx(pairs * second["role_gradient_specialisation"])


def test_what_does_not_apply_is_not_a_number():
    batch = batch_with_dead()
    between = {"dissimilarity_between_types", "dissimilarity_between_types_living"}
    within = {"dissimilarity_within_types", "dissimilarity_within_types_living"}
    of_losses = {"role_gradient_identifiability", "role_gradient_specialisation"}
    for name, types, absent in (
        ("roma", TYPES, set()),
        ("roma", ["Marine"] * 5, between),
        ("roma", ["Marine", "Zealot", "Medivac", "Marauder", "Marine"], within),
        ("roma_td", TYPES, of_losses),
        ("roma_td_li", TYPES, {"role_gradient_specialisation"}),
        ("roma_td_ld", TYPES, {"role_gradient_identifiability"}),
        ("roma_no_dissimilarity", TYPES, between | within),
        ("roma_release", TYPES, set()),
        ("roma_release_readme", TYPES, set()),
    ):
        found = measured(double_learner(name), batch, types=types)
        assert found.keys() == ROLE_COLUMNS.keys()
        assert {column for column, value in found.items() if math.isnan(value)} == absent, name


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"pairs": "allpairs"},
        {"pairs": "allpairs", "hinge_counts_self": True},
        {"matrix_norm": "entrywise"},
        {"hinge_weight": 10.0},
        {"hinge_weight": 0.5},
        {"mask_dead": True},
        {"dissimilarity": "none"},
        {"log_density": False},
    ],
)
def test_the_specialisation_loss_lies_above_its_least_value(overrides):
    batch = batch_with_dead()
    batch.obs[1, 1:, 1:] = 0  # one agent lives: with mask_dead there is no pair
    gap = measured(double_learner("roma", **overrides), batch)["specialisation_gap"]
    assert 0 < gap < INFO.n_agents**2 * overrides.get("hinge_weight", 1.0)


def test_where_the_dead_are_left_out_pairs_are_of_living_agents():
    found = measured(double_learner("roma", mask_dead=True), batch_with_dead())
    of_pairs = [name for name in found if name.endswith("_living") and name.startswith(("information", "dissimilar"))]
    assert len(of_pairs) == 6
    for name in of_pairs:
        assert found[name] == found[name.removesuffix("_living")]
    assert found["role_variance"] != found["role_variance_living"]


def test_padding_changes_nothing():
    learner, batch = double_learner("roma"), batch_with_dead()
    noise = noise_of(learner, batch)
    grown = RoleNoise(*(torch.cat([part, torch.ones_like(part[:, :3])], dim=1) for part in noise))
    expected = measured(learner, batch, noise)
    assert measured(learner, padded(batch, 3), grown) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["roma", "roma_release"])
def test_only_the_first_eight_episodes_are_read(name):
    specification = algorithm(name)
    learner = make_learner(name, specification.config_class(hidden_dim=8, **specification.overrides), INFO, seed=0)
    lengths = [5, 4, 6, 3, 5, 6, 2, 4]
    batch = random_batch(INFO, [*lengths, 6, 5], seed=0)
    types = [TYPES] * EPISODES
    found = learner.diagnostics(batch, [*types, ["Zergling"] * 5, TYPES], 0)
    assert tuple(sorted(found)) == tuple(sorted(learner.diagnostic_names))
    other = replace(batch, obs=batch.obs.clone())
    other.obs[EPISODES:] = 5
    again = learner.diagnostics(other, [*types, TYPES, TYPES], 0)
    assert again == pytest.approx(found, nan_ok=True, rel=0, abs=0)
    other.obs[EPISODES - 1] = 5
    assert learner.diagnostics(other, types, 0) != found


def test_measuring_touches_no_weight_gradient_or_global_randomness():
    learner, batch = double_learner("roma"), batch_with_dead()
    loss, _ = learner.loss(batch, noise_of(learner, batch))
    loss.backward()
    before = {name: (value.detach().clone(), value.grad.clone()) for name, value in learner.online.named_parameters()}
    random_state = torch.random.get_rng_state()
    measured(learner, batch)
    for name, parameter in learner.online.named_parameters():
        assert_close((parameter.detach(), parameter.grad), before[name], atol=0, rtol=0)
    assert (torch.random.get_rng_state() == random_state).all()


def test_learners_without_roles_have_no_diagnostics():
    learner = make_learner("qmix", algorithm("qmix").config_class(), INFO, seed=0)
    batch = random_batch(INFO, LENGTHS, seed=0)
    assert learner.diagnostics(batch, [TYPES] * 3, 0) == {}
    assert learner.diagnostic_names == ()
