"""Every API endpoint, asked by every role, an outsider and nobody.

The table says what each endpoint asks for. An endpoint that is not in it fails the test, so none can be forgotten.
"""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from annotate.jobs.models import Job
from annotate.projects.models import CAPABILITIES, Capability, Role
from tests.cast import Cast

LABEL, REVIEW, ADJUDICATE, GUIDELINES, IMPORT, TRAIN, MANAGE = Capability
ANYONE, SIGNED_IN = "anyone", "signed in"

NEEDS: dict[str, dict[str, Any]] = {
    "me": {"GET": SIGNED_IN, "PATCH": SIGNED_IN},
    "tokens": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "token": {"DELETE": SIGNED_IN},
    "projects": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "public-invitation": {"GET": ANYONE},
    "accept-invitation": {"POST": ANYONE},
    "project": {"GET": LABEL, "PATCH": MANAGE},
    "members": {"GET": REVIEW},
    "member": {"PATCH": MANAGE, "DELETE": MANAGE},
    "pause": {"POST": ADJUDICATE, "DELETE": ADJUDICATE},
    "preferences": {"GET": LABEL, "PATCH": LABEL},
    "exclusion": {"POST": ADJUDICATE, "DELETE": ADJUDICATE},
    "labeller-messages": {"GET": ADJUDICATE, "POST": ADJUDICATE},
    "messages": {"GET": LABEL},
    "read-message": {"POST": LABEL},
    "audit": {"GET": REVIEW},
    "audit-actions": {"GET": REVIEW},
    "requalification": {"POST": ADJUDICATE},
    "guideline-draft": {"GET": GUIDELINES, "PUT": GUIDELINES, "DELETE": GUIDELINES},
    "guidelines-disagreement": {"GET": REVIEW},
    "reopen": {"POST": ADJUDICATE},
    "invitations": {"GET": MANAGE, "POST": MANAGE},
    "invitation": {"DELETE": MANAGE},
    "jobs": {"GET": REVIEW},
    "job": {"GET": REVIEW},
    "job-log": {"GET": REVIEW},
    "job-cancel": {"POST": IMPORT},
    "job-retry": {"POST": IMPORT},
    "guidelines": {"GET": LABEL, "POST": GUIDELINES},
    "guideline": {"GET": LABEL},
    "qualification": {"GET": LABEL, "POST": LABEL},
    "qualifications": {"GET": ADJUDICATE},
    "qualification-allow": {"POST": ADJUDICATE},
    "prompts": {"GET": REVIEW},
    "prompt": {"GET": REVIEW},
    "imports": {"GET": IMPORT, "POST": IMPORT},
    "import": {"GET": IMPORT},
    "import-errors": {"GET": IMPORT},
    "next": {"POST": LABEL},
    "ratings": {"GET": REVIEW, "POST": LABEL},
    "assignment": {"GET": LABEL},
    "skip": {"POST": LABEL},
    "flag": {"POST": LABEL},
    "my-ratings": {"GET": LABEL},
    "next-rankings": {"POST": LABEL},
    "rankings": {"POST": LABEL},
    "skip-ranking": {"POST": LABEL},
    "my-rankings": {"GET": LABEL},
    "comparisons": {"GET": REVIEW},
    "comparison": {"GET": REVIEW},
    "gold": {"PUT": ADJUDICATE, "DELETE": ADJUDICATE},
    "adjudication": {"POST": ADJUDICATE},
    "overview": {"GET": LABEL},
    "agreement": {"GET": REVIEW},
    "agreement-refresh": {"POST": REVIEW},
    "agreement-pairs": {"GET": REVIEW},
    "labellers": {"GET": REVIEW},
    "labeller": {"GET": REVIEW},
    "labeller-disagreements": {"GET": REVIEW},
    "disagreements": {"GET": REVIEW},
    "comparison-answer": {"GET": REVIEW},
    "table": {"GET": REVIEW},
    "comparison-sets": {"GET": REVIEW, "POST": TRAIN},
    "comparison-sets-preview": {"GET": REVIEW},
    "comparison-sets-choices": {"GET": REVIEW},
    "comparison-sets-clusters": {"POST": TRAIN},
    "comparison-set": {"GET": REVIEW},
    "comparison-set-manifest": {"GET": REVIEW},
    "comparison-set-rows": {"GET": REVIEW},
    "comparison-set-card": {"GET": REVIEW},
    "comparison-set-noise": {"GET": REVIEW, "POST": TRAIN},
    "reward-models": {"GET": REVIEW, "POST": TRAIN},
    "promotion-rules": {"GET": REVIEW, "PATCH": TRAIN},
    "reward-models-roll-back": {"POST": TRAIN},
    "model-comparisons": {"GET": REVIEW, "POST": TRAIN},
    "model-comparison": {"GET": REVIEW},
    "reward-model": {"GET": REVIEW},
    "reward-model-promote": {"POST": TRAIN},
    "reward-model-retire": {"POST": TRAIN},
    "reward-model-opinions": {"POST": TRAIN},
    "reward-model-card": {"GET": REVIEW},
    "reward-model-report": {"GET": REVIEW},
    "external-evaluations": {"GET": REVIEW, "POST": TRAIN},
    "score": {"POST": REVIEW},
    "playground": {"GET": REVIEW, "POST": REVIEW},
    "bulk-scorings": {"GET": REVIEW, "POST": TRAIN},
    "bulk-scorings-choices": {"GET": REVIEW},
    "bulk-scoring": {"GET": REVIEW},
    "bulk-scoring-file": {"GET": REVIEW},
    "generations": {"GET": REVIEW, "POST": TRAIN},
    "generations-choices": {"GET": TRAIN},
    "generations-estimate": {"POST": TRAIN},
    "generation": {"GET": REVIEW},
    "sampling-rounds": {"GET": REVIEW, "POST": TRAIN},
    "sampling-preview": {"GET": REVIEW},
    "constitutions": {"GET": REVIEW, "POST": TRAIN},
    "constitution": {"GET": REVIEW, "PUT": TRAIN},
    "constitution-publish": {"POST": TRAIN},
    "judges": {"GET": REVIEW},
    "judge": {"GET": REVIEW, "POST": TRAIN},
    "ai-ratings": {"GET": REVIEW},
    "judge-allowance": {"POST": TRAIN, "DELETE": TRAIN},
    "judge-runs": {"GET": REVIEW, "POST": TRAIN},
    "judge-runs-estimate": {"GET": REVIEW},
    "judge-runs-choices": {"GET": REVIEW},
    "judge-run": {"GET": REVIEW},
    "drift-reports": {"GET": REVIEW, "POST": TRAIN},
    "drift-report": {"GET": REVIEW},
    "sampling-round": {"GET": REVIEW},
    "sampling-choices": {"GET": REVIEW},
    "sampling-judge": {"POST": TRAIN},
    "sampling-round-outcome": {"GET": REVIEW},
    "sampling-round-comparisons": {"GET": REVIEW},
    "sampling-round-withdrawal": {"POST": TRAIN, "DELETE": TRAIN},
    "refreshes": {"GET": REVIEW, "POST": TRAIN},
    "refresh-preview": {"POST": TRAIN},
    "refresh-schedule": {"GET": REVIEW, "PUT": TRAIN},
    "refresh": {"GET": REVIEW},
    "refresh-cancel": {"POST": TRAIN},
    "refresh-retry": {"POST": TRAIN},
    "refresh-stage": {"PATCH": TRAIN},
    "refresh-stage-skip": {"POST": TRAIN},
    "refresh-stage-restore": {"POST": TRAIN},
    "refresh-timeline": {"GET": REVIEW},
    "sft-runs": {"GET": REVIEW, "POST": TRAIN},
    "sft-runs-options": {"GET": TRAIN},
    "sft-runs-preview": {"POST": TRAIN},
    "sft-run": {"GET": REVIEW},
    "policy-runs": {"GET": REVIEW, "POST": TRAIN},
    "policy-runs-options": {"GET": TRAIN},
    "policy-runs-preview": {"POST": TRAIN},
    "policy-run": {"GET": REVIEW},
    "policy-run-steps": {"GET": REVIEW},
    "policy-run-evaluations": {"GET": REVIEW},
    "policy-run-samples": {"GET": REVIEW},
    "policy-run-comparisons": {"POST": TRAIN},
    "policy-run-keep": {"POST": TRAIN},
    "policy-run-models": {"DELETE": TRAIN},
    "policy-run-adversarial": {"GET": REVIEW, "POST": TRAIN},
    "policy-run-cancel": {"POST": TRAIN},
    "policy-run-retry": {"POST": TRAIN},
}


def api_patterns() -> Iterator[tuple[str, str, Any]]:
    """(name, route, view class) of every endpoint below /api/v1/."""

    def walk(patterns: list, prefix: str) -> Iterator[tuple[str, str, Any]]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            elif isinstance(pattern, URLPattern) and route.startswith("api/v1/"):
                yield pattern.name or route, route, vars(pattern.callback)["view_class"]

    yield from walk(get_resolver().url_patterns, "")


ENDPOINTS = sorted(api_patterns(), key=lambda endpoint: endpoint[1])
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CALLS = [
    pytest.param(name, route, method, id=f"{method} /{route}")
    for name, route, view in ENDPOINTS
    for method in METHODS
    if hasattr(view, method.lower())
]


def test_there_are_endpoints() -> None:
    assert len(CALLS) > 30


def address(route: str, job: Job) -> str:
    values = {"<slug:slug>": "helpfulness", "<uuid:job_id>": str(job.pk), "<str:number>": "current"}
    for placeholder, value in values.items():
        route = route.replace(placeholder, value)
    parts = []
    for part in route.split("/"):
        if part.startswith("<int:"):
            part = "999999"
        elif part.startswith("<uuid:"):
            part = str(uuid4())
        elif part.startswith("<str:"):
            part = f"unknown{part.partition('>')[2]}"
        parts.append(part)
    return "/" + "/".join(parts)


@pytest.fixture
def job(cast: Cast) -> Job:
    from django.utils import timezone

    return Job.objects.create(project=cast.project, kind="import", title="x", queue="default", queued_at=timezone.now())


def call(client: APIClient, method: str, url: str) -> Any:
    return getattr(client, method.lower())(url, **({} if method == "GET" else {"data": {}, "format": "json"}))


@pytest.mark.parametrize(("name", "route", "method"), CALLS)
def test_each_role_gets_what_it_may(cast: Cast, job: Job, name: str, route: str, method: str) -> None:
    assert method in NEEDS.get(name, {}), f"Say in NEEDS what {method} {name} asks for."
    need, url = NEEDS[name][method], address(route, job)
    anonymous = call(cast.client(None), method, url)
    if need == ANYONE:
        assert anonymous.status_code not in (401, 403)
        return
    assert anonymous.status_code in (401, 403)
    if need == SIGNED_IN:
        assert call(cast.client(cast.labeller), method, url).status_code != 401
        return
    outsider = call(cast.client(cast.outsider), method, url)
    assert (outsider.status_code, outsider.json()["code"]) == (404, "not_found"), "an outsider learns nothing"
    people = {
        Role.LABELLER: cast.labeller,
        Role.REVIEWER: cast.reviewer,
        Role.RESEARCHER: cast.researcher,
        Role.OWNER: cast.owner,
    }
    for role, user in people.items():
        answer = call(cast.client(user), method, url)
        told = answer.json() if answer.content and answer["Content-Type"].endswith("json") else None
        code = told.get("code") if isinstance(told, dict) else None
        if need in CAPABILITIES[role]:
            assert answer.status_code not in (401, 403), f"{role} may do this"
            assert answer.status_code < 500
        else:
            assert (answer.status_code, code) == (403, "not_permitted"), f"{role} may not do this"
