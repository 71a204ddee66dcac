from django.db import migrations


def write_down(apps, schema_editor):
    """One promotion for each model that was ever promoted, in their order; a project has a few dozen at most."""
    reward_model = apps.get_model("reward", "RewardModel")
    promotion = apps.get_model("reward", "Promotion")
    latest = {}
    known = set(promotion.objects.values_list("reward_model", flat=True))
    rows = reward_model.objects.filter(promoted_at__isnull=False).exclude(pk__in=known).order_by("promoted_at", "pk")
    for pk, project, promoted_at, reason in rows.values_list("pk", "project", "promoted_at", "state_reason"):
        latest[project] = promotion.objects.create(
            project_id=project,
            reward_model_id=pk,
            replaced=latest.get(project),
            promoted_at=promoted_at,
            reason=reason,
        )


class Migration(migrations.Migration):
    dependencies = [("reward", "0002_rules_promotions_comparisons_and_noise")]

    operations = [migrations.RunPython(write_down, migrations.RunPython.noop)]
