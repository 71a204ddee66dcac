"""Projects, members and invitations over HTTP."""

import re

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import IntegrityError, transaction

from annotate.accounts.models import User
from annotate.projects.models import Membership, Project, Role
from tests.cast import Cast


@pytest.fixture(autouse=True)
def _fresh_rate_limits() -> None:
    cache.clear()


def test_staff_create_a_project_and_own_it(cast: Cast) -> None:
    answer = cast.client(cast.owner).post("/api/v1/projects", {"name": "Safety", "axis": "safety"}, format="json")
    assert answer.status_code == 201, answer.json()
    body = answer.json()
    assert (body["slug"], body["role"], len(body["intensity_labels"])) == ("safety", "owner", 4)
    assert "manage" in body["capabilities"]


def test_two_projects_can_share_a_pool(cast: Cast) -> None:
    body = {"name": "Safety", "pool_id": cast.project.pool_id}
    answer = cast.client(cast.owner).post("/api/v1/projects", body, format="json")
    assert answer.json()["pool"]["id"] == cast.project.pool_id


def test_nobody_shares_a_pool_that_is_not_theirs(cast: Cast) -> None:
    cast.outsider.is_staff = True
    cast.outsider.save()
    body = {"name": "Safety", "pool_id": cast.project.pool_id}
    assert cast.client(cast.outsider).post("/api/v1/projects", body, format="json").status_code == 404


def test_others_may_not_create_projects(cast: Cast) -> None:
    answer = cast.client(cast.labeller).post("/api/v1/projects", {"name": "Mine"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")


def test_the_list_holds_ones_own_projects_only(cast: Cast) -> None:
    mine = cast.client(cast.labeller).get("/api/v1/projects").json()["results"]
    assert [(project["slug"], project["role"]) for project in mine] == [("helpfulness", "labeller")]
    assert cast.client(cast.outsider).get("/api/v1/projects").json()["results"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"min_ratings": 4, "max_ratings": 2}, "max_ratings"),
        ({"intensity_labels": []}, "intensity_labels"),
        ({"intensity_labels": ["a", "b", "c", "d", "e"]}, "intensity_labels"),
        ({"disagreement_limit": 1.5}, "disagreement_limit"),
        ({"lease_minutes": 0}, "lease_minutes"),
    ],
)
def test_a_bad_setting_is_named(cast: Cast, change: dict, field: str) -> None:
    answer = cast.client(cast.owner).patch("/api/v1/projects/helpfulness", change, format="json")
    assert answer.status_code == 400
    assert answer["Content-Type"].startswith("application/problem+json")
    assert field in {error["field"] for error in answer.json()["errors"]}


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"min_ratings": 9}, "projects_ratings_range"),
        ({"intensity_labels": []}, "projects_one_to_four_intensities"),
        ({"disagreement_limit": 2}, "projects_disagreement_limit_is_a_share"),
        ({"lease_minutes": 0}, "projects_lease_minutes_range"),
        ({"axis": ""}, "projects_axis_not_empty"),
    ],
)
def test_the_database_refuses_it_too(cast: Cast, fields: dict, constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Project.objects.filter(pk=cast.project.pk).update(**fields)


def test_an_owner_changes_roles_but_stays_when_the_only_one(cast: Cast) -> None:
    client = cast.client(cast.owner)
    membership = Membership.objects.get(user=cast.labeller)
    url = "/api/v1/projects/helpfulness/members"
    assert client.patch(f"{url}/{membership.pk}", {"role": "reviewer"}, format="json").json()["role"] == "reviewer"
    own = Membership.objects.get(user=cast.owner)
    answer = client.patch(f"{url}/{own.pk}", {"role": "labeller"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")
    assert client.delete(f"{url}/{own.pk}").status_code == 409


def invite(cast: Cast, email: str = "new@example.org") -> str:
    body = {"email": email, "role": "labeller"}
    answer = cast.client(cast.owner).post("/api/v1/projects/helpfulness/invitations", body, format="json")
    assert answer.status_code == 201, answer.json()
    found = re.search(r"/invitations/(\S+)$", answer.json()["url"])
    assert found is not None
    return found[1]


def test_an_invitation_makes_an_account_and_signs_it_in(cast: Cast) -> None:
    token = invite(cast)
    assert token in mail.outbox[0].body
    anonymous = cast.client(None)
    shown = anonymous.get(f"/api/v1/invitations/{token}").json()
    assert (shown["project_name"], shown["needs_account"]) == ("Helpfulness", True)
    body = {"name": "New", "password": "a long enough passphrase"}
    assert anonymous.post(f"/api/v1/invitations/{token}/accept", body, format="json").status_code == 200
    assert anonymous.get("/api/v1/me").json()["email"] == "new@example.org"
    assert Membership.objects.get(user__email="new@example.org").role == Role.LABELLER


def test_it_can_be_accepted_once(cast: Cast) -> None:
    token = invite(cast)
    body = {"name": "New", "password": "a long enough passphrase"}
    cast.client(None).post(f"/api/v1/invitations/{token}/accept", body, format="json")
    again = cast.client(None).post(f"/api/v1/invitations/{token}/accept", body, format="json")
    assert (again.status_code, again.json()["code"]) == (410, "invitation_over")


def test_a_weak_password_is_refused_and_the_invitation_stays_open(cast: Cast) -> None:
    token = invite(cast)
    answer = cast.client(None).post(f"/api/v1/invitations/{token}/accept", {"password": "12345"}, format="json")
    assert answer.status_code == 400
    assert not User.objects.filter(email="new@example.org").exists()
    assert cast.client(None).get(f"/api/v1/invitations/{token}").status_code == 200


def test_it_is_for_the_invited_address_only(cast: Cast) -> None:
    token = invite(cast)
    answer = cast.client(cast.outsider).post(f"/api/v1/invitations/{token}/accept", {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "other_account")


def test_a_member_by_invitation_needs_to_sign_in_first(cast: Cast) -> None:
    token = invite(cast, email=str(cast.outsider.email))
    answer = cast.client(None).post(f"/api/v1/invitations/{token}/accept", {"password": "x" * 12}, format="json")
    assert answer.json()["code"] == "sign_in_first"
    assert cast.client(cast.outsider).post(f"/api/v1/invitations/{token}/accept", {}, format="json").status_code == 200


def test_a_second_invitation_revokes_the_first(cast: Cast) -> None:
    first = invite(cast)
    invite(cast)
    assert cast.client(None).get(f"/api/v1/invitations/{first}").status_code == 410
