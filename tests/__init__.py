"""Tests against real PostgreSQL, Redis, Celery workers and, in e2e/, a real browser."""
