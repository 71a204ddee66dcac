"""Reads of the pool."""

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import OuterRef, Prefetch, QuerySet
from django.db.models.aggregates import Count
from django.db.models.expressions import Subquery
from django.db.models.functions import Coalesce

from annotate.common.errors import not_found
from annotate.pool.models import Completion, Prompt
from annotate.projects.models import Project


def prompts(project: Project, search: str = "") -> QuerySet[Prompt]:
    """The prompts of the project's pool with `n_completions`; those with all the words of `search` in their excerpt."""
    n_completions = (
        Completion.objects.filter(prompt=OuterRef("pk")).order_by().values("prompt").annotate(n=Count("pk")).values("n")
    )
    rows = Prompt.objects.filter(pool=project.pool_id).annotate(n_completions=Coalesce(Subquery(n_completions), 0))
    if search.strip():
        # Written as the index prompts_excerpt_words has it, or it would not be used.
        words = SearchVector("excerpt", config="simple")
        rows = rows.annotate(words=words).filter(
            words=SearchQuery(search.replace("\x00", " "), config="simple", search_type="websearch")
        )
    return rows


def prompt(project: Project, prompt_id: int) -> Prompt:
    """One prompt with its completions and their sources, in two queries. 404 outside the project's pool."""
    completions = Completion.objects.select_related("source").order_by("pk")
    found = prompts(project).filter(pk=prompt_id).prefetch_related(Prefetch("completions", completions)).first()
    if found is None:
        raise not_found("prompt")
    return found
