"""What a reviewer sees of AI ratings beside a comparison."""

import pytest

from tests.training.judges.world import judge_them, judgement, make_judge, make_run, make_version
from tests.training.ratings import rate
from training.judges.services import PrincipleText, store_judgements


def url(comparison) -> str:
    return f"/api/v1/projects/helpfulness/comparisons/{comparison.pk}/ai-ratings"


def test_it_says_who_judged_by_what_and_how_sure(cast, comparisons):
    """P(a) of 0.9 by a principle of weight 3 and 0.5 by one of weight 1: (2.7 + 0.5) / 4 = 0.8."""
    first, other = comparisons(2)
    principles = [PrincipleText("Prefer what is true.", weight=3.0), PrincipleText("Prefer what is short.", weight=1.0)]
    version = make_version(cast.project, principles=principles)
    judge = make_judge(cast.project, version=version, model="judge-1", chain_of_thought=True)
    true, short = version.principles.order_by("position")
    told = judgement(first.pk, true.pk, 0.9, rationale="A is right: 4 is even.", p_first_order=0.8, p_second_order=1.0)
    store_judgements(run=make_run(judge), judgements=[judgement(first.pk, short.pk, 0.5), told])
    judge_them(judge, [(other, 0.2)])
    (found,) = cast.client(cast.reviewer).get(url(first)).json()
    assert found["judge"]["model"] == "judge-1" and found["judge"]["chain_of_thought"]
    assert (found["judge"]["version"]["name"], found["judge"]["version"]["number"]) == ("House rules", 1)
    assert found["judge"]["allowed_at"] is None
    assert found["p_a"] == pytest.approx(0.8)
    by_true, by_short = found["ratings"]
    assert (by_true["principle"]["text"], by_true["rationale"]) == ("Prefer what is true.", "A is right: 4 is even.")
    assert (by_true["p_a"], by_true["p_first_order"], by_true["p_second_order"]) == (0.9, 0.8, 1.0)
    assert (by_short["principle"]["text"], by_short["rationale"]) == ("Prefer what is short.", "")


def test_the_newest_judge_comes_first(cast, comparisons):
    (one,) = comparisons(1)
    version = make_version(cast.project)
    old, new = (make_judge(cast.project, version=version, name=f"path:/models/{name}") for name in ("old", "new"))
    judge_them(old, [(one, 0.9)])
    judge_them(new, [(one, 0.1)])
    found = cast.client(cast.reviewer).get(url(one)).json()
    assert [(row["judge"]["id"], row["p_a"]) for row in found] == [(new.pk, 0.1), (old.pk, 0.9)]


def test_they_are_apart_from_what_people_say(cast, comparisons):
    (one,) = comparisons(1)
    rate(one, "a")
    judge_them(make_judge(cast.project), [(one, 0.1)])
    detail = cast.client(cast.reviewer).get(f"/api/v1/projects/helpfulness/comparisons/{one.pk}").json()
    assert [rating["preferred"] for rating in detail["ratings"]] == ["a"]
    assert (detail["n_a"], detail["n_b"]) == (1, 0)


def test_a_comparison_that_nobody_judged_has_none(cast, comparisons):
    (one,) = comparisons(1)
    assert cast.client(cast.reviewer).get(url(one)).json() == []


def test_labellers_do_not_see_them(cast, comparisons):
    (one,) = comparisons(1)
    judge_them(make_judge(cast.project), [(one, 0.1)])
    assert cast.client(cast.labeller).get(url(one)).status_code == 403
    assert cast.client(cast.outsider).get(url(one)).status_code == 404


def test_another_projects_comparison_is_not_found(cast, comparisons):
    (one,) = comparisons(1)
    assert cast.client(cast.reviewer).get(url(one).replace(str(one.pk), str(one.pk + 999))).status_code == 404
