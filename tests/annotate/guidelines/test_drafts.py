"""The shared draft: nobody writes over what they have not seen, and publishing uses it up."""

from collections.abc import Callable
from typing import Any

import pytest

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.comparisons.models import Comparison
from annotate.guidelines.drafts import add_to_draft
from annotate.guidelines.models import GuidelineDraft, WorkedExample
from annotate.projects.models import AuditEvent
from annotate.projects.services import create_project
from tests.annotate.guidelines.quizzes import example, publish
from tests.cast import Cast, make_comparisons

P = "/api/v1/projects/helpfulness"
DRAFT = f"{P}/guidelines/draft"
Make = Callable[..., list[Comparison]]


def put(cast: Cast, user: User, revision: int, **fields: Any) -> Any:
    body = {"body": "# Truth", "examples": [], "notes": [], "revision": revision, **fields}
    return cast.client(user).put(DRAFT, body, format="json")


class TestWriting:
    def test_there_is_none_at_first(self, cast: Cast) -> None:
        for method in ("get", "delete"):
            answer = getattr(cast.client(cast.reviewer), method)(DRAFT)
            assert (answer.status_code, answer.json()["code"]) == (404, "no_draft")

    def test_it_is_kept_as_it_was_sent(self, cast: Cast) -> None:
        publish(cast)
        note = {"comparison": 7, "section": "Truth", "text": "Say what counts.", "by": "owner", "at": "2026-11-27"}
        written = {**example(1), "rationale": "", "comparison": None}
        fields = {"change_note": "Clearer", "changes_meaning": True, "examples": [written], "notes": [note]}
        saved = put(cast, cast.reviewer, 0, **fields)
        assert saved.status_code == 200, saved.json()
        body = cast.client(cast.owner).get(DRAFT).json()
        assert body == saved.json()
        assert body.pop("updated_at")
        signed = body["notes"][0]
        assert signed["by"] == "reviewer", "whoever it said it was by"
        assert signed["at"] > "2026-11-27T"
        fields["notes"] = [{**note, "by": signed["by"], "at": signed["at"]}]
        assert body == {
            "body": "# Truth",
            "based_on": 1,
            "revision": 1,
            "updated_by": "reviewer",
            **fields,
        }

    def test_a_note_stays_its_authors_when_somebody_else_saves(self, cast: Cast) -> None:
        notes = put(cast, cast.reviewer, 0, notes=[{"text": "Say more."}]).json()["notes"]
        saved = put(cast, cast.owner, 1, notes=[*notes, {"text": "Say less."}]).json()["notes"]
        assert [note["by"] for note in saved] == ["reviewer", "owner"]
        assert saved[0] == notes[0]

    def test_white_space_of_a_text_stays(self, cast: Cast) -> None:
        text = "# Truth\n\n    code\n"
        assert put(cast, cast.reviewer, 0, body=text).json()["body"] == text

    def test_each_save_has_the_next_number(self, cast: Cast) -> None:
        assert [put(cast, cast.reviewer, seen).json()["revision"] for seen in (0, 1, 2)] == [1, 2, 3]

    @pytest.mark.parametrize("seen", [0, 1, 7])
    def test_a_newer_one_is_not_written_over(self, cast: Cast, seen: int) -> None:
        put(cast, cast.reviewer, 0)
        put(cast, cast.reviewer, 1, body="# Newest")
        late = put(cast, cast.owner, seen, body="# Mine")
        assert (late.status_code, late.json()["code"]) == (409, "draft_changed")
        assert late.json()["current"] == cast.client(cast.owner).get(DRAFT).json()
        assert GuidelineDraft.objects.get().body == "# Newest"

    def test_one_that_has_gone_is_not_begun_again_unseen(self, cast: Cast) -> None:
        late = put(cast, cast.owner, 3)
        assert (late.status_code, late.json()["code"], late.json()["current"]) == (409, "draft_changed", None)
        assert not GuidelineDraft.objects.exists()

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"examples": [{"preferred": "left"}]}, "examples.0.preferred"),
            ({"notes": [{"text": ""}]}, "notes.0.text"),
            ({"revision": -1}, "revision"),
        ],
    )
    def test_what_is_no_draft_is_refused(self, cast: Cast, fields: dict[str, Any], named: str) -> None:
        revision = fields.pop("revision", 0)
        answer = put(cast, cast.reviewer, revision, **fields)
        assert answer.status_code == 400
        assert named in [error["field"] for error in answer.json()["errors"]]

    def test_discarding_is_recorded(self, cast: Cast) -> None:
        put(cast, cast.reviewer, 0)
        put(cast, cast.owner, 1, notes=[{"text": "Say more."}])
        assert cast.client(cast.reviewer).delete(f"{DRAFT}?revision=1").status_code == 409
        assert cast.client(cast.reviewer).delete(f"{DRAFT}?revision=2").status_code == 204
        assert not GuidelineDraft.objects.exists()
        event = AuditEvent.objects.get()
        assert (event.action, event.actor) == ("guidelines.draft_discarded", cast.reviewer)
        assert event.details == {"n_examples": 0, "n_notes": 1, "last_written_by": cast.owner.pseudonym}


class TestPublishing:
    def test_it_uses_the_draft_up_and_keeps_what_examples_were_made_from(self, cast: Cast, comparisons: Make) -> None:
        (mine,) = comparisons(1)
        (theirs,) = make_comparisons(create_project(owner=cast.owner, name="Other"), 1)
        put(cast, cast.reviewer, 0)
        made_from = [mine.pk, theirs.pk, 999_999, None]
        examples = [{**example(number), "comparison": pk} for number, pk in enumerate(made_from)]
        body = {"body": "# Truth", "examples": examples, "based_on": 0, "draft_revision": 1}
        published = cast.client(cast.reviewer).post(f"{P}/guidelines", body, format="json")
        assert published.status_code == 201, published.json()
        assert [one["comparison"] for one in published.json()["examples"]] == [mine.pk, None, None, None]
        assert WorkedExample.objects.filter(comparison=mine).count() == 1
        assert not GuidelineDraft.objects.exists()
        event = AuditEvent.objects.get(action="guidelines.published")
        assert (event.actor, event.details["number"], event.details["draft_revision"]) == (cast.reviewer, 1, 1)

    @pytest.mark.parametrize("seen", [0, 1])
    def test_what_was_added_meanwhile_is_not_lost_unseen(self, cast: Cast, seen: int) -> None:
        put(cast, cast.reviewer, 0)
        put(cast, cast.owner, 1, notes=[{"text": "Wait for this."}])
        body = {"body": "# Truth", "draft_revision": seen}
        answer = cast.client(cast.reviewer).post(f"{P}/guidelines", body, format="json")
        assert (answer.status_code, answer.json()["code"], answer.json()["revision"]) == (409, "draft_changed", 2)
        assert GuidelineDraft.objects.exists() and not cast.project.guideline_versions.exists()

    def test_whoever_does_not_say_what_they_saw_publishes(self, cast: Cast) -> None:
        put(cast, cast.reviewer, 0)
        assert cast.client(cast.owner).post(f"{P}/guidelines", {"body": "# Truth"}, format="json").status_code == 201


class TestAdding:
    def add(self, cast: Cast, comparison: Comparison, **fields: Any) -> GuidelineDraft:
        return add_to_draft(project=cast.project, author=cast.reviewer, comparison_id=comparison.pk, **fields)

    def test_it_begins_with_the_current_version(self, cast: Cast, comparisons: Make) -> None:
        publish(cast, n_shown=2)
        (comparison,) = comparisons(1)
        draft = self.add(cast, comparison, section="Truth", note=" What if both are wrong? ")
        draft.refresh_from_db()
        assert (draft.body, draft.based_on, draft.revision) == ("Text 1", 1, 1)
        assert [one["prompt"] for one in draft.examples] == ["Prompt 150", "Prompt 151"]
        (note,) = draft.notes
        assert note.pop("at")
        assert note == {
            "comparison": comparison.pk,
            "section": "Truth",
            "text": "What if both are wrong?",
            "by": "reviewer",
        }

    def test_it_begins_from_nothing_where_there_are_no_guidelines(self, cast: Cast, comparisons: Make) -> None:
        draft = self.add(cast, comparisons(1)[0], example=example(1))
        assert (draft.body, draft.based_on, len(draft.examples), draft.notes) == ("", 0, 1, [])

    def test_it_can_be_read_and_saved_by_the_editor(self, cast: Cast, comparisons: Make) -> None:
        self.add(cast, comparisons(1)[0], example=example(1), note="Why?")
        body = cast.client(cast.owner).get(DRAFT).json()
        sent = {name: body[name] for name in ("body", "examples", "notes", "revision")}
        saved = cast.client(cast.owner).put(DRAFT, sent, format="json").json()
        assert (saved["examples"], saved["notes"], saved["revision"]) == (body["examples"], body["notes"], 2)

    def test_a_comparison_is_one_example(self, cast: Cast, comparisons: Make) -> None:
        one, other = comparisons(2)
        self.add(cast, one, example=example(1))
        self.add(cast, other, example=example(2))
        draft = self.add(cast, one, example={**example(1), "rationale": "Better said."})
        assert [(got["comparison"], got["rationale"]) for got in draft.examples] == [
            (one.pk, "Better said."),
            (other.pk, "Because of 2."),
        ]
        assert draft.revision == 3

    def test_what_no_labeller_could_answer_is_refused(self, cast: Cast, comparisons: Make) -> None:
        cast.project.ties_allowed = False
        with pytest.raises(DomainError, match="tie"):
            self.add(cast, comparisons(1)[0], example=example(1, preferred="tie"))
        assert not GuidelineDraft.objects.exists()
