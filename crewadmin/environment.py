"""Read what must be right before anything starts: keys, and the one address override.

Every function raises ImproperlyConfigured naming the variable and what to do; none ever prints a value.
"""

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32
KEY_CHARACTERS = 50  # what Django itself asks for

_SWITCH = dict.fromkeys(("on", "true", "yes", "1"), True) | dict.fromkeys(("off", "false", "no", "0"), False)


def read_key(environment: Mapping[str, str], name: str) -> str:
    """Return the text of NAME, or of the file that NAME_FILE points to; at least 50 characters long."""
    value = _read(environment, name)
    if len(value) < KEY_CHARACTERS or len(set(value)) < 5 or value.startswith("django-insecure-"):
        raise ImproperlyConfigured(
            f"{name} must be at least {KEY_CHARACTERS} random characters. `make keys` writes one."
        )
    return value


def read_keys(environment: Mapping[str, str], name: str, *, other_than: str) -> list[str]:
    """Return the keys in NAME (or NAME_FILE), newest first: each 32 random bytes in URL-safe base64.

    They are separated by commas or white space. `other_than` is a value that none of them may be.
    """
    keys = _read(environment, name).replace(",", " ").split()
    for position, key in enumerate(keys, start=1):
        if key == other_than:
            raise ImproperlyConfigured(f"{name}: key {position} is the SECRET_KEY. They must differ.")
        if not _is_random_key(key):
            raise ImproperlyConfigured(
                f"{name}: key {position} is not {KEY_BYTES} random bytes in URL-safe base64. `make keys` writes one."
            )
    if len(set(keys)) != len(keys):
        raise ImproperlyConfigured(f"{name} names one key twice.")
    return keys


def read_switch(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Return whether NAME is on. A word that means neither on nor off is refused: it must not turn HTTPS off."""
    word = environment.get(name, "").strip().lower()
    if not word:
        return default
    if word not in _SWITCH:
        raise ImproperlyConfigured(f"{name} must be on or off.")
    return _SWITCH[word]


def read_number(environment: Mapping[str, str], name: str, *, default: int, least: int) -> int:
    """Return the whole number in NAME; what is none, or smaller than `least`, is refused."""
    text = environment.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise ImproperlyConfigured(f"{name} must be a whole number, {least} or more.")
    return int(text)


def read_optional(environment: Mapping[str, str], name: str) -> str:
    """Return the text of NAME, or of the file that NAME_FILE points to; empty if neither is set."""
    return _read(environment, name) if environment.get(name) or environment.get(f"{name}_FILE") else ""


def https_url(url: str, name: str) -> str:
    """Return an address that something is sent to, or an empty text; only https, and http on this machine."""
    if url and not (_is_https(url) or _is_loopback(url)):
        raise ImproperlyConfigured(f"{name} must start with https:// and name a host.")
    return url


def issuer_url(url: str, name: str) -> str:
    """Return the address of a single sign-on provider, or an empty text; only https, and http on this machine."""
    return https_url(url, name).rstrip("/")


def loopback_url(url: str, name: str) -> str | None:
    """Return `url` if it is an http address on this machine, None if it is empty; anything else is refused."""
    if not url:
        return None
    if not _is_loopback_address(url):
        raise ImproperlyConfigured(f"{name} must be http://127.0.0.1:PORT: a sandbox lives on this machine only.")
    return url


def _read(environment: Mapping[str, str], name: str) -> str:
    path = environment.get(f"{name}_FILE")
    try:
        value = Path(path).read_text().strip() if path else environment.get(name, "").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: it is not text.") from None
    if not value:
        raise ImproperlyConfigured(f"{name} is missing: set {name} or {name}_FILE. `make keys` writes one.")
    return value


def _is_random_key(key: str) -> bool:
    try:
        raw = base64.b64decode(key, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    # 32 random bytes repeat a few values at most; a phrase or a run of one byte repeats many.
    return len(raw) == KEY_BYTES and len(set(raw)) > KEY_BYTES // 2


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and parts.username is None
    except ValueError:
        return False


def _is_loopback(url: str) -> bool:
    """Whether a URL is http://ADDRESS:PORT, perhaps with a path, ADDRESS being this machine's own."""
    scheme, _separator, rest = url.partition("://")
    return _is_loopback_address(f"{scheme}://{rest.partition('/')[0]}")


def _is_loopback_address(url: str) -> bool:
    """Whether a URL is http://ADDRESS:PORT and nothing more, ADDRESS being this machine's own."""
    try:
        parts = urlsplit(url)
        host, port = ipaddress.ip_address(parts.hostname or ""), parts.port
    except ValueError:
        return False
    written = f"[{host}]" if host.version == 6 else str(host)
    return host.is_loopback and url.rstrip("/") == f"http://{written}:{port}"


#: Every variable that settings.py reads; a command started by `manage.py run` inherits none of them.
OWN_NAMES = frozenset(
    {
        "ADMINS",
        "ALLOWED_HOSTS",
        "AWS_EXTRA_REGIONS",
        "AWS_SANDBOX_URL",
        "BEHIND_TLS_PROXY",
        "CACHE_URL",
        "CELERY_BROKER_URL",
        "CELERY_WORKER_CONCURRENCY",
        "CONNECTION_TESTS_AT_ONCE",
        "CSRF_TRUSTED_ORIGINS",
        "DATABASE_POOL_SIZE",
        "DATABASE_URL",
        "DEBUG",
        "DEFAULT_FROM_EMAIL",
        "DJANGO_SETTINGS_MODULE",
        "DRIFT_WEBHOOK_KEY",
        "DRIFT_WEBHOOK_KEY_FILE",
        "DRIFT_WEBHOOK_URL",
        "EMAIL_URL",
        "FERNET_KEYS",
        "FERNET_KEYS_FILE",
        "HTTPS",
        "LOG_LEVEL",
        "OIDC_CLIENT_ID",
        "OIDC_CLIENT_SECRET",
        "OIDC_CLIENT_SECRET_FILE",
        "OIDC_NAME",
        "OIDC_SERVER_URL",
        "PUBLIC_URL",
        "SECRET_CACHE_SECONDS",
        "SECRET_KEY",
        "SECRET_KEY_FILE",
    }
)
