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
from annotate.projects.models import Invitation, Membership, Pool, Project, Role
from annotate.projects.signals import project_changed

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
def update_project(*, project: Project, **changes: Any) -> Project:
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
    changed = {name for name, value in before.items() if getattr(project, name) != value}
    project_changed.send(sender=Project, project_id=project.pk, changed=changed)
    return project


@transaction.atomic
def change_membership(*, membership: Membership, **changes: Any) -> Membership:
    """Change role or activity. Locks the project's owners: a project never loses its last one."""
    owners = list(
        Membership.objects.select_for_update().filter(project=membership.project, role=Role.OWNER, is_active=True)
    )
    membership = Membership.objects.select_for_update(of=("self",)).select_related("user").get(pk=membership.pk)
    for name, value in changes.items():
        setattr(membership, name, value)
    still_owner = membership.role == Role.OWNER and membership.is_active
    if not still_owner and [owner.pk for owner in owners] == [membership.pk]:
        raise DomainError("last_owner", "A project needs an owner: make somebody else owner first.")
    membership.full_clean()
    membership.save(update_fields=[*changes])  # a pause is somebody else's to write
    return membership


def decline_tags(*, membership: Membership, tags: list[str]) -> Membership:
    """Give the member no more pairs of these categories."""
    membership.declined_tags = tags
    membership.save(update_fields=["declined_tags"])
    return membership


@transaction.atomic
def remove_member(*, membership: Membership) -> None:
    """End a membership. The member's ratings stay."""
    change_membership(membership=membership, is_active=False)
    membership.delete()


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
    return membership, user


def revoke_invitation(*, invitation: Invitation) -> None:
    if invitation.state == "accepted":
        raise DomainError("invitation_over", "It has been accepted; remove the member instead.")
    invitation.revoked_at = timezone.now()
    invitation.save(update_fields=["revoked_at"])


@transaction.atomic
def pause_member(*, membership: Membership, reason: str) -> Membership:
    """Give a member no more work until they are resumed, and tell the project's reviewers. Locks the membership."""
    from annotate.projects.tasks import tell_of_pause

    membership = Membership.objects.select_for_update().get(pk=membership.pk)
    if membership.paused_at is None:
        membership.paused_at, membership.pause_reason = timezone.now(), reason[:300]
        membership.save(update_fields=["paused_at", "pause_reason"])
        transaction.on_commit(lambda: tell_of_pause.delay(membership.pk))
    return membership


@transaction.atomic
def resume_member(*, membership: Membership) -> Membership:
    """Let a paused member go on; their gold answers so far are no longer held against them. Locks the membership."""
    membership = Membership.objects.select_for_update().get(pk=membership.pk)
    if membership.paused_at is not None:
        membership.paused_at, membership.pause_reason, membership.resumed_at = None, "", timezone.now()
        membership.save(update_fields=["paused_at", "pause_reason", "resumed_at"])
    return membership
