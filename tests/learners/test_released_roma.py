"""The variant `roma_release` against the authors' released code, and its differences from the paper's equations."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from roma.envs.vector import EnvInfo
from roma.learners import algorithm, make_learner
from roma.learners.base.batch import PackedBatch
from roma.learners.base.temporal_difference import masked_mean, td_targets
from roma.learners.roma.config import OTHER_READING, RELEASE
from roma.learners.roma.losses import Objective, Roles
from roma.learners.roma.networks import RoleNoise
from roma.learners.roma.release import SWITCHES, ReleasedObjective, released_information
from roma.nets.ops.specialisation import min_max_normalised
from tests.golden.algorithms.reference import STEP_TOLERANCE, TOLERANCE, batch_of, load, mixer_tensors, under
from tests.reference.episodes import random_batch
from tests.reference.plain_learner import update

STEP_INFO = EnvInfo("synthetic", n_agents=3, n_enemies=0, n_actions=7, obs_size=12, state_size=15, episode_limit=8)
LOSS_INFO = EnvInfo("synthetic", n_agents=5, n_enemies=0, n_actions=7, obs_size=24, state_size=9, episode_limit=8)
LAYERS = {  # released name: ours
    "embed_net.0.": "agent.role_encoder.hidden_layer.",
    "embed_net.1.": "agent.role_encoder.activation.",
    "embed_net.3.": "agent.role_encoder.output_layer.",
    "inference_net.0.": "trajectory_encoder.hidden_layer.",
    "inference_net.1.": "trajectory_encoder.activation.",
    "inference_net.3.": "trajectory_encoder.output_layer.",
    "latent_net.0.": "agent.role_decoder.hidden_layer.",
    "latent_net.1.": "agent.role_decoder.activation.",
    "dis_net.0.": "dissimilarity.hidden_layer.",
    "dis_net.1.": "dissimilarity.activation.",
    "dis_net.3.": "dissimilarity.output_layer.",
    "fc1.": "agent.trunk.input_layer.",
    "rnn.": "agent.trunk.gru.",
}
READS_INPUT = {"embed_net.0.weight": 0, "inference_net.0.weight": None, "fc1.weight": 0}


def networks(arrays, info, raw_input=False):
    """Return weights (or gradients) of the released networks under this package's names.

    Released inputs are [previous action, obs, index]. With `raw_input`, they take the place of our observations,
    without previous action and index.
    """
    tensors = {}
    for key, value in arrays.items():
        prefix = next((name for name in LAYERS if key.startswith(name)), None)
        if prefix is None or "running" in key or "num_batches" in key:
            continue
        if key in READS_INPUT:
            own = info.obs_size if raw_input else info.obs_size + info.n_actions + info.n_agents
            lead, seen = value.split([value.shape[1] - own, own], dim=1)
            if raw_input:
                seen = torch.cat([seen, seen.new_zeros(len(seen), info.n_actions + info.n_agents)], dim=1)
            else:
                action, obs, index = seen.split([info.n_actions, info.obs_size, info.n_agents], dim=1)
                seen = torch.cat([obs, action, index], dim=1)
            value = torch.cat([lead, seen], dim=1)
        tensors[LAYERS[prefix] + key.removeprefix(prefix)] = value
    for kind in ("weight", "bias"):
        if f"fc2_w_nn.{kind}" in arrays:
            parts = [arrays[f"{layer}.{kind}"] for layer in ("fc2_w_nn", "fc2_b_nn")]
            tensors[f"agent.role_decoder.output_layer.{kind}"] = torch.cat(parts)
    return tensors


def released(info, hidden_dim, name="roma_release", **overrides):
    specification = algorithm(name)
    values = {"hidden_dim": hidden_dim, "mixer_embed_dim": 6, **specification.overrides, **overrides}
    return make_learner(name, specification.config_class(**values), info, seed=0)


def test_the_released_objective_is_for_released_switches_only():
    readings = {
        "posterior_uses_observation": False,
        "absolute_dissimilarity": False,
        "log_density": False,
        "pairs": "allpairs",
        "pair_reduction": "sum",
        "mask_dead": True,
        "role_at_test": "mean",
    }
    for name in ("roma", "roma_td", "roma_td_li", "roma_td_ld", OTHER_READING):
        assert type(released(STEP_INFO, 8, name, **readings).objective) is Objective
    differing = {key: value for key, value in RELEASE.items() if key in SWITCHES}
    assert differing.keys() == set(SWITCHES)
    for key, value in (*differing.items(), ("dissimilarity", "none")):
        needed = {"pairs": "allpairs"} if key == "hinge_counts_self" else {}
        assert type(released(STEP_INFO, 8, "roma", **{key: value}, **needed).objective) is ReleasedObjective


@pytest.mark.parametrize("weights", ["default", "readme_other_maps", "paper_weights", "soft10"])
def test_role_losses(weights):
    arrays = load("roma_released_role_losses")
    expected = under(arrays, f"{weights}/")
    kl, entropy, specialisation, hinge, floor = expected["hyper"].tolist()
    learner = released(
        LOSS_INFO,
        16,
        lambda_identifiability=kl,
        entropy_weight=entropy,
        lambda_specialisation=specialisation,
        hinge_weight=hinge,
        variance_floor=floor,
    )
    online = learner.online
    online.load_state_dict(networks(under(arrays, "agent_before/"), LOSS_INFO, raw_input=True), strict=False)
    obs, before = arrays["in/x"].view(6, 5, 24), arrays["in/h_prev"].view(6, 5, 16)
    none, counts = torch.full((6, 5), -1), [6]

    of_trunk, of_encoder, of_posterior = online.agent.obs_products(obs, online.trajectory_encoder.obs_weight)
    distribution = online.agent.role_encoder(of_encoder, none, counts)
    role = distribution.sample(arrays["in/eps_embed"].view(6, 5, 3))
    posterior = online.trajectory_encoder(before, of_posterior, none, counts)
    assert_close(torch.cat(distribution, -1).flatten(0, 1), expected["out/latent_mu_var"], **TOLERANCE)
    assert_close(torch.cat(posterior, -1).flatten(0, 1), expected["out/infer_mu_var"], **TOLERANCE)
    hidden = online.agent.trunk.step(of_trunk, none, before.flatten(0, 1))
    assert_close(hidden, expected["out/h"], **TOLERANCE)
    utilities = online.agent.utilities(role, hidden.view(6, 5, -1), counts).flatten(0, 1)
    assert_close(utilities, expected["out/q"], **TOLERANCE)

    agents = torch.arange(5)
    shifted = torch.stack([(agents - shift) % 5 for shift in range(1, 6)])  # [m - 1, i] -> j

    def in_columns(matrix):
        return torch.cat([matrix[:, agents, partners] for partners in shifted], dim=1)

    distance = online.dissimilarity(role, counts)
    assert_close(in_columns(distance), expected["out/d_raw"], **TOLERANCE)
    assert_close(in_columns(released_information(distribution, role)) + 13.9, expected["out/mi_raw"], **TOLERANCE)
    scaled = min_max_normalised(distance.flatten(1), None).view(distance.shape)
    assert_close(in_columns(scaled), expected["out/d_norm_all"], **TOLERANCE)

    roles = Roles(distribution, role, before, posterior, counts)
    loss, statistics = learner.objective.role_losses(online, roles, torch.ones(6), None)
    assert_close(loss, expected["out/reg_loss"], **TOLERANCE)
    of_pairs = specialisation * statistics["loss_specialisation"]
    assert_close(of_pairs, expected["out/c_dis_loss"], **TOLERANCE)
    assert_close(loss - of_pairs, expected["out/ce_loss"], **TOLERANCE)
    gradients = networks(under(expected, "grad_reg/"), LOSS_INFO, raw_input=True)
    if gradients:
        loss.backward()
    for name, gradient in gradients.items():
        found = online.get_parameter(name).grad
        if name.endswith("hidden_layer.weight") and "encoder" in name:
            found = torch.cat([found[:, :-12], torch.zeros(len(found), 12)], dim=1)
        assert_close(found, gradient, **TOLERANCE)


def test_a_whole_update():
    arrays = load("roma_released_train_step")
    learner, batch = released(STEP_INFO, 8), batch_of(arrays)
    for part, prefix in ((learner.online, ""), (learner.target, "target_")):
        mixer = {f"mixer.{key}": value for key, value in mixer_tensors(under(arrays, f"{prefix}mixer/")).items()}
        part.load_state_dict(networks(under(arrays, f"{prefix}agent/"), STEP_INFO) | mixer)
    noise = RoleNoise(
        *(arrays[f"in/eps_role_{which}"].view(9, 4, 3, 3).transpose(0, 1) for which in ("online", "target"))
    )
    packed = PackedBatch(batch, every_slot=True)
    # the release also stores an action after the end of an episode, which is never executed
    taken = torch.where(arrays["batch/filled"] > 0, arrays["batch/actions"][..., 0].long(), -1)
    packed.last_actions = packed.rows(torch.cat([torch.full_like(taken[:, :1], -1), taken[:, :-1]], dim=1))
    loss, statistics = learner.objective(learner.online, learner.target, packed, noise)
    assert_close(loss, arrays["out/loss"], **TOLERANCE)
    assert_close(loss - statistics["loss_td"], arrays["out/loss_reg"], **TOLERANCE)
    assert_close(1e-3 * statistics["loss_specialisation"], arrays["out/loss_dis"], **TOLERANCE)
    of_roles = 1e-3 * statistics["loss_specialisation"] + arrays["out/loss_ce"]
    assert_close(loss - statistics["loss_td"], of_roles, **TOLERANCE)
    assert_close(statistics["td_error_abs"], arrays["out/td_error_abs"], **TOLERANCE)
    q_tot, target_q_tot = (arrays[f"out/{name}"][..., 0] for name in ("q_tot", "target_q_tot"))
    assert_close(statistics["q_tot_mean"], masked_mean(q_tot, batch.mask), **TOLERANCE)
    targets = td_targets(batch.reward, batch.terminated, target_q_tot, learner.config.gamma)
    assert_close(3 * statistics["target_mean"], masked_mean(targets, batch.mask), **TOLERANCE)

    def expected(prefix):
        mixer = {f"mixer.{key}": value for key, value in mixer_tensors(under(arrays, f"{prefix}mixer/")).items()}
        return networks(under(arrays, f"{prefix}agent/"), STEP_INFO) | mixer

    found = torch.autograd.grad(loss, list(learner.online.parameters()), retain_graph=True)
    gradients = dict(zip(dict(learner.online.named_parameters()), found, strict=True))
    assert gradients.keys() == expected("grad_raw/").keys()
    for name, gradient in expected("grad_raw/").items():
        assert_close(gradients[name], gradient, **TOLERANCE)
    assert_close(torch.stack([each.norm() for each in found]).norm(), arrays["out/grad_norm"], **TOLERANCE)
    update(learner, loss)
    for name, value in expected("after1/").items():
        assert_close(learner.online.get_parameter(name).data, value, **STEP_TOLERANCE)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["roma_release", "roma"])
def test_roles_are_normalised_alike_in_acting_learning_and_records(name):
    """Ended episodes contribute zeros and no last action to the batch statistics of the running ones."""
    lengths = np.array([7, 3, 5])
    learner, batch = released(STEP_INFO, 8, name), random_batch(STEP_INFO, lengths.tolist(), seed=0)
    agent, acted = learner.online.agent, []
    agent.role_encoder.register_forward_hook(lambda module, arguments, roles: acted.append(torch.cat(roles, -1)))
    actor = learner.torch_actor()
    actor.begin(range(3), np.zeros((3, STEP_INFO.state_size), np.float32))
    moments, taken = np.arange(8), []
    shown = batch.obs.numpy()[np.arange(3)[:, None], np.minimum(moments, lengths[:, None])]  # engines stand still
    for t in range(7):
        taken.append(actor.act(shown[:, t], batch.avail_actions.numpy()[:, t], t < lengths, 0.3))
    of_acting = torch.stack(acted, 1)  # (E, T, A, 2 * role_dim)

    actions = torch.from_numpy(np.stack(taken, 1))
    packed = PackedBatch(replace(batch, actions=actions), every_slot=True)
    of_encoder = agent.obs_products(packed.obs)[1]
    of_learning = torch.cat(agent.role_encoder(of_encoder, packed.last_actions, packed.counts), -1)
    assert_close(of_learning.unflatten(0, (8, 3)).transpose(0, 1)[:, :7], of_acting)

    last_actions = torch.cat([torch.full_like(actions[:, :1], -1), actions], 1)
    seen = [(batch.obs[e, : length + 1], last_actions[e, : length + 1]) for e, length in enumerate(lengths)]
    records = learner.role_records(*zip(*seen, strict=True))
    for record, roles, length in zip(records, of_acting, lengths, strict=True):
        assert len(record.role_mean) == len(record.trajectory) == len(record.information) == length + 1
        assert_close(torch.cat([record.role_mean, record.role_variance], -1)[:7], roles[: length + 1])
    alone = [learner.role_records([obs], [before])[0] for obs, before in seen]
    same = [torch.allclose(one.role_mean, other.role_mean) for one, other in zip(records, alone, strict=True)]
    assert same == [name == "roma"] * 3
