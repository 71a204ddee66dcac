"""WSGI entry point for gunicorn."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")

application = get_wsgi_application()

# What is here by now stays for ever: left alone it is walked by every full collection, for which everybody waits, and
# copied into each worker. What a request makes is mostly gone before it is worth looking for.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
