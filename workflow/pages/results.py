"""docs/results.md: the results of the study in words, made from the summary of the latest complete tranche.

The page depends on files in git only, so that a test can tell whether it is up to date: the summary that
`workflow.artifacts.landing` has committed, the claims, the scale file and the measured speeds.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import pandas as pd

from analysis import FIGURES, claims, style
from analysis.claims import Verdict, characteristics, validity
from analysis.claims.evidence import Evidence
from analysis.summarise import LANDED, inputs_digest
from analysis.table import Table, markdown
from analysis.tables.beside import paper
from analysis.tables.beside import validity as beside_game
from roma.support.errors import UserError
from roma.support.files import write_bytes
from roma.support.schemas.reading import read_yaml
from workflow.artifacts.shipping import STUDY
from workflow.cost import expected_speed, read_speeds, scale_file
from workflow.grid import Grid, Run, expand, results_folder
from workflow.scale import read_scale

PAGE = Path("docs/results.md")
CHECKED = "results_checked.md"  # beside the page: written by hand
HEADLINE = claims.VARIANTS[0]
WATTS = 10  # of a core under load, its share of the machine included; assumed, not measured
NO_RUNS = "no runs of"  # begins a reason that names every cell without runs
SPEEDS = read_speeds()
POWER_LEAD = "0.2"  # the lead whose power the page names, at a deviation of 0.1 between seeds


@dataclass(frozen=True)
class Study:
    """The study as of its latest complete tranche."""

    tranche: str
    summary: Path
    grid: Grid
    evidence: Evidence
    verdicts: list[Verdict]

    @property
    def finished(self) -> list[Run]:
        """The runs of the grid that the summary has, at their full length or shorter."""
        return [run for run in self.grid.runs.values() if self.held_steps(run)]

    def held_steps(self, run: Run) -> int:
        """Return the environment steps of a run in the summary, 0 if it is not there."""
        return self._held.get(run.key, 0)

    @cached_property
    def _held(self) -> dict[tuple[str, str, int], int]:
        runs = pd.read_parquet(self.summary / "runs.parquet").to_dict("records")
        return {(row["map"], row["arm"], row["seed"]): row["total_steps"] for row in runs}


def read(root: Path) -> Study:
    """Return the study in a clone.

    Args:
        root: The clone's folder.

    Raises:
        UserError: No tranche is complete.
    """
    file = scale_file(STUDY)
    config = read_scale(file)
    grid = expand(config, str(file))
    landed = root / results_folder(config) / LANDED
    complete = [name for name in grid.tranches if (landed / name / "summary").is_dir()]
    if not complete:
        raise UserError(f"no tranche of the scale {STUDY} is complete: {landed} has no summary")
    latest = max(complete, key=lambda name: (len(_runs_of(landed / name / "summary")), grid.tranches.index(name)))
    summary = landed / latest / "summary"
    evidence = Evidence(summary)
    return Study(latest, summary, grid, evidence, claims.judge(claims.load(), evidence, {}))


def _runs_of(summary: Path) -> pd.DataFrame:
    return pd.read_parquet(summary / "runs.parquet", columns=["map"])


def write(root: Path = Path()) -> None:
    """Write the page."""
    powers = characteristics.read_powers((root / characteristics.PAGE).read_text(encoding="utf-8"))
    write_bytes(root / PAGE, render(read(root), powers).encode())


def render(study: Study, powers: Mapping[tuple[str, str], str]) -> str:
    """Return the page as Markdown.

    Args:
        study: The study.
        powers: See `analysis.claims.characteristics.read_powers`.
    """
    parts = [_head(study), _summary(study), _win_rates(study), _claims(study, powers), _game(study), _paper(study)]
    return "\n".join([*parts, LIMITS])


def _head(study: Study) -> str:
    return f"""\
# Results of the study

`roma docs results` writes this page from the summary of tranche {study.tranche}, the latest complete one (inputs
{inputs_digest(study.summary)}, claims {claims.claims_digest()}). Figures and report of that moment are in
`data/embedded/study/tranches/{study.tranche}`; `make figures` draws the runs that ship now. The rules are in
[analysis_plan.md](analysis_plan.md), checks of surprising results in [{CHECKED}]({CHECKED}).
"""


def _summary(study: Study) -> str:
    headline = [verdict for verdict in study.verdicts if verdict.variant != claims.VARIANTS[1]]
    counts = Counter(str(verdict) for verdict in headline)
    tally = ", ".join(f"{number} {word}" for word, number in sorted(counts.items(), key=lambda item: -item[1]))
    cells = {(run.map, run.arm) for run in study.finished}
    used = sum(_hours(run, study.held_steps(run)) for run in study.finished)
    left = sum(_hours(run, _steps_left(study, run)) for run in study.grid.runs.values())
    primary = "\n".join(f"  - {_sentence(verdict)}" for verdict in headline if verdict.claim.question == "primary")
    return f"""\
## Summary

- **Scope.** {len({verdict.claim.id for verdict in headline})} testable statements of the paper, on win rates, on the
  role losses and on the roles that ROMA learns. They are judged for the paper's equations (`roma`) and for the authors'
  released code (`roma_release`); this page reports `{HEADLINE}`, the table `claims` both.
- **Methodology.** The {study.evidence.engine} in the place of StarCraft II, the paper's protocol, algorithms written
  from the paper and checked against public reference code, lengths by map that are the same for all arms. The plan was
  dated before the runs; verdicts control false ones at 5 % a question.
- **Results.** {len(study.finished)} of {len(study.grid.runs)} planned runs in {len(cells)} cells (map and arm).
  Verdicts: {tally}. The primary claims:
{primary}
- **Easy.** The role losses take a few lines from Eqs. 6 to 8 to code, and a run needs one core and no GPU.
- **Difficult.** The paper leaves open what its code decides: the reduction of L_D over pairs, what counts as a step,
  which settings the baselines had ([paper_vs_code.md](paper_vs_code.md)). Runs of 5 to 10 million steps take
  {_shortest_and_longest(study)} core-hours each, so seeds are few.
- **Cost.** {used:.1f} core-hours, {used * WATTS / 1000:.2f} kWh at {WATTS} W a core (assumed). What the plan still has:
  {left:.0f} core-hours, {left * WATTS / 1000:.1f} kWh. Both from measured speeds of single cores.
"""


def _shortest_and_longest(study: Study) -> str:
    hours = [_hours(run, run.total_steps) for run in study.grid.runs.values()]
    return f"{min(hours):.1f} to {max(hours):.1f}"


def _win_rates(study: Study) -> str:
    arms = dict.fromkeys(arm for _, arm in study.evidence.cells)
    rows = {
        name: {arm: _win_rate(study.evidence, name, arm) for arm in arms}
        for name in dict.fromkeys(run.map for run in study.grid.runs.values())
    }
    frame = pd.DataFrame(rows).T.rename(columns=style.label).rename_axis("map").reset_index()
    return f"""\
## Final win rates

Mean over seeds of the tests in the last tenth of a run, seeds in brackets. Intervals: table `finals`.

{markdown(Table(frame))}
"""


def _win_rate(evidence: Evidence, map_name: str, arm: str) -> str | None:
    if not evidence.has(map_name, arm):
        return None
    values = evidence.final_win_rates(map_name, arm)
    return f"{values.mean():.2f} ({len(values)})"


def _claims(study: Study, powers: Mapping[tuple[str, str], str]) -> str:
    headline = [verdict for verdict in study.verdicts if verdict.variant != claims.VARIANTS[1]]
    lines = [
        "## Claim by claim",
        "",
        "Intervals are Holm's within a question, those of estimates 95 %. Power is the chance that a true effect of",
        "the named size is found, at a deviation of 0.1 between seeds; in brackets with 20 % of all seeds collapsed",
        f"([{characteristics.PAGE.name}]({characteristics.PAGE.name})).",
    ]
    for question, family in groupby(headline, key=lambda verdict: verdict.claim.question):
        lines += ["", f"### {question[0].upper()}{question[1:]}", ""]
        lines += [f"- {_sentence(verdict)}{_asked(study, verdict, powers)}" for verdict in family]
    return "\n".join([*lines, ""])


def _sentence(verdict: Verdict) -> str:
    """Return a verdict in words: what was found, what of, and the evidence or the reason why there is none."""
    claim = verdict.claim
    said = f"**{_capital(str(verdict))}**: {claim.statement} (`{claim.id}`, {claim.place})"
    if verdict.evidence and verdict.evidence.estimate:
        said += f" {_capital(str(verdict.evidence))}, {verdict.evidence.seeds} seeds."
    why = "no runs yet" if verdict.why.startswith(NO_RUNS) else verdict.why
    why = "" if str(verdict) == claims.NOT_VALIDATED else why  # the caveat names the maps
    if reasons := "; ".join(dict.fromkeys(filter(None, [why, verdict.caveat]))):
        said += f" {_capital(reasons)}."
    return said


def _asked(study: Study, verdict: Verdict, powers: Mapping[tuple[str, str], str]) -> str:
    """Return with what power an open claim is asked, and what the missing runs cost."""
    if str(verdict) not in (claims.UNDECIDED, claims.ESTIMATED):
        return ""
    said = ""
    cells = dict.fromkeys(cell for part in verdict.claim.parts for cell in part.cells)
    planned = [study.evidence.planned_seeds(*cell) for cell in cells]
    if str(verdict) == claims.UNDECIDED and planned and min(planned):
        seeds = 5 if min(planned) >= 5 else 3
        if power := powers.get((verdict.claim.id, f"n {seeds}, {POWER_LEAD}")):
            said += f" Power for an effect of {POWER_LEAD} at {seeds} seeds: {power}."
    open_runs = [run for run in study.grid.runs.values() if (run.map, run.arm) in cells and _steps_left(study, run)]
    if open_runs:
        hours = sum(_hours(run, _steps_left(study, run)) for run in open_runs)
        said += f" Still to be trained: {len(open_runs)} runs, {hours:.1f} core-hours."
    return said


def _steps_left(study: Study, run: Run) -> int:
    return max(run.total_steps - study.held_steps(run), 0)


def _hours(run: Run, steps: int) -> float:
    return steps / expected_speed(run, SPEEDS) / 3600


def _game(study: Study) -> str:
    specification = read_yaml(FIGURES)["validity"]
    table = beside_game.table(study.summary, specification)
    return f"""\
## Beside StarCraft II

QMIX, VDN and IQL under SMAC's protocol beside the runs released with SMAC. {_standings(study)}
No verdict on win rates is given where the engine is not validated.

{markdown(table)}
"""


def _standings(study: Study) -> str:
    standings = validity.standings(study.evidence)
    maps: dict[str, list[str]] = {}
    for name in dict.fromkeys(run.map for run in study.grid.runs.values()):
        maps.setdefault(standings[name].value, []).append(name)
    return " ".join(f"{_capital(standing)}: {', '.join(names)}." for standing, names in maps.items())


def _paper(study: Study) -> str:
    table = paper.table(study.summary, {})
    return f"""\
## Beside the paper's own numbers

The paper states few numbers; its curves are figures only. {". ".join(table.notes)}.

{markdown(table)}
"""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


LIMITS = """\
## Do not conclude

- That ROMA wins or loses so on StarCraft II: every verdict is "on this engine", whose battles are like the game's only
  as far as the table above shows.
- That a claim is wrong because it is undecided: look at its power first.
- Anything from lengths beyond those trained here. The paper trains up to 20 million steps.
- That `roma` is the authors' code: it is the paper's equations. `roma_release` stands for the code, as far as trained.
- That a tuned baseline would do as these do: nothing was tuned here, for any arm.
"""
