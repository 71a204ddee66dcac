"""The shared draft of the next version: written by several people, so no save is made over what was not seen.

Every write locks the project's row, as publishing does.
"""

from typing import Any

from django.db import transaction
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.guidelines.models import GuidelineDraft
from annotate.guidelines.selectors import current_version
from annotate.guidelines.services import check_examples, require_revision
from annotate.projects import audit
from annotate.projects.models import Project

EXAMPLE_FIELDS = (
    *("prompt", "completion_a", "completion_b", "preferred", "intensity", "rationale", "in_quiz", "comparison"),
)


def draft_of(project: Project) -> GuidelineDraft:
    """The project's draft; 404 where nobody is writing one."""
    found = GuidelineDraft.objects.select_related("updated_by").filter(project=project).first()
    if found is None:
        raise DomainError("no_draft", "Nobody is writing the next version of the guidelines.", status=404)
    return found


@transaction.atomic
def save_draft(
    *,
    project: Project,
    author: User,
    revision: int,
    body: str,
    change_note: str = "",
    changes_meaning: bool = False,
    examples: list[dict[str, Any]],
    notes: list[dict[str, Any]],
) -> GuidelineDraft:
    """Save the draft, or begin it. `revision` is the one that was read, 0 for none: a newer one is not written over.

    Locks the project's row.
    """
    draft = _locked(project)
    require_revision(draft, revision)
    draft = draft or GuidelineDraft(project=project, based_on=_current_number(project), revision=0)
    draft.body, draft.change_note, draft.changes_meaning = body, change_note, changes_meaning
    draft.examples, draft.notes = examples, [_signed(note, draft.notes, author) for note in notes]
    return _save(draft, author)


@transaction.atomic
def add_to_draft(
    *,
    project: Project,
    author: User,
    comparison_id: int,
    section: str = "",
    example: dict[str, Any] | None = None,
    note: str = "",
) -> GuidelineDraft:
    """Put a worked example, a note on a section, or both into the draft; one is begun from the current version if there
    is none. A second example of a comparison takes the place of the first. Locks the project's row.
    """
    draft = _locked(project) or _begun(project)
    if example is not None:
        check_examples(project, [example])
        made = {**{name: example.get(name) for name in EXAMPLE_FIELDS}, "comparison": comparison_id}
        places = [place for place, one in enumerate(draft.examples) if one.get("comparison") == comparison_id]
        if places:
            draft.examples[places[0]] = made
        else:
            draft.examples.append(made)
    if note.strip():
        draft.notes.append(
            {
                "comparison": comparison_id,
                "section": section,
                "text": note.strip(),
                **_signature(author),
            }
        )
    return _save(draft, author)


@transaction.atomic
def discard_draft(*, project: Project, actor: User, revision: int | None = None) -> None:
    """Throw the draft away. Locks the project's row."""
    draft = _locked(project)
    if draft is None:
        draft_of(project)  # raises
        return
    require_revision(draft, revision)
    audit.record(
        project=project,
        actor=actor,
        action="guidelines.draft_discarded",
        summary=f"Draft of the guidelines discarded, revision {draft.revision}",
        target=draft,
        n_examples=len(draft.examples),
        n_notes=len(draft.notes),
        last_written_by=draft.updated_by.pseudonym if draft.updated_by else None,
    )
    draft.delete()


def _signature(author: User) -> dict[str, str]:
    return {"by": author.public_name, "at": timezone.now().isoformat()}


def _signed(note: dict[str, Any], known: list[dict[str, Any]], author: User) -> dict[str, Any]:
    """A note that is there already as it is; any other is the author's, whoever it says it is by."""
    return note if note in known else {**note, **_signature(author)}


def _locked(project: Project) -> GuidelineDraft | None:
    Project.objects.select_for_update(no_key=True).only("id").get(pk=project.pk)
    return GuidelineDraft.objects.select_related("updated_by").filter(project=project).first()


def _begun(project: Project) -> GuidelineDraft:
    """A draft, not saved yet, that says what the current version says."""
    current = current_version(project)
    if current is None:
        return GuidelineDraft(project=project, revision=0)
    examples = [
        {**{name: getattr(one, name) for name in EXAMPLE_FIELDS[:-1]}, "comparison": one.comparison_id}
        for one in current.examples.all()
    ]
    return GuidelineDraft(project=project, body=current.body, examples=examples, based_on=current.number, revision=0)


def _current_number(project: Project) -> int:
    current = current_version(project)
    return current.number if current else 0


def _save(draft: GuidelineDraft, author: User) -> GuidelineDraft:
    draft.revision += 1
    draft.updated_by = author
    draft.full_clean()
    draft.save()
    return draft
