import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models

ONE_REPEAT = models.UniqueConstraint(
    condition=models.Q(("kind", "repeat")),
    fields=("comparison", "labeller"),
    name="assignments_one_repeat_per_labeller",
)


class Migration(migrations.Migration):
    # Indexes are built and constraints checked beside running work: assignments may be millions.
    atomic = False

    dependencies = [
        ("comparisons", "0001_initial"),
        ("pool", "0002_completion_author"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="comparison",
            name="warnings",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=60), blank=True, default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="comparison",
            name="gold_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        AddIndexConcurrently(
            model_name="comparison",
            index=models.Index(
                condition=models.Q(("gold_preferred__isnull", False)), fields=["project", "id"], name="comparisons_gold"
            ),
        ),
        AddIndexConcurrently(
            model_name="assignment",
            index=models.Index(
                condition=models.Q(("state", "leased")), fields=["labeller"], name="assignments_leased_by_labeller"
            ),
        ),
        migrations.RunSQL(
            "UPDATE comparisons_comparison SET state = 'closed' WHERE gold_preferred IS NOT NULL AND state = 'open'",
            migrations.RunSQL.noop,
        ),
        AddConstraintNotValid(
            model_name="comparison",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("gold_preferred", None), models.Q(("state", "open"), _negated=True), _connector="OR"
                ),
                name="comparisons_gold_is_not_in_the_queue",
            ),
        ),
        ValidateConstraint(model_name="comparison", name="comparisons_gold_is_not_in_the_queue"),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY assignments_one_repeat_per_labeller"
                    " ON comparisons_assignment (comparison_id, labeller_id) WHERE kind = 'repeat'",
                    "DROP INDEX CONCURRENTLY assignments_one_repeat_per_labeller",
                )
            ],
            state_operations=[migrations.AddConstraint(model_name="assignment", constraint=ONE_REPEAT)],
        ),
    ]
