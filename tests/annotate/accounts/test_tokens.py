"""Programs sign in with tokens that are shown once and kept only as a digest."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from annotate.accounts.models import ApiToken
from annotate.accounts.services import create_api_token
from annotate.common.errors import DomainError
from tests.cast import Cast


def bearer(clear: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {clear}")
    return client


def test_it_signs_a_program_in(cast: Cast) -> None:
    answer = cast.client(cast.labeller).post("/api/v1/tokens", {"name": "notebook"}, format="json")
    assert answer.status_code == 201
    clear = answer.json()["token"]
    assert clear.startswith("tst_")
    me = bearer(clear).get("/api/v1/me")
    assert (me.status_code, me.json()["email"]) == (200, cast.labeller.email)


def test_it_keeps_no_clear_text(cast: Cast) -> None:
    token, clear = create_api_token(user=cast.labeller, name="notebook", expires_in_days=1)
    stored = ApiToken.objects.values().get(pk=token.pk)
    assert clear not in str(stored)
    listed = cast.client(cast.labeller).get("/api/v1/tokens").json()
    assert "token" not in listed[0]


def test_it_refuses_an_expired_one(cast: Cast) -> None:
    token, clear = create_api_token(user=cast.labeller, name="notebook", expires_in_days=1)
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    answer = bearer(clear).get("/api/v1/me")
    assert answer.status_code == 401
    assert "expired" in answer.json()["detail"]


def test_it_refuses_a_deactivated_user(cast: Cast) -> None:
    _, clear = create_api_token(user=cast.labeller, name="notebook", expires_in_days=1)
    cast.labeller.is_active = False
    cast.labeller.save()
    assert bearer(clear).get("/api/v1/me").status_code == 401


def test_it_deletes_only_ones_own(cast: Cast) -> None:
    token, _ = create_api_token(user=cast.labeller, name="notebook", expires_in_days=1)
    assert cast.client(cast.owner).delete(f"/api/v1/tokens/{token.pk}").status_code == 404
    assert cast.client(cast.labeller).delete(f"/api/v1/tokens/{token.pk}").status_code == 204


def test_it_refuses_a_second_of_the_same_name(cast: Cast) -> None:
    create_api_token(user=cast.labeller, name="notebook", expires_in_days=1)
    with pytest.raises(DomainError, match="already have a token"):
        create_api_token(user=cast.labeller, name="notebook", expires_in_days=1)
