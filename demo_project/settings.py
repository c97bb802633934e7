"""Settings of the demo site: nothing is needed to start, everything can be given.

DATABASE_URL, BROKER_URL, DEMO_VAR (the folder for what it keeps), DJANGO_DEBUG,
DJANGO_SECRET_KEY, DJANGO_ALLOWED_HOSTS, DJANGO_TIME_ZONE and CEM_AUDIT_KEY are read from
the environment. With DJANGO_DEBUG=0 the site is one that `check --deploy` has nothing to
say about, and it will not start without its secrets.
"""

import os
from importlib.util import find_spec
from pathlib import Path

from django import VERSION
from django.core.exceptions import ImproperlyConfigured

from cem_cases.schedule import BEAT_SCHEDULE
from demo_project import broker, database

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = Path(os.environ.get("DEMO_VAR") or BASE_DIR / "var").resolve()
VAR.mkdir(parents=True, exist_ok=True)

DEBUG = os.environ.get("DJANGO_DEBUG", "1").lower() in ("1", "true", "yes", "on")


def _secret_key() -> str:
    key = os.environ.get("DJANGO_SECRET_KEY", "")
    if not key and not DEBUG:
        raise ImproperlyConfigured("DJANGO_DEBUG is off: set DJANGO_SECRET_KEY.")
    return key or "only-for-the-demo-never-in-production"


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = os.environ.get("DJANGO_ALLOWED_HOSTS", "").replace(",", " ").split()

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "django_filters",
    "cem_cases",
    "demo_project",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
if not DEBUG and find_spec("whitenoise"):
    # runserver brings its own static files; any other server needs somebody to.
    MIDDLEWARE.insert(1, "whitenoise.middleware.WhiteNoiseMiddleware")

ROOT_URLCONF = "demo_project.urls"
WSGI_APPLICATION = "demo_project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

_database_url = os.environ.get("DATABASE_URL")
DATABASES = {
    "default": database.from_url(_database_url)
    if _database_url
    else database.sqlite(VAR / "demo.sqlite3")
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_VALIDATORS = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATORS}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATORS}.MinimumLengthValidator"},
    {"NAME": f"{_VALIDATORS}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATORS}.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en"
# The demo's company is in Berlin.
TIME_ZONE = os.environ.get("DJANGO_TIME_ZONE", "Europe/Berlin")
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"

_mail = f"django.core.mail.backends.{'console' if DEBUG else 'smtp'}.EmailBackend"
if VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": _mail}}
else:  # Django 6.1 warns of this one, and refuses to have both
    EMAIL_BACKEND = _mail

if not DEBUG:
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SECURE_SSL_REDIRECT = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.TokenAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}

# Celery. Work survives whatever is set here, for the rows say what waits; these
# settings only make it prompt, and a broker that is away cheap.
CELERY_BROKER_URL = os.environ.get("BROKER_URL") or "filesystem://"
CELERY_BROKER_TRANSPORT_OPTIONS = broker.transport_options(
    CELERY_BROKER_URL, folder=VAR / "queue"
)
CELERY_BROKER_TRANSPORT = broker.transport(CELERY_BROKER_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.1,
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 30
CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE}
if _sweep_every := os.environ.get("DEMO_SWEEP_SECONDS"):
    # `manage.py demo` has no half minute to wait for the first sweep.
    CELERY_BEAT_SCHEDULE["cem_cases.sweep"] = {
        **BEAT_SCHEDULE["cem_cases.sweep"],
        "schedule": float(_sweep_every),
    }
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR / "beat-schedule")

# With DEBUG the app brings a development key of its own; without it there is none.
_audit_key = os.environ.get("CEM_AUDIT_KEY")
CEM_CASES = {"AUDIT_KEYS": {"site": _audit_key}} if _audit_key else {}
