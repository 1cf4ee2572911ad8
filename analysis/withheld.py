"""Placeholders for verdicts and roles while a scale withholds them.

The scale file's entry `withheld` gives the reason, and the summary stores it (analysis.summarise). Learning curves,
final win rates and diagnostics of the role losses are always shown, so that faults can be seen.
"""

import pandas as pd
from matplotlib.figure import Figure

from analysis import style
from analysis.table import Table

# Modules of analysis.figures that show roles; the data of battlefield have them, too.
ROLE_PANELS = ("battlefield", "episode", "evolution", "measures")
ROLE_TABLES = ("dissimilarity",)


def sentence(reason: str) -> str:
    """Return the sentence that replaces a withheld result."""
    return f"withheld {reason}"


def figure(title: str, reason: str) -> Figure:
    """Return a placeholder figure with the reason."""
    style.apply()
    blank = Figure(figsize=(4.6, 1.2), layout="constrained")
    blank.text(0.5, 0.62, title, ha="center", va="center", fontsize=9)
    blank.text(0.5, 0.32, sentence(reason), ha="center", va="center", color="0.4")
    return blank


def table(reason: str) -> Table:
    """Return a placeholder table with the reason."""
    return Table(pd.DataFrame({"result": [sentence(reason)]}), [])
