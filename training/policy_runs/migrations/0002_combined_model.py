import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("policy_runs", "0001_initial"),
        ("reward", "0004_bulk_scorings"),
    ]

    operations = [
        migrations.AddField(
            model_name="policyrun",
            name="combined_model",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="reward.rewardmodel",
            ),
        ),
    ]
