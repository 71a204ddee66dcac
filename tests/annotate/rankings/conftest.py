"""Prompts with completions to rank."""

from collections.abc import Callable

import pytest

from annotate.pool.models import Completion, CompletionSource, Prompt, SourceKind
from annotate.projects.models import Project
from annotate.rankings.models import Ranking
from annotate.rankings.services import add_rankings
from tests.cast import Cast, sha256


def make_prompt(project: Project, n_completions: int, **fields) -> Prompt:
    source, _ = CompletionSource.objects.get_or_create(
        pool=project.pool, name="sft-model", defaults={"kind": SourceKind.SFT}
    )
    text = f"Question {Prompt.objects.count()}?"
    prompt = Prompt.objects.create(
        pool=project.pool, messages=[{"role": "user", "content": text}], digest=sha256(text), excerpt=text, **fields
    )
    add_completions(prompt, source, n_completions)
    return prompt


def add_completions(prompt: Prompt, source: CompletionSource, n: int) -> None:
    start = prompt.completions.count()
    for number in range(start, start + n):
        text = f"completion {number} to {prompt.pk}"
        Completion.objects.create(prompt=prompt, source=source, text=text, digest=sha256(text))


def make_rankings(project: Project, n: int, size: int = 4, **options) -> list[Ranking]:
    """n rankings of `size` completions of n new prompts, in order of age."""
    Project.objects.filter(pk=project.pk).update(ranking_size=size)
    project.refresh_from_db()
    prompts = [make_prompt(project, size) for _ in range(n)]
    for prompt in prompts:
        add_rankings(project=project, prompts=[prompt.pk], **options)
    return list(Ranking.objects.filter(prompt__in=prompts).order_by("id"))


@pytest.fixture
def rankings(cast: Cast) -> Callable[..., list[Ranking]]:
    return lambda n=1, size=4, **options: make_rankings(cast.project, n, size, **options)
