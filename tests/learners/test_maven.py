"""MAVEN against the public reference learner, and its properties."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.testing import assert_close

from roma.envs.vector import EnvInfo
from roma.learners import make_learner
from roma.learners.base.batch import PackedBatch
from roma.learners.base.temporal_difference import taken
from roma.learners.maven.config import Config
from roma.learners.maven.learner import information_loss, latent_policy_loss
from tests.golden.algorithms.reference import (
    STEP_TOLERANCE,
    TOLERANCE,
    agent_tensors,
    batch_of,
    load,
    mixer_tensors,
    under,
)
from tests.reference.episodes import random_batch

INFO = EnvInfo("synthetic", n_agents=3, n_enemies=0, n_actions=7, obs_size=12, state_size=15, episode_limit=8)
SMALL = {"hidden_dim": 8, "mixer_embed_dim": 6, "noise_dim": 4, "discriminator_hidden": 10}
CASES = {
    "maven": {"discriminator": "step", "discriminator_layers": 3, "mi_weight": 1.0},
    "maven_rnn_discrim": {"discriminator_recurrent": 6},
}


def network_tensors(arrays, prefix=""):
    """Return weights (or gradients) of agent, mixer and discriminator under this package's names."""
    agent = under(arrays, f"{prefix}agent/")
    tensors = {f"agent.{name}": each for name, each in agent_tensors(agent).items() if name.startswith("trunk")}
    for kind in ("weight", "bias"):
        tensors[f"agent.generator.{kind}"] = agent[f"hyper_noise_fc1.{kind}"]
    if mixer := under(arrays, f"{prefix}mixer/"):
        tensors |= {f"mixer.{name}": value for name, value in mixer_tensors(mixer).items()}
    discriminator = under(arrays, f"{prefix}discrim/model.")
    tensors |= {f"discriminator.classifier.{name}": value for name, value in discriminator.items()}
    recurrent = under(arrays, f"{prefix}rnn_agg/rnn.")
    return tensors | {f"discriminator.gru.{name}_l0": value for name, value in recurrent.items()}


def reference_learner(name):
    arrays = load(name)
    learner = make_learner("maven", Config(**SMALL | CASES[name]), INFO, seed=0)
    left = learner.online.load_state_dict(network_tensors(arrays), strict=False)
    assert not left.unexpected_keys
    assert all(key.startswith("agent.latent_policy") for key in left.missing_keys)
    targets = under(arrays, "target_")
    learner.target.load_state_dict(network_tensors(targets), strict=False)
    mask = arrays["batch/filled"][:, :-1, 0].float()
    mask[:, 1:] *= 1 - arrays["batch/terminated"][:, :-2, 0]
    batch = batch_of(arrays | {"out/mask": mask.unsqueeze(-1)})
    return learner, arrays, replace(batch, latents=arrays["batch/noise"][:, 0].argmax(-1))


def loss_of(learner, batch, name):
    """Return the loss with a discriminator that also reads padding, like the reference's recurrent one."""
    loss, statistics = learner.loss(batch, None)
    if name == "maven":
        return loss, statistics["loss_information"]
    through = replace(batch, mask=torch.ones_like(batch.mask), terminated=torch.zeros_like(batch.terminated))
    through.terminated[:, -1] = 1
    packed = PackedBatch(through)
    utilities = learner.online.agent(packed.obs, packed.last_actions, packed.counts, packed.latents)
    information = information_loss(learner.online.discriminator, utilities, packed)
    without = replace_weight(learner, 0.0).loss(batch, None)[0]
    return without + learner.config.mi_weight * information, information


def replace_weight(learner, weight):
    """Return the same networks with another weight of the information loss."""
    other = object.__new__(type(learner))
    vars(other).update(vars(learner) | {"config": replace(learner.config, mi_weight=weight)})
    return other


@pytest.mark.parametrize("name", CASES)
def test_utilities_and_losses(name):
    learner, arrays, batch = reference_learner(name)
    packed = PackedBatch(batch)
    utilities = learner.online.agent(packed.obs, packed.last_actions, packed.counts, packed.latents)
    real = packed.mask > 0
    assert_close(utilities[real], packed.rows(arrays["out/q"])[real], **TOLERANCE)
    latents = functional.one_hot(packed.latents, SMALL["noise_dim"])
    q_tot = learner.online.mixer(taken(utilities, packed.actions), torch.cat([packed.state, latents], dim=-1))
    expected = packed.rows(functional.pad(arrays["out/q_tot"][..., 0], (0, 1)))
    assert_close(q_tot[real], expected[real], **TOLERANCE)
    loss, information = loss_of(learner, batch, name)
    assert_close(loss, arrays["out/loss"], **TOLERANCE)
    assert_close(information, arrays["out/discrim_loss"], **TOLERANCE)
    _, statistics = learner.loss(batch, None)
    assert_close(statistics["td_error_abs"], arrays["out/td_error_abs"], **TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_raw_gradients_and_weights_after_a_step(name):
    learner, arrays, batch = reference_learner(name)
    loss, _ = loss_of(learner, batch, name)
    gradients = network_tensors(arrays, "grad_raw/")
    parameters = [learner.online.get_parameter(parameter) for parameter in gradients]
    found = torch.autograd.grad(loss, parameters, retain_graph=True)
    for parameter, gradient in zip(gradients, found, strict=True):
        assert_close(gradient, gradients[parameter], **TOLERANCE)
    norm = learner.gradient_step(learner.optimisers[0], loss)
    assert_close(norm, arrays["out/grad_norm"], **TOLERANCE)
    for parameter, value in network_tensors(arrays, "after1/").items():
        assert_close(learner.online.get_parameter(parameter).data, value, **STEP_TOLERANCE)


def test_policy_over_z():
    arrays = load("maven_bandit")
    names = {"affine1.": "hidden_layer.", "affine2.": "output_layer."}

    def translated(prefix):
        return {names[name[:8]] + name[8:]: value for name, value in under(arrays, prefix).items()}

    learner = make_learner("maven", Config(noise_dim=4), INFO, seed=0)
    policy = learner.online.agent.latent_policy
    policy.load_state_dict(translated("policy/"))
    assert_close(policy(arrays["in/state"]).exp(), arrays["out/probs_before"], **TOLERANCE)
    chosen = arrays["in/batch_idx"]
    sample = [arrays["in/state"][chosen], arrays["in/z"].argmax(-1)[chosen], arrays["in/returns"][chosen]]
    loss = latent_policy_loss(policy, *sample, learner.config.latent_entropy)
    gradients = translated("grad/")
    for (name, _), gradient in zip(
        policy.named_parameters(), torch.autograd.grad(loss, list(policy.parameters())), strict=True
    ):
        assert_close(gradient, gradients[name], **TOLERANCE)
    assert_close(learner.latent_step(*sample), arrays["out/loss"], **TOLERANCE)
    for name, value in translated("after1/").items():
        assert_close(policy.get_parameter(name).data, value, **STEP_TOLERANCE)


@pytest.mark.parametrize("discriminator", ["recurrent", "step"])
def test_every_loss_trains_what_it_should(discriminator):
    learner = make_learner("maven", Config(discriminator=discriminator), INFO, seed=0)
    batch = random_batch(INFO, [6, 3, 5], seed=0)
    parameters = dict(learner.online.named_parameters())
    reached = []
    for weight in (0.0, 1.0):
        loss, _ = replace_weight(learner, weight).loss(batch, None)
        found = torch.autograd.grad(loss, list(parameters.values()), materialize_grads=True, allow_unused=True)
        reached.append(dict(zip(parameters, found, strict=True)))
    without, both = reached
    parts = {name for name in parameters if (both[name] != without[name]).any()}
    assert {name for name in parameters if not without[name].any()} == {
        name for name in parameters if name.startswith(("discriminator", "agent.latent_policy"))
    }
    assert {".".join(name.split(".")[:2]) for name in parts if name.startswith("agent")} == {
        "agent.trunk",
        "agent.generator",
    }
    assert any(name.startswith("discriminator") for name in parts)
    assert not any(name.startswith("mixer") for name in parts)


@pytest.mark.parametrize("discriminator", ["recurrent", "step"])
def test_what_stands_behind_an_episode_is_not_read(discriminator):
    """The last slot of a cut-off episode affects only the target."""
    learner = make_learner("maven", Config(discriminator=discriminator), INFO, seed=0)
    batch = random_batch(INFO, [6, 3, 5], seed=0)
    batch.terminated[1:] = 0
    before = learner.loss(batch, None)[1]["loss_information"]
    batch.obs[1, 3], batch.state[1, 3] = 5.0, 5.0
    batch.obs[2, 5], batch.state[2, 5] = 5.0, 5.0
    assert learner.loss(batch, None)[1]["loss_information"] == before


def test_z_is_drawn_from_the_policy_over_it():
    learner = make_learner("maven", Config(noise_dim=3), INFO, seed=0)
    policy = learner.online.agent.latent_policy
    with torch.no_grad():
        policy.output_layer.weight.zero_()
        policy.output_layer.bias.copy_(torch.tensor([0.2, 0.5, 0.3]).log())
    state = np.zeros((30_000, 15), np.float32)
    uniform = make_learner("maven", Config(noise_dim=3, latent_policy="uniform"), INFO, seed=0)
    for each, expected in ((learner, [0.2, 0.5, 0.3]), (uniform, [1 / 3] * 3)):
        latents = each.actor().begin(range(30_000), state)
        assert np.bincount(latents, minlength=3) / 30_000 == pytest.approx(expected, abs=0.01)


def test_policy_over_z_comes_to_prefer_what_is_rewarded():
    learner = make_learner("maven", Config(noise_dim=4, latent_learning_rate=1e-2), INFO, seed=0)
    batch = random_batch(INFO, [6] * 32, seed=0)
    batch = replace(batch, latents=torch.arange(32) % 4, reward=torch.zeros_like(batch.reward))
    batch.reward[:, 0] = (batch.latents == 2).float()
    weights = {name: value.clone() for name, value in learner.online.state_dict().items()}
    for update in range(10):
        learner.learn_from_round(batch, update)
    assert (learner.online.agent.latent_policy(batch.state[:, 0]).argmax(-1) == 2).all()
    changed = {name for name, value in learner.online.state_dict().items() if (value != weights[name]).any()}
    assert all(name.startswith("agent.latent_policy") for name in changed)
    assert len(learner.memory["returns"]) == 320
    for update in range(10):
        learner.learn_from_round(batch, update)
    assert len(learner.memory["returns"]) == 512


def test_memory_of_returns_is_part_of_the_saved_state():
    batch = random_batch(INFO, [6, 3], seed=0)
    learner, resumed = (make_learner("maven", Config(), INFO, seed=seed) for seed in (0, 1))
    learner.learn_from_round(batch, 0)
    resumed.load_state_tensors({name: value.clone() for name, value in learner.state_tensors().items()})
    for each in (learner, resumed):
        each.learn_from_round(batch, 1)
    assert_close(learner.state_tensors(), resumed.state_tensors(), atol=0, rtol=0)


def test_z_changes_what_agents_do():
    learner = make_learner("maven", Config(), INFO, seed=0)
    batch = random_batch(INFO, [6, 3], seed=0)
    packed = PackedBatch(batch)
    first, second = (
        learner.online.agent(packed.obs, packed.last_actions, packed.counts, torch.full_like(packed.latents, z))
        for z in (0, 1)
    )
    assert (first != second).all()
