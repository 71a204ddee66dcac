"""The base of every table, and numbers of rows within their project."""

from django.db import models


class TimestampedModel(models.Model):
    """A row that knows when it came."""

    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True


def next_number(rows: models.Manager | models.QuerySet, field: str = "number") -> int:
    """One more than the largest `field` of the rows, from 1. Who asks holds a lock that keeps others from asking."""
    latest: int | None = rows.aggregate(latest=models.Max(field))["latest"]
    return (latest or 0) + 1
