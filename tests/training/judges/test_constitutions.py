import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from annotate.common.errors import DomainError
from annotate.projects.models import AuditEvent
from annotate.ratings.services import purge
from tests.training.judges.world import PRINCIPLES, judge_them, make_judge, make_version
from training.judges.models import AiRating, ConstitutionVersion, Judge, Principle
from training.judges.services import PrincipleText, create_constitution, publish_constitution, save_draft

URL = "/api/v1/projects/helpfulness/constitutions"
BODY = {"name": "House rules", "note": "From the guidelines.", "principles": [{"text": "Prefer what is true."}]}


def test_it_is_written_as_a_draft_and_published(cast):
    client = cast.client(cast.researcher)
    made = client.post(URL, BODY, format="json")
    assert made.status_code == 201
    (draft,) = made.json()["versions"]
    assert (draft["number"], draft["published_at"]) == (1, None)
    assert [(one["text"], one["weight"]) for one in draft["principles"]] == [("Prefer what is true.", 1.0)]
    published = client.post(f"{URL}/{made.json()['id']}/publish")
    assert published.status_code == 200 and published.json()["versions"][0]["published_at"] is not None
    assert AuditEvent.objects.get(action="constitution.published").actor == cast.researcher
    assert cast.client(cast.reviewer).get(URL).json()["results"][0]["name"] == "House rules"


def test_a_published_version_stays_as_it_is(cast):
    version = make_version(cast.project)
    draft = save_draft(
        constitution=version.constitution, note="", principles=[PrincipleText("Prefer what is kind.")], author=None
    )
    again = save_draft(constitution=version.constitution, note="better", principles=PRINCIPLES[:1], author=None)
    assert (draft.pk, draft.number, again.pk) == (again.pk, 2, draft.pk)
    assert [one.text for one in again.principles.all()] == ["Prefer what is true."]
    version.refresh_from_db()
    assert version.principles.count() == 2 and version.note == ""


def test_there_is_nothing_to_publish_twice(cast):
    version = make_version(cast.project)
    with pytest.raises(DomainError) as refusal:
        publish_constitution(constitution=version.constitution, actor=None)
    assert refusal.value.code == "no_draft"


def test_without_a_principle_it_is_not_published(cast):
    draft = create_constitution(project=cast.project, name="Empty", principles=[], author=None)
    with pytest.raises(DomainError) as refusal:
        publish_constitution(constitution=draft.constitution, actor=None)
    assert refusal.value.code == "no_principles"


def test_names_are_taken_once(cast):
    make_version(cast.project)
    answer = cast.client(cast.researcher).post(URL, BODY, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "constitution_exists")


@pytest.mark.parametrize("principle", [{"text": ""}, {"text": "x", "weight": 0}, {"text": "x", "weight": -1}])
def test_a_principle_says_something_and_weighs_something(cast, principle):
    answer = cast.client(cast.researcher).post(URL, BODY | {"principles": [principle]}, format="json")
    assert answer.status_code == 400


def test_the_database_keeps_the_rules(cast, comparisons):
    (comparison,) = comparisons(1)
    published = make_version(cast.project)
    judge = make_judge(cast.project, version=published)
    principle = published.principles.first()
    version = save_draft(constitution=published.constitution, note="", principles=[], author=None)
    run = judge.runs.create(project=cast.project, number=1, scope="rated", n_comparisons=1)
    rating = {"judge": judge, "run": run, "comparison": comparison, "principle": principle, "p_first_order": 0.5}
    weightless = {"version": version, "position": 9, "text": "x", "weight": 0}
    broken = [
        (
            "principles_weight_positive",
            lambda: Principle.objects.create(version=version, position=9, text="x", weight=0),
        ),
        ("principles_text_not_empty", lambda: Principle.objects.create(version=version, position=9, text="")),
        ("judges_name_says_where", lambda: Judge.objects.create(project=cast.project, version=version, name="mine")),
        ("ai_ratings_p_a_is_a_probability", lambda: AiRating.objects.create(**rating, p_a=1.5)),
        (
            "ai_ratings_answered_once_at_least",
            lambda: AiRating.objects.create(**{**rating, "p_first_order": None}, p_a=0.5),
        ),
        (
            "constitution_versions_one_draft",
            lambda: ConstitutionVersion.objects.create(constitution=version.constitution, number=3),
        ),
        ("stays as it is", lambda: ConstitutionVersion.objects.filter(pk=published.pk).update(note="other")),
        ("stays as it is", lambda: Principle.objects.filter(pk=principle.pk).update(text="other")),
        ("stays as it is", lambda: Principle.objects.create(version=published, position=9, text="more")),
    ]
    for name, write in broken:
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            write()
    with pytest.raises(ValidationError):
        Principle(**weightless).full_clean()


def test_it_goes_with_its_project(cast, comparisons):
    judge = make_judge(cast.project)
    judge_them(judge, [(one, 0.7) for one in comparisons(2)])
    purge(project=cast.project)
    assert not AiRating.objects.exists() and not ConstitutionVersion.objects.exists()
