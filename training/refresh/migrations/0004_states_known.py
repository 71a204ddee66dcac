"""The rules of the new states, and the old flag goes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("refresh", "0003_states_so_far"),
    ]

    operations = [
        migrations.RemoveField(
            model_name="refreshcycle",
            name="is_active",
        ),
        migrations.AddConstraint(
            model_name="refreshcycle",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ("running", "waiting"))),
                fields=("project",),
                name="refresh_cycles_one_active",
            ),
        ),
        migrations.AddConstraint(
            model_name="refreshcycle",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["running", "waiting", "succeeded", "failed", "cancelled"])),
                name="refresh_cycles_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="refreshcycle",
            constraint=models.CheckConstraint(
                condition=models.Q(("trigger__in", ["hand", "drift", "ratings", "schedule"])),
                name="refresh_cycles_trigger_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="refreshcycle",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at", None), ("state__in", ("running", "waiting"))),
                    models.Q(
                        models.Q(("state__in", ("running", "waiting")), _negated=True), ("finished_at__isnull", False)
                    ),
                    _connector="OR",
                ),
                name="refresh_cycles_finished_at_exactly_when_over",
            ),
        ),
        migrations.AddConstraint(
            model_name="refreshstage",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["pending", "running", "waiting", "succeeded", "skipped", "failed"])),
                name="refresh_stages_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="refreshstage",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_skipped_by_hand", False), ("state", "skipped"), _connector="OR"),
                name="refresh_stages_by_hand_only_when_skipped",
            ),
        ),
    ]
