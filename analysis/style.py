"""Style of all figures: the colour and dashes of each arm, the names of metrics, and reproducible files."""

import shutil
import textwrap
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

import seaborn as sns
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from roma.scenarios import load_units
from roma.support.files import atomic_path
from roma.support.pictures import PDF_FONTS

PALETTE = sns.color_palette("colorblind")

KINDS = ("png", "pdf")
DOTS_PER_INCH = 200
# Of a PNG file, chosen for each figure: less than half the bytes of full colour, without a visible difference.
COLOURS = 256

CHARACTERS_PER_INCH = 20  # of a caption below a figure

REFERENCES = OBSERVATIONS, UNTRAINED = "observations", "untrained"  # of role measures, drawn like arms

# The colours can be told apart by colour-blind readers, the dashes in print without colour.
ARMS: dict[str, tuple[str, Any, Any]] = {
    # arm: label, colour, dashes
    "roma": ("ROMA", PALETTE[3], "-"),
    "iql": ("IQL", PALETTE[7], (0, (1, 1))),
    "coma": ("COMA", PALETTE[2], (0, (3, 1, 1, 1))),
    "qmix": ("QMIX", PALETTE[0], (0, (5, 1.5))),
    "qtran": ("QTRAN", PALETTE[4], (0, (3, 1, 1, 1, 1, 1))),
    "maven": ("MAVEN", PALETTE[1], (0, (2, 1))),
    "roma_td": ("$L_{TD}$", PALETTE[5], (0, (1, 1))),
    "roma_td_li": ("$L_{TD}+L_I$", PALETTE[9], (0, (3, 1, 1, 1))),
    "roma_td_ld": ("$L_{TD}+L_D$", PALETTE[6], (0, (2, 1))),
    "maven_release": ("MAVEN as released", PALETTE[1], (0, (4, 1, 1, 1))),
    "qmix_nps": ("QMIX-NPS", PALETTE[2], (0, (3, 1, 1, 1, 1, 1))),
    "qmix_lar": ("QMIX-LAR", PALETTE[1], (0, (8, 2))),
    "qmix_lar_matched": ("QMIX-LAR, ROMA's size", PALETTE[8], (0, (8, 2))),
    "roma_per_pair": ("ROMA, $L_D$ averaged over pairs", PALETTE[0], (0, (8, 2))),
    "roma_literal": ("ROMA, $L_D$ summed over pairs", PALETTE[4], "-"),
    "vdn": ("VDN", PALETTE[6], (0, (3, 1, 1, 1))),
    "roma_release": ("ROMA as released", PALETTE[3], (0, (4, 1.5))),
    "roma_release_epsilon_50": ("ROMA as released, exploring 50 steps", PALETTE[5], (0, (3, 1, 1, 1))),
    "roma_release_readme": ("ROMA as released, README's weights", PALETTE[3], (0, (1, 1))),
    "roma_no_dissimilarity": ("ROMA without $d$", PALETTE[9], (0, (8, 2))),
    OBSERVATIONS: ("raw observations", "0.45", (0, (1, 1.5))),
    UNTRAINED: ("untrained networks", "0.65", (0, (4, 2))),
}

# Colour and marker of each unit type that agents have. Markers can be told apart in print without colour.
UNIT_TYPES: dict[str, tuple[Any, str]] = {
    "Marine": (PALETTE[2], "o"),
    "Marauder": (PALETTE[4], "h"),
    "Medivac": (PALETTE[8], "P"),
    "Stalker": (PALETTE[9], "D"),
    "Zealot": (PALETTE[5], "s"),
    "Zergling": (PALETTE[0], "^"),
    "Baneling": (PALETTE[2], "p"),
    "Hydralisk": (PALETTE[1], "v"),
    "Colossus": (PALETTE[3], "H"),
}

# Of arms and unit types that a reader adds, in their order: no arm or type above has one of these colours.
OWN_PALETTE = sns.color_palette("dark")
OWN_DASHES: tuple[Any, ...] = ("-", (0, (6, 1.5, 1, 1.5)), (0, (2, 2)))
OWN_MARKERS = ("<", ">", "d", "*", "8")
own_arms: dict[str, int] = {}  # arms that ARMS does not have: their number

METRICS = {
    "test_battle_won_mean": "test win rate",
    "test_return_mean": "test return",
    "test_ep_length_mean": "test episode length",
    "sigma": "standard deviation\n$\\sigma$ of a role",
    "mean_share": "share of role variance\nof the means",
    "mean_share_agents": "share of role variance\nbetween agents",
    "changed_by_resampling": "actions changed\nby resampling",
    "changed_by_exchange": "actions changed\nby exchange",
    "behaviour_correlation": "role and action\ndistances, rank $r$",
    "return_lost": "return lost\nby shuffled roles",
    "silhouette_type": "silhouette by type",
    "silhouette_health": "silhouette by health",
    "silhouette_position": "silhouette by position",
    "drift": "role drift\nper episode",
    "stability": "role change\nper step",
    "probe_role": "$R^2$ of role from\ntrajectory",
    "probe_action_gain": "next action, gain\nover observations",
    "variance_ratio": "variance of $q_\\xi$\nover that of $p$",
    "role_divergence": "$L_I$ in nats",
    "information_q05": "5 % quantile of $I'$",
    "information_high_share": "pairs with $I' \\geq 0.9$",
    "dissimilarity_between_types": "$d'$ between types",
    "dissimilarity_within_types": "$d'$ within types",
    "specialisation_gap": "$L_D$ above\nits minimum",
    "gradient_share_identifiability": "gradient of $L_I$\nover that of $L_{TD}$",
    "gradient_share_specialisation": "gradient of $L_D$\nover that of $L_{TD}$",
}

SETTINGS = {
    "lambda_identifiability": r"$\lambda_I$",
    "lambda_specialisation": r"$\lambda_D$",
}

# The paper's text also describes this map with the two numbers exchanged.
MAP_NOTES = {"10z5b_vs_2s3z": "against 2 Zealots and 3 Stalkers"}

# The paper's names of its ablations (table 1), explained below learning curves.
ABLATIONS = {
    "roma_td": "ROMA without $L_I$ and $L_D$",
    "roma_td_li": "ROMA without $L_D$",
    "roma_td_ld": "ROMA without $L_I$",
}

# Notes on arms under protocol `paper`, printed below learning curves.
ARM_NOTES = {"qtran": "one update every eight episodes, an eighth of the updates of its public settings"}


def apply() -> None:
    """Set the style on top of matplotlib's defaults, so that the user's own matplotlib settings have no effect."""
    mpl.rcdefaults()
    sns.set_theme(
        context="paper",
        style="ticks",
        font="DejaVu Sans",  # comes with matplotlib; seaborn's default font is missing on some machines
        rc={
            "axes.grid": True,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.labelsize": 8,
            "axes.linewidth": 0.8,
            "axes.titlesize": 8.5,
            "figure.dpi": 100,
            "font.size": 8,
            "grid.color": "0.92",
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "legend.fontsize": 8,
            "lines.linewidth": 1.3,
            "pdf.fonttype": PDF_FONTS,
            "savefig.dpi": DOTS_PER_INCH,
            "xtick.labelsize": 7.5,
            "xtick.major.size": 3,
            "xtick.major.width": 0.8,
            "ytick.labelsize": 7.5,
            "ytick.major.size": 3,
            "ytick.major.width": 0.8,
        },
    )


def label(arm: str) -> str:
    """Return the name of an arm in figures; an unknown arm keeps its own name."""
    return ARMS[arm][0] if arm in ARMS else arm


def introduce(arms: Iterable[str]) -> None:
    """Number those of a scale's arms that are the reader's own, so that each has the same line in all its figures."""
    own_arms.clear()
    own_arms.update((arm, number) for number, arm in enumerate(dict.fromkeys(arm for arm in arms if arm not in ARMS)))


def line(arm: str) -> dict[str, Any]:
    """Return matplotlib keywords for the curve of an arm. Added arms differ by colour, from the eleventh on by dash."""
    if arm in ARMS:
        return {"color": ARMS[arm][1], "linestyle": ARMS[arm][2]}
    turn, place = divmod(own_arms.setdefault(arm, len(own_arms)), len(OWN_PALETTE))
    return {"color": OWN_PALETTE[place], "linestyle": OWN_DASHES[turn % len(OWN_DASHES)]}


def unit_type(name: str) -> tuple[Any, str]:
    """Return colour and marker of a unit type. Added types get theirs in alphabetical order."""
    if name in UNIT_TYPES:
        return UNIT_TYPES[name]
    number = sorted({name, *load_units()} - UNIT_TYPES.keys()).index(name)
    return OWN_PALETTE[number % len(OWN_PALETTE)], OWN_MARKERS[number % len(OWN_MARKERS)]


def web(arm: str) -> dict[str, str]:
    """Return the colour and dashes of an arm for SVG in a browser."""
    keywords = line(arm)
    dashes = "" if keywords["linestyle"] == "-" else " ".join(f"{2 * part:g}" for part in keywords["linestyle"][1])
    return {"colour": to_hex(keywords["color"]), "dashes": dashes}


def ranges(numbers: Sequence[int] | NDArray[np.int64]) -> str:
    """Format sorted numbers as ranges: [0, 1, 2, 5] becomes "0–2, 5"."""
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return ", ".join(f"{part[0]}" if len(part) == 1 else f"{part[0]}–{part[-1]}" for part in parts)


def wrapped(lines: Iterable[str], width: float) -> list[str]:
    """Wrap caption lines to the width of a figure, in inches; the parts of a line are about equally long."""
    widest = int(width * CHARACTERS_PER_INCH)
    return [part for line in lines for part in _balanced(line, widest)]


def _balanced(line: str, widest: int) -> list[str]:
    """Wrap a line to the narrowest width with as few parts as the widest has."""
    parts = textwrap.wrap(line, widest)
    for width in range(-(-len(line) // max(len(parts), 1)), widest):
        narrower = textwrap.wrap(line, width)
        if len(narrower) == len(parts):
            return narrower
    return parts


def save(figure: Figure, stem: Path) -> None:
    """Write `<stem>.png` and `<stem>.pdf` without matplotlib's dates, so that equal figures give equal bytes."""
    with atomic_path(stem.with_name(f"{stem.name}.png")) as beside:
        _write_png(figure, beside)
    with atomic_path(stem.with_name(f"{stem.name}.pdf")) as beside:
        figure.savefig(beside, format="pdf", metadata={"CreationDate": None})


def _write_png(figure: Figure, file: Path) -> None:
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    picture = Image.open(drawn).convert("RGB")
    few = picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    few.save(file, "png", optimize=True, dpi=(DOTS_PER_INCH, DOTS_PER_INCH))


def copy(stem: Path, target: Path) -> None:
    """Write the files that `save` wrote for `stem` again, as `<target>.png` and `<target>.pdf`."""
    for kind in KINDS:
        with atomic_path(target.with_name(f"{target.name}.{kind}")) as beside:
            shutil.copyfile(stem.with_name(f"{stem.name}.{kind}"), beside)
