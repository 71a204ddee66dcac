"""Signing in through allauth's headless API, as the app does it."""

import re

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client

from tests.cast import PASSWORD, Cast

AUTH = "/_allauth/browser/v1"


@pytest.fixture(autouse=True)
def _no_earlier_attempts() -> None:
    cache.clear()


def post(client: Client, path: str, body: dict):
    return client.post(f"{AUTH}{path}", body, content_type="application/json")


def test_it_signs_in_and_out(cast: Cast) -> None:
    client = Client()
    assert client.get("/api/v1/me").status_code in (401, 403)
    assert post(client, "/auth/login", {"email": cast.labeller.email, "password": PASSWORD}).status_code == 200
    assert client.get("/api/v1/me").json()["name"] == "labeller"
    assert client.delete(f"{AUTH}/auth/session").status_code == 401  # how allauth says: signed out now
    assert client.get("/api/v1/me").status_code in (401, 403)


def test_nobody_signs_up_without_an_invitation(cast: Cast) -> None:
    answer = post(Client(), "/auth/signup", {"email": "new@example.org", "password": PASSWORD})
    assert answer.status_code == 403


def test_it_limits_failed_attempts(cast: Cast) -> None:
    client = Client()
    codes = [
        post(client, "/auth/login", {"email": cast.labeller.email, "password": f"wrong {n}"}).status_code
        for n in range(7)
    ]
    assert codes[0] == 400
    assert codes[-1] in (400, 429)
    locked = post(client, "/auth/login", {"email": cast.labeller.email, "password": PASSWORD})
    assert locked.status_code in (400, 429), "the right password must not open a locked door"


def test_a_forgotten_password_is_reset_by_mail(cast: Cast) -> None:
    client = Client()
    assert post(client, "/auth/password/request", {"email": cast.labeller.email}).status_code == 200
    found = re.search(r"/reset-password/(\S+)", mail.outbox[0].body)
    assert found is not None
    new = "another long passphrase"
    assert post(client, "/auth/password/reset", {"key": found[1], "password": new}).status_code in (200, 401)
    assert post(Client(), "/auth/login", {"email": cast.labeller.email, "password": new}).status_code == 200
