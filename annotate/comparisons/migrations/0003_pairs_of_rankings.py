"""A fifth kind of assignment. The new constraint is added without a look at the rows there are and checked beside
running work: assignments may be millions. It is wider than the old one; what came between the two is checked as well.
"""

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("comparisons", "0002_gold_repeats_and_warnings"),
    ]

    operations = [
        migrations.AlterField(
            model_name="assignment",
            name="kind",
            field=models.CharField(
                choices=[
                    ("regular", "Regular"),
                    ("gold", "Gold"),
                    ("repeat", "Repeat"),
                    ("imported", "Imported"),
                    ("ranking", "Ranking"),
                ],
                default="regular",
                max_length=10,
            ),
        ),
        migrations.RemoveConstraint(model_name="assignment", name="assignments_kind_known"),
        AddConstraintNotValid(
            model_name="assignment",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["regular", "gold", "repeat", "imported", "ranking"])),
                name="assignments_kind_known",
            ),
        ),
        ValidateConstraint(model_name="assignment", name="assignments_kind_known"),
    ]
