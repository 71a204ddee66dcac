"""Guideline versions and worked examples."""

from django.db import models
from django.db.models import Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.projects.models import Project


class GuidelineVersion(TimestampedModel):
    """One published text. Never edited: a change is a new version, and each rating pins the one it was made under."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="guideline_versions")
    number = models.PositiveIntegerField()
    body = models.TextField()
    change_note = models.CharField(max_length=500, blank=True)
    # Whether labellers must read it, and pass its quiz, before they go on; the first version always does.
    changes_meaning = models.BooleanField(default=True)
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="guideline_versions_number_unique"),
            models.CheckConstraint(condition=Q(number__gte=1), name="guideline_versions_number_from_one"),
            models.CheckConstraint(condition=~Q(body=""), name="guideline_versions_body_not_empty"),
        ]

    def __str__(self) -> str:
        return f"Guidelines v{self.number}"


class GuidelineDraft(models.Model):
    """The next version while it is being written, shared by those who write guidelines; one a project."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="guideline_draft")
    body = models.TextField(blank=True)
    change_note = models.CharField(max_length=500, blank=True)
    changes_meaning = models.BooleanField(default=False)
    # As the API's worked examples, each with the `comparison` that it was made from (null for others).
    examples = models.JSONField(default=list, blank=True)
    # What reviewers noted for the next version while settling: [{comparison, section, text, by, at}].
    notes = models.JSONField(default=list, blank=True)
    # Number of the version it began from; 0 for none.
    based_on = models.PositiveIntegerField(default=0)
    # Counts up with each save: a writer who has not seen the newest is told so.
    revision = models.PositiveIntegerField(default=1)
    updated_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)


class WorkedExample(models.Model):
    """A comparison with its verdict and the reason, as a guideline shows it or a quiz asks it."""

    version = models.ForeignKey(GuidelineVersion, on_delete=models.CASCADE, related_name="examples")
    position = models.PositiveSmallIntegerField()
    prompt = models.TextField()
    completion_a = models.TextField()
    completion_b = models.TextField()
    preferred = models.CharField(max_length=3, choices=[("a", "A"), ("b", "B"), ("tie", "Tie")])
    intensity = models.PositiveSmallIntegerField(null=True, blank=True)
    rationale = models.TextField()
    # The comparison it was made from, where it was made from one.
    comparison = models.ForeignKey(
        "comparisons.Comparison", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # Asked in the quiz, and shown with its verdict only to those who have passed.
    in_quiz = models.BooleanField(default=False)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["version", "position"], name="worked_examples_position_unique"),
            models.CheckConstraint(
                condition=Q(preferred="tie", intensity=None)
                | Q(preferred__in=["a", "b"], intensity__gte=1, intensity__lte=4),
                name="worked_examples_intensity_unless_tie",
            ),
        ]


class QualificationAttempt(TimestampedModel):
    """A labeller has read a version and answered its quiz. Without quiz examples, having read it is passing."""

    labeller = models.ForeignKey(User, on_delete=models.CASCADE, related_name="qualification_attempts")
    version = models.ForeignKey(GuidelineVersion, on_delete=models.CASCADE, related_name="attempts")
    # [{example: id, preferred, intensity, is_right}], in the order asked.
    answers = models.JSONField(default=list, blank=True)
    n_questions = models.PositiveSmallIntegerField(default=0)
    n_right = models.PositiveSmallIntegerField(default=0)
    passed = models.BooleanField()
    # A reviewer has set this failure aside, so that the labeller may try again.
    forgiven = models.BooleanField(default=False)
    # When a reviewer took back a pass, so that the labeller has to qualify again; `passed` is false since.
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(n_right__lte=models.F("n_questions")), name="qualification_attempts_right_of_asked"
            ),
            models.CheckConstraint(
                condition=Q(revoked_at=None) | Q(passed=False), name="qualification_attempts_revoked_are_not_passed"
            ),
            models.UniqueConstraint(
                fields=["labeller", "version"], condition=Q(passed=True), name="qualification_attempts_passed_once"
            ),
        ]
        indexes = [
            # Whether a labeller may work: asked with every batch of pairs.
            models.Index(fields=["labeller", "version"], name="qualification_attempts_of"),
        ]
