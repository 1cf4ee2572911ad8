"""COMA against the public reference learner, and its properties."""

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.testing import assert_close

from roma.envs.vector import EnvInfo
from roma.learners import make_learner
from roma.learners.base.batch import PackedBatch
from roma.learners.coma import learner as coma
from roma.learners.coma.config import Config
from roma.runs.config import from_json, resolve
from roma.support.errors import UserError
from tests.golden.algorithms.reference import STEP_TOLERANCE, TOLERANCE, agent_tensors, batch_of, load, under
from tests.reference.episodes import padded, random_batch

INFO = EnvInfo("synthetic", n_agents=3, n_enemies=0, n_actions=7, obs_size=12, state_size=15, episode_limit=8)
LAYERS = {"fc1.": "input_layer.", "fc2.": "hidden_layer.", "fc3.": "output_layer."}


def critic_tensors(arrays, prefix):
    """Weights of the critic under this package's names."""
    return {LAYERS[name[:4]] + name[4:]: value for name, value in under(arrays, prefix).items()}


@pytest.fixture
def reference():
    arrays = load("coma")
    learner = make_learner("coma", Config(hidden_dim=8, state_last_actions=True), INFO, seed=0)
    learner.online.agent.load_state_dict(agent_tensors(under(arrays, "agent/")))
    critic = critic_tensors(arrays, "critic/")
    learner.online.critic.load_state_dict(critic)
    scale = arrays["target_critic_scale"]
    learner.target.critic.load_state_dict({name: scale * value for name, value in critic.items()})
    return learner, arrays, PackedBatch(batch_of(arrays))


def targets_of(arrays, packed, td_lambda):
    values = packed.rows(arrays["out/target_q_taken"])
    return coma.td_lambda_targets(packed.reward, packed.terminated, values, packed.mask, packed.counts, 0.99, td_lambda)


def test_target_critic(reference):
    learner, arrays, packed = reference
    real = packed.mask > 0
    values = coma.critic_values(learner.target, packed, slice(None))
    assert_close(values[real], packed.rows(arrays["out/target_q"])[real], **TOLERANCE)


@pytest.mark.parametrize("td_lambda", [0.8, 0.0, 1.0])
def test_targets(reference, td_lambda):
    _, arrays, packed = reference
    real = packed.mask > 0
    expected = packed.rows(functional.pad(arrays[f"out/td_lambda_targets_{td_lambda}"], (0, 0, 0, 1)))
    assert_close(targets_of(arrays, packed, td_lambda)[real], expected[real], **TOLERANCE)


def test_critic_steps_and_actor_step(reference):
    """The reference values what came behind the episode that was cut off by its next action; it is given here."""
    learner, arrays, packed = reference
    losses, norms = [], []
    original = learner.gradient_step

    def recording(optimiser, loss):
        losses.append(loss.detach())
        norms.append(original(optimiser, loss))
        return norms[-1]

    learner.gradient_step = recording
    values, statistics = learner.train_critic(packed, targets_of(arrays, packed, 0.8))
    assert_close(torch.stack(losses), arrays["out/critic_losses_in_update_order_t7_to_t0"], **TOLERANCE)
    assert learner.critic_steps == 8
    slices = packed.rows(functional.pad(arrays["out/critic_q_in_update_order_t7_to_t0"].flip(1), (0, 0) * 2 + (0, 1)))
    real = packed.mask > 0
    assert_close(values[real], slices[real], **TOLERANCE)
    assert statistics["loss_critic"] == pytest.approx(torch.stack(losses).mean().item())

    loss, statistics = coma.actor_loss(learner.online.agent, packed, values, arrays["epsilon"].item())
    assert_close(loss, arrays["out/coma_loss"], **TOLERANCE)
    for name in ("advantage_mean", "pi_max"):
        assert_close(statistics[name], arrays[f"out/{name}"], **TOLERANCE)
    gradients = agent_tensors(under(arrays, "grad_raw/agent/"))
    found = torch.autograd.grad(loss, list(learner.online.agent.parameters()), retain_graph=True)
    for (name, _), gradient in zip(learner.online.agent.named_parameters(), found, strict=True):
        assert_close(gradient, gradients[name], **TOLERANCE)

    learner.gradient_step(learner.optimisers[0], loss)
    assert_close(torch.stack(norms), arrays["out/grad_norms_critic_then_agent"], **TOLERANCE)
    for name, value in agent_tensors(under(arrays, "after1/agent/")).items():
        assert_close(learner.online.agent.get_parameter(name).data, value, **STEP_TOLERANCE)
    for name, value in critic_tensors(arrays, "after1/critic/").items():
        assert_close(learner.online.critic.get_parameter(name).data, value, **STEP_TOLERANCE)


def test_padding_changes_nothing():
    batch = random_batch(INFO, [6, 3, 5], seed=0)
    results = []
    for slots in (0, 3):
        learner = make_learner("coma", Config(state_last_actions=True), INFO, seed=0)
        statistics = learner.update(padded(batch, slots), 0, 0, 0.3)
        results.append((statistics, learner.state_tensors()))
    assert_close(*results, atol=0, rtol=0)


def test_critic_is_blind_to_the_own_action_and_to_the_state_s_last_actions():
    info = EnvInfo("synthetic", n_agents=3, n_enemies=0, n_actions=7, obs_size=12, state_size=30, episode_limit=8)
    batch = random_batch(info, [6], seed=0)
    learner = make_learner("coma", Config(), info, seed=0)
    packed = PackedBatch(batch)
    before = coma.critic_values(learner.online, packed, slice(None))
    packed.state[:, 9:] += 1
    packed.actions[:, 1] = (packed.actions[:, 1] + 1) % 7
    after = coma.critic_values(learner.online, packed, slice(None))
    assert_close(before[:, 1], after[:, 1])
    assert (before[:, [0, 2]] != after[:, [0, 2]]).any(-1).all()
    with pytest.raises(UserError, match="state_last_actions"):
        make_learner("coma", Config(), INFO, seed=0)


def test_policy_explores_by_its_floor_and_is_greedy_without():
    generator = np.random.default_rng(0)
    avail_actions = np.tile(np.array([True, False, True, True]), (60_000, 1))
    logits = np.tile(np.array([0.5, 3.0, 1.0, -1.0], np.float32), (60_000, 1))
    draws = generator.random((60_000, 2))
    counts = np.bincount(coma.choose(logits, avail_actions, 0.2, draws), minlength=4) / 60_000
    floored = 0.8 * np.exp(logits[0]) / np.exp(logits[0]).sum() + 0.05
    floored[1] = 0
    assert counts == pytest.approx(floored / floored.sum(), abs=0.01)
    assert counts[1] == 0
    assert (coma.choose(logits, avail_actions, None, draws) == 2).all()
    most = np.full_like(draws, 1 - 2**-32)
    assert (coma.choose(logits, avail_actions, 0.2, most) == 3).all()


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_policy_is_finite_whatever_the_logits_and_the_floor(epsilon):
    logits = torch.tensor([[0.0, 1e4, 1.0], [-1e4, 0.0, -1e4]], requires_grad=True)
    avail_actions = torch.tensor([[True, False, True]] * 2)
    probabilities = coma.policy(logits, avail_actions, epsilon)
    assert_close(probabilities.sum(-1), torch.ones(2))
    assert not probabilities[:, 1].any()
    softmax = torch.tensor([1.0, torch.e]) / (1 + torch.e)
    assert_close(probabilities[0, ::2], softmax if epsilon == 0 else torch.tensor([0.5, 0.5]))
    assert_close(probabilities[1, ::2], torch.tensor([0.5, 0.5]))
    probabilities[0, 0].log().backward()
    assert logits.grad.isfinite().all()


def test_training_without_exploration_still_draws_from_the_policy():
    draws = np.random.default_rng(0).random((10_000, 2))
    logits, avail_actions = np.zeros((10_000, 2), np.float32), np.ones((10_000, 2), np.bool_)
    assert coma.choose(logits, avail_actions, 0.0, draws).mean() == pytest.approx(0.5, abs=0.02)
    assert coma.choose(logits, avail_actions, None, draws).mean() == 0
    learner = make_learner("coma", Config(state_last_actions=True, epsilon_finish=0.0), INFO, seed=0)
    statistics = learner.update(random_batch(INFO, [6, 3], seed=0), 0, 0, epsilon=learner.epsilon(10**9))
    assert all(np.isfinite(value) for value in statistics.values())


def test_policy_step_leaves_the_critic_alone_and_the_critic_s_the_policy():
    batch = PackedBatch(random_batch(INFO, [6, 3], seed=0))
    learner = make_learner("coma", Config(state_last_actions=True), INFO, seed=0)
    before = {name: value.clone() for name, value in learner.online.state_dict().items()}
    values, _ = learner.train_critic(batch, learner.targets(batch))
    changed = {name for name, value in learner.online.state_dict().items() if (value != before[name]).any()}
    assert {name.partition(".")[0] for name in changed} == {"critic"}
    coma.actor_loss(learner.online.agent, batch, values, 0.3)[0].backward()
    assert all(parameter.grad.any() for parameter in learner.online.agent.parameters())


def test_target_critic_is_copied_after_200_critic_steps():
    batch = random_batch(INFO, [8], seed=0)
    learner = make_learner("coma", Config(state_last_actions=True), INFO, seed=0)
    copied = []
    for update in range(1, 60):
        learner.update(batch, 0, 0, 0.3)
        critics = zip(learner.online.critic.parameters(), learner.target.critic.parameters(), strict=True)
        if all((online == target).all() for online, target in critics):
            copied.append(update * 8)
    assert copied == [200, 400]


@pytest.mark.parametrize("protocol", ["paper", "smac_v1"])
def test_a_round_is_a_batch_in_both_protocols(protocol):
    config = resolve("3m", "coma", 0, protocol)
    assert (
        config.protocol_settings.parallel_envs,
        config.protocol_settings.batch_size,
        config.protocol_settings.buffer_size,
    ) == (8, 8, 8)
    assert config.protocol_settings.test_episodes == resolve("3m", "qmix", 0, protocol).protocol_settings.test_episodes
    assert from_json(config.to_json()) == config
    assert resolve("3m", "coma", 0, protocol, overrides={"parallel_envs": "4"}).protocol_settings.parallel_envs == 4
