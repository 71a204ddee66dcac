"""Prompts, completion sources and completions."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.projects.models import Pool

_SHA256 = r"^[0-9a-f]{64}$"


class SourceKind(models.TextChoices):
    SFT = "sft", "SFT model"
    EARLY_POLICY = "early_policy", "Early policy"
    CURRENT_POLICY = "current_policy", "Current policy"
    ADVERSARIAL = "adversarial", "Adversarial"
    RANDOM = "random", "Random"
    HUMAN = "human", "Human"
    EXTERNAL = "external", "External model"


class CompletionSource(TimestampedModel):
    """Who or what wrote completions. Never shown to labellers."""

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="completion_sources")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=SourceKind, default=SourceKind.EXTERNAL)
    checkpoint = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pool", "name"], name="completion_sources_name_unique"),
            models.CheckConstraint(condition=Q(kind__in=SourceKind.values), name="completion_sources_kind_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Prompt(TimestampedModel):
    """What a model was asked: chat messages, the last of them the user's."""

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="prompts")
    messages = models.JSONField()
    # SHA-256 of the canonical messages: the same prompt is one row, and splits of comparison sets go by it.
    digest = models.CharField(max_length=64)
    excerpt = models.CharField(max_length=200)
    language = models.CharField(max_length=12, blank=True)
    origin = models.CharField(max_length=200, blank=True)
    tags = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    # Which of its pool's clusters of like prompts it is in; null until they are made (`exports.clusters`).
    cluster = models.IntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pool", "digest"], name="prompts_digest_unique"),
            models.CheckConstraint(condition=Q(digest__regex=_SHA256), name="prompts_digest_is_sha256"),
        ]
        indexes = [
            # The Prompts page, newest first.
            models.Index(fields=["pool", "-id"], name="prompts_newest"),
            # Its search box: whole words of the excerpt, in any language.
            GinIndex(SearchVector("excerpt", config="simple"), name="prompts_excerpt_words"),
        ]

    def __str__(self) -> str:
        return self.excerpt

    def as_text(self) -> str:
        """The prompt as people read it in one piece: the question alone, or who said what in turn."""
        if len(self.messages) == 1:
            return str(self.messages[0]["content"])
        return "\n\n".join(f"{message['role'].capitalize()}: {message['content']}" for message in self.messages)


class Completion(TimestampedModel):
    """One text that a source produced for a prompt. A text that a second source repeats stays the first one's."""

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="completions")
    source = models.ForeignKey(CompletionSource, on_delete=models.RESTRICT, related_name="completions")
    text = models.TextField()
    digest = models.CharField(max_length=64)
    sampling_parameters = models.JSONField(default=dict, blank=True)
    n_tokens = models.PositiveIntegerField(null=True, blank=True)
    # The labeller who wrote it, where one did: they are never asked about it.
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["prompt", "digest"], name="completions_digest_unique"),
            models.CheckConstraint(condition=Q(digest__regex=_SHA256), name="completions_digest_is_sha256"),
            models.CheckConstraint(condition=~Q(text=""), name="completions_text_not_empty"),
        ]
        indexes = [
            # What a labeller wrote; most completions have no author.
            models.Index(fields=["author"], condition=Q(author__isnull=False), name="completions_by_author"),
        ]
