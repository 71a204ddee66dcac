from typing import Any

from django.db import migrations, models


def name_kept_models(apps: Any, schema_editor: Any) -> None:
    """Of runs that ended before, the model that each keeps is there; one row a run."""
    runs = apps.get_model("policy_runs", "PolicyRun").objects.exclude(checkpoint=None)
    for run_id, report, path in runs.values_list("pk", "report", "checkpoint__path").iterator():
        evaluations = apps.get_model("policy_runs", "PolicyEvaluation").objects
        evaluations.filter(run=run_id, step=report.get("best_step") or 0).exclude(step=0).update(model_path=path)


class Migration(migrations.Migration):
    dependencies = [
        ("policy_runs", "0002_combined_model"),
        ("policy", "0003_current_policies"),
    ]

    operations = [
        migrations.AddField(
            model_name="policyevaluation",
            name="model_path",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.RunPython(name_kept_models, migrations.RunPython.noop),
    ]
