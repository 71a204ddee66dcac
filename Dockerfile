# Two images: `web` (web, beat and the default worker; no torch) and `worker` (trainer and scorer).
#   docker build --target web -t touchstone-web .
#   docker build --target worker -t touchstone-worker .
# PIP_INDEX_URL and PIP_EXTRA_INDEX_URL choose where Python packages come from, for example PyTorch's CPU builds.

FROM node:22-slim AS frontend
WORKDIR /src/frontend
COPY frontend/package.json frontend/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY frontend/ ./
RUN npm run build

FROM python:3.12-slim AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/venv/bin:$PATH
RUN groupadd --gid 10001 touchstone && useradd --uid 10001 --gid touchstone --create-home touchstone

FROM base AS web-packages
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
RUN python -m venv /opt/venv
COPY requirements-web.txt /tmp/
RUN pip install --no-cache-dir -r /tmp/requirements-web.txt

FROM web-packages AS worker-packages
COPY requirements-train.txt /tmp/
RUN pip install --no-cache-dir -r /tmp/requirements-train.txt

FROM base AS code
WORKDIR /app
COPY manage.py ./
COPY annotate/ annotate/
COPY training/ training/
# What a volume is laid over must exist and belong to the user of the container.
RUN mkdir -p var/artifacts var/models && chown -R touchstone:touchstone var

FROM code AS web
COPY --from=web-packages /opt/venv /opt/venv
COPY --from=frontend /src/frontend/dist frontend/dist
USER touchstone
# The key is needed to read the settings, signs nothing, and stays in no file.
RUN SECRET_KEY=collectstatic-only python manage.py collectstatic --noinput --verbosity 0
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-m", "annotate.common.probe"]
CMD ["sh", "-c", "exec gunicorn annotate.wsgi --bind 0.0.0.0:${PORT:-8000} --worker-class gthread --workers ${WEB_WORKERS:-2} --threads ${WEB_THREADS:-8} --preload --no-control-socket --worker-tmp-dir /dev/shm"]

FROM code AS worker
COPY --from=worker-packages /opt/venv /opt/venv
USER touchstone
# Asks this container's own worker; the scorer's service has a check of its own.
HEALTHCHECK --interval=60s --timeout=20s --start-period=60s \
    CMD ["sh", "-c", "celery -A annotate inspect ping -d gpu@$HOSTNAME --timeout 10"]
CMD ["celery", "-A", "annotate", "worker", "-Q", "gpu", "-n", "gpu@%h", "-c", "1", "--without-gossip", "--without-mingle"]
