"""All settings, read from the process environment and nothing else; what is missing or unsafe stops the start.

A `.env` file beside manage.py is loaded first where there is one (`make run` writes it); variables that are set already
win. The README's table explains each name. Keys may come from a file: `FERNET_KEYS_FILE`, `SECRET_KEY_FILE`.
"""

import os
from pathlib import Path
from typing import Any

import bootstrap_wrapper
import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from crewadmin.environment import (
    https_url,
    issuer_url,
    loopback_url,
    read_key,
    read_keys,
    read_number,
    read_optional,
    read_switch,
)

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
if (BASE_DIR / ".env").exists():
    env.read_env(str(BASE_DIR / ".env"))

# --- Keys -----------------------------------------------------------------------------------------------------------
# Not through env(): django-environ reads a leading `$` as a reference to another variable.
SECRET_KEY = read_key(os.environ, "SECRET_KEY")
FERNET_KEYS = read_keys(os.environ, "FERNET_KEYS", other_than=SECRET_KEY)

# --- Where this runs ------------------------------------------------------------------------------------------------
DEBUG = read_switch(os.environ, "DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
if DEBUG and not set(ALLOWED_HOSTS) <= {"127.0.0.1", "localhost", "[::1]"}:
    raise ImproperlyConfigured("DEBUG shows settings and variables to visitors: it is refused outside loopback.")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

#: Served over https (the default). Off only where there is no TLS at all, such as the demo on loopback.
HTTPS = read_switch(os.environ, "HTTPS", default=True)
#: Behind a proxy that ends TLS and sets X-Forwarded-Proto itself.
if read_switch(os.environ, "BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

#: The demo and the tests talk to an AWS sandbox instead of AWS. Never a field; loopback only.
AWS_SANDBOX_URL = loopback_url(env.str("AWS_SANDBOX_URL", default=""), "AWS_SANDBOX_URL")
#: Connection tests that one process runs at a time; half of gunicorn's threads, so that pages stay quick.
CONNECTION_TESTS_AT_ONCE = read_number(os.environ, "CONNECTION_TESTS_AT_ONCE", default=4, least=1)
#: For how many seconds one process may use a secret's value again without reading it; 0 is never.
SECRET_CACHE_SECONDS = read_number(os.environ, "SECRET_CACHE_SECONDS", default=0, least=0)
#: Where a JSON document is sent when what an automation was deployed with goes stale, and what signs it.
DRIFT_WEBHOOK_URL = https_url(env.str("DRIFT_WEBHOOK_URL", default=""), "DRIFT_WEBHOOK_URL")
DRIFT_WEBHOOK_KEY = read_optional(os.environ, "DRIFT_WEBHOOK_KEY")
if DRIFT_WEBHOOK_URL and not DRIFT_WEBHOOK_KEY:
    raise ImproperlyConfigured("DRIFT_WEBHOOK_KEY is missing: what is sent to DRIFT_WEBHOOK_URL is signed with it.")
#: Region codes newer than the installed botocore.
AWS_EXTRA_REGIONS = env.list("AWS_EXTRA_REGIONS", default=[])

# --- Applications ---------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "organizations",
    "credentials",
    "envvars",
    "crewadmin.apps.CrewadminConfig",
    "crewadmin.apps.SupportAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "csp",
    "django_htmx",
    "guardian",
    "heroicons",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "crewadmin.middleware.security_headers",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # A view is private unless it says otherwise.
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "organizations.sessions.limits",
]

ROOT_URLCONF = "crewadmin.urls"
#: Below it programs are answered: they show a token and have no session, and what goes wrong is told in JSON.
API_PATH = "/api/"
WSGI_APPLICATION = "crewadmin.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

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
                "organizations.context_processors.frame",
            ],
        },
    },
]
FORM_RENDERER = "crewadmin.forms.FormRenderer"

# --- Data -----------------------------------------------------------------------------------------------------------
# No ATOMIC_REQUESTS: a request that waits for a cloud must not hold a transaction.
DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'var' / 'crewadmin.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["CONN_MAX_AGE"] = None  # opening the file again costs more than the page
    DATABASES["default"]["TEST"] = {"NAME": str(BASE_DIR / "var" / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,  # seconds to wait for the one writer
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;",
    }
else:
    DATABASES["default"]["OPTIONS"] = {
        "pool": {"min_size": 1, "max_size": read_number(os.environ, "DATABASE_POOL_SIZE", default=16, least=1)}
    }

#: Uploaded files may hold secrets: they stay in memory, and what is larger than an import may be is not read at all.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = 5_100_000

CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://")}

#: The model that keeps each organization's data keys; sealing looks it up by this name.
DATA_KEY_MODEL = "organizations.DataKey"

# --- Work in the background (crewadmin.celery) ----------------------------------------------------------------------
_NO_BROKER = "memory://"
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=_NO_BROKER)
CELERY_TASK_ALWAYS_EAGER = CELERY_BROKER_URL == _NO_BROKER
CELERY_TASK_IGNORE_RESULT = True
# A task of a worker that died is done by another one, an hour later; no task waits or works that long.
CELERY_TASK_ACKS_LATE = CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 60 * 60, "socket_connect_timeout": 5}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = read_number(os.environ, "CELERY_WORKER_CONCURRENCY", default=2, least=1)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False  # LOGGING keeps the cloud's libraries quiet
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULE = {
    "test again what was not tested for a day": {
        "task": "credentials.tasks.retest_due",
        "schedule": 60 * 60,
        "options": {"expires": 50 * 60},
    },
    "ask vaults whether they hold newer versions than what is deployed": {
        "task": "envvars.tasks.compare_all",
        "schedule": 60 * 60,
        "options": {"expires": 50 * 60},
    },
}

# --- People ---------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "organizations.User"
# guardian is asked about the role's group only, by organizations.access; it is no login backend here.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"

ACCOUNT_ADAPTER = "organizations.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"  # people are invited; nobody signs up
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
ACCOUNT_REAUTHENTICATION_TIMEOUT = 10 * 60  # seconds; what is hard to undo asks for a proof at most this old
ACCOUNT_RATE_LIMITS = {
    "login_failed": "10/m/ip,5/15m/key",
    "invitations_of_organization": "50/h/key",
    "invitations_to_address": "5/h/key",  # counts those of all organizations
}

MFA_ADAPTER = "organizations.second_factor.Adapter"
MFA_FORMS = {
    "authenticate": "organizations.second_factor_forms.CodeForm",
    "reauthenticate": "organizations.second_factor_forms.ConfirmCodeForm",
    "activate_totp": "organizations.second_factor_forms.ActivateTOTPForm",
    "add_webauthn": "organizations.second_factor_forms.AddPasskeyForm",
    "edit_webauthn": "organizations.second_factor_forms.RenamePasskeyForm",
    "authenticate_webauthn": "organizations.second_factor_forms.PasskeyForm",
    "reauthenticate_webauthn": "organizations.second_factor_forms.ConfirmPasskeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "crewadmin"
MFA_RECOVERY_CODES_SHOW_ONCE = True
# Our own `freshly_proven` guards the pages that change a second factor (organizations/person_urls.py): allauth's guard
# would keep what was posted in the session.
MFA_REAUTHENTICATION_REQUIRED = False
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS

#: Single sign-on through one OpenID Connect provider; off, and without any address, unless it is named here.
OIDC_SERVER_URL = issuer_url(env.str("OIDC_SERVER_URL", default=""), "OIDC_SERVER_URL")
OIDC_PROVIDER_ID = "oidc"  # what stored accounts carry
SOCIALACCOUNT_ADAPTER = "organizations.single_sign_on.Adapter"
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {}
if OIDC_SERVER_URL:
    SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": OIDC_PROVIDER_ID,
                "name": env.str("OIDC_NAME", default="") or _("single sign-on"),
                "client_id": env.str("OIDC_CLIENT_ID"),
                "secret": read_optional(os.environ, "OIDC_CLIENT_SECRET"),
                "settings": {"server_url": OIDC_SERVER_URL},
            }
        ],
    }

SILENCED_SYSTEM_CHECKS = ["guardian.W001"]  # its login backend is left out on purpose, see above
GUARDIAN_MONKEY_PATCH_USER = False
GUARDIAN_MONKEY_PATCH_GROUP = False
ANONYMOUS_USER_NAME = None

SESSION_COOKIE_AGE = SESSION_ABSOLUTE_SECONDS = 12 * 60 * 60  # from sign-in, see organizations/sessions.py
SESSION_IDLE_SECONDS = 30 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "crewadmin.views.csrf_failure"
# Django's default keeps toasts in a cookie that anybody at the keyboard can read.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- Browser --------------------------------------------------------------------------------------------------------
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # Bootstrap draws its control icons as data: images
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STATICFILES_DIRS = [BASE_DIR / "static", ("bootstrap", str(bootstrap_wrapper.get_bootstrap_dir()))]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "crewadmin.static.HashedStaticFiles"},
}
WHITENOISE_USE_FINDERS = DEBUG

# --- Words and times ------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

# --- Mail and logs --------------------------------------------------------------------------------------------------
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 10  # seconds; a page waits for the mail server
#: How people open this, for the links in mails that no page asked for.
_FIRST_HOST = next((host.lstrip("*.") for host in ALLOWED_HOSTS if host != "*"), "127.0.0.1")
PUBLIC_URL = env.str("PUBLIC_URL", default=f"{'https' if HTTPS else 'http'}://{_FIRST_HOST}")
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="crewadmin@localhost")
ADMINS = [(address, address) for address in env.list("ADMINS", default=[])]

DEFAULT_EXCEPTION_REPORTER = "crewadmin.redaction.MaskedReport"
DEFAULT_EXCEPTION_REPORTER_FILTER = "crewadmin.redaction.MaskEverything"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "crewadmin.redaction.MaskedFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
        "mail_admins": {"class": "django.utils.log.AdminEmailHandler", "level": "ERROR"},
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        # At DEBUG these write secret values, session tokens and External IDs: they stay quiet whatever LOG_LEVEL says.
        **{name: {"level": "WARNING"} for name in ("boto3", "botocore", "s3transfer", "urllib3", "django.db.backends")},
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.request": {"handlers": ["mail_admins"], "level": "WARNING", "propagate": True},
    },
}
