"""Model cards of the runs that ship: a page for each arm on each map, and one that lists them.

    roma docs cards

They are made from the objects of the bundle alone, whatever is in place, and `roma campaign collect` writes them with
what it ships. The same runs give the same bytes.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

from scipy.stats import binomtest

from analysis.statistics import FEWEST_SEEDS, student_interval
from analysis.summarise import curves, finals
from roma.learners import algorithm
from roma.runs.directory import RunDirectory
from roma.scenarios import load_map
from roma.support.errors import UserError
from roma.support.files import write_bytes
from roma.support.schemas.settings import text
from workflow.artifacts.shipping import STUDY, ShippedRun, lay_out, read_shipped

FOLDER = "cards"  # in the folder of a scale's results
INDEX = "README.md"
NOT_RECORDED = "not recorded"
DIGITS = 12  # of revisions and digests
LIMITS = """\
The embedded engine is not StarCraft II. Compare these weights with others on the same engine, not with win rates on
StarCraft II. They play this map only, need observations under SMAC's default options, and act greedily. On the family
of processors that trained them, the training repeats bit for bit (`make verify`)."""


def write(root: Path, scale: str = STUDY) -> list[Path]:
    """Write the cards of a scale's shipped runs, and remove those of cells that ship no more.

    Args:
        root: The repository's folder.
        scale: The name of the scale.

    Returns:
        The files, below the repository's folder.

    Raises:
        UserError: An object of the bundle is missing or damaged. Nothing is written then.
    """
    pages = render(root, scale)
    for index in (page for page in pages if page.name == INDEX):
        for file in (root / index.parent).glob("*/*.md"):
            if file.relative_to(root) not in pages:
                file.unlink()
    for page, content in pages.items():
        (root / page).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(root / page, content.encode())
    return list(pages)


def render(root: Path, scale: str = STUDY) -> dict[Path, str]:
    """Return the cards of a scale's shipped runs, and the page that lists them, by file; arguments as in `write`."""
    shipped = read_shipped(root, scale)
    with TemporaryDirectory() as folder:
        try:
            runs = {name: RunDirectory(lay_out(root, run, Path(folder))) for name, run in shipped.items()}
        except ValueError as error:
            raise UserError(str(error)) from None
        cells: dict[Path, list[str]] = {}
        for name in sorted(runs, key=lambda name: (runs[name].map, runs[name].arm, runs[name].seed)):
            run = runs[name]
            page = shipped[name].path.parents[3] / FOLDER / run.map / f"{run.arm}.md"
            cells.setdefault(page, []).append(name)
        licence = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["license"]
        described = {
            page: Cell([runs[name] for name in names], [shipped[name] for name in names], licence)
            for page, names in cells.items()
        }
        pages = {page: cell.card("../" * len(page.parent.parts)) for page, cell in described.items()}
        for index in sorted({page.parents[1] / INDEX for page in described}):
            listed = {
                page.relative_to(index.parent): cell for page, cell in described.items() if index.parent in page.parents
            }
            pages[index] = _index(listed, "../" * len(index.parent.parts))
    return pages


class Cell:
    """The shipped runs of an arm on a map, which differ in their seeds."""

    def __init__(self, runs: Sequence[RunDirectory], shipped: Sequence[ShippedRun], licence: str) -> None:
        self.runs, self.shipped, self.licence = runs, shipped, licence
        self.finals = finals(runs, curves(runs))

    @property
    def win_rate(self) -> str:
        """The mean over seeds of the final win rate, with its interval if there are enough."""
        found = student_interval(self.finals[["final_win_rate"]].to_numpy(float), bounds=(0.0, 1.0))
        mean = f"{found.mean[0]:.1%}"
        if found.n[0] < FEWEST_SEEDS:
            return f"{mean} (no interval below {FEWEST_SEEDS} seeds)"
        return f"{mean} (95 % interval {found.low[0]:.1%} to {found.high[0]:.1%})"

    @property
    def steps(self) -> str:
        """The environment steps of the runs."""
        return _several(f"{run.last_step():,}" for run in self.runs)

    @property
    def hours(self) -> float:
        """The core-hours of training, as recorded."""
        return sum(run.provenance["cpu_seconds"] for run in self.runs) / 3600

    def facts(self, root: str) -> dict[str, str]:
        """Return what the runs have in common, by name."""
        configs = [run.config for run in self.runs]
        first, agents = configs[0], load_map(configs[0].map).allies
        overrides = ", ".join(f"`{key}={text(value)}`" for key, value in first.overrides.items()) or "none"
        return {
            "map": f"{first.map}: {', '.join(f'{group.count} {group.unit}' for group in agents)}",
            "algorithm": f"`{first.algorithm}`, version {_several(config.algorithm_version for config in configs)}",
            "changed settings": overrides,
            "engine": f"{first.engine}, version {_several(config.engine_version for config in configs)}",
            "protocol": f"`{first.protocol}`",
            "environment steps": self.steps,
            "seeds": f"{len(self.runs)}: {', '.join(str(run.seed) for run in self.runs)}",
            "final win rate": f"{self.win_rate}; mean over seeds of the tests in the last tenth of training",
            "core-hours of training": f"{self.hours:.1f}",
            "licence": f"[{self.licence}]({root}LICENSE)",
        }

    def card(self, root: str) -> str:
        """Return the page, from which `root` leads to the repository's folder."""
        map_name, arm = self.runs[0].map, self.runs[0].arm
        words = algorithm(self.runs[0].config.algorithm).description
        rows = self.finals.to_dict("records")
        sections = [
            f"# Weights of `{arm}` on {map_name}",
            *([f"{words}."] if words else []),
            LIMITS,
            _table(("", ""), self.facts(root).items()),
            "## Seeds",
            _table(
                (
                    "seed",
                    "environment steps",
                    "final win rate",
                    "greedy episodes won by the last weights",
                    "weights at",
                ),
                (self._seed(*each) for each in zip(rows, self.runs, self.shipped, strict=True)),
            ),
            "The final win rate is the mean of the tests in the last tenth of training. In the next column, brackets "
            "have the 95 % Wilson interval over the episodes of these weights; other seeds may lie outside.",
            "## Use",
            "In a clone of the repository:",
            f'    import roma\n\n    policy = roma.load("{self.shipped[0].name}")',
            f"[The README]({root}README.md#from-your-own-code) shows how a policy plays. "
            f"`roma restore {self.shipped[0].name}` copies the files of the run into place.",
            "## Origin",
            _table(
                ("seed", "revision", "family of processors", "torch", "SHA-256 of the last weights"),
                (self._origin(run) for run in self.runs),
            ),
            f"[docs/artifacts.md]({root}docs/artifacts.md) describes how runs are recorded and checked. Versions: "
            f"[engine]({root}roma/envs/skirmish/README.md#versions), "
            f"[algorithms]({root}roma/learners/README.md#versions).",
        ]
        return "\n\n".join(sections) + "\n"

    def _seed(self, row: Mapping[Any, Any], run: RunDirectory, shipped: ShippedRun) -> list[str]:
        won = round(row["battle_won_mean"] * row["episodes"])
        around = binomtest(won, row["episodes"]).proportion_ci(method="wilson")
        evaluated = f"{won} of {row['episodes']}: {won / row['episodes']:.1%} ({around.low:.1%} to {around.high:.1%})"
        kept = sorted(int(PurePath(file.path).stem[1:]) for file in shipped.files if "/policies/" in file.path)
        return [
            str(run.seed),
            f"{run.last_step():,}",
            f"{row['final_win_rate']:.1%}",
            evaluated,
            ", ".join(f"{step:,}" for step in kept),
        ]

    @staticmethod
    def _origin(run: RunDirectory) -> list[str]:
        segments = run.provenance["segments"]
        packages = [segment.get("packages", {}).get("torch", NOT_RECORDED) for segment in segments]
        digest = run.provenance["policies_sha256"].get(str(run.last_step()))
        return [
            str(run.seed),
            _several(segment["git_revision"][:DIGITS] for segment in segments),
            _several(segment["cpu_family"] for segment in segments),
            _several(packages),
            f"`{digest[:DIGITS]}…`" if digest else NOT_RECORDED,
        ]


def _index(cells: Mapping[Path, Cell], root: str) -> str:
    """Return the page that lists the cards, given with their places beside it."""
    rows = [
        [
            cell.runs[0].map,
            f"[`{cell.runs[0].arm}`]({page.as_posix()})",
            f"`{cell.runs[0].config.protocol}`",
            str(len(cell.runs)),
            cell.steps,
            cell.win_rate,
        ]
        for page, cell in cells.items()
    ]
    return (
        "\n\n".join(
            [
                "# Model cards of the shipped weights",
                "`roma docs cards` writes a card for each arm on each map of which trained weights ship with the "
                f"repository. [`roma.load`]({root}README.md#from-your-own-code) returns a policy with the weights. "
                f"[docs/artifacts.md]({root}docs/artifacts.md#runs-that-ship) describes how they are stored.",
                _table(("map", "arm", "protocol", "seeds", "environment steps", "final win rate"), rows),
            ]
        )
        + "\n"
    )


def _several(values: Iterable[object]) -> str:
    """Return different values as text, each once, in the order in which they come."""
    return ", ".join(dict.fromkeys(map(str, values)))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
