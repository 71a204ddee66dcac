from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("policy", "0002_sft_runs")]

    operations = [
        migrations.AddField(
            model_name="checkpoint",
            name="is_current",
            field=models.BooleanField(default=True),
        ),
    ]
