"""The people's wing: who labels, what they are shown, what they said and how far they agree.

Nothing below this package imports `training` or torch, so web processes start without either.
"""

from annotate.celery import app as celery_app

__all__ = ["celery_app"]
