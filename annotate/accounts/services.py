"""Writes to users and tokens."""

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import transaction
from django.utils import timezone

from annotate.accounts.models import ApiToken, User, UserKind
from annotate.common.errors import DomainError

TOKEN_PREFIX = "tst_"  # noqa: S105  (a mark that leak scanners can look for, not a secret)
MAX_TOKENS_PER_USER = 50


def token_digest(token: str) -> str:
    """SHA-256 of a token, in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def create_api_token(*, user: User, name: str, expires_in_days: int) -> tuple[ApiToken, str]:
    """Make a token and return it with its clear text, which is shown once and kept nowhere.

    Locks the user's row, so that the limit on tokens holds under concurrent calls.
    """
    User.objects.select_for_update().get(pk=user.pk)
    if user.api_tokens.count() >= MAX_TOKENS_PER_USER:
        raise DomainError("too_many_tokens", f"You have {MAX_TOKENS_PER_USER} tokens; delete one you no longer use.")
    if user.api_tokens.filter(name=name).exists():
        raise DomainError("name_taken", f"You already have a token named {name!r}; choose another name.")
    clear = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        user=user,
        name=name,
        prefix=clear[:10],
        digest=token_digest(clear),
        expires_at=timezone.now() + timedelta(days=expires_in_days),
    )
    token.full_clean()
    token.save()
    return token, clear


def external_users(*, namespace: str, names: set[str], kind: UserKind) -> dict[str, User]:
    """The users that stand for labellers named in a file, made where they are missing. Keys are the names given.

    `namespace` (a project's slug) keeps equal names of different sources apart. Two queries for any number of names;
    safe against a concurrent import, since the key is unique and conflicts are ignored.
    """
    keys = {f"{namespace}/{name}"[:300]: name for name in names}
    known = set(User.objects.filter(external_key__in=keys).values_list("external_key", flat=True))
    User.objects.bulk_create(
        [
            User(kind=kind, external_key=key, name=name[:150], is_active=False, password=UNUSABLE_PASSWORD_PREFIX)
            # In one order everywhere, so that two imports at once do not wait for each other in a circle.
            for key, name in sorted(keys.items())
            if key not in known
        ],
        ignore_conflicts=True,
    )
    return {keys[user.external_key or ""]: user for user in User.objects.filter(external_key__in=keys)}
