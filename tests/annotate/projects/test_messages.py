"""What reviewers write to labellers."""

from typing import Any

import pytest
from django.core import mail

from annotate.accounts.models import User
from annotate.projects.models import AuditEvent, Membership, Message
from annotate.projects.services import create_project, send_message
from annotate.projects.tasks import tell_of_message
from tests.cast import Cast

P = "/api/v1/projects/helpfulness"


def send(cast: Cast, text: str = "Please read section 2 again.", to: User | None = None) -> Any:
    url = f"{P}/labellers/{(to or cast.labeller).pk}/messages"
    return cast.client(cast.reviewer).post(url, {"text": text}, format="json")


def inbox(cast: Cast, user: User, query: str = "") -> list[dict[str, Any]]:
    return cast.client(user).get(f"{P}/messages{query}").json()["results"]


def test_it_reaches_its_recipient_alone(cast: Cast) -> None:
    answer = send(cast)
    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == {"id", "text", "sender", "created_at", "read_at"}
    assert (body["text"], body["sender"], body["read_at"]) == ("Please read section 2 again.", "reviewer", None)
    assert inbox(cast, cast.labeller) == [body]
    assert inbox(cast, cast.second_labeller) == []


def test_it_is_unread_until_it_is_read(cast: Cast) -> None:
    first, second = send(cast).json(), send(cast, "And section 3.").json()
    client = cast.client(cast.labeller)
    assert client.post(f"{P}/messages/{first['id']}/read").status_code == 204
    read_at = Message.objects.get(pk=first["id"]).read_at
    assert read_at is not None
    assert [one["id"] for one in inbox(cast, cast.labeller, "?unread=1")] == [second["id"]]
    assert [one["id"] for one in inbox(cast, cast.labeller)] == [second["id"], first["id"]]
    assert client.post(f"{P}/messages/{first['id']}/read").status_code == 204
    assert Message.objects.get(pk=first["id"]).read_at == read_at, "the first time counts"


def test_nobody_reads_it_for_somebody_else(cast: Cast) -> None:
    message = send(cast).json()
    for user in (cast.second_labeller, cast.reviewer):
        assert cast.client(user).post(f"{P}/messages/{message['id']}/read").status_code == 404
    assert Message.objects.get().read_at is None


def test_reviewers_see_what_was_written_to_a_labeller(cast: Cast) -> None:
    message = send(cast).json()
    send(cast, "Something else.", cast.second_labeller)
    url = f"{P}/labellers/{cast.labeller.pk}/messages"
    assert cast.client(cast.owner).get(url).json()["results"] == [message]


def test_the_letter_has_the_text_and_where_to_go(cast: Cast) -> None:
    message = send(cast).json()
    assert tell_of_message(message["id"]) == 1
    letter = mail.outbox[0]
    assert letter.to == [cast.labeller.email]
    assert "Please read section 2 again." in letter.body
    assert letter.body.rstrip().endswith("/projects/helpfulness/label")


def test_a_letter_to_nobody_is_none(cast: Cast) -> None:
    assert tell_of_message(999_999) == 0
    assert mail.outbox == []


def test_the_letter_goes_out_once_it_is_committed(
    cast: Cast, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(tell_of_message, "delay", sent.append)
    with django_capture_on_commit_callbacks(execute=True):
        message = send(cast).json()
        assert sent == []
    assert sent == [message["id"]]


def test_the_audit_does_not_repeat_the_text(cast: Cast) -> None:
    message = send(cast, "Between us.").json()
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.subject) == ("member.messaged", cast.reviewer, cast.labeller)
    assert event.target_id == str(message["id"])
    assert "Between us" not in event.summary + str(event.details)


@pytest.mark.parametrize("text", ["", "  \n "])
def test_an_empty_one_is_refused(cast: Cast, text: str) -> None:
    assert send(cast, text).status_code == 400
    assert not Message.objects.exists()


def test_who_is_no_member_is_not_found(cast: Cast) -> None:
    assert send(cast, to=cast.outsider).status_code == 404


def test_who_would_not_see_it_is_not_written_to(cast: Cast) -> None:
    Membership.objects.filter(user=cast.labeller).update(is_active=False)
    answer = send(cast)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_active")


def test_it_is_of_one_project(cast: Cast) -> None:
    other = create_project(owner=cast.owner, name="Safety", slug="safety")
    Membership.objects.create(project=other, user=cast.labeller)
    message = send_message(project=other, sender=cast.owner, recipient_id=cast.labeller.pk, text="There.")
    assert inbox(cast, cast.labeller) == []
    assert cast.client(cast.labeller).post(f"{P}/messages/{message.pk}/read").status_code == 404
