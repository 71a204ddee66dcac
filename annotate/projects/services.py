"""Writes to projects, memberships and invitations."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from annotate.accounts.models import User
from annotate.common.errors import DomainError, not_found
from annotate.projects import audit
from annotate.projects.models import Invitation, Membership, Message, Pool, Project, Role
from annotate.projects.signals import exclusions_changed, project_changed

INVITATION_DAYS = 14


@transaction.atomic
def create_project(*, owner: User, name: str, pool: Pool | None = None, slug: str = "", **fields: Any) -> Project:
    """Make a project with its own pool, or over the given one, and seat `owner` in it."""
    slug = slug or _free_slug(name)
    project = Project(pool=pool or Pool.objects.create(name=name), name=name, slug=slug, created_by=owner, **fields)
    project.full_clean()
    project.save()
    Membership.objects.create(project=project, user=owner, role=Role.OWNER)
    return project


def _free_slug(name: str) -> str:
    base = slugify(name)[:50] or "project"
    taken = set(Project.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    return next(slug for n in range(1, len(taken) + 2) if (slug := base if n == 1 else f"{base}-{n}") not in taken)


def _has_ratings(project: Project, **filters: Any) -> bool:
    from django.apps import apps  # ratings come later in the import order

    return apps.get_model("ratings", "Rating").objects.filter(project=project, **filters).exists()


@transaction.atomic
def update_project(*, project: Project, actor: User | None, **changes: Any) -> Project:
    """Change settings. Locks the project's row, so that two editors cannot interleave."""
    project = Project.objects.select_for_update().select_related(None).get(pk=project.pk)
    before = {name: getattr(project, name) for name in changes}
    if "intensity_labels" in changes and len(changes["intensity_labels"]) < project.n_intensities:
        strongest = len(changes["intensity_labels"])
        if _has_ratings(project, intensity__gt=strongest):
            raise DomainError(
                "intensity_in_use",
                f"There are ratings stronger than level {strongest}; keep at least {project.n_intensities} levels.",
            )
    kept = len(changes.get("bucket_labels", project.bucket_labels))
    if kept < len(project.bucket_labels) and _has_ratings(project, bucket__gte=kept):
        raise DomainError(
            "bucket_in_use",
            f"There are ratings with an answer that would go; keep all {len(project.bucket_labels)} answers of the "
            "second question. They may be renamed.",
        )
    for name, value in changes.items():
        setattr(project, name, value)
    project.full_clean()
    project.save()
    changed: dict[str, Any] = {
        name: [value, getattr(project, name)] for name, value in before.items() if getattr(project, name) != value
    }
    if changed:
        summary = f"Settings changed: {', '.join(changed)}"
        audit.record(project=project, actor=actor, action="project.changed", summary=summary, target=project, **changed)
    project_changed.send(sender=Project, project_id=project.pk, changed=set(changed))
    return project


@transaction.atomic
def change_membership(*, membership: Membership, actor: User | None, **changes: Any) -> Membership:
    """Change role or activity. Locks the project's owners: a project never loses its last one."""
    before = _locked_with_owners(membership)
    membership = Membership.objects.select_for_update(of=("self",)).select_related("user").get(pk=membership.pk)
    role, is_active = Role(membership.role), membership.is_active
    for name, value in changes.items():
        setattr(membership, name, value)
    _require_an_owner(before, membership)
    membership.full_clean()
    membership.save(update_fields=[*changes])  # a pause is somebody else's to write
    about = _about(membership, actor)
    if membership.role != role:
        summary = f"{membership.user.pseudonym}: {role.label.lower()} → {Role(membership.role).label.lower()}"
        audit.record(action="member.role_changed", summary=summary, role=[role, membership.role], **about)
    if membership.is_active and not is_active:
        audit.record(action="member.activated", summary=f"{membership.user.pseudonym} is active again", **about)
    elif is_active and not membership.is_active:
        audit.record(action="member.deactivated", summary=f"{membership.user.pseudonym} is deactivated", **about)
    return membership


def _locked_with_owners(membership: Membership) -> list[Membership]:
    owners = Membership.objects.filter(project=membership.project, role=Role.OWNER, is_active=True)
    return list(owners.select_for_update())


def _require_an_owner(owners: list[Membership], changed: Membership) -> None:
    still_owner = changed.role == Role.OWNER and changed.is_active
    if not still_owner and [owner.pk for owner in owners] == [changed.pk]:
        raise DomainError("last_owner", "A project needs an owner: make somebody else owner first.")


def _about(membership: Membership, actor: User | None) -> dict[str, Any]:
    """What every event about a member says of them."""
    return {"project": membership.project, "actor": actor, "target": membership, "subject": membership.user}


def decline_tags(*, membership: Membership, tags: list[str]) -> Membership:
    """Give the member no more pairs of these categories."""
    membership.declined_tags = tags
    membership.save(update_fields=["declined_tags"])
    return membership


@transaction.atomic
def remove_member(*, membership: Membership, actor: User | None) -> None:
    """End a membership. The member's ratings stay; so does the row of who is excluded, deactivated, for it says so.

    Locks the project's owners and the membership.
    """
    owners = _locked_with_owners(membership)
    membership = Membership.objects.select_for_update(of=("self",)).select_related("user").get(pk=membership.pk)
    membership.is_active = False
    _require_an_owner(owners, membership)
    audit.record(
        action="member.removed",
        summary=f"{membership.user.pseudonym} is removed; was {Role(membership.role).label.lower()}",
        role=membership.role,
        **_about(membership, actor),
    )
    if membership.excluded_at is None:
        membership.delete()
    else:
        membership.save(update_fields=["is_active"])


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def invite(*, project: Project, email: str, role: Role, invited_by: User) -> tuple[Invitation, str]:
    """Make an invitation and return it with its token. An earlier pending one to the same address is revoked."""
    email = email.lower()
    if Membership.objects.filter(project=project, user__email=email, is_active=True).exists():
        raise DomainError("already_member", f"{email} is a member already; change the role under Members.")
    now = timezone.now()
    project.invitations.filter(email=email, accepted_at=None, revoked_at=None).update(revoked_at=now)
    token = secrets.token_urlsafe(32)
    invitation = Invitation(
        project=project,
        email=email,
        role=role,
        token_digest=_digest(token),
        invited_by=invited_by,
        expires_at=now + timedelta(days=INVITATION_DAYS),
    )
    invitation.full_clean()
    invitation.save()
    audit.record(
        project=project,
        actor=invited_by,
        action="member.invited",
        summary=f"Invited as {role.label.lower()}",
        target=invitation,
        email=email,
        role=role,
    )
    return invitation, token


def pending_invitation(*, token: str, lock: bool = False) -> Invitation:
    """The invitation of a link that can still be accepted; 404 for every other link."""
    invitations = Invitation.objects.select_related("project", "invited_by")
    if lock:
        invitations = invitations.select_for_update(of=("self",))
    invitation = invitations.filter(token_digest=_digest(token)).first()
    if invitation is None:
        raise not_found("invitation")
    if invitation.state != "pending":
        raise DomainError(
            "invitation_over",
            f"This invitation is {invitation.state}; ask the project's owner for a new one.",
            status=410,
        )
    return invitation


@transaction.atomic
def accept_invitation(*, token: str, user: User | None, name: str = "", password: str = "") -> tuple[Membership, User]:
    """Make the bearer a member; without a signed-in user, make their account first.

    Locks the invitation, so that it is accepted once. Whoever has an account must be signed in as its owner.
    """
    invitation = pending_invitation(token=token, lock=True)
    if user is None:
        if User.objects.filter(email=invitation.email).exists():
            raise DomainError("sign_in_first", f"{invitation.email} has an account: sign in, then open the link again.")
        validate_password(password, User(email=invitation.email, name=name))
        user = User.objects.create_user(invitation.email, password, name=name)
    elif user.email != invitation.email:
        raise DomainError(
            "other_account", f"This invitation is for {invitation.email}; you are {user.email}.", status=403
        )
    try:
        with transaction.atomic():
            membership = Membership.objects.create(project=invitation.project, user=user, role=invitation.role)
    except IntegrityError:
        membership = Membership.objects.get(project=invitation.project, user=user)
        membership.role, membership.is_active = invitation.role, True
        membership.save(update_fields=["role", "is_active"])
    invitation.accepted_at, invitation.accepted_by = timezone.now(), user
    invitation.save()
    summary = f"{user.pseudonym} joined as {Role(invitation.role).label.lower()}"
    audit.record(
        action="member.joined",
        summary=summary,
        role=invitation.role,
        invitation=invitation.pk,
        **_about(membership, user),
    )
    return membership, user


@transaction.atomic
def revoke_invitation(*, invitation: Invitation, actor: User | None) -> None:
    """Make the link useless. Locks the invitation: it is accepted or revoked."""
    invitation = Invitation.objects.select_for_update(of=("self",)).select_related("project").get(pk=invitation.pk)
    if invitation.state == "accepted":
        raise DomainError("invitation_over", "It has been accepted; remove the member instead.")
    invitation.revoked_at = timezone.now()
    invitation.save(update_fields=["revoked_at"])
    audit.record(
        project=invitation.project,
        actor=actor,
        action="member.invitation_revoked",
        summary=f"Invitation as {Role(invitation.role).label.lower()} withdrawn",
        target=invitation,
        email=invitation.email,
    )


# --- what reviewers do about a member -------------------------------------------------------------------------------
def _locked(membership_id: int) -> Membership:
    members = Membership.objects.select_for_update(of=("self",)).select_related("project", "user")
    return members.get(pk=membership_id)


@transaction.atomic
def pause_member(*, membership: Membership, reason: str, actor: User | None) -> Membership:
    """Give a member no more work until they are resumed, and tell the project's reviewers. Locks the membership.

    `actor` is None where the project's rule on gold answers pauses them.
    """
    from annotate.projects.tasks import tell_of_pause

    membership = _locked(membership.pk)
    if membership.paused_at is None:
        membership.paused_at, membership.pause_reason = timezone.now(), reason[:300]
        membership.save(update_fields=["paused_at", "pause_reason"])
        summary = f"{membership.user.pseudonym} is paused: {membership.pause_reason}"
        audit.record(
            action="member.paused", summary=summary, reason=membership.pause_reason, **_about(membership, actor)
        )
        transaction.on_commit(lambda: tell_of_pause.delay(membership.pk))
    return membership


@transaction.atomic
def resume_member(*, membership: Membership, actor: User | None) -> Membership:
    """Let a paused member go on; their gold answers so far are no longer held against them. Locks the membership."""
    membership = _locked(membership.pk)
    if membership.paused_at is not None:
        was = membership.pause_reason
        membership.paused_at, membership.pause_reason, membership.resumed_at = None, "", timezone.now()
        membership.save(update_fields=["paused_at", "pause_reason", "resumed_at"])
        summary = f"{membership.user.pseudonym} may go on"
        audit.record(action="member.resumed", summary=summary, was_paused_for=was, **_about(membership, actor))
    return membership


@transaction.atomic
def exclude_member(*, project: Project, user_id: int, reason: str, actor: User) -> Membership:
    """Leave a labeller's ratings out of comparison sets and of project-wide agreement; nothing of theirs is deleted.

    Whoever has ratings but no seat (the labellers of an imported file, or who was removed) gets an inactive one, which
    gives them no access and keeps what was decided. Locks the membership. A new reason replaces an earlier one.
    """
    membership = _membership_of_labeller(project, user_id)
    membership.excluded_at, membership.exclusion_reason = membership.excluded_at or timezone.now(), reason[:300]
    membership.save(update_fields=["excluded_at", "exclusion_reason"])
    summary = f"Ratings of {membership.user.pseudonym} are left out: {membership.exclusion_reason}"
    audit.record(
        action="member.excluded", summary=summary, reason=membership.exclusion_reason, **_about(membership, actor)
    )
    exclusions_changed.send(sender=Membership, project_id=project.pk)
    return membership


@transaction.atomic
def include_member(*, project: Project, user_id: int, actor: User) -> Membership:
    """Let an excluded labeller's ratings count again. Locks the membership."""
    membership = _membership_of_labeller(project, user_id, is_made=False)
    if membership.excluded_at is None:
        return membership
    was = membership.exclusion_reason
    membership.excluded_at, membership.exclusion_reason = None, ""
    membership.save(update_fields=["excluded_at", "exclusion_reason"])
    summary = f"Ratings of {membership.user.pseudonym} count again"
    audit.record(action="member.included", summary=summary, was_excluded_for=was, **_about(membership, actor))
    exclusions_changed.send(sender=Membership, project_id=project.pk)
    return membership


def _membership_of_labeller(project: Project, user_id: int, *, is_made: bool = True) -> Membership:
    """The locked membership of whoever has one, or ratings in the project; 404 for all others.

    For those who have only ratings it is made, or with `is_made` false returned as it would be.
    """
    members = Membership.objects.filter(project=project, user_id=user_id)
    if not members.exists():
        if not _has_ratings(project, labeller=user_id):
            raise not_found("labeller")
        seat = Membership(project=project, user_id=user_id, role=Role.LABELLER, is_active=False)
        if not is_made:
            return seat
        Membership.objects.bulk_create([seat], ignore_conflicts=True)  # somebody else may be doing the same
    return _locked(members.values_list("pk", flat=True).get())


@transaction.atomic
def send_message(*, project: Project, sender: User, recipient_id: int, text: str) -> Message:
    """Write to a labeller: on their screen until they have read it, and by e-mail where they have an address."""
    from annotate.projects.tasks import tell_of_message

    members = Membership.objects.select_related("user").filter(project=project, user_id=recipient_id)
    membership = members.first()
    if membership is None:
        raise not_found("labeller")
    if not membership.is_active:
        who = membership.user.pseudonym
        raise DomainError("not_active", f"{who} is no active member of this project and would not see the message.")
    message = Message(project=project, sender=sender, recipient=membership.user, text=text.strip())
    message.full_clean()
    message.save()
    audit.record(
        project=project,
        actor=sender,
        action="member.messaged",
        summary=f"Message to {membership.user.pseudonym}",
        target=message,
        subject=membership.user,
    )
    if membership.user.email:
        transaction.on_commit(lambda: tell_of_message.delay(message.pk))
    return message


def read_message(*, project: Project, reader: User, message_id: int) -> None:
    """Note that its recipient has read a message; the first time counts. 404 for anybody else's."""
    mine = Message.objects.filter(pk=message_id, project=project, recipient=reader)
    if not mine.exists():
        raise not_found("message")
    mine.filter(read_at=None).update(read_at=timezone.now())
