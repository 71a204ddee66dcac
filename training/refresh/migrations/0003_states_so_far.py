"""What the job says becomes the refresh's own state: there was one job for the whole refresh."""

from django.db import migrations


def fill_states(apps, schema_editor):
    """A project has a few dozen refreshes at most."""
    cycles = apps.get_model("refresh", "RefreshCycle")
    for cycle in cycles.objects.select_related("job"):
        is_over = cycle.job.state not in ("queued", "running")
        cycle.state = cycle.job.state if is_over else "running"
        cycle.finished_at = cycle.job.finished_at if is_over else None
        cycle.save(update_fields=["state", "finished_at"])


def empty_states(apps, schema_editor):
    """Back to one flag and one job each: one that waits counts as over, as it has no job that runs."""
    cycles = apps.get_model("refresh", "RefreshCycle")
    stages = apps.get_model("refresh", "RefreshStage")
    cycles.objects.update(is_active=False)
    cycles.objects.filter(state="running").update(is_active=True)
    stages.objects.filter(state="waiting").update(state="pending")


class Migration(migrations.Migration):
    dependencies = [("refresh", "0002_waiting_triggers_and_schedules")]

    operations = [migrations.RunPython(fill_states, empty_states)]
