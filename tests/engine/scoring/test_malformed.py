"""Whatever is sent to the scorer, good or malformed: never a failure of its own, and always what its OpenAPI says."""

import copy

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from training.engine.scoring.openapi import document

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def described() -> dict:
    """The document, with models to try that are served, and without deadlines that nothing can meet."""
    made = copy.deepcopy(document())
    for name in ("Ask", "Query", "Classify", "Score"):
        properties = made["components"]["schemas"][name]["properties"]
        properties["model"] = {"type": "string", "enum": ["helpfulness", "helpfulness@1", "nobody", "a+b"]}
        properties["deadline_ms"]["minimum"] = 60_000
    return made


schema = schemathesis.openapi.from_dict(described())


@schema.parametrize()
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_it_keeps_its_word(scorer, case):
    response = case.call(base_url=scorer.url)
    case.validate_response(response, checks=CHECKS)


def test_it_says_itself_what_it_takes(scorer):
    assert httpx.get(f"{scorer.url}/openapi.json", trust_env=False).json() == document()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "application/json"),
        (b'{"a": ' * 5_000, "application/json"),
        (b'{"model": "helpfulness", "items": [{"messages": 1e999}]}', "application/json"),
        (b'{"model": "helpfulness", "items": [{"messages": [{"role": "user", "content": "\\ud800"}], '
         b'"completions": ["x"]}]}', "application/json"),
        (b"\xff\xfe\x00", "application/json"),
        (b"\xdf\xff\xff\xff\xff", "application/msgpack"),
        (b"\x81\xa5model\xc4\x01x", "application/msgpack"),
        (b"--x", "multipart/form-data; boundary=x"),
    ],
)  # fmt: skip
def test_what_no_schema_thinks_of_is_refused_in_words(scorer, content, kind):
    answer = httpx.post(f"{scorer.url}/v1/score", content=content, headers={"Content-Type": kind}, trust_env=False)
    if answer.status_code == 200:
        (item,) = answer.json()["items"]
        assert item["error"]["message"]
    else:
        assert 400 <= answer.status_code < 500 and answer.json()["error"]["message"]
