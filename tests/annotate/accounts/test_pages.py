"""A page says whose it is; the cookie, which all tabs share, may be somebody else's by now."""

from uuid import uuid4

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from annotate.accounts.models import User
from annotate.accounts.services import create_api_token
from tests.cast import Cast


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_it_serves_the_user_it_is_for(cast: Cast) -> None:
    client = signed_in(cast.labeller)
    with CaptureQueriesContext(connection) as unnamed:
        client.get("/api/v1/me")
    with CaptureQueriesContext(connection) as named:
        answer = client.get("/api/v1/me", headers={"X-Expected-User": str(cast.labeller.pk)})
    assert (answer.status_code, answer.json()["id"]) == (200, cast.labeller.pk)
    assert len(named) == len(unnamed)


def test_it_refuses_what_a_page_of_somebody_else_sends(cast: Cast) -> None:
    client = signed_in(cast.labeller)
    rating = {"client_id": str(uuid4()), "assignment_id": 1, "preferred": "first", "intensity": 1, "active_ms": 1}
    for path, body in (
        ("ratings", {"ratings": [rating], "next": 3}),
        ("next", {"n": 3}),
        ("rankings/next", {"n": 3}),
    ):
        answer = client.post(
            f"/api/v1/projects/{cast.project.slug}/{path}",
            body,
            content_type="application/json",
            headers={"X-Expected-User": str(cast.owner.pk)},
        )
        assert (answer.status_code, answer.json()["code"]) == (401, "other_user")
        assert answer["Content-Type"] == "application/problem+json"
    assert client.get("/api/v1/me", headers={"X-Expected-User": "nobody"}).status_code == 401


def test_nobody_signed_in_stays_nobody(cast: Cast) -> None:
    answer = Client().get("/api/v1/me", headers={"X-Expected-User": str(cast.owner.pk)})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


def test_a_token_says_itself_whose_it_is(cast: Cast) -> None:
    _, clear = create_api_token(user=cast.labeller, name="notebook", expires_in_days=1)
    headers = {"Authorization": f"Bearer {clear}", "X-Expected-User": str(cast.owner.pk)}
    assert Client().get("/api/v1/me", headers=headers).json()["id"] == cast.labeller.pk


def test_the_schema_tells_of_the_cookie(cast: Cast) -> None:
    schema = signed_in(cast.owner).get("/api/schema/", {"format": "json"}).json()
    assert {"cookieAuth", "token"} <= set(schema["components"]["securitySchemes"])
