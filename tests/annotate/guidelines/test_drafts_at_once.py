"""The draft, publishing, settling and rating at the same time: nothing is lost, and nobody waits for ever."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from annotate.common.errors import DomainError
from annotate.comparisons.models import Comparison
from annotate.comparisons.services import lease
from annotate.guidelines.drafts import add_to_draft, save_draft
from annotate.guidelines.models import GuidelineDraft, GuidelineVersion, WorkedExample
from annotate.guidelines.services import publish_guidelines
from annotate.projects.models import Membership
from annotate.ratings.services import Example, Judgement, Steps, adjudicate_with_steps, submit
from tests.annotate.guidelines.quizzes import example
from tests.cast import Cast, make_comparisons, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], Any]) -> list[BaseException]:
    """Run them in threads that start together, and return what they raised."""
    start, raised = threading.Barrier(len(acts)), []

    def run(act: Callable[[], Any]) -> None:
        try:
            start.wait()
            act()
        except BaseException as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.parametrize("revision", [0, 1])
def test_of_writers_who_saw_the_same_one_saves(cast: Cast, revision: int) -> None:
    if revision:
        save_draft(project=cast.project, author=cast.owner, revision=0, body="First", examples=[], notes=[])
    texts = [f"Text {number}" for number in range(6)]
    raised = at_once(
        *(
            lambda text=text: save_draft(
                project=cast.project, author=cast.owner, revision=revision, body=text, examples=[], notes=[]
            )
            for text in texts
        )
    )
    assert [getattr(error, "code", error) for error in raised] == ["draft_changed"] * 5
    draft = GuidelineDraft.objects.get()
    assert draft.revision == revision + 1 and draft.body in texts


def test_what_reviewers_add_at_once_is_all_there(cast: Cast) -> None:
    made = make_comparisons(cast.project, 6)
    raised = at_once(
        *(
            lambda one=one: add_to_draft(
                project=cast.project, author=cast.reviewer, comparison_id=one.pk, example=example(1), note="Why?"
            )
            for one in made
        )
    )
    assert raised == []
    draft = GuidelineDraft.objects.get()
    assert {one["comparison"] for one in draft.examples} == {one.pk for one in made}
    assert (len(draft.notes), draft.revision) == (6, 6)


def test_publishing_settling_and_rating_do_not_lock_each_other_out(cast: Cast) -> None:
    """Publishing holds the project and refers to comparisons; settling and rating hold those and refer to the project.

    Were the locks against the rows' keys, PostgreSQL would break a deadlock here by an error in one of them.
    """
    made = make_comparisons(cast.project, 12)
    labellers = [make_user(f"labeller {number}") for number in range(2)]
    for user in labellers:
        Membership.objects.create(project=cast.project, user=user)

    def publish() -> None:
        for _ in range(12):
            examples = [{**example(number), "comparison_id": one.pk} for number, one in enumerate(made)]
            publish_guidelines(project=cast.project, author=cast.owner, body="Text", examples=examples)

    def settle() -> None:
        for one in made:
            adjudicate_with_steps(
                project=cast.project,
                reviewer=cast.reviewer,
                comparison_id=one.pk,
                verdict="a",
                intensity=2,
                note="",
                then=Steps(gold=True, worked_example=Example("So."), guideline_note="Say so."),
            )

    def rate(assignments: list[Any], seat: Any) -> None:
        for held in assignments:
            (outcome,) = submit(seat=seat, judgements=[Judgement(uuid4(), held.pk, "first", 2)])
            assert outcome.status == "accepted"

    seats = [cast.seat(user) for user in labellers]
    held = [lease(seat=seat, n=12) for seat in seats]
    assert [len(one) for one in held] == [12, 12]
    raised = at_once(publish, settle, *(lambda n=n: rate(held[n], seats[n]) for n in range(2)))
    assert [error for error in raised if not isinstance(error, DomainError)] == []
    assert raised == []
    assert GuidelineVersion.objects.count() == 12
    assert WorkedExample.objects.exclude(comparison=None).count() == 144
    assert Comparison.objects.filter(n_a__gt=0).count() + Comparison.objects.filter(n_b__gt=0).count() >= 12
