"""The list of a project's ratings, and what it can be narrowed down to."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from annotate.comparisons.models import Comparison
from annotate.comparisons.services import lease
from annotate.guidelines.models import GuidelineVersion
from annotate.pool.models import Completion, CompletionSource, Prompt, SourceKind
from annotate.ratings.filters import LENGTHS
from annotate.ratings.models import Rating
from annotate.ratings.services import Judgement, submit
from tests.cast import Cast, make_user

P = "/api/v1/projects/helpfulness/ratings"


@pytest.fixture
def rated(cast: Cast, comparisons: Callable[..., list[Comparison]]) -> list[Comparison]:
    """Four comparisons: two labellers agree on the first two, differ on the third, and one has rated the fourth."""
    made = comparisons(4)
    for user, answers in ((cast.labeller, "aaaa"), (cast.second_labeller, "aab")):
        for assignment in lease(seat=cast.seat(user), n=len(answers)):
            side = answers[[one.pk for one in made].index(assignment.comparison_id)]
            shown = "first" if side == assignment.first else "second"
            submit(seat=cast.seat(user), judgements=[Judgement(uuid4(), assignment.pk, shown, 2, active_ms=1500)])
    return made


def ask(cast: Cast, **filters: Any) -> list[dict[str, Any]]:
    answer = cast.client(cast.reviewer).get(P, {**filters, "page_size": 200})
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def test_it_shows_who_said_what_newest_first(cast: Cast, rated: list[Comparison]) -> None:
    rows = ask(cast)
    assert len(rows) == 7
    assert [row["created_at"] for row in rows] == sorted((row["created_at"] for row in rows), reverse=True)
    row = rows[0]
    assert row == {
        "id": Rating.objects.order_by("-created_at", "-id")[0].pk,
        "comparison": rated[2].pk,
        "prompt_excerpt": rated[2].prompt.excerpt,
        "labeller": {"id": cast.second_labeller.pk, "pseudonym": cast.second_labeller.pseudonym},
        "preferred": "b",
        "intensity": 2,
        "is_superseded": False,
        "is_repeat": False,
        "justification": "",
        "active_ms": 1500,
        "guideline_version": None,
        "created_at": row["created_at"],
        "agreement": "split",
    }
    assert {row["agreement"] for row in rows if row["comparison"] == rated[3].pk} == {None}


def test_a_correction_and_what_it_corrects_are_both_there(cast: Cast, rated: list[Comparison]) -> None:
    first = Rating.objects.get(labeller=cast.labeller, comparison=rated[0])
    again = Judgement(uuid4(), first.assignment_id, "tie", None, supersedes=first.client_id)
    submit(seat=cast.seat(cast.labeller), judgements=[again])
    rows = ask(cast, labeller=cast.labeller.pk, comparison=rated[0].pk)
    assert [(row["preferred"], row["is_superseded"]) for row in rows] == [("tie", False), ("a", True)]


def test_it_narrows_down_by_each_filter(cast: Cast, rated: list[Comparison]) -> None:
    version = GuidelineVersion.objects.create(project=cast.project, number=1, body="x")
    source = CompletionSource.objects.create(pool=cast.project.pool, name="other", kind=SourceKind.EXTERNAL)
    Prompt.objects.filter(pk=rated[0].prompt_id).update(language="de", tags=["code", "maths"])
    Completion.objects.filter(pk=rated[1].b_id).update(source=source, text="x" * 900)
    sft = rated[0].a.source_id
    today = timezone.now().date()

    def ids(**filters: Any) -> set[int]:
        return {row["comparison"] for row in ask(cast, **filters)}

    one, two, three, four = (comparison.pk for comparison in rated)
    assert ids(labeller=cast.second_labeller.pk) == {one, two, three}
    assert ids(**{"labeller": cast.labeller.pk, "with": cast.second_labeller.pk}) == {one, two, three}
    assert ids(comparison=two) == {two}
    assert ids(version=0) == {one, two, three, four}
    assert ids(version=version.number) == set()
    assert ids(**{"from": today.isoformat(), "to": today.isoformat()}) == {one, two, three, four}
    assert ids(**{"from": (today + timedelta(days=1)).isoformat()}) == set()
    assert ids(to=(today - timedelta(days=1)).isoformat()) == set()
    assert ids(language="de") == ids(tag="maths") == {one}
    assert ids(source=source.pk) == ids(source=f"{source.pk}-{sft}") == ids(source=f"{sft}-{source.pk}") == {two}
    assert ids(length="4x") == {two}
    assert set().union(*(ids(length=key) for key in LENGTHS)) == {one, two, three, four}
    assert ids(intensity=2) == {one, two, three, four}
    assert ids(intensity=0) == ids(intensity=3) == ids(bucket=1) == set()
    assert ids(agreement="unanimous") == {one, two}
    assert ids(agreement="split") == {three}
    assert ids(agreement="majority") == set()
    assert ids(language="", labeller="") == {one, two, three, four}


@pytest.mark.parametrize(
    "query", ["source=a-b", "source=1-2-3", "length=enormous", "from=yesterday", "agreement=none", "labeller=me"]
)
def test_a_filter_that_says_nothing_is_refused(cast: Cast, query: str) -> None:
    answer = cast.client(cast.reviewer).get(f"{P}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_ratings_of_another_project_are_not_there(cast: Cast, rated: list[Comparison]) -> None:
    from annotate.projects.models import Membership, Role
    from annotate.projects.services import create_project

    other = create_project(owner=make_user("someone else"), name="Other")
    Membership.objects.create(project=other, user=cast.reviewer, role=Role.REVIEWER)
    client = cast.client(cast.reviewer)
    theirs = f"/api/v1/projects/{other.slug}/ratings?comparison={rated[0].pk}&labeller={cast.labeller.pk}"
    assert client.get(theirs).json()["results"] == []


def test_pages_follow_each_other_without_a_gap(cast: Cast, rated: list[Comparison]) -> None:
    client, url, seen = cast.client(cast.reviewer), f"{P}?page_size=2", []
    while url:
        page = client.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
    assert seen == list(Rating.objects.order_by("-created_at", "-id").values_list("id", flat=True))
