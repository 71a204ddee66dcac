from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("projects", "0002_questions_and_quality"),
    ]

    operations = [
        migrations.AddField(
            model_name="project",
            name="ranking_size",
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ranking_size", None),
                    models.Q(("ranking_size__gte", 3), ("ranking_size__lte", 9)),
                    _connector="OR",
                ),
                name="projects_ranking_size_range",
            ),
        ),
    ]
