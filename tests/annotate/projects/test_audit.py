"""Who changed what and when: that it is written with the change, stays as it is, and can be read."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotate.common.errors import DomainError
from annotate.comparisons.models import Comparison
from annotate.imports.services import start_import
from annotate.projects import audit, services
from annotate.projects.models import AuditEvent, Membership, Project, Role
from annotate.ratings.services import purge
from tests.cast import Cast

P = "/api/v1/projects/helpfulness"


def membership(cast: Cast) -> Membership:
    return Membership.objects.get(project=cast.project, user=cast.labeller)


def only_event(cast: Cast, action: str) -> AuditEvent:
    return AuditEvent.objects.get(project=cast.project, action=action)


class TestWriting:
    def test_a_change_of_settings_has_before_and_after(self, cast: Cast) -> None:
        body = {"min_ratings": 2, "max_ratings": 5, "pay_per_hour": "15.50", "currency": "EUR"}
        services.update_project(project=cast.project, actor=cast.owner, **body)
        event = only_event(cast, "project.changed")
        assert (event.actor, event.target, event.target_id) == (cast.owner, "project", str(cast.project.pk))
        assert event.details == {"min_ratings": [3, 2], "pay_per_hour": [None, "15.50"], "currency": ["", "EUR"]}
        assert event.summary == "Settings changed: min_ratings, pay_per_hour, currency"

    def test_what_changes_nothing_is_not_written(self, cast: Cast) -> None:
        services.update_project(project=cast.project, actor=cast.owner, min_ratings=cast.project.min_ratings)
        services.change_membership(membership=membership(cast), actor=cast.owner, role=Role.LABELLER)
        services.resume_member(membership=membership(cast), actor=cast.reviewer)
        services.include_member(project=cast.project, user_id=cast.labeller.pk, actor=cast.reviewer)
        assert not AuditEvent.objects.exists()

    def test_a_refused_change_is_not_written(self, cast: Cast) -> None:
        owner = Membership.objects.get(project=cast.project, user=cast.owner)
        with pytest.raises(DomainError, match="owner"):
            services.change_membership(membership=owner, actor=cast.owner, role=Role.REVIEWER)
        with pytest.raises(DomainError, match="owner"):
            services.remove_member(membership=owner, actor=cast.owner)
        assert not AuditEvent.objects.exists()

    def test_it_goes_with_the_transaction(self, cast: Cast) -> None:
        with transaction.atomic():
            services.pause_member(membership=membership(cast), reason="Too fast.", actor=cast.reviewer)
            assert AuditEvent.objects.count() == 1
            transaction.set_rollback(True)
        assert not AuditEvent.objects.exists()

    @pytest.mark.parametrize(
        ("action", "act", "summary"),
        [
            ("member.role_changed", {"role": "reviewer"}, "{}: labeller → reviewer"),
            ("member.deactivated", {"is_active": False}, "{} is deactivated"),
        ],
    )
    def test_members_change_over_http(self, cast: Cast, action: str, act: dict[str, Any], summary: str) -> None:
        url = f"{P}/members/{membership(cast).pk}"
        assert cast.client(cast.owner).patch(url, act, format="json").status_code == 200
        event = only_event(cast, action)
        assert (event.actor, event.subject) == (cast.owner, cast.labeller)
        assert event.summary == summary.format(cast.labeller.pseudonym)

    def test_removal_pause_and_resumption_name_who_did_it(self, cast: Cast) -> None:
        url = f"{P}/members/{membership(cast).pk}"
        client = cast.client(cast.owner)
        client.post(f"{url}/pause", {"reason": "Too fast."}, format="json")
        client.delete(f"{url}/pause")
        client.delete(url)
        events = AuditEvent.objects.order_by("id")
        assert [event.action for event in events] == ["member.paused", "member.resumed", "member.removed"]
        assert {event.actor for event in events} == {cast.owner}
        assert {event.subject for event in events} == {cast.labeller}
        assert [event.details for event in events] == [
            {"reason": "Too fast."},
            {"was_paused_for": "Too fast."},
            {"role": "labeller"},
        ]

    def test_the_rule_on_gold_acts_by_itself(self, cast: Cast) -> None:
        services.pause_member(membership=membership(cast), reason="1 of 10.", actor=None)
        assert only_event(cast, "member.paused").actor is None

    def test_an_invitation_until_it_is_accepted(self, cast: Cast) -> None:
        client, body = cast.client(cast.owner), {"email": "new@example.org", "role": "labeller"}
        made = client.post(f"{P}/invitations", body, format="json").json()
        found = re.search(r"/invitations/(\S+)$", made["url"])
        assert found is not None
        accepted = {"name": "New", "password": "a long enough passphrase"}
        answer = cast.client(None).post(f"/api/v1/invitations/{found[1]}/accept", accepted, format="json")
        assert answer.status_code == 200
        invited, joined = AuditEvent.objects.order_by("id")
        assert (invited.action, invited.actor, invited.details["email"]) == (
            "member.invited",
            cast.owner,
            "new@example.org",
        )
        assert (joined.action, joined.actor, joined.subject) == ("member.joined", joined.subject, joined.actor)
        assert joined.actor is not None and joined.actor.email == "new@example.org"

    def test_a_withdrawn_invitation(self, cast: Cast) -> None:
        client, body = cast.client(cast.owner), {"email": "new@example.org", "role": "labeller"}
        made = client.post(f"{P}/invitations", body, format="json").json()
        assert client.delete(f"{P}/invitations/{made['id']}").status_code == 204
        assert only_event(cast, "member.invitation_revoked").actor == cast.owner

    def test_an_import(self, cast: Cast) -> None:
        run = start_import(
            project=cast.project, file_url="file:///tmp/x.jsonl", filename="x.jsonl", created_by=cast.researcher
        )
        event = only_event(cast, "import.started")
        assert (event.actor, event.target_id, event.details["filename"]) == (cast.researcher, str(run.pk), "x.jsonl")

    def test_an_unknown_action_is_a_mistake(self, cast: Cast) -> None:
        with pytest.raises(ValueError, match=r"audit\.ACTIONS"):
            audit.record(project=cast.project, actor=None, action="member.praised", summary="x")

    def test_a_long_summary_is_cut(self, cast: Cast) -> None:
        event = audit.record(project=cast.project, actor=None, action="member.paused", summary="x" * 600)
        event.refresh_from_db()
        assert (len(event.summary), event.summary[-2:]) == (500, "x…")


class TestItStays:
    @pytest.fixture
    def event(self, cast: Cast) -> AuditEvent:
        return audit.record(project=cast.project, actor=cast.owner, action="member.paused", summary="Paused")

    @pytest.mark.parametrize(
        "change",
        [
            lambda events: events.update(summary="Something else"),
            lambda events: events.delete(),
            lambda events: events.get().delete(),
        ],
    )
    def test_the_database_refuses_a_change(self, event: AuditEvent, change: Callable[[Any], Any]) -> None:
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change(AuditEvent.objects.filter(pk=event.pk))
        event.refresh_from_db()
        assert event.summary == "Paused"

    def test_a_project_cannot_be_deleted_under_it(self, cast: Cast, event: AuditEvent) -> None:
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            cast.project.delete()
        assert Project.objects.filter(pk=cast.project.pk).exists()

    def test_purging_a_project_takes_it_along(
        self, cast: Cast, event: AuditEvent, comparisons: Callable[..., list[Comparison]]
    ) -> None:
        comparisons(2)
        services.send_message(project=cast.project, sender=cast.owner, recipient_id=cast.labeller.pk, text="Hello")
        purge(project=cast.project)
        assert not AuditEvent.objects.exists()
        cast.labeller.delete()  # who was the subject of an event and had a message

    def test_whoever_acted_elsewhere_stays(self, cast: Cast, event: AuditEvent) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            cast.owner.delete()


class TestReading:
    @pytest.fixture(autouse=True)
    def _events(self, cast: Cast) -> None:
        record = audit.record
        about: dict[str, Any] = {"project": cast.project, "subject": cast.labeller}
        record(action="member.paused", actor=cast.reviewer, summary="Paused: too fast by far", **about)
        record(action="member.resumed", actor=cast.owner, summary="May go on", **about)
        record(action="member.paused", actor=None, summary="Paused: 1 of 10", **about)

    def get(self, cast: Cast, query: str = "") -> list[dict[str, Any]]:
        answer = cast.client(cast.reviewer).get(f"{P}/audit{query}")
        assert answer.status_code == 200, answer.json()
        return answer.json()["results"]

    def test_it_is_told_newest_first(self, cast: Cast) -> None:
        rule, _, first = self.get(cast)
        assert (rule["actor"], rule["summary"]) == (None, "Paused: 1 of 10")
        assert first["actor"] == {
            "id": cast.reviewer.pk,
            "pseudonym": cast.reviewer.pseudonym,
            "name": cast.reviewer.name,
        }
        assert first["subject"] == {"id": cast.labeller.pk, "pseudonym": cast.labeller.pseudonym}
        assert set(first) == {
            *("id", "created_at", "actor", "action", "target", "target_id", "subject", "summary", "details")
        }

    def test_it_is_found_by_action_actor_and_words(self, cast: Cast) -> None:
        assert len(self.get(cast, "?action=member.paused")) == 2
        assert [one["summary"] for one in self.get(cast, f"?actor={cast.owner.pk}")] == ["May go on"]
        assert [one["summary"] for one in self.get(cast, "?q=FAST+paused")] == ["Paused: too fast by far"]
        assert self.get(cast, "?q=fast+resumed") == []
        assert len(self.get(cast, "?action=&actor=&q=&from=&to=")) == 3

    def test_it_is_found_by_day(self, cast: Cast) -> None:
        today = timezone.localdate()
        yesterday = today - timedelta(days=1)
        assert len(self.get(cast, f"?from={today}&to={today}")) == 3
        assert self.get(cast, f"?to={yesterday}") == []

    @pytest.mark.parametrize("query", ["?action=member.praised", "?actor=somebody", "?from=yesterday"])
    def test_what_cannot_be_asked_is_refused(self, cast: Cast, query: str) -> None:
        assert cast.client(cast.reviewer).get(f"{P}/audit{query}").status_code == 400

    def test_its_cost_does_not_grow(self, cast: Cast) -> None:
        client = cast.client(cast.reviewer)
        with CaptureQueriesContext(connection) as queries:
            client.get(f"{P}/audit")
        assert len(queries) == 2

    def test_other_projects_events_are_not_told(self, cast: Cast) -> None:
        services.create_project(owner=cast.reviewer, name="Mine", slug="mine")
        assert cast.client(cast.reviewer).get("/api/v1/projects/mine/audit").json()["results"] == []

    def test_the_actions_have_names(self, cast: Cast) -> None:
        actions = cast.client(cast.reviewer).get(f"{P}/audit/actions").json()
        assert {"code": "member.paused", "label": "Member paused"} in actions
        assert len(actions) == len(audit.ACTIONS)


def test_who_may_not_know_labellers_reads_no_names(cast: Cast) -> None:
    _, token = services.invite(project=cast.project, email="new@example.org", role=Role.LABELLER, invited_by=cast.owner)
    _, newcomer = services.accept_invitation(token=token, user=None, name="Nora New", password="a-long-password-7")
    url = f"{P}/audit"
    by_action = {one["action"]: one for one in cast.client(cast.reviewer).get(url).json()["results"]}
    assert by_action["member.joined"]["actor"]["name"] == "Nora New"
    assert by_action["member.invited"]["details"]["email"] == "new@example.org"
    answer = cast.client(cast.researcher).get(url)
    assert "Nora" not in answer.content.decode() and "@example" not in answer.content.decode()
    by_action = {one["action"]: one for one in answer.json()["results"]}
    assert by_action["member.joined"]["actor"]["pseudonym"] == newcomer.pseudonym
    assert by_action["member.invited"]["details"]["role"] == "labeller"


@pytest.mark.parametrize("path", ["audit", "ratings", "tables/timesheet.csv", "tables/audit.csv"])
def test_the_last_day_there_is_can_be_asked_for(cast: Cast, path: str) -> None:
    answer = cast.client(cast.reviewer).get(f"{P}/{path}?from=0001-01-01&to=9999-12-31")
    assert answer.status_code == 200
