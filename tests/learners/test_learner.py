"""Optimiser step, target copies, saving and loading, acting."""

import math
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from roma.envs.vector import EnvInfo
from roma.learners import algorithm, algorithm_names, make_learner
from roma.learners.base.acting import CompiledActor
from roma.learners.base.roles import RoleLearner
from roma.learners.roma.config import HEADLINE_REDUCTION, OTHER_READING, OTHER_REDUCTION
from roma.nets.ops.acting.choice import epsilon_greedy
from roma.nets.roles import RoleAgent
from roma.runs.config import resolve
from roma.runs.protocols import PRESETS
from roma.support.errors import UserError
from roma.support.noise import Purpose, normals
from tests.actors import KINDS, hidden_of
from tests.reference.episodes import SHAPES, random_batch

INFO = EnvInfo("synthetic", n_agents=4, n_enemies=0, n_actions=6, obs_size=9, state_size=35, episode_limit=20)
BATCH = random_batch(INFO, [7, 3, 5], seed=3)
FAMILIES = ["coma", "maven", "qmix", "qmix_nps", "qmix_lar", "qtran", "roma"]


def learner_of(name, seed=0, info=INFO, **overrides):
    specification = algorithm(name)
    return make_learner(name, specification.config_class(**specification.overrides | overrides), info, seed)


def decisions(actor, obs, avail_actions, epsilon=0.2, seed=0):
    """Return the actions of all steps (steps, E, A) and the last hidden state (E, A, H)."""
    battles = obs.shape[1]
    actor.begin(range(seed, seed + battles), np.zeros((battles, INFO.state_size), np.float32))
    live = np.ones(battles, np.bool_)
    actions = [actor.act(o, a, live, epsilon) for o, a in zip(obs, avail_actions, strict=True)]
    return np.stack(actions), hidden_of(actor)


def observations(steps=12, n_battles=3, seed=0):
    noise = np.random.default_rng(seed)
    obs = noise.standard_normal((steps, n_battles, INFO.n_agents, INFO.obs_size), dtype=np.float32)
    return obs, noise.random((steps, n_battles, INFO.n_agents, INFO.n_actions)) < 0.6


def test_every_variant_of_the_papers_roma_reduces_as_the_headline_does():
    found = {name: algorithm(name) for name in algorithm_names() if algorithm(name).family == "roma"}
    reductions = {name: each.config_class(**each.overrides).pair_reduction for name, each in found.items()}
    assert reductions.pop(OTHER_READING) == OTHER_REDUCTION != HEADLINE_REDUCTION
    assert {reductions.pop(name) for name in [*reductions] if name.startswith("roma_release")} == {"mean"}
    assert {"roma", "roma_td", "roma_td_li", "roma_td_ld", "roma_no_dissimilarity"} == set(reductions)
    assert set(reductions.values()) == {HEADLINE_REDUCTION}


def test_importing_learners_imports_no_torch():
    code = "import sys, roma.learners; roma.learners.algorithm_names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_names_are_named():
    with pytest.raises(UserError, match="'roma'"):
        algorithm("romma")
    with pytest.raises(UserError, match="mixer"):
        algorithm("qmix").config_class(mixer="qmx")
    with pytest.raises(UserError, match="learning_rate"):
        algorithm("qmix").config_class(learning_rate=0.0)


@pytest.mark.parametrize("name", algorithm_names())
def test_statistics(name):
    learner = learner_of(name)
    statistics = learner.update(BATCH, 0, episode=0)
    assert tuple(statistics) == learner.stat_names
    computed = {key for key, value in statistics.items() if not math.isnan(value)}
    absent = {
        "roma_td": {"loss_identifiability", "loss_specialisation", "dissimilarity_norm", "saturated_pair_share"},
        "roma_td_li": {"loss_specialisation", "dissimilarity_norm", "saturated_pair_share"},
        "roma_td_ld": {"loss_identifiability"},
    }.get(name, set())
    assert computed == set(learner.stat_names) - absent
    if "q_tot_mean" in statistics:
        assert statistics["q_taken_mean"] == pytest.approx(statistics["q_tot_mean"] / INFO.n_agents)


@pytest.mark.parametrize("protocol", PRESETS)
@pytest.mark.parametrize("name", algorithm_names())
def test_every_arm_learns_under_both_protocols(name, protocol):
    """The batch has the number of episodes of the arm's schedule, and the mixer is that of the protocol."""
    config = resolve("3m", name, 0, protocol, overrides={"hidden_dim": 8})
    assert config.protocol_settings.batch_size == (8 if name == "coma" else 32)
    assert config.protocol_settings.parallel_envs == (8 if name == "coma" or protocol == "paper" else 1)
    learner = make_learner(name, config.hyperparameters, INFO, seed=0)
    before = {key: value.clone() for key, value in learner.online.agent.state_dict().items()}
    batch = random_batch(INFO, [3] * config.protocol_settings.batch_size, seed=0)
    assert math.isfinite(learner.update(batch, 0, episode=0, epsilon=0.3)["loss"])
    trained = {key for key, value in learner.online.agent.state_dict().items() if (value != before[key]).any()}
    assert trained == {key for key in before if not key.startswith("latent_policy")}  # which learns from rounds
    if getattr(config.hyperparameters, "mixer", None) == "qmix":
        two_layers = learner.online.mixer.first_weight is not None
        assert two_layers == (protocol == "smac_v1")


ONE_AGENT = EnvInfo("synthetic", n_agents=1, n_enemies=0, n_actions=6, obs_size=9, state_size=35, episode_limit=20)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [(name, {}) for name in algorithm_names()]
    + [("roma", switch) for switch in ({"mask_dead": True}, {"pairs": "allpairs"}, {"pair_reduction": "mean"})],
)
def test_every_arm_learns_with_one_agent(name, overrides):
    """There are no pairs of agents, so L_D is 0."""
    learner = learner_of(name, info=ONE_AGENT, hidden_dim=8, **overrides)
    for _ in range(2):
        statistics = learner.update(random_batch(ONE_AGENT, [7, 3, 5], seed=0), 0, 0, epsilon=0.1)
    assert math.isfinite(statistics["loss"])
    assert math.isfinite(statistics["grad_norm"])
    if not math.isnan(statistics.get("loss_specialisation", math.nan)):
        assert [statistics[key] for key in ("loss_specialisation", "saturated_pair_share")] == [0, 0]


def test_role_losses_enter_with_their_weights():
    statistics = learner_of("roma").update(BATCH, 0, episode=0)
    weighted = 1e-4 * statistics["loss_identifiability"] + 1e-2 * statistics["loss_specialisation"]
    assert statistics["loss"] == pytest.approx(statistics["loss_td"] + weighted)


@pytest.mark.parametrize("name", FAMILIES)
def test_update_depends_on_its_key_alone(name):
    first, second = learner_of(name), learner_of(name)
    torch.manual_seed(0)
    statistics = first.update(BATCH, 5, episode=0)
    torch.manual_seed(1)
    assert statistics == second.update(BATCH, 5, episode=0)


def test_seed_decides_the_weights_and_leaves_global_randomness_alone():
    state = torch.random.get_rng_state()
    first, same, other = learner_of("roma", 0), learner_of("roma", 0), learner_of("roma", 1)
    assert (torch.random.get_rng_state() == state).all()
    assert_close(first.state_tensors(), same.state_tensors(), atol=0, rtol=0)
    assert any((a != b).any() for a, b in zip(first.online.parameters(), other.online.parameters(), strict=True))


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "coma"])  # which counts critic steps
def test_target_is_copied_at_the_first_update_200_episodes_after_the_last_copy(name):
    """Eight episodes a round, updates from the fourth: the counter before the round is 24, 32, ..."""
    learner = learner_of(name)

    def equal():
        pairs = zip(learner.online.parameters(), learner.target.parameters(), strict=True)
        return all((online == target).all() for online, target in pairs)

    assert equal()
    copied = []
    for episode in range(24, 640, 8):
        learner.update(BATCH, 0, episode)
        if equal():
            copied.append(episode)
    assert copied == [200, 400, 600]


@pytest.mark.parametrize("name", algorithm_names())
def test_saved_state_continues_bit_for_bit(name):
    often = {"target_update_steps" if name == "coma" else "target_update_episodes": 16}
    learner = learner_of(name, **often)
    for episode in range(24, 72, 8):
        learner.update(BATCH, episode, episode)
    saved = {key: value.clone() for key, value in learner.state_tensors().items()}
    resumed = learner_of(name, seed=9, **often)
    resumed.update(BATCH, 1, 0)
    resumed.load_state_tensors(saved)
    for episode in range(72, 120, 8):
        statistics = learner.update(BATCH, episode, episode)
        assert str(statistics) == str(resumed.update(BATCH, episode, episode))
    assert_close(learner.state_tensors(), resumed.state_tensors(), atol=0, rtol=0)


@pytest.mark.parametrize("name", ["qmix", "coma", "maven"])
def test_saved_state_goes_where_the_weights_are(name):
    """A checkpoint is read into host memory; Adam counts its steps there on every device."""
    specification = algorithm(name)
    learner = learner_of(name)
    learner.update(BATCH, 0, 0)
    if learner.learns_from_rounds:
        learner.learn_from_round(BATCH, 0)
    elsewhere = make_learner(name, specification.config_class(**specification.overrides), INFO, 0, device="meta")
    elsewhere.load_state_tensors(learner.state_tensors())
    states = [state for optimiser in elsewhere.optimisers for state in optimiser.state.values()]
    assert states
    counted = {(True, "cpu")} if name == "maven" else set()
    assert {(key == "step", value.device.type) for state in states for key, value in state.items()} == counted | {
        (False, "meta")
    }


def test_saved_state_of_another_algorithm_is_refused():
    with pytest.raises(KeyError, match="tensors differ"):
        learner_of("roma").load_state_tensors(learner_of("qmix").state_tensors())


def test_epsilon():
    learner = learner_of("qmix")
    schedule = [learner.epsilon(t_env) for t_env in (0, 25_000, 50_000, 10**7)]
    assert schedule == pytest.approx([1.0, 0.525, 0.05, 0.05])


@pytest.mark.parametrize("name", FAMILIES)
def test_a_policy_decides_as_its_learner(name):
    learner, other = learner_of(name), learner_of(name, seed=5)
    weights = {key: value.clone() for key, value in learner.policy_tensors().items()}
    judging = {key for key in weights if key.startswith(("trajectory_encoder.", "dissimilarity."))}
    assert weights.keys() - judging == learner.online.agent.state_dict().keys()
    assert bool(judging) == hasattr(learner.config, "role_dim")
    other.load_policy_tensors(weights)
    expected, found = (decisions(each.actor(), *observations()) for each in (learner, other))
    assert (expected[0] == found[0]).all()
    assert (expected[1] == found[1]).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_actor_sees_updates(name):
    learner = learner_of(name, learning_rate=0.05)
    actor = learner.actor()
    before, _ = decisions(actor, *observations())
    for _ in range(5):
        learner.update(BATCH, 0, 0)
    after, _ = decisions(actor, *observations())
    assert (before != after).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FAMILIES)
def test_execution_is_decentralised(name, kind):
    actor = getattr(learner_of(name), kind)()
    obs, avail_actions = observations()
    others_obs, others_avail = observations(seed=1)
    others_obs[:, 1, 2], others_avail[:, 1, 2] = obs[:, 1, 2], avail_actions[:, 1, 2]
    actions, hidden = decisions(actor, obs, avail_actions)
    others_actions, others_hidden = decisions(actor, others_obs, others_avail)
    assert (actions[:, 1, 2] == others_actions[:, 1, 2]).all()
    assert (hidden[1, 2] == others_hidden[1, 2]).all()
    assert (actions != others_actions).any()


@pytest.mark.parametrize("name", algorithm_names())
def test_learners_with_roles_declare_them(name):
    learner = import_module(f"roma.learners.{algorithm(name).family}.learner").Learner
    assert issubclass(learner, RoleLearner) == hasattr(algorithm(name).config_class, "role_dim")


def test_trunk_role_encoder_and_role_decoder_alone_act_identically(tmp_path):
    """A policy file with only these networks, loaded into a learner with only these networks."""
    learner = learner_of("roma")
    config, judging = learner.config, ("trajectory_encoder.", "dissimilarity.")
    weights = {key: value for key, value in learner.policy_tensors().items() if not key.startswith(judging)}
    assert {key.partition(".")[0] for key in weights} == {"trunk", "role_encoder", "role_decoder"}
    save_file(weights, tmp_path / "actor.safetensors")
    sizes = INFO.obs_size, INFO.n_actions, INFO.n_agents, config.hidden_dim, config.role_dim, config.role_hidden
    agent = RoleAgent(*sizes, config.variance_floor, mean_role_when_greedy=False)
    agent.load_state_dict(load_file(tmp_path / "actor.safetensors"))
    actor = CompiledActor(agent, INFO.n_agents)
    for expected, found in zip(*(decisions(each, *observations()) for each in (learner.actor(), actor)), strict=True):
        assert (expected == found).all()


@torch.inference_mode()
@pytest.mark.parametrize(("layers", "apart"), [("batchnorm", False), ("relu", True)])
@pytest.mark.parametrize("changed", [(0, slice(None)), (1, 0)], ids=["another battle", "another agent"])
def test_released_agents_see_each_other_in_the_normalisation(layers, apart, changed):
    """Batch normalisation makes the utilities of one agent depend on the other agents."""
    agent = learner_of("roma_release", role_layers=layers).online.agent
    (obs,), _ = observations(steps=1)
    others = obs.copy()
    others[changed] += 1
    nothing = torch.full(obs.shape[:2], -1), torch.zeros(3 * INFO.n_agents, 64)
    role_noise = torch.from_numpy(normals(Purpose.ROLE, range(3), 100, INFO.n_agents, agent.role_dim)).unbind(1)

    def utilities_in(seen, drawn):
        return agent.step(torch.from_numpy(seen), *nothing, drawn)[0][INFO.n_agents + 2]

    utilities, found = (torch.stack([utilities_in(each, drawn) for drawn in role_noise]) for each in (obs, others))
    assert (utilities == found).all() == apart
    assert (utilities.argmax(-1) == found.argmax(-1)).all() == apart


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FAMILIES)
def test_acting_step_by_step_equals_learning_over_whole_episodes(name, kind):
    learner = learner_of(name)
    obs, avail_actions = observations()
    actions, hidden = decisions(getattr(learner, kind)(), obs, avail_actions)
    trunk = learner.online.agent.trunk
    last_actions = np.concatenate([np.full_like(actions[:1], -1), actions[:-1]])
    rows, last_actions = (torch.from_numpy(each).flatten(0, 1) for each in (obs, last_actions))
    states = trunk(rows, last_actions, [3] * 12)[0]
    assert_close(hidden, states[-3:])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("epsilon", [None, 0.0, 0.5, 1.0])
def test_actions_are_available_ones_of_live_battles(name, epsilon, kind):
    obs, avail_actions = observations()
    avail_actions[..., 0] |= ~avail_actions.any(-1)
    actor, live = getattr(learner_of(name), kind)(), np.array([True, False, True])
    actor.begin(range(3), np.zeros((3, INFO.state_size), np.float32))
    for step in range(12):
        actions = actor.act(obs[step], avail_actions[step], live, epsilon)
        assert actions.dtype == np.int64
        assert np.take_along_axis(avail_actions[step], actions[..., None], -1)[live].all()
        assert (actions[~live] == 0).all()
    assert (actor.act(obs[0], np.zeros_like(avail_actions[0]), live, epsilon) == 0).all()


def test_exploration_is_uniform_over_what_is_available():
    avail_actions = np.broadcast_to(np.array([False, True, True, False, True]), (30_000, 5))
    draws = np.random.default_rng(0).random((30_000, 2))
    values = np.broadcast_to(np.arange(5, dtype=np.float32), avail_actions.shape)
    counts = np.bincount(epsilon_greedy(values, avail_actions, 1.0, draws), minlength=5)
    assert counts[[0, 3]].sum() == 0
    assert counts[[1, 2, 4]] == pytest.approx(10_000, rel=0.03)
    for nothing in (None, 0.0):
        assert (epsilon_greedy(values, avail_actions, nothing, draws) == 4).all()
    greedy = (epsilon_greedy(values, avail_actions, 0.3, draws) == 4).mean()
    assert greedy == pytest.approx(0.7 + 0.1, abs=0.01)


def test_mean_role_at_test_ignores_noise():
    obs, avail_actions = observations()
    for role_at_test, equal in (("mean", True), ("sampled", False)):
        actor = learner_of("roma", role_at_test=role_at_test).actor()
        first, second = (decisions(actor, obs, avail_actions, None, seed)[0] for seed in (0, 9))
        assert (first == second).all() == equal
        first, second = (decisions(actor, obs, avail_actions, 0.0, seed)[0] for seed in (0, 9))
        assert (first != second).any()


@pytest.mark.parametrize(
    ("info", "qmix", "qmix_lar", "acting", "training_only"),
    [
        (SHAPES["2s3z"], 31_883, 38_679, 41_561, 44_940),
        (EnvInfo("10m_vs_11m", 10, 11, 17, 105, 243, 150), 34_577, 41_139, 49_235, 52_914),
        (SHAPES["MMM2"], 39_250, 45_773, 55_540, 60_071),
        (EnvInfo("10z5b_vs_2s3z", 15, 5, 11, 145, 285, 200), 36_683, 43_479, 47_141, 51_300),
        (SHAPES["27m_vs_30m"], 49_636, 55_457, 81_274, 87_113),
    ],
    ids=lambda value: value.map_name if isinstance(value, EnvInfo) else None,
)
def test_parameter_counts_without_mixer(info, qmix, qmix_lar, acting, training_only):
    def count(module):
        return sum(parameter.numel() for parameter in module.parameters())

    assert count(learner_of("qmix", info=info).online.agent) == qmix
    assert count(learner_of("qmix_nps", info=info).online.agent) == info.n_agents * qmix
    assert count(learner_of("qmix_lar", info=info).online.agent) == qmix_lar
    online = learner_of("roma", info=info).online
    assert count(online.agent) == acting
    assert count(online) - count(online.mixer) == training_only
