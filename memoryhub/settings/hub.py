"""The values that Django and its friends see. Evaluated once, when Django starts."""

import hashlib
import os
from pathlib import Path
from typing import Any

from memoryhub.settings import backends, env
from memoryhub.settings.logs import configure_logs
from memoryhub.settings.table import SETTINGS

VALUES = env.read(os.environ, Path.cwd())
globals().update({setting.name: VALUES[setting.name] for setting in SETTINGS if setting.group != "client"})

PACKAGE = Path(__file__).resolve().parents[1]
BUNDLED = PACKAGE / "bundled"
ASSETS = BUNDLED if BUNDLED.is_dir() else PACKAGE.parent
"""Templates and static files: packed into an installed wheel, at the top of a clone."""

MEMORYHUB_DATA = Path(VALUES["MEMORYHUB_DATA"]).expanduser().absolute()
MEMORYHUB_BLOB_DIR = Path(VALUES["MEMORYHUB_BLOB_DIR"] or MEMORYHUB_DATA / "blobs").expanduser().absolute()
MEMORYHUB_DATABASE_DIR = Path(VALUES["MEMORYHUB_DATABASE_DIR"]) if VALUES["MEMORYHUB_DATABASE_DIR"] else None
MEMORYHUB_METRICS_DIR = Path(VALUES["MEMORYHUB_METRICS_DIR"] or MEMORYHUB_DATA / "metrics").expanduser().absolute()

# --- Django

SECRET_KEY = VALUES["MEMORYHUB_SECRET_KEY"]
DEBUG = False
# The WSGI wrapper judges the host before Django sees the request, so that health checks pass under any name.
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "memoryhub.urls"
WSGI_APPLICATION = "memoryhub.wsgi.application"
APPEND_SLASH = False
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

SILENCED_SYSTEM_CHECKS = [
    # Django's own security middleware is not used: memoryhub.edge sets these headers, on every answer.
    "security.W001",
    "security.W002",
    # CSRF protection is ConsoleCsrf, which this check does not know.
    "security.W003",
    # memoryhub.W001 says it once for the whole hub.
    "security.W010",
    "security.W016",
]

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "django_structlog",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "apps.accounts",
    "apps.workspaces",
    "apps.jobs",
    "apps.blobs",
    "apps.files",
    "apps.snapshots",
    "apps.federation",
    "apps.operations",
    "apps.dialects",
]

# Everything named "console" steps aside for /api and /w.
SESSION_ENGINE = "apps.accounts.sessions"

# The largest body that is read into memory as a whole: a batch of frames. File bodies are spooled instead.
DATA_UPLOAD_MAX_MEMORY_SIZE = 33 * 1024 * 1024

MIDDLEWARE = [
    "apps.operations.middleware.RequestRecord",
    "apps.operations.cors.CrossOrigin",
    "apps.operations.middleware.ConsoleStaticFiles",
    "apps.operations.middleware.ConsoleSession",
    "apps.operations.middleware.ConsoleCsrf",
    "apps.operations.middleware.ConsoleAuthentication",
    "apps.operations.middleware.ConsoleMessages",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ASSETS / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- Services

DATABASES = {
    "default": backends.database(
        VALUES["DATABASE_URL"],
        statement_timeout_s=VALUES["MEMORYHUB_STATEMENT_TIMEOUT_S"],
        lock_timeout_s=VALUES["MEMORYHUB_LOCK_TIMEOUT_S"],
    )
}
REDIS_URL = VALUES["REDIS_URL"] or backends.LOCAL_REDIS
CACHES = {"default": backends.cache(REDIS_URL)}
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "blobs": backends.storage(VALUES.values, directory=MEMORYHUB_BLOB_DIR),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

CELERY_BROKER_URL = backends.broker(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 5}
CELERY_TASK_DEFAULT_QUEUE = "memoryhub"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TIMEZONE = "UTC"

# --- Static files: served from where they are installed, nothing is collected

STATIC_URL = "/static/"
STATICFILES_DIRS = [ASSETS / "static"] if (ASSETS / "static").is_dir() else []
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 3600
WHITENOISE_ALLOW_ALL_ORIGINS = False

# --- Console sessions. Two hubs on one host share a cookie jar, whatever their ports: the names tell them apart.

_hub = hashlib.sha256(b"cookie" + SECRET_KEY.encode()).hexdigest()[:8]
SESSION_COOKIE_NAME = f"memoryhub_session_{_hub}"
CSRF_COOKIE_NAME = f"memoryhub_csrf_{_hub}"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = VALUES["MEMORYHUB_HTTPS_REQUIRED"]
CSRF_TRUSTED_ORIGINS = backends.origins(VALUES["MEMORYHUB_PUBLIC_URL"])
CSRF_FAILURE_VIEW = "apps.operations.api.failures.csrf_failure"
LOGIN_URL = "/admin/login/"
AUTHENTICATION_BACKENDS = ["apps.accounts.login.LimitedBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- API. Views check tokens themselves; no cookie ever authenticates a call.

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "EXCEPTION_HANDLER": "apps.common.problem.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "memoryhub",
    "DESCRIPTION": "Files that sync, keep every version, and can be restored.",
    "VERSION": "1",
    "SERVERS": backends.servers(VALUES["MEMORYHUB_PUBLIC_URL"]),
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": [],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    # Without the validator's badge, which a host elsewhere draws.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "PREPROCESSING_HOOKS": ["apps.operations.api.description.with_head"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.operations.api.description.with_refusals",
    ],
    "APPEND_COMPONENTS": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    "SECURITY": [{"token": []}],
}

# An indigo as that of the icon. Text of 600 on white, and of 400 on the darkest, is readable by WCAG AA.
CONSOLE_COLOURS = {
    "50": "oklch(96.2% .018 272.314)",
    "100": "oklch(93% .034 272.788)",
    "200": "oklch(87% .065 274.039)",
    "300": "oklch(78.5% .115 274.713)",
    "400": "oklch(67.3% .182 276.935)",
    "500": "oklch(58.5% .233 277.117)",
    "600": "oklch(51.1% .262 276.966)",
    "700": "oklch(45.7% .24 277.023)",
    "800": "oklch(39.8% .195 277.366)",
    "900": "oklch(35.9% .144 278.697)",
    "950": "oklch(25.7% .09 281.288)",
}
UNFOLD = {
    "SITE_TITLE": "memoryhub",
    "SITE_HEADER": "memoryhub",
    "SITE_URL": "/docs",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/memoryhub/icon.svg"}],
    "SITE_SYMBOL": "neurology",
    "SITE_SUBHEADER": "Files that keep every version",
    "SHOW_VIEW_ON_SITE": False,
    # The audit trail says who changed what; Django's own log knows of forms only.
    "SHOW_HISTORY": False,
    "STYLES": ["/static/memoryhub/console.css"],
    "SCRIPTS": ["/static/memoryhub/console.js"],
    "DASHBOARD_CALLBACK": "apps.operations.admin.first_page",
    "SIDEBAR": {"navigation": "apps.operations.admin.navigation"},
    "COLORS": {"primary": CONSOLE_COLOURS},
    "BORDER_RADIUS": "8px",
}

# --- Logs

DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_CELERY_DEFAULT_LOG_LEVEL = 10  # A tick every few seconds; jobs log their own events.
LOGGING_CONFIG = None
configure_logs(level=VALUES["LOG_LEVEL"], form=VALUES["LOG_FORMAT"])
