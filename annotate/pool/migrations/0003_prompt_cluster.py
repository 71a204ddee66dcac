from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("pool", "0002_completion_author"),
    ]

    operations = [
        migrations.AddField(
            model_name="prompt",
            name="cluster",
            field=models.IntegerField(blank=True, null=True),
        ),
    ]
