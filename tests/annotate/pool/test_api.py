"""The prompts of a pool over HTTP: found by their words, newest first, and only by members."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.pool import selectors
from annotate.pool.digests import excerpt, prompt_digest
from annotate.pool.models import Completion, CompletionSource, Prompt
from annotate.projects.services import create_project
from tests.cast import sha256

URL = "/api/v1/projects/helpfulness/prompts"


def ask(project, text: str) -> Prompt:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    return Prompt.objects.create(
        pool=project.pool, messages=messages, digest=prompt_digest(messages), excerpt=excerpt(messages)
    )


def said(prompt: Prompt, text: str, source: str) -> Completion:
    author, _ = CompletionSource.objects.get_or_create(pool=prompt.pool, name=source)
    return Completion.objects.create(prompt=prompt, source=author, text=text, digest=sha256(text))


def found(cast, search: str) -> list[str]:
    answer = cast.client(cast.reviewer).get(URL, {"search": search})
    assert answer.status_code == 200, answer.json()
    return [row["messages"][-1]["content"] for row in answer.json()["results"]]


def test_it_lists_the_newest_first_with_how_many_completions_they_have(cast):
    for text in ("first", "second"):
        said(ask(cast.project, text), f"to {text}", "model-1")
    said(Prompt.objects.get(excerpt="first"), "another", "model-2")
    rows = cast.client(cast.reviewer).get(URL).json()["results"]
    assert [(row["messages"][-1]["content"], row["n_completions"]) for row in rows] == [("second", 1), ("first", 2)]


@pytest.mark.parametrize(
    ("search", "hits"),
    [
        ("sky", ["Why is the SKY blue?"]),
        ("blue sky", ["Why is the SKY blue?"]),
        ("sk", []),
        ("the", ["What is the sea?", "Why is the SKY blue?"]),
        ("the -sea", ["Why is the SKY blue?"]),
        ('"the sea"', ["What is the sea?"]),
        ("Straße", ["Wie heißt die Straße?"]),
        ("' OR 1=1 --", []),
        ("sky\x00", ["Why is the SKY blue?"]),
        ("  ", ["Wie heißt die Straße?", "What is the sea?", "Why is the SKY blue?"]),
    ],
)
def test_it_finds_whole_words(cast, search, hits):
    for text in ("Why is the SKY blue?", "What is the sea?", "Wie heißt die Straße?"):
        ask(cast.project, text)
    assert found(cast, search) == hits


def test_the_search_uses_its_index(cast):
    Prompt.objects.bulk_create(
        Prompt(pool=cast.project.pool, messages=[], digest=sha256(str(n)), excerpt=f"What is word{n} and word{n + 1}?")
        for n in range(5000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE pool_prompt")
    assert "prompts_excerpt_words" in selectors.prompts(cast.project, "word77").explain()
    assert selectors.prompts(cast.project, "word77").count() == 2


def test_pages_follow_one_another_without_gaps(cast):
    for number in range(7):
        ask(cast.project, f"question {number}")
    client, seen = cast.client(cast.reviewer), []
    url = f"{URL}?page_size=3&search=question"
    while url:
        page = client.get(url).json()
        seen += [row["messages"][-1]["content"] for row in page["results"]]
        url = page["next"]
    assert seen == [f"question {number}" for number in reversed(range(7))]


def test_the_list_takes_as_many_queries_for_one_as_for_many(cast):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert cast.client(cast.reviewer).get(URL, {"search": "question"}).status_code == 200
        return len(captured)

    said(ask(cast.project, "question"), "a", "model-1")
    one = queries()
    for number in range(20):
        said(ask(cast.project, f"question {number}"), "a", f"model-{number}")
    assert queries() == one == 2, "the seat and the page"


def test_a_prompt_comes_with_its_completions_and_their_sources(cast):
    prompt = ask(cast.project, "Why?")
    for text, source in (("Because.", "model-1"), ("So.", "model-2")):
        said(prompt, text, source)
    with CaptureQueriesContext(connection) as captured:
        body = cast.client(cast.reviewer).get(f"{URL}/{prompt.pk}").json()
    assert len(captured) == 3
    assert [(one["text"], one["source"]["name"]) for one in body["completions"]] == [
        ("Because.", "model-1"),
        ("So.", "model-2"),
    ]


def test_a_prompt_of_another_pool_is_not_there(cast):
    other = create_project(owner=cast.outsider, name="Other")
    prompt = ask(other, "Secret?")
    assert cast.client(cast.reviewer).get(f"{URL}/{prompt.pk}").status_code == 404
    assert found(cast, "secret") == []
