"""Letters about projects."""

from celery import shared_task
from django.conf import settings
from django.core.mail import send_mail

from annotate.projects.models import Capability, Membership, Message, Role


@shared_task(name="annotate.projects.tasks.tell_of_pause")
def tell_of_pause(membership_id: int) -> int:
    """Write to the project's reviewers that a labeller is paused, and why. Returns how many letters went out."""
    paused = Membership.objects.select_related("project", "user").filter(pk=membership_id).first()
    if paused is None or paused.paused_at is None:
        return 0
    members = Membership.objects.select_related("user").filter(project=paused.project, is_active=True)
    readers = [member for member in members.exclude(role=Role.LABELLER) if Capability.ADJUDICATE in member.capabilities]
    url = f"{settings.PUBLIC_URL}/projects/{paused.project.slug}/members"
    return sum(
        send_mail(
            f"{paused.user.pseudonym} is paused in {paused.project.name}",
            f"{paused.user.pseudonym} gets no more work in {paused.project.name}.\n\n{paused.pause_reason}\n\n"
            f"You can let them go on under Members: {url}\n",
            None,
            [member.user.email],
        )
        for member in readers
        if member.user.email
    )


@shared_task(name="annotate.projects.tasks.tell_of_message")
def tell_of_message(message_id: int) -> int:
    """Send a labeller what a reviewer has written to them. Returns how many letters went out."""
    message = Message.objects.select_related("project", "sender", "recipient").filter(pk=message_id).first()
    if message is None or not message.recipient.email:
        return 0
    return send_mail(
        f"A message from {message.project.name}",
        f"{message.sender} writes to you about your work in {message.project.name}:\n\n{message.text}\n\n"
        f"{settings.PUBLIC_URL}/projects/{message.project.slug}/label\n",
        None,
        [message.recipient.email],
    )
