"""The base of every table."""

from django.db import models


class TimestampedModel(models.Model):
    """A row that knows when it came."""

    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True
