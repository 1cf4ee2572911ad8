"""The report: one HTML file with figures, tables, claims, curves, roles beside their battles, and every run's origin.

`contents` reads the summary's tables and the pictures, `page` puts them into the templates of `web/`. The page asks
nobody for anything: its security policy forbids every request, and admits only the script and style written into it.
"""

from pathlib import Path

from analysis.report.contents import read
from analysis.report.page import render
from roma.support.files import write_bytes


def write(summary: Path, figures: Path, figure_list: Path, out: Path) -> None:
    """The report of the tables in `summary` and the files in `figures`, to `out`; UserError where runs are missing."""
    write_bytes(out, render(read(summary, figures, figure_list)).encode())
