from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    # The constraint is checked beside running work: comparisons may be millions.
    atomic = False

    dependencies = [("comparisons", "0003_pairs_of_rankings")]

    operations = [
        migrations.AddField(model_name="comparison", name="n_required", field=models.SmallIntegerField(default=0)),
        AddConstraintNotValid(
            model_name="comparison",
            constraint=models.CheckConstraint(
                condition=models.Q(n_required__gte=0, n_required__lte=50), name="comparisons_n_required_range"
            ),
        ),
        ValidateConstraint(model_name="comparison", name="comparisons_n_required_range"),
    ]
