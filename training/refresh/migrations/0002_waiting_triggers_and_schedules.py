"""Columns of refreshes that wait for people, over several jobs, and that a project starts by itself."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("drift", "0001_initial"),
        ("exports", "0001_initial"),
        ("generation", "0001_initial"),
        ("jobs", "0001_initial"),
        ("projects", "0005_audit_append_only"),
        ("refresh", "0001_initial"),
        ("reward", "0004_bulk_scorings"),
        ("sampling", "0002_rounds_by_hand"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="refreshcycle",
            name="refresh_cycles_one_active",
        ),
        migrations.RemoveConstraint(
            model_name="refreshstage",
            name="refresh_stages_state_known",
        ),
        migrations.AddField(
            model_name="refreshcycle",
            name="drift_report",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="drift.driftreport",
            ),
        ),
        migrations.AddField(
            model_name="refreshcycle",
            name="finished_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="refreshcycle",
            name="generation",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="generation.generation",
            ),
        ),
        migrations.AddField(
            model_name="refreshcycle",
            name="state",
            field=models.CharField(
                choices=[
                    ("running", "Running"),
                    ("waiting", "Waiting for people"),
                    ("succeeded", "Succeeded"),
                    ("failed", "Failed"),
                    ("cancelled", "Cancelled"),
                ],
                default="running",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="refreshcycle",
            name="trigger",
            field=models.CharField(
                choices=[("hand", "By hand"), ("drift", "Drift"), ("ratings", "New ratings"), ("schedule", "Schedule")],
                default="hand",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="refreshcycle",
            name="trigger_reason",
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddField(
            model_name="refreshstage",
            name="is_skipped_by_hand",
            field=models.BooleanField(default=False),
        ),
        migrations.AlterField(
            model_name="refreshcycle",
            name="job",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.RESTRICT, related_name="refresh_cycles", to="jobs.job"
            ),
        ),
        migrations.AlterField(
            model_name="refreshstage",
            name="name",
            field=models.CharField(
                choices=[
                    ("drift", "Drift check"),
                    ("candidates", "Candidates"),
                    ("sample", "Sampling"),
                    ("label", "Labelling"),
                    ("export", "Comparison set"),
                    ("base", "Base model"),
                    ("train", "Training"),
                    ("evaluate", "Evaluation"),
                    ("promote", "Promotion"),
                    ("swap", "Scorer swap"),
                ],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="refreshstage",
            name="state",
            field=models.CharField(
                choices=[
                    ("pending", "Pending"),
                    ("running", "Running"),
                    ("waiting", "Waiting for people"),
                    ("succeeded", "Succeeded"),
                    ("skipped", "Skipped"),
                    ("failed", "Failed"),
                ],
                default="pending",
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="RefreshSchedule",
            fields=[
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="refresh_schedule",
                        serialize=False,
                        to="projects.project",
                    ),
                ),
                ("is_enabled", models.BooleanField(default=False)),
                ("on_drift", models.BooleanField(default=True)),
                ("new_ratings", models.PositiveIntegerField(blank=True, null=True)),
                ("every_days", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("config", models.JSONField(blank=True, default=dict)),
                ("changed_at", models.DateTimeField()),
                ("checked_at", models.DateTimeField(blank=True, null=True)),
                ("last_reason", models.CharField(blank=True, max_length=500)),
                ("refused_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.AddField(
            model_name="refreshschedule",
            name="set_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="refreshschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(("new_ratings", None), ("new_ratings__gte", 1), _connector="OR"),
                name="refresh_schedules_new_ratings_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="refreshschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(("every_days", None), ("every_days__gte", 1), _connector="OR"),
                name="refresh_schedules_every_days_positive",
            ),
        ),
    ]
