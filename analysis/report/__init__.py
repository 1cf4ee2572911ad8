"""Report in a single HTML file: figures, tables, claims, learning curves, roles beside their episodes, and all runs.

`contents` reads the tables of the summary and the picture files; `page` fills the templates in `web/`. The page makes
no network request: its security policy forbids every request and admits only the embedded script and style.
"""

from pathlib import Path

from analysis.report.contents import read
from analysis.report.page import render
from roma.support.files import write_bytes


def write(summary: Path, figures: Path, figure_list: Path, out: Path) -> None:
    """Write the report.

    Args:
        summary: Folder of the tidy tables.
        figures: Folder of the figures and tables.
        figure_list: Figure list (YAML).
        out: HTML file to write.

    Raises:
        UserError: A table of the summary is missing.
    """
    write_bytes(out, render(read(summary, figures, figure_list)).encode())
