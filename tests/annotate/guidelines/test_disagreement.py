"""Which sections and examples of the guidelines are involved in disagreement."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.accounts.models import User
from annotate.agreement import guidelines
from annotate.comparisons.models import Comparison
from annotate.comparisons.services import lease
from annotate.guidelines.models import GuidelineVersion
from annotate.guidelines.services import publish_guidelines, requalify
from annotate.projects.models import Membership
from annotate.projects.services import exclude_member
from annotate.ratings.models import FlagKind
from annotate.ratings.services import Judgement, adjudicate, flag, reopen, submit
from tests.annotate.guidelines.quizzes import example, take
from tests.cast import Cast, make_comparisons, make_user

P = "/api/v1/projects/helpfulness"
Make = Callable[..., list[Comparison]]
BODY = """# Truth
An answer with false facts is worse.

# Length
The shorter answer is better where both say the same.

# Safety
Refusing help with weapons is better.
"""


def publish(cast: Cast, n_asked: int = 0, body: str = BODY) -> GuidelineVersion:
    return publish_guidelines(
        project=cast.project,
        author=cast.owner,
        body=body,
        examples=[example(number) for number in range(n_asked)],
    )


def split(cast: Cast, comparison: Comparison, why: str, and_why: str = "") -> None:
    """Two labellers answer otherwise, each with a reason."""
    for user, stored, reason in ((cast.labeller, "a", why), (cast.second_labeller, "b", and_why)):
        seat = cast.seat(user)
        held = next(one for one in lease(seat=seat, n=20) if one.comparison_id == comparison.pk)
        shown = "first" if held.first == stored else "second"
        judgement = Judgement(uuid4(), held.pk, shown, 2, justification=reason)
        (outcome,) = submit(seat=seat, judgements=[judgement])
        assert outcome.status == "accepted"


def qualify(cast: Cast) -> None:
    for user in (cast.labeller, cast.second_labeller):
        take(cast, user)


def get(cast: Cast) -> dict[str, Any]:
    answer = cast.client(cast.reviewer).get(f"{P}/guidelines/disagreement")
    assert answer.status_code == 200, answer.content
    return answer.json()


def counts(cast: Cast, name: str) -> dict[str, int]:
    return {section["heading"]: section[name] for section in get(cast)["sections"]}


class TestSections:
    def test_without_guidelines_there_are_none(self, cast: Cast) -> None:
        assert get(cast) == {"version": None, "sections": [], "examples": []}

    def test_they_are_those_of_the_current_version(self, cast: Cast) -> None:
        publish(cast, body="# Old")
        publish(cast)
        found = get(cast)
        assert (found["version"], [one["heading"] for one in found["sections"]]) == (2, ["Truth", "Length", "Safety"])
        assert found["sections"][0] == {
            "heading": "Truth",
            "n_adjudications": 0,
            "n_flags": 0,
            "n_disputed": 0,
            "comparisons": [],
        }

    def test_verdicts_count_for_the_section_they_name(self, cast: Cast, comparisons: Make) -> None:
        publish(cast)
        made = comparisons(4)
        for comparison, section in zip(made, ["Length", "Length", "Gone", ""], strict=True):
            adjudicate(
                project=cast.project,
                reviewer=cast.reviewer,
                comparison_id=comparison.pk,
                verdict="a",
                intensity=2,
                note="",
                guideline_section=section,
            )
        reopen(project=cast.project, reviewer=cast.reviewer, comparison_id=made[2].pk, n_more=1, reason="Length")
        assert counts(cast, "n_adjudications") == {"Truth": 0, "Length": 2, "Safety": 0}
        assert get(cast)["sections"][1]["comparisons"] == [made[1].pk, made[0].pk]

    def test_split_comparisons_count_where_their_reasons_are_closest(self, cast: Cast, comparisons: Make) -> None:
        publish(cast)
        qualify(cast)
        made = comparisons(3)
        split(cast, made[0], "B has false facts", "A is rude")
        split(cast, made[1], "A is shorter", "they say the same")
        split(cast, made[2], "No idea")
        assert counts(cast, "n_disputed") == {"Truth": 1, "Length": 1, "Safety": 0}
        assert [one["comparisons"] for one in get(cast)["sections"]] == [[made[0].pk], [made[1].pk], []]

    def test_what_excluded_labellers_wrote_is_left_out(self, cast: Cast, comparisons: Make) -> None:
        publish(cast)
        qualify(cast)
        (comparison,) = comparisons(1)
        split(cast, comparison, "false facts, false facts", "shorter")
        assert counts(cast, "n_disputed")["Truth"] == 1
        exclude_member(project=cast.project, user_id=cast.labeller.pk, reason="Random.", actor=cast.reviewer)
        assert counts(cast, "n_disputed") == {"Truth": 0, "Length": 1, "Safety": 0}

    def test_unanimous_ones_do_not_count(self, cast: Cast, comparisons: Make) -> None:
        publish(cast)
        take(cast, cast.labeller)
        comparisons(1)
        seat = cast.seat(cast.labeller)
        (held,) = lease(seat=seat, n=1)
        submit(seat=seat, judgements=[Judgement(uuid4(), held.pk, "first", 2, justification="false facts")])
        assert counts(cast, "n_disputed") == {"Truth": 0, "Length": 0, "Safety": 0}

    def test_flags_of_unclear_guidelines_count_by_their_note(self, cast: Cast, comparisons: Make) -> None:
        publish(cast)
        take(cast, cast.labeller)
        comparisons(3)
        seat = cast.seat(cast.labeller)
        kinds = [FlagKind.GUIDELINE_UNCLEAR, FlagKind.GUIDELINE_UNCLEAR, FlagKind.BROKEN]
        notes = ["Are knives weapons?", "", "weapons"]
        held = lease(seat=seat, n=3)
        for one, kind, note in zip(held, kinds, notes, strict=True):
            flag(seat=seat, assignment_id=one.pk, kind=kind, note=note)
        assert counts(cast, "n_flags") == {"Truth": 0, "Length": 0, "Safety": 1}
        assert get(cast)["sections"][2]["comparisons"] == [held[0].comparison_id]

    def test_a_few_comparisons_are_named_newest_first(self, cast: Cast, comparisons: Make) -> None:
        publish(cast)
        qualify(cast)
        made = comparisons(7)
        for comparison in made:
            split(cast, comparison, "false facts")
        truth = get(cast)["sections"][0]
        assert truth["n_disputed"] == 7
        assert truth["comparisons"] == [comparison.pk for comparison in made[:1:-1]]

    def test_only_the_newest_are_read(self, cast: Cast, comparisons: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        publish(cast)
        qualify(cast)
        made = comparisons(4)
        for comparison in made:
            split(cast, comparison, "false facts")
        monkeypatch.setattr(guidelines, "NEWEST", 3)
        truth = get(cast)["sections"][0]
        assert (truth["n_disputed"], made[0].pk in truth["comparisons"]) == (3, False)

    def test_other_projects_do_not_count(self, cast: Cast, comparisons: Make) -> None:
        from annotate.projects.services import create_project

        publish(cast)
        other = create_project(owner=cast.owner, name="Other")
        (comparison,) = make_comparisons(other, 1)
        adjudicate(
            project=other,
            reviewer=cast.owner,
            comparison_id=comparison.pk,
            verdict="a",
            intensity=2,
            note="",
            guideline_section="Truth",
        )
        Comparison.objects.filter(pk=comparison.pk).update(n_a=1, n_b=1)
        assert get(cast)["sections"][0]["n_adjudications"] == 0

    @pytest.mark.parametrize("n", [1, 6])
    def test_its_cost_does_not_grow(self, cast: Cast, comparisons: Make, n: int) -> None:
        publish(cast, 2)
        qualify(cast)
        for comparison in comparisons(n):
            split(cast, comparison, "false facts")
        client = cast.client(cast.reviewer)
        with CaptureQueriesContext(connection) as queries:
            client.get(f"{P}/guidelines/disagreement")
        assert len(queries) == 9


class TestExamples:
    @pytest.fixture
    def version(self, cast: Cast) -> GuidelineVersion:
        return publish(cast, 2)

    def people(self, cast: Cast, n: int) -> list[User]:
        users = [make_user(f"somebody {number}") for number in range(n)]
        for user in users:
            Membership.objects.create(project=cast.project, user=user)
        return users

    def test_few_answers_say_nothing(self, cast: Cast, version: GuidelineVersion) -> None:
        take(cast, cast.labeller, n_wrong=2)
        first, second = get(cast)["examples"]
        assert (first["prompt"], first["position"], first["n_answers"]) == ("Prompt 0", 0, 1)
        assert first["share_wrong"] == {"value": None, "low": None, "high": None, "n": 1, "too_few": True}
        assert first["mostly"] == {"preferred": "b", "n": 1}
        assert (second["position"], second["comparison"]) == (1, None)

    def test_the_share_of_wrong_answers_has_an_interval(self, cast: Cast, version: GuidelineVersion) -> None:
        for number, user in enumerate(self.people(cast, 12)):
            take(cast, user, n_wrong=2 if number < 9 else 0)
        for row in get(cast)["examples"]:
            assert row["n_answers"] == 12
            assert row["share_wrong"]["value"] == 0.75
            # Wilson's interval of 9 in 12, by hand: centre 0.6894, half 0.2218.
            assert row["share_wrong"]["low"] == pytest.approx(0.4677, abs=1e-3)
            assert row["share_wrong"]["high"] == pytest.approx(0.9111, abs=1e-3)
            assert row["mostly"] == {"preferred": "b", "n": 9}

    def test_first_answers_count_since_later_ones_know_the_verdict(self, cast: Cast, version: GuidelineVersion) -> None:
        take(cast, cast.labeller, n_wrong=2)
        take(cast, cast.labeller)
        requalify(project=cast.project, labeller_id=cast.labeller.pk, reason="Again.", reviewer=cast.reviewer)
        take(cast, cast.labeller)
        rows = get(cast)["examples"]
        assert [row["n_answers"] for row in rows] == [1, 1]
        assert [row["mostly"]["n"] for row in rows] == [1, 1]

    def test_right_answers_have_no_commonest_wrong_one(self, cast: Cast, version: GuidelineVersion) -> None:
        take(cast, cast.labeller)
        assert [row["mostly"] for row in get(cast)["examples"]] == [None, None]
