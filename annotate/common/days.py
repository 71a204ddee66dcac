"""Days as people name them, in UTC: from the first moment to the last."""

from datetime import UTC, date, datetime, time


def start_of(day: date) -> datetime:
    """Midnight, when the day begins."""
    return datetime.combine(day, time.min, tzinfo=UTC)


def end_of(day: date) -> datetime:
    """The last microsecond of the day."""
    return datetime.combine(day, time.max, tzinfo=UTC)
