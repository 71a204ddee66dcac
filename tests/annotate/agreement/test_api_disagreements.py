"""The queue of what is worth a reviewer's look: its order, its reasons, and what leaves it at once."""

from uuid import uuid4

import pytest
from django.db import connection

from annotate.agreement.models import ComparisonAnswer, CrossFittedOpinion, JudgeOpinion, ModelOpinion
from annotate.agreement.opinions import CrossFitted, forget_judge_opinions, record_cross_fitted, record_judge_opinions
from annotate.comparisons.models import Comparison
from annotate.comparisons.services import lease
from annotate.projects.services import create_project
from annotate.ratings.models import FlagKind, Rating
from annotate.ratings.services import Judgement, adjudicate, flag, reopen, set_gold, submit
from tests.annotate.agreement.conftest import Make, P, Worked
from tests.cast import make_comparisons, make_user


def queue(worked: Worked, **query: str) -> list[dict]:
    return worked.get("disagreements", page_size="200", **query)["results"]


def test_disputed_comparisons_are_in_it_most_worth_first(worked: Worked) -> None:
    rows = queue(worked)
    disputed = {one.pk for one in worked.comparisons[1::2]}
    worths = [row["worth"] for row in rows]
    assert worths == sorted(worths, reverse=True)
    assert {row["comparison"] for row in rows} <= disputed, "the others are agreed upon"
    for row in rows:
        answer = row["answer"]
        assert answer["p_a"] + answer["p_b"] + answer["p_tie"] == pytest.approx(1)
        assert row["n_a"] + row["n_b"] == 3
        assert row["model"] is None


def flagged(worked: Worked, of: Comparison) -> None:
    rating = Rating.objects.get(comparison=of, labeller=worked.cast.labeller)
    flag(
        seat=worked.cast.seat(worked.cast.labeller),
        assignment_id=rating.assignment_id,
        kind=FlagKind.GUIDELINE_UNCLEAR,
        note="Which of the two?",
    )


def test_a_flag_is_there_before_the_next_snapshot(worked: Worked) -> None:
    agreed = worked.comparisons[0]
    assert agreed.pk not in {row["comparison"] for row in queue(worked)}
    flagged(worked, agreed)
    first = queue(worked)[0]
    assert (first["comparison"], first["reasons"], first["n_flags"]) == (agreed.pk, ["flagged"], 1)
    assert [row["comparison"] for row in queue(worked, reason="flagged")] == [agreed.pk]
    worked.refresh()
    assert queue(worked)[0]["comparison"] == agreed.pk


def test_a_flagged_comparison_without_ratings_has_no_answer(worked: Worked) -> None:
    (new,) = make_comparisons(worked.cast.project, 1)
    (assignment,) = lease(seat=worked.cast.seat(worked.third), n=1)
    assert assignment.comparison_id == new.pk
    flag(seat=worked.cast.seat(worked.third), assignment_id=assignment.pk, kind=FlagKind.BROKEN, note="")
    for _ in range(2):
        row = next(row for row in queue(worked) if row["comparison"] == new.pk)
        assert (row["answer"], row["reasons"]) == (None, ["flagged"])
        worked.refresh()


def test_what_is_settled_gold_or_sent_back_leaves_at_once(worked: Worked) -> None:
    cast = worked.cast
    for one in worked.comparisons[:3]:
        flagged(worked, one)
    settled, gold, sent_back = worked.comparisons[:3]
    act = {"project": cast.project, "reviewer": cast.reviewer}
    adjudicate(**act, comparison_id=settled.pk, verdict="a", intensity=1, note="")
    set_gold(**act, comparison_id=gold.pk, preferred="a", intensity=1)
    reopen(**act, comparison_id=sent_back.pk, n_more=1, reason="One more opinion.")
    for _ in range(2):
        left = {row["comparison"] for row in queue(worked)}
        assert not left & {settled.pk, gold.pk, sent_back.pk}
        worked.refresh()
    assert worked.get(f"comparisons/{settled.pk}/answer")["reasons"] == []


def test_the_models_opinion_is_a_reason(worked: Worked) -> None:
    project = worked.cast.project
    agreed = worked.comparisons[0]
    answer = ComparisonAnswer.objects.get(comparison=agreed)
    against = 0.02 if answer.p_a > 0.5 else 0.98
    ModelOpinion.objects.create(comparison=agreed, project=project, p_a=against, version=3, is_held_out=True)
    worked.refresh()
    (row,) = queue(worked, reason="model_against")
    assert row["comparison"] == agreed.pk
    assert row["model"] == {"version": 3, "p_a": against, "is_held_out": True}
    body = worked.get(f"comparisons/{agreed.pk}/answer")
    assert body["model"] == row["model"]
    assert body["reasons"] == ["model_against"]
    assert body["worth"] == pytest.approx(row["worth"])
    assert body["answer"]["p_a"] == pytest.approx(answer.p_a, abs=1e-3)


def test_models_that_did_not_learn_from_it_are_a_reason_while_they_are_suspicious(worked: Worked) -> None:
    project = worked.cast.project
    doubted, trusted = worked.comparisons[:2]
    against = 0.1 if ComparisonAnswer.objects.get(comparison=doubted).p_a > 0.5 else 0.9
    said = [CrossFitted(doubted.pk, against, -2.2, 0.5, 1), CrossFitted(trusted.pk, 0.5, 0.0, None, None)]
    assert record_cross_fitted(project=project, comparison_set=4, opinions=said) == 2
    worked.refresh()
    (row,) = queue(worked, reason="probably_mislabelled")
    assert row["comparison"] == doubted.pk
    assert row["cross_fitted"] == {"comparison_set": 4, "p_a": against, "strength": -2.2, "std": 0.5, "rank": 1}
    body = worked.get(f"comparisons/{doubted.pk}/answer")
    assert (body["cross_fitted"], body["reasons"]) == (row["cross_fitted"], row["reasons"])
    record_cross_fitted(project=project, comparison_set=5, opinions=[CrossFitted(doubted.pk, against, -2.2, 0.5, None)])
    worked.refresh()
    assert queue(worked, reason="probably_mislabelled") == []
    assert CrossFittedOpinion.objects.values_list("comparison", "comparison_set").get() == (doubted.pk, 5)


def test_where_an_ai_labeller_is_against_people_is_a_reason_while_it_counts(worked: Worked) -> None:
    project = worked.cast.project
    agreed = ComparisonAnswer.objects.filter(n_ratings__gte=2, p_a__gt=0.9).order_by("-p_a").first()
    assert agreed is not None
    assert (
        record_judge_opinions(project=project, judge="a judge", opinions={agreed.comparison_id: 0.02, 10**9: 0.1}) == 1
    )
    worked.refresh()
    (row,) = queue(worked, reason="judge_against")
    assert row["comparison"] == agreed.comparison_id and "judge_against" in row["reasons"]
    forget_judge_opinions(project=project, judge="another judge")
    assert JudgeOpinion.objects.count() == 1
    forget_judge_opinions(project=project, judge="a judge")
    worked.refresh()
    assert queue(worked, reason="judge_against") == []


def test_pages_follow_each_other_without_a_gap(worked: Worked) -> None:
    ComparisonAnswer.objects.update(worth=1.25, reasons=["split"])
    client, url, seen = worked.cast.client(worked.cast.reviewer), f"{P}/disagreements?page_size=7", []
    while url:
        page = client.get(url).json()
        seen += [row["comparison"] for row in page["results"]]
        url = page["next"]
    assert seen == sorted((one.pk for one in worked.comparisons), reverse=True)


def test_answers_that_have_not_moved_are_not_written(worked: Worked) -> None:
    def versions() -> dict[int, str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT comparison_id, xmin::text || ctid::text FROM agreement_comparisonanswer")
            return dict(cursor.fetchall())

    before = versions()
    worked.refresh()
    assert versions() == before
    ComparisonAnswer.objects.filter(comparison=worked.comparisons[4]).update(p_a=0.25)
    before = versions()
    worked.refresh()
    after = versions()
    assert {pk for pk in after if after[pk] != before[pk]} == {worked.comparisons[4].pk}


def test_a_comparison_without_a_rating_has_no_answer(worked: Worked, comparisons: Make) -> None:
    (new,) = comparisons(1)
    body = worked.get(f"comparisons/{new.pk}/answer")
    assert body == {"answer": None, "model": None, "cross_fitted": None, "worth": None, "reasons": []}
    (assignment,) = lease(seat=worked.cast.seat(worked.third), n=1)
    judgement = Judgement(uuid4(), assignment.pk, "first", 1)
    submit(seat=worked.cast.seat(worked.third), judgements=[judgement])
    worked.refresh()
    assert worked.get(f"comparisons/{new.pk}/answer")["answer"]["p_tie"] < 0.5


def test_other_projects_comparisons_are_not_found(worked: Worked) -> None:
    owner = make_user("someone else")
    other = create_project(owner=owner, name="Other")
    client = worked.cast.client(owner)
    base = f"/api/v1/projects/{other.slug}"
    assert client.get(f"{base}/comparisons/{worked.comparisons[0].pk}/answer").status_code == 404
    assert client.get(f"{base}/disagreements").json()["results"] == []
    assert client.get(f"{base}/disagreements?reason=boredom").status_code == 400
