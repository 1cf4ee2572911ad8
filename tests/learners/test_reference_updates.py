"""Whole updates of QMIX, VDN and IQL against the public reference learners."""

import pytest
from torch.testing import assert_close

from roma.envs.vector import EnvInfo
from roma.learners import make_learner
from roma.learners.base.batch import PackedBatch
from roma.learners.base.temporal_difference import taken
from roma.learners.qmix.config import Config
from tests.golden.algorithms.reference import STEP_TOLERANCE, TOLERANCE, batch_of, load, network_tensors
from tests.reference.plain_learner import qmix_loss

INFO = EnvInfo("synthetic", n_agents=3, n_enemies=0, n_actions=7, obs_size=12, state_size=15, episode_limit=8)
CASES = {
    "td_qmix": {"mixer_embed_dim": 6},
    "td_qmix_h2": {"mixer_embed_dim": 6, "hypernet_hidden": 10},
    "td_vdn": {"mixer": "vdn"},
    "td_iql": {"mixer": "none"},
}


def reference_learner(name, **overrides):
    arrays = load(name)
    learner = make_learner("qmix", Config(hidden_dim=8, **CASES[name], **overrides), INFO, seed=0)
    learner.online.load_state_dict(network_tensors(arrays, "agent/", "mixer/"))
    learner.target.load_state_dict(network_tensors(arrays, "target_agent/", "target_mixer/"))
    return learner, arrays, batch_of(arrays)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("prefix", "double_q"), [("", True), ("single_q/", False)])
def test_loss_and_utilities(name, prefix, double_q):
    learner, arrays, batch = reference_learner(name, double_q=double_q)
    packed = PackedBatch(batch)
    for networks, expected in ((learner.online, arrays["out/q"]), (learner.target, arrays["out/target_q"])):
        utilities = networks.agent(packed.obs, packed.last_actions, packed.counts)
        assert_close(utilities, packed.rows(expected), **TOLERANCE)
    if name == "td_iql":
        chosen = taken(arrays["out/q"][:, :-1], batch.actions)
        assert_close(learner.online.mixer(chosen, batch.state[:, :-1]), arrays[prefix + "out/chosen_q"], **TOLERANCE)
    else:
        mixed = (learner.online.mixer, batch.state[:, :-1], ""), (learner.target.mixer, batch.state[:, 1:], "target_")
        for mixer, state, which in mixed:
            chosen, expected = (arrays[f"{prefix}out/{which}q_tot{end}"] for end in ("_in", ""))
            assert_close(mixer(chosen, state), expected[..., 0], **TOLERANCE)

    statistics = learner.update(batch, 0, episode=0)
    assert statistics["loss"] == statistics["loss_td"]
    assert statistics["loss"] == pytest.approx(arrays[prefix + "out/loss"].item(), rel=1e-4)
    assert statistics["grad_norm"] == pytest.approx(arrays[prefix + "out/grad_norm_before_clip"].item(), rel=1e-4)
    assert statistics["td_error_abs"] == pytest.approx(arrays[prefix + "out/td_error_abs"].item(), rel=1e-4)


@pytest.mark.parametrize("name", ["td_qmix", "td_vdn", "td_iql"])
def test_the_plainly_written_loss_is_the_reference_s_too(name):
    learner, arrays, batch = reference_learner(name)
    loss = qmix_loss(learner.online, learner.target, batch, learner.config)
    assert_close(loss, arrays["out/loss"], **TOLERANCE)
    loss.backward()
    for parameter, gradient in network_tensors(arrays, "grad_raw/agent/", "grad_raw/mixer/").items():
        assert_close(learner.online.get_parameter(parameter).grad, gradient, **TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_raw_gradients(name):
    learner, arrays, batch = reference_learner(name)
    learner.loss(batch, None)[0].backward()
    gradients = network_tensors(arrays, "grad_raw/agent/", "grad_raw/mixer/")
    assert gradients.keys() == dict(learner.online.named_parameters()).keys()
    for parameter, gradient in gradients.items():
        assert_close(learner.online.get_parameter(parameter).grad, gradient, **TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_weights_after_one_and_three_steps(name):
    learner, arrays, batch = reference_learner(name)
    losses = [learner.update(batch, 0, episode=0)["loss"]]
    for parameter, value in network_tensors(arrays, "after1/agent/", "after1/mixer/").items():
        assert_close(learner.online.get_parameter(parameter).data, value, **STEP_TOLERANCE)
    losses += [learner.update(batch, 0, episode=0)["loss"] for _ in range(2)]
    assert losses == pytest.approx(arrays["out/losses_3_steps"].tolist(), rel=1e-4)
    for parameter, value in network_tensors(arrays, "after3/agent/", "after3/mixer/").items():
        assert_close(learner.online.get_parameter(parameter).data, value, **STEP_TOLERANCE)


def test_agents_with_equal_weights_of_their_own_are_the_reference_agents():
    """QMIX-NPS with the shared weights in every agent: the same loss, and each agent's part of the gradient."""
    shared, arrays, batch = reference_learner("td_qmix")
    config = Config(hidden_dim=8, shared_parameters=False, **CASES["td_qmix"])
    separate = make_learner("qmix_nps", config, INFO, seed=0)
    for networks, weights in ((separate.online, shared.online), (separate.target, shared.target)):
        networks.mixer.load_state_dict(weights.mixer.state_dict())
        stacked = {name: value.expand(3, *value.shape) for name, value in weights.agent.state_dict().items()}
        networks.agent.load_state_dict(stacked)
    loss, _ = separate.loss(batch, None)
    assert_close(loss, arrays["out/loss"], **TOLERANCE)
    loss.backward()
    for name, gradient in network_tensors(arrays, "grad_raw/agent/", "grad_raw/mixer/").items():
        found = separate.online.get_parameter(name).grad
        assert_close(found.sum(0) if name.startswith("agent.") else found, gradient, **TOLERANCE)
