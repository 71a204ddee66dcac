"""Settings: read from the environment alone; `.env.example` lists every variable with its default."""

from pathlib import Path

import environ
import structlog
from django.core.exceptions import ImproperlyConfigured

from annotate.common import local_servers
from annotate.common.secret_key import local_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

VAR_DIR = Path(env.str("VAR_DIR", str(BASE_DIR / "var")))
DEBUG = env.bool("DEBUG", False)
PUBLIC_URL = env.str("PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
PORT = env.int("PORT", 8000)


def _secret_key() -> str:
    """SECRET_KEY, else, on a machine that runs its own database, a key made once and kept in VAR_DIR."""
    if key := env.str("SECRET_KEY", ""):
        return key
    if env.str("DATABASE_URL", ""):
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Any long random text will do; keep it, sessions depend on it."
        )
    return local_secret_key(VAR_DIR / "secret_key")


SECRET_KEY = _secret_key()
IS_HTTPS = PUBLIC_URL.startswith("https://")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[PUBLIC_URL])

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_structlog",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.headless",
    "annotate.common",
    "annotate.accounts",
    "annotate.projects",
    "annotate.jobs",
    "annotate.guidelines",
    "annotate.pool",
    "annotate.comparisons",
    "annotate.ratings",
    "annotate.rankings",
    "annotate.imports",
    "annotate.agreement",
    "training.judges",
    "training.exports",
    "training.policy",
    "training.reward",
    "training.generation",
    "training.drift",
    "training.sampling",
    "training.refresh",
    "training.policy_runs",
    "training.demo",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "annotate.urls"
WSGI_APPLICATION = "annotate.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "annotate" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]

# --- data -----------------------------------------------------------------------------------------------------------
DATABASES = {"default": env.db_url_config(env.str("DATABASE_URL", "") or local_servers.database_url(VAR_DIR))}
DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", 60)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# The statements that labellers wait for are prepared: worth it where a connection is kept, and possible where no pooler
# hands it from one to another between transactions.
if DATABASES["default"]["CONN_MAX_AGE"]:
    DATABASES["default"].setdefault("OPTIONS", {})["prepare_threshold"] = 5
REDIS_URL = env.str("REDIS_URL", "") or local_servers.redis_url(VAR_DIR)
# Redis holds no truth: what is in it (rate limits, queued messages) can be lost without losing a rating or a job.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL},
    # What each process may remember by itself, since nobody minds that another one knows otherwise for a while.
    "process": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ARTIFACTS_URL = env.str("ARTIFACTS_URL", "") or f"file://{VAR_DIR / 'artifacts'}"
# A whole import file is streamed to disk; JSON bodies stay small.
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
UPLOAD_MAX_BYTES = env.int("UPLOAD_MAX_BYTES", 2 * 1024**3)

# --- people ---------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_ADAPTER = "annotate.accounts.adapter.InvitationOnlyAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"  # an invitation link is the proof of the address
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/5m/key", "login": "60/m/ip", "reset_password": "20/m/ip,5/m/key"}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Touchstone"
HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("browser",)
HEADLESS_FRONTEND_URLS = {
    "account_confirm_email": f"{PUBLIC_URL}/verify-email/{{key}}",
    "account_reset_password": f"{PUBLIC_URL}/forgot-password",
    "account_reset_password_from_key": f"{PUBLIC_URL}/reset-password/{{key}}",
    "account_signup": f"{PUBLIC_URL}/sign-in",
}
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "Touchstone <touchstone@localhost>")

# --- API ------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "annotate.accounts.authentication.BearerTokenAuthentication",
        "annotate.accounts.authentication.PageSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "annotate.common.problems.problem_handler",
    "DEFAULT_THROTTLE_RATES": {"public": "30/min"},
    "NUM_PROXIES": env.int("NUM_PROXIES", 0),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Touchstone",
    "DESCRIPTION": "Everything a page does, the API does.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "RoleEnum": "annotate.projects.models.Role",
        "JobStateEnum": "annotate.jobs.models.JobState",
        "InvitationStateEnum": "annotate.projects.api.serializers.INVITATION_STATES",
        "ComparisonStateEnum": "annotate.comparisons.models.ComparisonState",
        "PreferredEnum": "annotate.ratings.models.Preferred",
        "ShownPreferredEnum": "annotate.ratings.api.serializers.SHOWN_SIDES",
        "VerdictEnum": "annotate.ratings.api.serializers.VERDICTS",
        "StandingVerdictEnum": "annotate.ratings.api.serializers.STANDING_VERDICTS",
        "DriftVerdictEnum": "training.drift.models.Verdict",
        "ChangeVerdictEnum": "annotate.agreement.api.serializers.CHANGE_VERDICTS",
        "UserKindEnum": "annotate.accounts.models.UserKind",
        "FlagKindEnum": "annotate.ratings.models.FlagKind",
        "SourceKindEnum": "annotate.pool.models.SourceKind",
        "StageStateEnum": "training.refresh.models.StageState",
        "RefreshStateEnum": "training.refresh.models.CycleState",
        "RewardModelStateEnum": "training.reward.models.RewardModelState",
    },
}

# --- Celery ---------------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_TRACK_STARTED = False
# A message unacknowledged for this long is delivered again; running jobs refuse the second delivery by their claim.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "reap-lost-jobs": {"task": "annotate.jobs.tasks.reap_lost_jobs", "schedule": 15.0},
    "expire-leases": {"task": "annotate.comparisons.tasks.expire_leases", "schedule": 60.0},
    "expire-ranking-leases": {"task": "annotate.rankings.tasks.expire_leases", "schedule": 60.0},
    "refresh-stale-snapshots": {"task": "annotate.agreement.tasks.refresh_stale_snapshots", "schedule": 30.0},
    "advance-waiting-refreshes": {"task": "training.refresh.tasks.advance_waiting", "schedule": 30.0},
    "start-due-refreshes": {"task": "training.refresh.tasks.start_due", "schedule": 300.0},
}
JOB_HEARTBEAT_S = env.float("JOB_HEARTBEAT_S", 5.0)
JOB_LOST_AFTER_S = env.float("JOB_LOST_AFTER_S", 45.0)

# --- the models' wing -----------------------------------------------------------------------------------------------
SCORER_URL = env.str("SCORER_URL", "http://127.0.0.1:8100").rstrip("/")
SCORER_TOKEN = env.str("SCORER_TOKEN", "")
ENGINE_THREADS = env.int("ENGINE_THREADS", 2)
# Processes that train a policy together; 0: one for each GPU that the worker sees.
POLICY_PROCESSES = env.int("POLICY_PROCESSES", 0)
# A sampling round of more prompts is scored in shards of so many, which so many other workers may take too.
SAMPLING_SHARD_PROMPTS = env.int("SAMPLING_SHARD_PROMPTS", 4096)
SAMPLING_HELPERS = env.int("SAMPLING_HELPERS", 3)
# Below these, anybody who may train can have the workers read files to score them.
BULK_ROOTS = env.list("BULK_ROOTS", default=[])


def _endpoints(listed: list[str]) -> list[tuple[str, str, str]]:
    """(name, url, model) of each "name=url model"."""
    found = []
    for one in listed:
        name, _, rest = one.strip().partition("=")
        url, _, model = rest.strip().partition(" ")
        if not (name.strip() and url.startswith(("http://", "https://")) and model.strip()):
            raise ImproperlyConfigured(f'LM_ENDPOINTS: expected "name=http(s)://host/v1 model", got {one!r}.')
        found.append((name.strip(), url, model.strip()))
    return found


# Language models behind HTTP that workers may ask for completions and judgements; training/endpoints.py says why
# they are listed.
LM_ENDPOINTS = _endpoints(env.list("LM_ENDPOINTS", default=[]))
# What these ask as a Bearer token; of one alone in LM_ENDPOINT_TOKEN_<NAME>. Workers hand it to the engine.
HAS_ENDPOINT_TOKEN = bool(env.str("LM_ENDPOINT_TOKEN", ""))

# --- files, language, security --------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
FRONTEND_DIST = BASE_DIR / "frontend" / "dist"
STATICFILES_DIRS = [("app", FRONTEND_DIST)] if FRONTEND_DIST.is_dir() else []
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"
SESSION_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_SECURE = IS_HTTPS
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", 31_536_000) if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_HTTPS
SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", False) else None
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # probes come from inside, without TLS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ["/api/docs/"],
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],  # completions may not make the labeller's browser fetch from elsewhere
        "style-src": ["'self'", "'unsafe-inline'"],  # Mantine sets CSS variables in style attributes
        "connect-src": ["'self'"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
    },
}
if not IS_HTTPS:
    # Plain HTTP on loopback is how a laptop runs it; these checks speak of servers that others reach.
    SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008", "security.W012", "security.W016"]

# --- logs -----------------------------------------------------------------------------------------------------------
LOG_LEVEL = env.str("LOG_LEVEL", "INFO")
LOG_FORMAT = env.str("LOG_FORMAT", "console")
if LOG_FORMAT not in ("console", "json"):
    raise ImproperlyConfigured(f"LOG_FORMAT must be 'console' or 'json', not {LOG_FORMAT!r}.")
_shared_processors: list = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "structured": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": _shared_processors,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer()
                if LOG_FORMAT == "json"
                else structlog.dev.ConsoleRenderer(colors=False),
            ],
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": ["console"], "propagate": False},
        "httpx": {"level": "WARNING"},  # a line for each request: a file of millions of rows has many
    },
}


def _without_starts(logger: object, name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """One line a request: its end says all that its start did."""
    if event.get("event") == "request_started":
        raise structlog.DropEvent
    return event


structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        _without_starts,
        *_shared_processors,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)
