"""Who changed what and when: writing it down, and reading it back. Written events stay as they are."""

import json
from datetime import date
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, QuerySet
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.days import end_of, start_of
from annotate.projects.models import AuditEvent, Project

ACTIONS: dict[str, str] = {
    "project.changed": "Settings changed",
    "member.invited": "Member invited",
    "member.invitation_revoked": "Invitation withdrawn",
    "member.joined": "Member joined",
    "member.role_changed": "Role changed",
    "member.activated": "Member activated",
    "member.deactivated": "Member deactivated",
    "member.removed": "Member removed",
    "member.paused": "Member paused",
    "member.resumed": "Member resumed",
    "member.excluded": "Ratings excluded",
    "member.included": "Ratings included again",
    "member.requalified": "Qualification taken back",
    "member.messaged": "Message sent",
    "comparison.adjudicated": "Comparison settled",
    "comparison.reopened": "Comparison sent back to labelling",
    "comparison.gold_set": "Known answer given",
    "comparison.gold_unset": "Known answer taken away",
    "guidelines.published": "Guidelines published",
    "guidelines.draft_discarded": "Guideline draft discarded",
    "qualification.allowed": "Quiz attempts allowed",
    "export.written": "Comparison set exported",
    "export.above_limit": "Exported above the limit of disagreement",
    "table.downloaded": "Table downloaded",
    "reward_model.promoted": "Reward model promoted",
    "reward_model.retired": "Reward model retired",
    "reward_model.rolled_back": "Reward model rolled back",
    "reward_model.rules_changed": "Rules of promotion changed",
    "constitution.published": "Constitution published",
    "judge.started": "AI labelling started",
    "judge.allowed": "AI ratings allowed",
    "judge.withdrawn": "AI ratings withdrawn",
    "bulk_scoring.started": "Scoring of a file started",
    "generation.started": "Generation started",
    "sft_run.started": "SFT run started",
    "refresh.started": "Refresh started",
    "refresh.cancelled": "Refresh cancelled",
    "refresh.retried": "Refresh retried",
    "refresh.stage_skipped": "Stage of a refresh left out",
    "refresh.stage_restored": "Stage of a refresh put back",
    "refresh.stage_edited": "Stage of a refresh changed",
    "refresh.scheduled": "Schedule of refreshes changed",
    "policy_run.started": "Policy run started",
    "policy_run.cancelled": "Policy run cancelled",
    "policy_run.retried": "Policy run retried",
    "policy_run.kept": "Another policy of a run kept",
    "policy_run.models_removed": "Models of a policy run removed",
    "policy_run.people_asked": "People asked about a policy",
    "policy_run.adversarial_kept": "What fooled the reward model kept",
    "sampling_round.started": "Sampling round started",
    "sampling_round.withdrawn": "Sampling round withdrawn",
    "sampling_round.restored": "Sampling round restored",
    "import.started": "Import started",
}


def record(
    *,
    project: Project,
    actor: User | None,
    action: str,
    summary: str,
    target: str | Model = "",
    target_id: object = "",
    subject: User | None = None,
    **details: Any,
) -> AuditEvent:
    """Write down what has just been done, in the transaction that does it: neither is there without the other.

    `actor` is None where a rule of the project acted by itself. `subject` is whom it is about. The summary names people
    by their pseudonyms, for it is exported. `details` holds {field: [before, after]} and what else a reader needs; what
    JSON does not know is written as text. `target` may be the changed row itself.
    """
    if action not in ACTIONS:
        raise ValueError(f"{action!r} is not among annotate.projects.audit.ACTIONS")
    if isinstance(target, Model):
        kind, target_id = target._meta.model_name or "", target_id or target.pk
    else:
        kind = target
    return AuditEvent.objects.create(
        project=project,
        actor=actor,
        action=action,
        target=kind,
        target_id=str(target_id),
        subject=subject,
        summary=summary if len(summary) <= 500 else f"{summary[:499]}…",
        details=json.loads(json.dumps(details, cls=DjangoJSONEncoder)),
        created_at=timezone.now(),
    )


def events(
    project: Project,
    *,
    action: str = "",
    actor: int | None = None,
    q: str = "",
    since: date | None = None,
    until: date | None = None,
) -> QuerySet[AuditEvent]:
    """The project's events, newest first: of one action, by one user's id, whose summary has the words of `q` (in any
    order), and of the days from `since` to `until`, both included."""
    rows = AuditEvent.objects.filter(project=project).select_related("actor", "subject").order_by("-id")
    if action:
        rows = rows.filter(action=action)
    if actor is not None:
        rows = rows.filter(actor=actor)
    for word in q.split():
        rows = rows.filter(summary__icontains=word)
    if since is not None:
        rows = rows.filter(created_at__gte=start_of(since))
    if until is not None:
        rows = rows.filter(created_at__lte=end_of(until))
    return rows
