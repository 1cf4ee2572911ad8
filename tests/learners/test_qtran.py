"""QTRAN-base against the public reference learner, and its properties."""

import pytest
import torch
from torch.testing import assert_close

from roma.envs.vector import EnvInfo
from roma.learners import make_learner
from roma.learners.base.batch import PackedBatch
from roma.learners.qtran.config import Config
from tests.golden.algorithms.reference import STEP_TOLERANCE, TOLERANCE, agent_tensors, batch_of, load, under
from tests.reference.episodes import random_batch

INFO = EnvInfo("synthetic", n_agents=3, n_enemies=0, n_actions=7, obs_size=12, state_size=15, episode_limit=8)
LAYERS = {
    "Q.": "joint_layers.",
    "V.": "state_layers.",
    "action_encoding.0.": "encoder_hidden.",
    "action_encoding.2.": "encoder_output.",
}


def network_tensors(arrays, prefix):
    """Weights (or gradients) of agent and joint values under this package's names."""
    tensors = {f"agent.{name}": value for name, value in agent_tensors(under(arrays, f"{prefix}agent/")).items()}
    return tensors | {
        f"mixer.{new}{name.removeprefix(old)}": value
        for name, value in under(arrays, f"{prefix}mixer/").items()
        for old, new in LAYERS.items()
        if name.startswith(old)
    }


@pytest.fixture
def reference():
    arrays = load("qtran")
    learner = make_learner("qtran", Config(hidden_dim=8, mixer_embed_dim=10), INFO, seed=0)
    learner.online.load_state_dict(network_tensors(arrays, ""))
    learner.target.load_state_dict(network_tensors(arrays, "target_"))
    mask = arrays["batch/filled"][:, :-1, 0].float()
    mask[:, 1:] *= 1 - arrays["batch/terminated"][:, :-2, 0]
    return learner, arrays, batch_of(arrays | {"out/mask": mask.unsqueeze(-1)})


def test_values_and_losses(reference):
    learner, arrays, batch = reference
    packed = PackedBatch(batch)
    states = learner.online.agent.states(packed.obs, packed.last_actions, packed.counts)
    utilities = learner.online.agent.utility_layer(states)
    assert_close(utilities, packed.rows(arrays["out/q"]), **TOLERANCE)
    real = packed.mask > 0

    def rows(name):
        return packed.rows(torch.nn.functional.pad(arrays[f"out/{name}"][..., 0], (0, 1)))[real]

    best = utilities.masked_fill(~packed.avail_actions, -torch.inf).argmax(-1)
    found = {
        "joint_q": learner.online.mixer.joint(packed.state, states, packed.actions),
        "max_joint_q": learner.online.mixer.joint(packed.state, states, best),
        "v": learner.online.mixer.state_value(packed.state),
    }
    for name, values in found.items():
        assert_close(values[real], rows(name), **TOLERANCE)
    following = learner.target.agent.states(packed.obs, packed.last_actions, packed.counts)
    target_joint_q = learner.target.mixer.joint(packed.state, following, best)
    behind = packed.from_next(packed.next(target_joint_q))
    goes_on = real & (packed.terminated == 0)
    expected = packed.rows(torch.nn.functional.pad(arrays["out/target_joint_q"][..., 0], (0, 1)))
    assert_close(behind[goes_on], expected[goes_on], **TOLERANCE)

    statistics = learner.update(batch, 0, episode=0)
    for name, expected in (("loss_td", "td_loss"), ("loss_optimum", "opt_loss"), ("loss_bound", "nopt_loss")):
        assert statistics[name] == pytest.approx(arrays[f"out/{expected}"].item(), rel=1e-4)
    assert statistics["loss"] == pytest.approx(arrays["out/loss"].item(), rel=1e-4)
    assert statistics["grad_norm"] == pytest.approx(arrays["out/grad_norm"].item(), rel=1e-4)
    for parameter, value in network_tensors(arrays, "after1/").items():
        assert_close(learner.online.get_parameter(parameter).data, value, **STEP_TOLERANCE)


def test_raw_gradients(reference):
    learner, arrays, batch = reference
    learner.loss(batch, None)[0].backward()
    gradients = network_tensors(arrays, "grad_raw/")
    assert gradients.keys() == dict(learner.online.named_parameters()).keys()
    for parameter, gradient in gradients.items():
        assert_close(learner.online.get_parameter(parameter).grad, gradient, **TOLERANCE)


def test_conditions_on_utilities_leave_the_joint_value_alone():
    """L_opt and L_nopt train utilities and V towards Q_jt, and never change Q_jt."""
    batch = random_batch(INFO, [5, 3], seed=0)
    gradients = []
    for weight in (0.0, 1.0):
        learner = make_learner("qtran", Config(optimum_weight=weight, bound_weight=weight), INFO, seed=0)
        learner.loss(batch, None)[0].backward()
        gradients.append({name: parameter.grad for name, parameter in learner.online.named_parameters()})
    without, found = gradients
    joint = [name for name in found if name.startswith(("mixer.joint", "mixer.encoder"))]
    assert_close([found[name] for name in joint], [without[name] for name in joint], atol=0, rtol=0)
    assert not any(without[name] is not None and without[name].any() for name in found if "state_layers" in name)
    assert all(found[name].any() for name in found if "state_layers.4" in name or "utility_layer" in name)


def test_joint_value_does_not_depend_on_the_order_of_agents():
    learner = make_learner("qtran", Config(), INFO, seed=0)
    batch = random_batch(INFO, [5], seed=0)
    state, hidden, actions = batch.state[0, :5], torch.randn(5, 3, 64), batch.actions[0]
    order = torch.tensor([2, 0, 1])
    first, second = (
        learner.online.mixer.joint(state, hidden[:, part], actions[:, part]) for part in (torch.arange(3), order)
    )
    assert_close(first, second)
