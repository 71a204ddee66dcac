"""Ratings of a ranking's pairs share its id and have no intensity.

A nullable column rewrites nothing, the index is built beside running work, and the constraint is added without a look
at the rows there are and checked beside running work: ratings may be millions. It is wider than the old one; what came
between the two is checked as well.
"""

from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("ratings", "0003_questions_and_quality"),
    ]

    operations = [
        migrations.AddField(
            model_name="rating",
            name="ranking_id",
            field=models.UUIDField(blank=True, editable=False, null=True),
        ),
        AddIndexConcurrently(
            model_name="rating",
            index=models.Index(
                condition=models.Q(("ranking_id__isnull", False)), fields=["ranking_id"], name="ratings_by_ranking"
            ),
        ),
        migrations.RemoveConstraint(model_name="rating", name="ratings_labelled_here_have_intensity"),
        AddConstraintNotValid(
            model_name="rating",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("origin", "labeller"), _negated=True),
                    ("preferred", "tie"),
                    ("intensity__isnull", False),
                    ("ranking_id__isnull", False),
                    _connector="OR",
                ),
                name="ratings_labelled_here_have_intensity",
            ),
        ),
        ValidateConstraint(model_name="rating", name="ratings_labelled_here_have_intensity"),
    ]
