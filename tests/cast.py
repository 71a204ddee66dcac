"""The cast: a project with everybody in it, an outsider, and pairs to rate."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from rest_framework.test import APIClient

from annotate.accounts.models import User
from annotate.comparisons.models import Comparison
from annotate.comparisons.services import add_comparisons
from annotate.pool.models import Completion, CompletionSource, Prompt, SourceKind
from annotate.projects.access import Seat
from annotate.projects.models import Membership, Project, Role
from annotate.projects.services import create_project

PASSWORD = "a long enough passphrase"


@cache
def _hashed_password(hasher: str) -> str:
    """Slow on purpose, so once with each hasher: a server that is to check it has its own."""
    return make_password(PASSWORD)


def make_user(name: str, **fields: Any) -> User:
    password = _hashed_password(settings.PASSWORD_HASHERS[0])
    user = User(email=f"{name.replace(' ', '.')}@example.org", name=name, password=password, **fields)
    user.full_clean()
    user.save()
    return user


@dataclass
class Cast:
    project: Project
    owner: User
    researcher: User
    reviewer: User
    labeller: User
    second_labeller: User
    outsider: User

    def seat(self, user: User) -> Seat:
        return Seat(user, self.project, Role(Membership.objects.get(project=self.project, user=user).role))

    def client(self, user: User | None) -> APIClient:
        client = APIClient()
        if user is not None:
            client.force_authenticate(user)
        return client


@pytest.fixture
def cast(db: None) -> Cast:
    owner = make_user("owner", is_staff=True)
    # Nothing is mixed in by chance; tests of gold and repeats turn them on.
    project = create_project(owner=owner, name="Helpfulness", ties_allowed=True, gold_rate=0, repeat_rate=0)
    people = {}
    for name, role in (
        ("researcher", Role.RESEARCHER),
        ("reviewer", Role.REVIEWER),
        ("labeller", Role.LABELLER),
        ("second labeller", Role.LABELLER),
    ):
        people[name.replace(" ", "_")] = user = make_user(name)
        Membership.objects.create(project=project, user=user, role=role)
    return Cast(project=project, owner=owner, outsider=make_user("outsider"), **people)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make_comparisons(project: Project, n: int, priority: int = 0) -> list[Comparison]:
    """n comparisons of n new prompts, in order of age."""
    source, _ = CompletionSource.objects.get_or_create(
        pool=project.pool, name="sft-model", defaults={"kind": SourceKind.SFT}
    )
    start = Prompt.objects.count()
    pairs = []
    for number in range(start, start + n):
        text = f"Question {number}?"
        prompt = Prompt.objects.create(
            pool=project.pool, messages=[{"role": "user", "content": text}], digest=sha256(text), excerpt=text
        )
        sides = [
            Completion.objects.create(prompt=prompt, source=source, text=f"{side} to {number}", digest=sha256(side))
            for side in ("alpha", "beta")
        ]
        pairs.append((prompt.pk, sides[0].pk, sides[1].pk))
    ids = add_comparisons(project=project, pairs=pairs, priority=priority)
    return list(Comparison.objects.filter(pk__in=ids.values()).order_by("id"))


@pytest.fixture
def comparisons(cast: Cast) -> Callable[..., list[Comparison]]:
    return lambda n, **options: make_comparisons(cast.project, n, **options)
