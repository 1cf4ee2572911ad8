"""Losses as functions of networks, batch and noise."""

import copy
from dataclasses import fields, replace
from math import nan

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torch.testing import assert_close

from roma.envs.vector import EnvInfo
from roma.learners import algorithm, algorithm_names, make_learner
from roma.learners.base.batch import Batch
from roma.learners.roma.config import OTHER_REDUCTION
from roma.learners.roma.networks import RoleNoise
from tests.reference.episodes import padded, random_batch
from tests.reference.plain_learner import LOSSES, qmix_loss, role_unroll, roma_loss

INFO = EnvInfo("synthetic", n_agents=4, n_enemies=0, n_actions=6, obs_size=9, state_size=35, episode_limit=20)
LENGTHS = [7, 3, 5]
ONE_LOSS = [name for name in algorithm_names() if name != "coma"]  # which alternates between two
ROLE_SWITCHES = [
    {"posterior_uses_observation": False},
    {"absolute_dissimilarity": False},
    {"log_density": False},
    {"pairs": "allpairs"},
    {"pair_reduction": OTHER_REDUCTION},
    {"mask_dead": True},
    {"role_input": "everything"},
    {"role_layers": "batchnorm"},
    {"information": "role"},
    {"dissimilarity": "roles"},
    {"matrix_norm": "entrywise"},
    {"pairs": "allpairs", "hinge_counts_self": True},
    {"entropy_weight": 1e-4, "softplus_identifiability": True},
]
SWITCHES = [
    {"mixer": "vdn"},
    {"mixer": "none"},
    {"hypernet_hidden": 8},
    {"mixer_activation": "relu"},
    {"double_q": False},
]


def double_learner(name, info=INFO, **overrides):
    """Return a learner in double precision whose target networks differ from the online networks."""
    specification = algorithm(name)
    config = specification.config_class(hidden_dim=16, **specification.overrides | overrides)
    learner = make_learner(name, config, info, seed=0)
    learner.target.load_state_dict(make_learner(name, config, info, seed=1).online.state_dict())
    learner.online.double(), learner.target.double()
    return learner


def double_batch(lengths=LENGTHS, info=INFO):
    batch = random_batch(info, lengths, seed=3)
    floats = {each.name: getattr(batch, each.name).double() for each in fields(batch)}
    return replace(batch, **floats | {name: getattr(batch, name) for name in ("actions", "avail_actions", "latents")})


def noise_of(learner, batch):
    noise = learner.draw_noise(batch, 1)
    return noise if noise is None else RoleNoise(*(part.double() for part in noise))


def gradients(learner, loss):
    names, parameters = zip(*learner.online.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return dict(zip(names, found, strict=True))


def check_against_the_plainly_written_loss(learner, plain_loss):
    batch = double_batch()
    noise = noise_of(learner, batch)
    plain_noise = [] if noise is None else [noise]
    plain = plain_loss(learner.online, learner.target, batch, *plain_noise, learner.config)
    loss, _ = learner.loss(batch, noise)
    assert_close(loss, plain)
    expected = gradients(learner, plain)
    for parameter, gradient in gradients(learner, loss).items():
        assert_close(gradient, expected[parameter], msg=parameter)


@pytest.mark.parametrize(("name", "plain_loss"), LOSSES.items())
def test_equals_the_plainly_written_loss(name, plain_loss):
    check_against_the_plainly_written_loss(double_learner(name), plain_loss)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_equals_the_plainly_written_loss_in_both_readings(reduction):
    learner = double_learner("roma", pair_reduction=reduction, lambda_specialisation=1.0)  # L_D leads
    check_against_the_plainly_written_loss(learner, roma_loss)


@st.composite
def batches(draw):
    """Draw batches of episodes of 1 to 9 steps, some cut off, with up to 2 more padded slots than the longest one."""
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    cut_off = torch.tensor(draw(st.lists(st.booleans(), min_size=len(lengths), max_size=len(lengths))))
    batch = double_batch(lengths)
    batch = replace(batch, terminated=batch.terminated.masked_fill(cut_off.unsqueeze(1), 0.0))
    return padded(batch, draw(st.integers(0, 2)))


def spoilt(batch):
    """Return the batch with arbitrary values in the padding, and in the observations after terminated episodes."""
    real = functional.pad(batch.mask, (0, 1)).bool()
    cut_off = (batch.terminated == 0).logical_or(batch.mask == 0).all(1)
    needed = real | functional.pad(real, (1, -1)) & cut_off.unsqueeze(1)
    nonsense = {"actions": 10**6, "avail_actions": True, "mask": 0.0}
    slots = {name: needed if name in ("obs", "state", "avail_actions") else real[:, :-1] for name in vars(batch)}
    return replace(
        batch,
        **{
            name: torch.where(
                slots[name].view(*slots[name].shape, *[1] * (value.dim() - 2)), value, nonsense.get(name, nan)
            )
            for name, value in vars(batch).items()
            if name != "latents"
        },
    )


@pytest.mark.parametrize(("name", "plain_loss"), [("qmix", qmix_loss), ("roma", roma_loss)])
@settings(max_examples=25, deadline=None)
@given(batch=batches())
def test_real_steps_alone_count(name, plain_loss, batch):
    """The plain learner computes the padding and masks it; our loss does not depend on the padding."""
    learner = double_learner(name)
    noise = noise_of(learner, batch)
    plain = plain_loss(learner.online, learner.target, batch, *([] if noise is None else [noise]), learner.config)
    loss, statistics = learner.loss(spoilt(batch), noise)
    assert_close(loss, plain)
    assert all(value.isfinite() for value in statistics.values())
    expected = gradients(learner, plain)
    for parameter, gradient in gradients(learner, loss).items():
        assert_close(gradient, expected[parameter], msg=parameter)


@pytest.mark.parametrize("name", ["qmix", "roma"])
@settings(max_examples=15, deadline=None)
@given(batch=batches())
def test_loss_is_the_mean_over_the_steps_of_all_episodes(name, batch):
    learner = double_learner(name)
    noise = noise_of(learner, batch)
    loss, statistics = learner.loss(batch, noise)
    expected = []
    for row, length in enumerate(batch.mask.sum(1).int().tolist()):
        alone = Batch(
            *(
                value[row : row + 1, : length + (value.shape[1] > batch.mask.shape[1])]
                for name, value in vars(batch).items()
                if name != "latents"
            )
        )
        of_episode = None if noise is None else RoleNoise(*(part[row : row + 1, : length + 1] for part in noise))
        value, others = learner.loss(alone, of_episode)
        expected.append(length * torch.stack([value, *others.values()]))
    assert_close(torch.stack([loss, *statistics.values()]), sum(expected) / batch.mask.sum())


@pytest.mark.parametrize(
    ("name", "overrides"),
    [(name, {}) for name in ONE_LOSS if not name.startswith("roma_release")]
    + [(name, switch) for name in ("qmix", "roma") for switch in SWITCHES]
    + [("roma", switch) for switch in ROLE_SWITCHES],
)
def test_padding_changes_nothing(name, overrides):
    learner, batch = double_learner(name, **overrides), double_batch()
    noise = noise_of(learner, batch)
    loss, statistics = learner.loss(batch, noise)
    grown = None if noise is None else RoleNoise(*(torch.cat([n, torch.ones_like(n[:, :3])], dim=1) for n in noise))
    padded_loss, padded_statistics = learner.loss(padded(batch, 3), grown)
    assert_close(loss, padded_loss, atol=1e-7, rtol=0)
    assert_close(statistics, padded_statistics, atol=1e-7, rtol=0)
    assert all(gradient.isfinite().all() for gradient in gradients(learner, loss).values())


@pytest.mark.parametrize(
    ("weight", "reached"),
    [
        ("lambda_identifiability", {"agent.role_encoder", "trajectory_encoder"}),
        ("lambda_specialisation", {"agent.role_encoder", "trajectory_encoder", "dissimilarity"}),
    ],
)
def test_role_losses_train_role_encoder_posterior_and_dissimilarity_only(weight, reached):
    batch = double_batch()
    without = double_learner("roma_td")
    noise = noise_of(without, batch)
    with_loss = double_learner("roma_td", **{weight: 1.0})
    expected = gradients(without, without.loss(batch, noise)[0])
    found = gradients(with_loss, with_loss.loss(batch, noise)[0])
    changed = {name for name in found if (found[name] - expected[name]).abs().max() > 1e-9}
    assert {prefix for prefix in reached if any(name.startswith(prefix) for name in changed)} == reached
    assert all(name.startswith(tuple(reached)) for name in changed)


def test_td_loss_trains_all_but_posterior_and_dissimilarity():
    learner, batch = double_learner("roma_td"), double_batch()
    found = gradients(learner, learner.loss(batch, noise_of(learner, batch))[0])
    still = {name for name, gradient in found.items() if not gradient.any()}
    assert {name for name in found if name.startswith(("trajectory_encoder", "dissimilarity"))} == still


def test_absent_role_losses_are_not_computed(monkeypatch):
    learner, batch = double_learner("roma_td"), double_batch()
    for module in (learner.online.trajectory_encoder, learner.online.dissimilarity):
        monkeypatch.setattr(module, "forward", None)
    _, statistics = learner.loss(batch, noise_of(learner, batch))
    assert "role_entropy" in statistics
    assert "loss_identifiability" not in statistics

    learner = double_learner("roma_td_li")
    monkeypatch.setattr(learner.online.dissimilarity, "forward", None)
    _, statistics = learner.loss(batch, noise_of(learner, batch))
    assert "loss_specialisation" not in statistics


@pytest.mark.parametrize("name", ONE_LOSS)
def test_loss_is_pure(name):
    learner, batch = double_learner(name), double_batch()
    noise = noise_of(learner, batch)
    before = copy.deepcopy((vars(batch), noise, learner.online.state_dict(), learner.target.state_dict()))
    random_state = torch.random.get_rng_state()
    first, second = learner.loss(batch, noise)[0], learner.loss(batch, noise)[0]
    assert first == second
    after = (vars(batch), noise, learner.online.state_dict(), learner.target.state_dict())
    assert_close(after, before, atol=0, rtol=0)
    assert (torch.random.get_rng_state() == random_state).all()
    assert all(parameter.grad is None for parameter in learner.target.parameters())


@pytest.mark.parametrize("name", ["iql", "vdn", "qmix_nps"])
def test_relabelled_agents_have_the_same_loss(name):
    """Without an index, agents differ only in observations and actions; agents with their own weights keep these."""
    learner, batch = double_learner(name, **{"mixer": "vdn"} if name == "qmix_nps" else {}), double_batch()
    order = torch.tensor([2, 0, 3, 1])
    relabelled = replace(
        batch,
        obs=batch.obs[:, :, order],
        avail_actions=batch.avail_actions[:, :, order],
        actions=batch.actions[:, :, order],
    )
    with torch.no_grad():
        for networks in (learner.online, learner.target):
            networks.agent.trunk.input_layer.weight[..., INFO.obs_size + INFO.n_actions :] = 0
        loss, _ = learner.loss(batch, None)
        if name == "qmix_nps":
            assert (learner.loss(relabelled, None)[0] - loss).abs() > 1e-6
            for networks in (learner.online, learner.target):
                networks.agent.load_state_dict(
                    {key: value[order] for key, value in networks.agent.state_dict().items()}
                )
    assert_close(learner.loss(relabelled, None)[0], loss)


@pytest.mark.parametrize("name", ["qmix", "roma"])
def test_last_actions_in_the_state_may_be_looked_up(name):
    """If the state ends with them, the mixer may read those of the batch instead, with equal loss and gradients."""
    info = replace(INFO, state_last_actions=True)
    learner, multiplying = double_learner(name, info), double_learner(name)
    assert learner.online.mixer.n_actions == INFO.n_actions
    multiplying.online.load_state_dict(learner.online.state_dict())
    multiplying.target.load_state_dict(learner.target.state_dict())
    batch = double_batch(info=info)
    noise = noise_of(learner, batch)
    loss, expected = (each.loss(batch, noise)[0] for each in (learner, multiplying))
    assert_close(loss, expected)
    assert_close(gradients(learner, loss), gradients(multiplying, expected))


def test_independent_learners_read_no_state():
    learner, batch = double_learner("iql"), double_batch()
    loss, _ = learner.loss(batch, None)
    assert_close(learner.loss(replace(batch, state=torch.full_like(batch.state, nan)), None)[0], loss)


def test_every_agent_relabelled_gives_the_same_role_losses():
    learner, batch = double_learner("roma"), double_batch()
    with torch.no_grad():  # without index, agents differ by what they see and do only
        learner.online.agent.trunk.input_layer.weight[:, INFO.obs_size + INFO.n_actions :] = 0
    order = torch.tensor([2, 0, 3, 1])
    noise = noise_of(learner, batch)
    relabelled = replace(
        batch,
        obs=batch.obs[:, :, order],
        avail_actions=batch.avail_actions[:, :, order],
        actions=batch.actions[:, :, order],
    )
    _, statistics = learner.loss(batch, noise)
    _, others = learner.loss(relabelled, RoleNoise(*(part[:, :, order] for part in noise)))
    for name in ("loss_identifiability", "loss_specialisation", "dissimilarity_norm", "saturated_pair_share"):
        assert_close(statistics[name], others[name])


@pytest.mark.parametrize("name", ["roma", "qmix"])
def test_the_mixer_is_one_setting(name):
    """VDN's mixer has no weights and does not read the state, QMIX's does both; the agents do not change."""
    batch = double_batch()
    other_state = replace(batch, state=batch.state + 1)
    learners = {mixer: double_learner(name, mixer=mixer) for mixer in ("vdn", "qmix")}
    for mixer, learner in learners.items():
        noise = noise_of(learner, batch)
        losses = [learner.loss(each, noise)[1]["loss_td"] for each in (batch, other_state)]
        assert (losses[0] == losses[1]) == (mixer == "vdn")
        assert any(parameter.startswith("mixer.") for parameter in learner.online.state_dict()) == (mixer == "qmix")
    assert_close(*(learner.online.agent.state_dict() for learner in learners.values()))


def test_roma_with_the_additive_mixer_learns_the_sum_of_its_utilities():
    learner, batch = double_learner("roma_td", mixer="vdn", gamma=0.0), double_batch()
    noise = noise_of(learner, batch)
    utilities, _ = role_unroll(learner.online.agent, batch, noise.online)
    q_tot = utilities[:, :-1].gather(-1, batch.actions.unsqueeze(-1)).sum((-2, -1))
    expected = ((q_tot - batch.reward) ** 2 * batch.mask).sum() / batch.mask.sum()
    assert_close(learner.loss(batch, noise)[0], expected)


def test_target_network_samples_its_own_roles():
    learner, batch = double_learner("roma_td"), double_batch()
    noise = noise_of(learner, batch)
    loss, _ = learner.loss(batch, noise)
    assert loss != learner.loss(batch, noise._replace(target=noise.online))[0]


def test_padding_changes_the_released_role_losses_but_what_it_holds_does_not():
    learner, batch = double_learner("roma_release"), double_batch()
    noise = noise_of(learner, batch)
    loss, _ = learner.loss(batch, noise)
    grown = RoleNoise(*(torch.cat([part, torch.ones_like(part[:, :3])], dim=1) for part in noise))
    assert (learner.loss(padded(batch, 3), grown)[0] - loss).abs() > 1e-6
    seen = functional.pad(batch.mask, (1, 0), value=1.0).bool()
    spoilt_batch = replace(
        batch,
        obs=batch.obs.masked_fill(~seen[..., None, None], nan),
        state=batch.state.masked_fill(~seen[..., None], nan),
        actions=batch.actions.masked_fill(batch.mask.eq(0).unsqueeze(-1), 10**6),
    )
    assert_close(learner.loss(spoilt_batch, noise)[0], loss)


def test_without_dissimilarity_only_identity_is_rewarded():
    learner, batch = double_learner("roma_no_dissimilarity", pair_reduction="sum"), double_batch()
    _, statistics = learner.loss(batch, noise_of(learner, batch))
    assert statistics["dissimilarity_norm"] == 0
    assert -INFO.n_agents * (INFO.n_agents - 1) < statistics["loss_specialisation"] < 0
    assert not any("dissimilarity" in name for name in learner.online.state_dict())
