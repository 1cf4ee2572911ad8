"""List of claims: mistakes in it, its design, and the table of verdicts made from it."""

import pandas as pd
import pytest
import yaml

from analysis import claims
from analysis.claims import UNDECIDED, entries
from analysis.claims.entries import EFFICIENCY
from analysis.claims.evidence import FINAL
from roma.cli import main
from roma.learners import algorithm_names
from roma.support.errors import UserError
from tests.analysis.summaries import CLAIM


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mesure": "drift"}, "claims[0].mesure is not a known key (did you mean 'measure'?)"),
        ({"measure": "drifft"}, "'drifft' is not one of"),
        ({"kind": "ratio"}, "claims[0].kind: 'ratio' is not one of"),
        ({"expect": {"above": 0, "below": 1}}, "claims[0].expect"),
        ({"each_map": ["3m"]}, "claim example: 'each' as map and each_map need each other"),
        ({"at_least": 2}, "claim example: at_least = 2 exceeds its 1 maps"),
        ({"nulls": ["untrained"]}, "claim example: nulls need the same arms and maps in all terms"),
        ({"contrast": [{"arm": "roma", "map": "4m"}]}, "'4m' is not a known map"),
    ],
)
def test_a_mistake_in_the_list_is_one_line(tmp_path, changes, message):
    file = tmp_path / "claims.yaml"
    file.write_text(yaml.safe_dump({"claims": [CLAIM | changes]}))
    with pytest.raises(UserError) as error:
        claims.load(file)
    assert str(error.value).startswith(f"{file}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_claim_stands_once(tmp_path):
    file = tmp_path / "claims.yaml"
    file.write_text(yaml.safe_dump({"claims": [CLAIM, CLAIM]}))
    with pytest.raises(UserError, match="claim example stands twice"):
        claims.load(file)


def test_the_list_covers_the_questions_with_arms_that_exist(root):
    listed = claims.load()
    assert len(listed) >= 30
    assert len({claim.question.split(":")[0] for claim in listed}) == 10
    arms = {arm for claim in listed for part in claim.parts for term in part.terms for arm in term.arms}
    assert {arm for arm in arms if not arm.startswith("roma_I")} <= {*algorithm_names(), "qmix_lar_matched"}
    assert sum(arm.startswith("roma_I") for arm in arms) == 25
    settled = {claim.id for claim in listed if "roma" in claim.settled}
    assert settled == {"dead_apart", "decentralised", "qmix_lar_as_large"}


def test_the_design_is_what_the_plan_says():
    listed = claims.load()
    assert {claim.id for claim in listed if claim.question == "primary"} >= {"study_lead", "study_losses"}
    assert sum(claim.estimate for claim in listed) <= 8
    assert not any(claim.estimate for claim in listed if claim.question == "primary")
    twins = {claim.id for claim in listed if claim.question.endswith(EFFICIENCY)}
    ends = [claim for claim in listed if claim.parts and claim.parts[0].terms[0].measure == FINAL]
    assert len(twins) == len(ends)
    assert all("{" not in claim.statement for claim in listed)


def test_the_command_writes_a_verdict_on_each_for_both_variants(results, tmp_path, root, monkeypatch):
    monkeypatch.chdir(root)
    for folder in ("once", "twice"):
        assert main(["plot", "claims", "--summary", str(results / "summary"), "--out", str(tmp_path / folder)]) == 0
    for kind in ("csv", "md", "tex"):
        assert (tmp_path / "once" / f"claims.{kind}").read_bytes() == (
            tmp_path / "twice" / f"claims.{kind}"
        ).read_bytes()
    frame = pd.read_csv(tmp_path / "once" / "claims.csv")
    assert frame["variant"].tolist() == [variant for claim in claims.load() for variant in claim.variants]
    assert set(frame["verdict"]) <= set(claims.VERDICTS)
    assert not frame.duplicated(["claim", "variant"]).any()
    assert set(frame["claims digest"]) == {claims.claims_digest()}
    assert frame[frame["verdict"] == UNDECIDED]["why"].notna().all()
    assert frame[frame["verdict"] == UNDECIDED]["seeds needed"].notna().all()
    assert claims.claims_digest() in (tmp_path / "once" / "claims.md").read_text().splitlines()[0]


def test_the_digest_follows_what_decides_and_not_the_wording(tmp_path):
    text = entries.CLAIMS.read_text()
    for old, new, alike in (
        ("ROMA has a higher win rate than QMIX,", "ROMA beats QMIX,", True),
        ("\n  - id: study_lead", "\n  # The first one.\n  - id: study_lead", True),
        ("weight: -1", "weight: -2", False),
        ("10m_vs_11m: 8000000", "10m_vs_11m: 7000000", False),
    ):
        changed = tmp_path / f"{new.strip()[:9]}.yaml"
        changed.write_text(text.replace(old, new, 1))
        assert changed.read_text() != text
        assert (claims.claims_digest(changed) == claims.claims_digest()) == alike
