"""What stands in the place of verdicts and roles while a scale withholds them.

A scale's word `withheld` says why; its summary carries it (analysis.summarise). Learning curves, final win rates and
the health of the losses on roles are shown all the same, so that faults can be seen.
"""

import pandas as pd
from matplotlib.figure import Figure

from analysis import style
from analysis.table import Table

ROLE_PANELS = ("episode", "evolution", "measures")  # modules of analysis.figures that show roles
ROLE_TABLES = ("dissimilarity",)


def sentence(reason: str) -> str:
    """Return what is said in the place of what is withheld for this reason."""
    return f"withheld {reason}"


def figure(title: str, reason: str) -> Figure:
    """Return the figure that says why there is none."""
    style.apply()
    blank = Figure(figsize=(4.6, 1.2), layout="constrained")
    blank.text(0.5, 0.62, title, ha="center", va="center", fontsize=9)
    blank.text(0.5, 0.32, sentence(reason), ha="center", va="center", color="0.4")
    return blank


def table(reason: str) -> Table:
    """Return the table that says why there is none."""
    return Table(pd.DataFrame({"result": [sentence(reason)]}), [])
