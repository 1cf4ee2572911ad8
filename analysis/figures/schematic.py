"""Schematics of ROMA (figure 2) and QMIX (figure 13), drawn from the learner's modules with their actual sizes."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import nn

from analysis import style
from roma import envs
from roma.learners import make_learner
from roma.nets.mixers import MonotonicMixer
from roma.nets.roles import GaussianHead
from roma.runs.config import resolve

ENGINE = envs.EMBEDDED  # all engines share the interface, and with it all sizes
WIDTH = 100.0  # width of the drawing, in its own units
INCHES = 6.9
MIXED = ("W1", "w2", "b1", "v")  # weights that the mixer generates from the state, in the order of its `widths`
FACTS = ["algorithm", "map", "agents", "enemies", "actions", "obs_size", "state_size", "acting", "trained"]
# Fills that differ in grey scale, too.
UTILITY, ROLE, MIXER, LOSS = "#dcebf5", "#f3c39b", "#dfe3c8", "#ffffff"
INK, SOFT = "0.15", "0.4"
DASHES = (0, (3, 1.5))
GUTTER = 50.2  # x of the lines between the agent and the boxes right of it
Point = tuple[float, float]


def data(summary: Path, specification: dict[str, Any], metrics: Sequence[str]) -> pd.DataFrame:
    """Return one row per module: name, kind, inputs, outputs, parameters, note and FACTS. No run is needed.

    Args:
        summary: Not used.
        specification: Entry of the figure list, with `algorithm` and `map`.
        metrics: Not used.
    """
    name, map_name = specification["algorithm"], specification["map"]
    info = envs.make(ENGINE, map_name, 1).info
    config = resolve(map=map_name, algorithm=name, seed=0, engine=ENGINE)
    online = make_learner(name, config.hyperparameters, info, 0).online
    frame = pd.DataFrame(_rows(online), columns=["module", "kind", "inputs", "outputs", "parameters", "note"])
    facts = [name, map_name, info.n_agents, info.n_enemies, info.n_actions, info.obs_size, info.state_size]
    facts += [_count(online.agent), _count(online)]
    return frame.assign(**dict(zip(FACTS, facts, strict=True)))


def _rows(networks: nn.Module) -> Iterator[tuple[str, str, int | None, int | None, int, str]]:
    for name, module in networks.named_modules():
        if name:
            inputs = getattr(module, "in_features", getattr(module, "input_size", None))
            outputs = getattr(module, "out_features", getattr(module, "hidden_size", None))
            yield name, type(module).__name__, inputs, outputs, _count(module), _note(module)
        if isinstance(module, MonotonicMixer):
            for part, width in zip(MIXED, module.widths, strict=True):
                inputs = module.state_layer.in_features
                yield f"{name}.state_layer[{part}]", "rows", inputs, width, (inputs + 1) * width, ""


def _note(module: nn.Module) -> str:
    if isinstance(module, MonotonicMixer):
        return "ELU" if module.elu else "ReLU"
    return str(module.variance_floor) if isinstance(module, GaussianHead) else ""


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def panels(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return no parts: a schematic is a single drawing."""
    return {}


def draw(frame: pd.DataFrame) -> Figure:
    """Draw a frame of `data`: an agent left, the mixing network right, below it the networks of training only."""
    style.apply()
    has_roles = "agent.role_encoder" in set(frame["module"])
    sheet = Sheet(frame, height=64 if has_roles else 50)
    if has_roles:
        _role_agent(sheet)
        _mixer(sheet, bottom=33)
        _role_losses(sheet)
    else:
        _utility_agent(sheet)
        _mixer(sheet, bottom=2)
    return sheet.figure


def caption(facts: pd.Series) -> str:
    """Return the caption below the schematic."""
    return (
        f"Sizes of the networks as built for {facts['map']}: {facts['agents']} agents, {facts['enemies']} enemies, "
        f"{facts['actions']} actions, observation size {facts['obs_size']}, state size {facts['state_size']}. "
        f"{facts['acting']:,} parameters are used for acting, {facts['trained']:,} are trained. "
        "a → b: layer with a inputs and b outputs. Dashed arrows: generated weights."
    )


class Sheet:
    """Drawing of a schematic, with the sizes of the networks."""

    def __init__(self, frame: pd.DataFrame, height: float) -> None:
        self.modules, self.facts, self.top = frame.set_index("module"), frame.iloc[0][FACTS], height - 1
        lines = textwrap.wrap(caption(self.facts), 150)
        foot, inches = 0.08 + 0.11 * len(lines), INCHES * height / WIDTH
        self.figure = Figure(figsize=(INCHES, inches + foot))
        self.axes = self.figure.add_axes((0, foot / (inches + foot), 1, inches / (inches + foot)))
        self.axes.set(xlim=(0, WIDTH), ylim=(0, height))
        self.axes.set_axis_off()
        words = "\n".join(lines)
        self.figure.text(0.012, 0.05 / (inches + foot), words, fontsize=6, color="0.25", linespacing=1.3)

    def size(self, module: str, end: str = "outputs") -> int:
        """Return the number of outputs (or `end="inputs"`) of a module."""
        return int(self.modules[end].to_dict()[module])

    def text(self, at: Point, words: str, size: float = 7.5, **keywords: Any) -> None:
        """Write text, centred by default."""
        self.axes.text(*at, words, fontsize=size, **({"ha": "center", "va": "center", "color": INK} | keywords))

    def box(self, centre: Point, width: float, title: str, detail: str, fill: str) -> None:
        """Draw a box, 7 units high, with a title and a line of detail below it."""
        x, y = centre
        self._rectangle(x - width / 2, y - 3.5, width, 7, facecolor=fill, edgecolor=INK, linewidth=0.8)
        self.text((x, y + 1.5), title, 7)
        self.text((x, y - 1.6), detail, 6.5, color="0.25")

    def region(self, left: float, bottom: float, right: float, top: float, title: str, line: Any = "-") -> None:
        """Draw a frame around boxes, with its title inside the upper left corner."""
        rectangle: dict[str, Any] = {"facecolor": "none", "edgecolor": SOFT, "linestyle": line, "linewidth": 0.7}
        self._rectangle(left, bottom, right - left, top - bottom, **rectangle)
        self.text((left + 1.2, top - 1.8), title, 6.5, ha="left", color=SOFT)

    def arrow(self, *points: Point, line: Any = "-") -> None:
        """Draw an arrow along straight lines through the points."""
        pen: dict[str, Any] = {"color": INK, "linewidth": 0.8, "linestyle": line}
        for start, end in pairwise(points[:-1]):
            self.axes.plot(*zip(start, end, strict=True), **pen)
        head: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 7, "shrinkA": 0, "shrinkB": 0}
        self.axes.add_patch(FancyArrowPatch(points[-2], points[-1], **head, **pen))

    def _rectangle(self, left: float, bottom: float, width: float, height: float, **keywords: Any) -> None:
        corners = "round,pad=0,rounding_size=0.8"
        self.axes.add_patch(FancyBboxPatch((left, bottom), width, height, boxstyle=corners, **keywords))


def _trunk(sheet: Sheet, x: float, gru: float) -> None:
    """Draw an agent's inputs, first layer and GRU from bottom to top; the GRU's centre is at height `gru`."""
    facts = sheet.facts
    parts = f"{facts['obs_size']} + {facts['actions']} + {facts['agents']}"
    sheet.text((x, 6), r"$o_i^t,\ a_i^{t-1},\ i$")
    sheet.arrow((x, 7.6), (x, 12.5))
    sheet.box((x, 16), 20, "linear, ReLU", f"{parts} → {sheet.size('agent.trunk.input_layer')}", UTILITY)
    sheet.arrow((x, 19.5), (x, gru - 3.5))
    sizes = [sheet.size("agent.trunk.gru", end) for end in ("inputs", "outputs")]
    sheet.box((x, gru), 20, "GRU", f"{sizes[0]} → {sizes[1]}", UTILITY)
    right, beyond = x + 10, x + 11.8
    sheet.arrow((right, gru + 1.5), (beyond, gru + 1.5), (beyond, gru - 1.5), (right, gru - 1.5))


def _role_agent(sheet: Sheet) -> None:
    facts, hidden = sheet.facts, sheet.size("agent.trunk.gru")
    sheet.region(1, 2, 49, sheet.top, f"one of {facts['agents']} agents, which share these parameters")
    left, x = 12.5, 36.0
    _trunk(sheet, x, gru=28)
    sheet.arrow((x, 31.5), (x, 40.5))
    sheet.text((x - 1, 36), r"$h_i^t$", ha="right")
    sheet.box((x, 44), 20, "utility layer", f"{hidden} → {facts['actions']}", ROLE)
    sheet.arrow((x, 47.5), (x, 54), (GUTTER, 54), (GUTTER, 43), (56, 43))
    sheet.text((x - 1, 51.5), r"$Q_i(\tau_i, \cdot, \rho_i)$", ha="right")

    encoder, decoder = "agent.role_encoder", "agent.role_decoder"
    role = sheet.size(f"{decoder}.hidden_layer", "inputs")
    sheet.text((left, 6), r"$o_i^t$")
    sheet.arrow((left, 7.6), (left, 12.5))
    observed, units = (sheet.size(f"{encoder}.hidden_layer", end) for end in ("inputs", "outputs"))
    sheet.box((left, 16), 20, r"role encoder $f$", f"{observed} → {units} → 2 × {role}", ROLE)
    sheet.arrow((left, 19.5), (left, 24.5))
    floor = sheet.modules["note"].to_dict()[encoder]
    drawn = rf"{role} dimensions, $\sigma_i^2 \geq {floor}$"
    sheet.box((left, 28), 20, r"role $\rho_i \sim \mathcal{N}(\mu_i, \sigma_i^2)$", drawn, ROLE)
    sheet.arrow((left, 31.5), (left, 40.5))
    units, made = sheet.size(f"{decoder}.hidden_layer"), f"({hidden} + 1) × {facts['actions']}"
    sheet.box((left, 44), 20, r"role decoder $g$", f"{role} → {units} → {made}", ROLE)
    sheet.arrow((left + 10, 44), (x - 10, 44), line=DASHES)
    sheet.text(((left + x) / 2, 45.8), r"$\theta_i$")


def _utility_agent(sheet: Sheet) -> None:
    facts, x = sheet.facts, 25.0
    sheet.region(1, 2, 49, sheet.top, f"one of {facts['agents']} agents, which share these parameters")
    _trunk(sheet, x, gru=26.5)
    sheet.arrow((x, 30), (x, 33.5))
    sizes = [sheet.size("agent.utility_layer", end) for end in ("inputs", "outputs")]
    sheet.box((x, 37), 20, "linear", f"{sizes[0]} → {sizes[1]}", UTILITY)
    sheet.arrow((x, 40.5), (x, 44), (GUTTER, 44), (GUTTER, 12), (56, 12))
    sheet.text((x - 1, 43), r"$Q_i(\tau_i, \cdot)$", ha="right")


def _mixer(sheet: Sheet, bottom: float) -> None:
    """Draw the mixing network from height `bottom` up, and right of it the layers that generate its weights."""
    facts, embed, x, right = sheet.facts, sheet.size("mixer.state_layer[b1]"), 65.0, 87.5
    first, second, state = bottom + 10, sheet.top - 10.5, facts["state_size"]
    sheet.region(52.5, bottom, 99, sheet.top, "mixing network")
    activation = sheet.modules["note"].to_dict()["mixer"]
    sheet.text((x - 9, first - 5.2), r"$q$: utility of each agent", 6.5, ha="left", color="0.25")
    sheet.box((x, first), 18, rf"$|W_1|\,q + b_1$, {activation}", f"{facts['agents']} → {embed}", MIXER)
    sheet.arrow((x, first + 3.5), (x, second - 3.5))
    sheet.text((x + 1, (first + second) / 2), "$u$", ha="left")
    sheet.box((x, second), 18, r"$|w_2| \cdot u + v$", f"{embed} → 1", MIXER)
    sheet.arrow((x, second + 3.5), (x, sheet.top - 3.2))
    sheet.text((x + 1.2, sheet.top - 4.2), r"$Q_{tot}(\tau, a)$, trained by $L_{TD}$", 7, ha="left")
    rows = sheet.size("mixer.state_layer[W1]") // embed
    sheet.box((right, first), 19, r"$W_1$ and $b_1$", f"{state} → {rows} × {embed}, {embed}", MIXER)
    of_value = f"{state} → {sheet.size('mixer.state_layer[v]')} → {sheet.size('mixer.value')}"
    sheet.box((right, second), 19, r"$w_2$ and $v$", f"{state} → {embed}; {of_value}", MIXER)
    for height in (first, second):
        sheet.arrow((right - 9.5, height), (x + 9, height), line=DASHES)
    sheet.text((right, bottom + 2.2), "state $s$")
    sheet.arrow((right, bottom + 3.8), (right, first - 3.5))
    sheet.arrow((right + 3.5, bottom + 2.2), (98.1, bottom + 2.2), (98.1, second), (right + 9.5, second))


def _role_losses(sheet: Sheet) -> None:
    """Draw the networks that only the role losses need."""
    sheet.region(52.5, 2, 99, 31, r"training only; $L_I$ and $L_D$ train $f$, $q_\xi$ and $d_\phi$", DASHES)
    posterior, distance = "trajectory_encoder", "dissimilarity"
    hidden = sheet.size("agent.trunk.gru")
    read, units = (sheet.size(f"{posterior}.hidden_layer", end) for end in ("inputs", "outputs"))
    role = sheet.size(f"{posterior}.output_layer") // 2
    detail = f"{hidden} + {read - hidden} → {units} → 2 × {role}"
    sheet.box((65, 20.5), 18, r"posterior $q_\xi(\rho_i\,|\,\tau_i, o_i)$", detail, LOSS)
    compared, units = (sheet.size(f"{distance}.hidden_layer", end) for end in ("inputs", "outputs"))
    detail = f"2 × {compared // 2} → {units} → {sheet.size(f'{distance}.output_layer')}"
    sheet.box((65, 7), 18, r"dissimilarity $d_\phi(\tau_i, \tau_j)$", detail, LOSS)
    sheet.box((87, 20.5), 21, r"$L_I$, Eq. 3", r"$D_{KL}[\,p(\rho_i|o_i)\;||\;q_\xi\,]$", LOSS)
    sheet.box((87, 7), 21, r"$L_D$, Eq. 6", r"$||D||_F - \sum \min\{\log q_\xi + d_\phi, 1\}$", LOSS)
    sheet.arrow((36, 36), (GUTTER, 36), (GUTTER, 7), (56, 7))
    sheet.arrow((GUTTER, 20.5), (56, 20.5))
    sheet.text((GUTTER + 1.2, 13.8), r"$h^{t-1}$, no gradient", 6, rotation=90, color="0.25")
    for x, given in ((65, r"$o_i^t$"), (87, r"$p(\rho_i\,|\,o_i^t)$")):
        sheet.text((x, 27.6), given, 7)
        sheet.arrow((x, 26.2), (x, 24))
    sheet.text((92.5, 14), r"$\rho_i^t$", 7)
    sheet.arrow((91, 14.8), (91, 10.5))
    sheet.arrow((74, 20.5), (76.5, 20.5))
    sheet.arrow((74, 7), (76.5, 7))
    sheet.arrow((74, 19), (76.5, 9))
