"""A judge counts once it has been compared with people, and somebody has said so."""

import pytest

from annotate.agreement.models import JudgeOpinion
from annotate.agreement.services import refresh_snapshot
from annotate.projects.models import AuditEvent, Membership
from annotate.projects.services import exclude_member
from annotate.ratings.services import adjudicate
from tests.training.judges.world import judge_them, judgement, make_judge, make_run, make_version
from tests.training.ratings import correct, labeller, rate
from training.judges.models import AiRating
from training.judges.reports import ratings_of, report_of
from training.judges.services import PrincipleText, store_judgements, update_report

URL = "/api/v1/projects/helpfulness/judges"
QUEUE = "/api/v1/projects/helpfulness/disagreements"


@pytest.fixture
def rated(cast, comparisons):
    """110 comparisons, people of one mind: a for the even ones, b for the odd ones."""
    made = comparisons(110)
    for number, comparison in enumerate(made):
        side = "a" if number % 2 == 0 else "b"
        rate(comparison, (side, 3), (side, 2))
    return made


def as_people(made, p=0.9):
    return [(one, p if number % 2 == 0 else 1 - p) for number, one in enumerate(made)]


def test_one_that_agrees_with_people_may_be_allowed(cast, rated):
    judge = make_judge(cast.project)
    judge_them(judge, as_people(rated))
    client = cast.client(cast.researcher)
    update_report(judge=judge)
    assert client.get(f"{URL}/{judge.pk}").json()["reasons"] == []
    allowed = client.post(f"{URL}/{judge.pk}/allowance")
    assert allowed.status_code == 200 and allowed.json()["allowed_at"] is not None
    event = AuditEvent.objects.get(action="judge.allowed")
    assert (event.actor, event.details["kappa"]["n"]) == (cast.researcher, 110)
    again = client.post(f"{URL}/{judge.pk}/allowance")
    assert (again.status_code, again.json()["code"]) == (409, "already_allowed")


def test_it_can_be_withdrawn(cast, rated):
    judge = make_judge(cast.project)
    judge_them(judge, as_people(rated))
    client = cast.client(cast.researcher)
    client.post(f"{URL}/{judge.pk}/allowance")
    withdrawn = client.delete(f"{URL}/{judge.pk}/allowance?reason=drifted")
    assert withdrawn.status_code == 204
    assert client.get(f"{URL}/{judge.pk}").json()["allowed_at"] is None
    assert AuditEvent.objects.get(action="judge.withdrawn").details["reason"] == "drifted"
    again = client.delete(f"{URL}/{judge.pk}/allowance")
    assert (again.status_code, again.json()["code"]) == (409, "not_allowed")


@pytest.mark.parametrize(("n", "p"), [(99, 0.9), (110, 0.5), (110, 0.1)])
def test_too_few_no_opinion_and_the_wrong_one_are_not_allowed(cast, rated, n, p):
    judge = make_judge(cast.project)
    judge_them(judge, as_people(rated, p)[:n])
    answer = cast.client(cast.researcher).post(f"{URL}/{judge.pk}/allowance")
    assert (answer.status_code, answer.json()["code"]) == (409, "judge_not_good_enough")
    assert answer.json()["reasons"]
    judge.refresh_from_db()
    assert judge.allowed_at is None


def test_the_report_is_about_what_people_have_an_answer_to(cast, rated):
    tied, gold, settled, invalid, wrong, *_ = rated
    judge = make_judge(cast.project)
    judge_them(judge, as_people(rated))
    correct(tied.ratings.get(labeller__external_key="test/1"), "b", 1)
    type(gold).objects.filter(pk=gold.pk).update(gold_preferred="a", state="closed")
    for comparison, verdict in ((settled, "b"), (invalid, "invalid")):
        adjudicate(
            project=cast.project, reviewer=cast.reviewer, comparison_id=comparison.pk, verdict=verdict,
            intensity=2 if verdict == "b" else None, note="",
        )  # fmt: skip
    AiRating.objects.filter(comparison=wrong).update(p_a=0.05, p_first_order=0.05, p_second_order=0.05)
    found = report_of(judge)
    assert found["n"] == 107, "without the tie, the gold one and the invalid one"
    # A reviewer said b of the third, where the judge and the labellers said a.
    assert {(one["comparison_id"], one["side"]) for one in found["disagreements"]} == {
        (settled.pk, "b"),
        (wrong.pk, "a"),
    }
    assert found["agreement"]["value"] == pytest.approx(105 / 107)
    assert found["people_kappa"]["value"] == pytest.approx(1.0), "the tie is not among them"
    assert {one["by"] for one in found["slices"]} == {"intensity", "language", "source_kinds", "length_difference"}


def test_whom_a_reviewer_keeps_out_has_no_say(cast, rated):
    first = rated[0]
    judge = make_judge(cast.project)
    judge_them(judge, as_people(rated))
    for name in ("0", "1"):
        Membership.objects.create(project=cast.project, user=labeller(name), role="labeller")
    exclude_member(project=cast.project, user_id=labeller("0").pk, reason="x", actor=cast.owner)
    assert report_of(judge)["n"] == 110
    exclude_member(project=cast.project, user_id=labeller("1").pk, reason="x", actor=cast.owner)
    assert report_of(judge)["n"] == 0
    assert first.ratings.count() == 2


def test_principles_count_by_their_weights(cast, comparisons):
    """P(a) of 0.9 by a principle of weight 3 and 0.1 by one of weight 1 are (2.7 + 0.1) / 4 = 0.7."""
    (comparison,) = comparisons(1)
    rate(comparison, "a")
    version = make_version(cast.project, principles=[PrincipleText("x", "", 3.0), PrincipleText("y", "", 1.0)])
    judge = make_judge(cast.project, version=version)
    heavy, light = version.principles.all()
    store_judgements(
        run=make_run(judge),
        judgements=[
            judgement(comparison.pk, heavy.pk, 0.9, p_second_order=None),
            judgement(comparison.pk, light.pk, 0.1),
        ],
    )
    found = ratings_of(judge)[comparison.pk]
    assert found.p_a == pytest.approx(0.7)
    assert found.p_first_order == pytest.approx(0.7) and found.p_second_order == pytest.approx(0.1)


def test_the_report_is_kept_on_the_judge(cast, rated):
    judge = make_judge(cast.project)
    judge_them(judge, as_people(rated))
    assert update_report(judge=judge).reported_at is not None
    shown = cast.client(cast.reviewer).get(f"{URL}/{judge.pk}").json()
    assert shown["report"]["n"] == 110 and shown["n_ratings"] == 110
    assert shown["report"]["position"]["bias"] == pytest.approx(0.0)


def test_where_one_that_passes_is_against_people_reviewers_should_look(cast, rated):
    judge, wrong = make_judge(cast.project), rated[0]
    judge_them(judge, [*as_people(rated)[1:], (wrong, 0.05)])
    update_report(judge=judge)
    assert list(JudgeOpinion.objects.values_list("comparison", "p_a", "judge")) == [(wrong.pk, 0.05, str(judge))]
    refresh_snapshot(project_id=cast.project.pk)
    (row,) = cast.client(cast.reviewer).get(f"{QUEUE}?reason=judge_against").json()["results"]
    assert row["comparison"] == wrong.pk
    poor = make_judge(cast.project, version=judge.version, name="path:/models/poor")
    judge_them(poor, as_people(rated, 0.1))
    update_report(judge=poor)
    assert JudgeOpinion.objects.get().judge == str(judge), "one that does not pass accuses nobody"
    client = cast.client(cast.researcher)
    client.post(f"{URL}/{judge.pk}/allowance")
    client.delete(f"{URL}/{judge.pk}/allowance")
    assert not JudgeOpinion.objects.exists()
