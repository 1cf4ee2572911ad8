"""Entries of claims.yaml as contrasts of means over seeds, each with the region in which it must lie."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from analysis.claims.inference import Region
from roma.scenarios import canonical_map
from roma.support.errors import UserError
from roma.support.files import DIGEST_LENGTH, digest
from roma.support.schemas.reading import check_schema, read_yaml

CLAIMS = Path(__file__).parents[1] / "claims.yaml"
SCHEMA = Path(__file__).parents[1] / "claims.schema.yaml"
WORDING = ("because", "place", "statement")  # keys of sentences, which decide nothing

VARIANTS = HEADLINE, RELEASE = ("roma", "roma_release")
EITHER = "either"  # variant of claims without ROMA, which are judged once
# Changes that turn the terms of a contrast into the terms of a null (analysis.measures.nulls).
NULLS: dict[str, dict[str, Any]] = {
    "untrained": {"stage": 0, "reference": "untrained"},
    "roma_td": {"arms": ("roma_td",)},
    **{name: {"reference": name} for name in ("projected", "principal", "permuted", "structureless", "shifted")},
}
FINAL, AREA = "final_win_rate", "mean_test_win_rate"
EFFICIENCY = "learning efficiency"  # suffix of the families of twins
# Replacements of `{when}` in a statement on final win rates and in the statement of its twin.
WHEN = {FINAL: "At the end of training", AREA: "Averaged over training"}


@dataclass(frozen=True)
class Term:
    """Mean over seeds, pooled over arms and maps with equal weights."""

    arms: tuple[str, ...]
    maps: tuple[str, ...]
    measure: str
    weight: float = 1.0
    stage: int | None = None  # milestone of a role measure, in environment steps; None: the step of comparison
    reference: str = "roles"


@dataclass(frozen=True)
class Part:
    """Contrast and the region in which its value is expected."""

    label: str
    kind: str
    terms: tuple[Term, ...]
    region: Region

    @property
    def cells(self) -> list[tuple[str, str]]:
        """Every compared (map, arm), once."""
        return list(dict.fromkeys((name, arm) for term in self.terms for name in term.maps for arm in term.arms))


@dataclass(frozen=True)
class Claim:
    """Statement that holds if all its parts hold.

    A claim with `estimate` is reported as an estimate and has no verdict. `at_least` is the number of maps for which a
    partial-conjunction p-value is printed beside the verdict; 0 means none.
    """

    id: str
    question: str
    place: str
    statement: str
    settled: dict[str, dict[str, str]]
    scale: str | None
    parts: tuple[Part, ...]
    at_least: int
    minimum_steps: dict[str, int | dict[str, int]]  # by protocol: one number, or one per map with a default
    expectation: str
    nulls: tuple[str, ...]
    estimate: bool = False

    def least_steps(self, protocol: str, map_name: str) -> int:
        """Return the least environment steps at which a comparison on a map counts."""
        least = self.minimum_steps[protocol]
        return least if isinstance(least, int) else least.get(map_name, least["default"])

    @property
    def variants(self) -> tuple[str, ...]:
        """Variants for which the claim is judged: both, or EITHER if no arm is ROMA."""
        arms = {arm for part in self.parts for _, arm in part.cells}
        return VARIANTS if self.settled or HEADLINE in arms else (EITHER,)

    @property
    def on_each_map(self) -> list[Part]:
        """Single part of the claim, split into one part per map."""
        (part,) = self.parts
        return [
            replace(part, label=name, terms=tuple(replace(term, maps=(name,)) for term in part.terms))
            for name in part.terms[0].maps
        ]


@cache
def claims_digest(file: Path = CLAIMS) -> str:
    """Return a digest of everything in a file of claims that can change a verdict, which leaves out their wording."""
    return digest(json.dumps(_without_wording(read_yaml(file)), sort_keys=True).encode())[:DIGEST_LENGTH]


def _without_wording(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_wording(each) for key, each in value.items() if key not in WORDING}
    return [_without_wording(each) for each in value] if isinstance(value, list) else value


def load(file: Path = CLAIMS) -> list[Claim]:
    """Return the claims of a file. The claims of a question are followed by the twins of those on final win rates.

    Raises:
        UserError: The file violates the schema, or names an unknown map or inconsistent parts.
    """
    entries = read_yaml(file)
    check_schema(entries, SCHEMA, str(file))
    claims: list[Claim] = []
    for entry in entries["claims"]:
        try:
            claims.extend(map(_claim, _with_twin(entry)))
        except UserError as error:
            raise UserError(f"{file}: claim {entry['id']}: {error}") from None
        if [claim.id for claim in claims].count(entry["id"]) > 1:
            raise UserError(f"{file}: claim {entry['id']} stands twice")
    questions = list(dict.fromkeys(entry["question"] for entry in entries["claims"]))
    families = [name for question in questions for name in (question, f"{question}: {EFFICIENCY}")]
    return sorted(claims, key=lambda claim: families.index(claim.question))


def _with_twin(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield an entry and, if it is on final win rates, its twin, which belongs to a family of its own."""
    if entry.get("measure") != FINAL:
        yield entry
        return
    yield entry | {"statement": entry["statement"].format(when=WHEN[FINAL])}
    twin = {"id": f"{entry['id']}_area", "question": f"{entry['question']}: {EFFICIENCY}", "measure": AREA}
    yield entry | twin | {"statement": entry["statement"].format(when=WHEN[AREA])} | entry.get("twin", {})


def _claim(entry: dict[str, Any]) -> Claim:
    parts = _parts(entry) if "contrast" in entry else ()
    settled = entry.get("settled", {})
    if not parts and set(settled) != set(VARIANTS):
        raise UserError(f"without a contrast it must be settled for {' and '.join(VARIANTS)}")
    if at_least := entry.get("at_least", 0):
        maps = {term.maps for part in parts for term in part.terms}
        if len(parts) > 1 or len(maps) > 1:
            raise UserError("at_least needs one part, all its terms on the same maps")
        if at_least > (number := len(maps.pop())):
            raise UserError(f"at_least = {at_least} exceeds its {number} maps")
    return Claim(
        entry["id"],
        entry["question"],
        entry["place"],
        " ".join(entry["statement"].split()),
        settled,
        entry.get("scale"),
        parts,
        at_least,
        entry.get("minimum_steps", {}),
        " ".join(f"{word} {value:g}" for word, value in entry.get("expect", {}).items()),
        tuple(entry.get("nulls", ())),
        entry.get("estimate", False),
    )


def _parts(entry: dict[str, Any]) -> tuple[Part, ...]:
    choices = {key: entry.get(f"each_{key}", [""]) for key in ("arm", "map", "measure")}
    for key, choice in choices.items():
        named = [term.get(key, entry["measure"]) for term in entry["contrast"]]
        if ("each" in named) != (choice != [""]):
            raise UserError(f"'each' as {key} and each_{key} need each other")
    parts = []
    for arm, map_name, measure in product(*choices.values()):
        terms = tuple(_term(term, measure or entry["measure"], arm, map_name) for term in entry["contrast"])
        label = " ".join(filter(None, (arm, map_name, measure)))
        parts.append(Part(label, entry["kind"], terms, _region(entry["expect"])))
    return (*parts, *(_null(null, part, entry) for null in entry.get("nulls", ()) for part in parts))


def _term(term: dict[str, Any], measure: str, arm: str, map_name: str) -> Term:
    arms = _tuple(arm if term["arm"] == "each" else term["arm"])
    maps = _tuple(map_name if term["map"] == "each" else term["map"])
    for name in maps:
        canonical_map(name)
    reference = term.get("reference", "roles")
    return Term(arms, maps, term.get("measure", measure), term.get("weight", 1.0), term.get("stage"), reference)


def _null(null: str, part: Part, entry: dict[str, Any]) -> Part:
    """Return the part that compares a contrast with the same contrast of a null, on the expected side."""
    changes = NULLS[null]
    if len({(term.arms, term.maps) for term in part.terms}) > 1 or "within" in entry["expect"]:
        raise UserError("nulls need the same arms and maps in all terms, and a threshold")
    opposite = tuple(replace(term, weight=-term.weight, **changes) for term in part.terms)
    region = Region(low=0.0) if "above" in entry["expect"] else Region(high=0.0)
    label = " ".join(filter(None, (part.label, f"against {null}")))
    return Part(label, "paired", part.terms + opposite, region)  # paired within runs if the null uses the same runs


def _region(expect: Mapping[str, float]) -> Region:
    if "within" in expect:
        return Region(-expect["within"], expect["within"])
    return Region(low=expect["above"]) if "above" in expect else Region(high=expect["below"])


def _tuple(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
