from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ratings", "0002_ratings_append_only"),
    ]

    operations = [
        migrations.AddField(
            model_name="rating",
            name="bucket",
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="rating",
            name="is_repeat",
            field=models.BooleanField(default=False),
        ),
    ]
