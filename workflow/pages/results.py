"""docs/results.md: the results of the study in words, made from the summary of the latest complete tranche.

The page depends on files in git only, so that a test can tell whether it is up to date: the summary that
`workflow.artifacts.landing` has committed, the claims, the scale file and the measured speeds.
"""

import re
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
from analysis.tables import influence, sensitivity
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
UNTRAINED = f"the scale {STUDY} does not train "  # begins a reason that names cells
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
    evidence = Evidence.read(summary)
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
    parts = [_head(study), _summary(study), _win_rates(study), _claims(study, powers), _influence(study)]
    return "\n".join([*parts, _readings(study), _game(study), _paper(study), LIMITS])


def _head(study: Study) -> str:
    primary = [verdict for verdict in _headline(study) if verdict.claim.question == "primary"]
    without = claims.UNDECIDED, claims.NOT_VALIDATED, claims.NOT_TRAINED
    decided = sum(str(verdict) not in without for verdict in primary)
    return f"""\
# Results of the study

This page covers {len(study.finished)} of {len(study.grid.runs)} planned runs. Primary claims with a verdict: {decided}
of {len(primary)}. [analysis_plan.md](analysis_plan.md) has the rules. [{CHECKED}]({CHECKED}) has the checks of
surprising results.

`roma docs results` writes this page from the summary of tranche {study.tranche}, the latest complete one (digest of its
inputs {inputs_digest(study.summary)}, of the claims {claims.claims_digest()}). The figures and tables of that
summary are in `data/embedded/study/tranches/{study.tranche}`. `make figures` draws all runs that ship now.
"""


def _headline(study: Study) -> list[Verdict]:
    """Return the verdicts for the headline variant, and those on claims without ROMA."""
    return [verdict for verdict in study.verdicts if verdict.variant != claims.VARIANTS[1]]


def _summary(study: Study) -> str:
    headline = _headline(study)
    counts = Counter(str(verdict) for verdict in headline)
    tally = ", ".join(f"{word} {number}" for word, number in sorted(counts.items(), key=lambda item: -item[1]))
    cells = {(run.map, run.arm) for run in study.finished}
    used = sum(_hours(run, study.held_steps(run)) for run in study.finished)
    left = sum(_hours(run, _steps_left(study, run)) for run in study.grid.runs.values())
    primary = "\n".join(f"  - {_sentence(verdict)}" for verdict in headline if verdict.claim.question == "primary")
    return f"""\
## Summary

- **Scope.** {len({verdict.claim.id for verdict in headline})} testable statements of the paper on win rates, on the
  role losses, and on the roles that ROMA learns. Each is judged for the paper's equations (`roma`) and for the authors'
  released code (`roma_release`). This page reports `{HEADLINE}`; the table `claims` has both.
- **Methodology.** The {study.evidence.engine} replaces StarCraft II. Runs follow the paper's protocol. Algorithms are
  written from the paper and checked against public reference code. The length of runs depends on the map and is equal
  for all arms. The plan was dated before the runs. Within a question, the design keeps the probability of any wrong
  verdict at 5 % ([how often verdicts are right]({characteristics.PAGE.name})).
- **Results.** {len(study.finished)} of {len(study.grid.runs)} planned runs in {len(cells)} cells (map and arm).
  Number of verdicts: {tally}. The primary claims:
{primary}
- **Easy.** The role losses (Eqs. 3 and 6) take a few lines of code, and a run needs one core and no GPU.
- **Difficult.** The paper leaves open what its code decides: the reduction of L_D over pairs, what counts as a step,
  which settings the baselines had ([paper_vs_code.md](paper_vs_code.md)). Runs of 5 to 10 million steps take
  {_shortest_and_longest(study)} core-hours each, so seeds are few.
- **Cost.** {used:.1f} core-hours so far, {used * WATTS / 1000:.2f} kWh at {WATTS} W a core (assumed). The remaining
  runs of the plan: {left:.0f} core-hours, {left * WATTS / 1000:.1f} kWh. Core-hours are computed from measured speeds.
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

Mean over seeds of the tests in the last tenth of a run; in brackets the number of seeds. The table `finals` of the
report has intervals.

{markdown(Table(frame))}
"""


def _win_rate(evidence: Evidence, map_name: str, arm: str) -> str | None:
    if not evidence.has(map_name, arm):
        return None
    values = evidence.final_win_rates(map_name, arm)
    return f"{values.mean():.2f} ({len(values)})"


def _claims(study: Study, powers: Mapping[tuple[str, str], str]) -> str:
    headline = _headline(study)
    lines = [
        "## Claim by claim",
        "",
        "Intervals of claims are simultaneous within a question (Holm); intervals of estimates have 95 %. Power is the",
        "probability that a true effect of the named size is found, at a standard deviation of 0.1 between seeds; in",
        "brackets, if 20 % of all seeds collapse (win nothing). If the power is low, an undecided claim is no evidence",
        f"against the paper ([{characteristics.PAGE.name}]({characteristics.PAGE.name})).",
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
    why = _untrained(why) if str(verdict) == claims.NOT_TRAINED else why
    if reasons := "; ".join(dict.fromkeys(filter(None, [why, verdict.caveat]))):
        said += f" {_capital(reasons)}."
    return said


def _untrained(why: str) -> str:
    """Return the reasons of a claim that is not trained, without the names of its parts and with each cell once."""
    reasons = dict.fromkeys(re.sub(r" \([^()]*\)$", "", reason) for reason in why.split("; "))
    cells = dict.fromkeys(
        cell for each in reasons if each.startswith(UNTRAINED) for cell in each.removeprefix(UNTRAINED).split(", ")
    )
    found = [UNTRAINED + ", ".join(cells)] if cells else []
    return "; ".join([*found, *(each for each in reasons if not each.startswith(UNTRAINED))])


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


def _influence(study: Study) -> str:
    table = influence.table(study.summary, {"maps": [], "arms": []})  # of all arms that have runs with roles
    said = f"{'. '.join(influence.NOTES)}.\n\n{markdown(table)}" if len(table.frame) else "No run with roles yet."
    return f"""\
## How much roles matter

{said}
"""


def _readings(study: Study) -> str:
    listed = read_yaml(FIGURES)["sensitivity"]
    arms = [arm for others in listed["references"].values() for arm in others]
    said = "No run with another reading yet."
    if any(study.evidence.has(map_name, arm) for map_name in listed["maps"] for arm in arms):
        table = sensitivity.table(study.summary, listed)
        said = f"{'. '.join(table.notes[1:])}.\n\n{markdown(table)}"
    return f"""\
## Other readings of the paper

Each row changes one choice that the paper leaves open ([paper_vs_code.md](paper_vs_code.md)). Some choices concern
parts that ROMA shares with QMIX. If both change alike, the change does not come from the role losses.

{said}
"""


def _game(study: Study) -> str:
    specification = read_yaml(FIGURES)["validity"]
    table = beside_game.table(study.summary, specification)
    return f"""\
## Comparison with StarCraft II

Win rates of QMIX, VDN and IQL under SMAC's protocol, and those of the runs released with SMAC. {_standings(study)}
On maps where the engine is not validated, claims on win rates get no verdict.

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
## Comparison with the paper's numbers

The paper states few numbers; its curves are figures only. {". ".join(table.notes)}.

{markdown(table)}
"""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


LIMITS = """\
## What not to conclude

- Do not conclude that ROMA wins or loses on StarCraft II. Every verdict is "on this engine"; the comparison with
  StarCraft II above shows how far the two agree.
- Do not take "undecided" for "wrong". Look at the power of the claim first.
- Do not extrapolate beyond the steps trained here. The paper trains up to 20 million steps.
- Do not take `roma` for the authors' code. `roma` is the paper's equations; `roma_release`, where it was trained, is
  the authors' code.
- Do not assume that tuned baselines would do the same. No arm was tuned here.
"""
