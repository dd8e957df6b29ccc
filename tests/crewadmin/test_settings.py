"""crewadmin.settings in a process of its own, as a command or the web server reads them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from crewadmin.environment import OWN_NAMES
from crewadmin.sealing import master_key_id
from tests.environment import ROOT, VARIABLES

OTHER_KEY = "b3RoZXItMzItcmFuZG9tLWJ5dGVzLTRuUTd4WjJrVzk="
PRODUCTION = {
    "SECRET_KEY": VARIABLES["SECRET_KEY"],
    "FERNET_KEYS": VARIABLES["FERNET_KEYS"],
    "ALLOWED_HOSTS": "crewadmin.example",
    # Set, so that a developer's own .env plays no part.
    **dict.fromkeys(("DEBUG", "AWS_SANDBOX_URL", "BEHIND_TLS_PROXY", "DATABASE_URL"), ""),
    "DATABASE_URL": "sqlite:////nowhere/crewadmin.sqlite3",
    "HTTPS": "on",
}


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the production environment, but for these variables."""
    inherited = {name: value for name, value in os.environ.items() if name not in OWN_NAMES | VARIABLES.keys()}
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**inherited, **PRODUCTION, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def reported(script: str, **variables: str) -> Any:
    """Return what a script printed as JSON after Django was set up."""
    result = run(
        "-c", f"import django, json; django.setup()\n{script}", DJANGO_SETTINGS_MODULE="crewadmin.settings", **variables
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"FERNET_KEYS": ""}, "FERNET_KEYS is missing"),
        ({"FERNET_KEYS": "c2hvcnQ="}, "FERNET_KEYS: key 1 is not 32 random bytes"),
        ({"FERNET_KEYS": "a" * 43 + "="}, "FERNET_KEYS: key 1 is not 32 random bytes"),
        ({"FERNET_KEYS": f"{OTHER_KEY},{OTHER_KEY}"}, "FERNET_KEYS names one key twice"),
        ({"FERNET_KEYS": VARIABLES["SECRET_KEY"]}, "FERNET_KEYS: key 1 is the SECRET_KEY"),
        ({"FERNET_KEYS_FILE": "/nowhere/keys"}, "FERNET_KEYS_FILE cannot be read"),
        ({"SECRET_KEY": ""}, "SECRET_KEY is missing"),
        ({"DEBUG": "on"}, "DEBUG shows settings"),
        ({"DEBUG": "on", "ALLOWED_HOSTS": "127.0.0.1,*"}, "DEBUG shows settings"),
        ({"OIDC_SERVER_URL": "http://login.example.com"}, "OIDC_SERVER_URL must start with https://"),
        ({"OIDC_SERVER_URL": "https://login.example.com"}, "Set the OIDC_CLIENT_ID environment variable"),
        ({"DRIFT_WEBHOOK_URL": "http://hooks.example.com"}, "DRIFT_WEBHOOK_URL must start with https://"),
        ({"DRIFT_WEBHOOK_URL": "https://hooks.example.com"}, "DRIFT_WEBHOOK_KEY is missing"),
        ({"AWS_SANDBOX_URL": "http://10.0.0.1:5000"}, "AWS_SANDBOX_URL must be http://127.0.0.1:PORT"),
    ],
)
def test_what_is_missing_or_unsafe_stops_the_start_with_its_reason(variables: Mapping[str, str], reason: str) -> None:
    result = run("manage.py", "check", **variables)
    assert result.returncode != 0
    assert f"ImproperlyConfigured: {reason}" in result.stderr
    for value in variables.values():
        assert len(value) < 20 or value.startswith("http") or value not in result.stdout + result.stderr


def test_single_sign_on_is_off_unless_a_provider_is_named() -> None:
    script = "from django.conf import settings; print(json.dumps(settings.SOCIALACCOUNT_PROVIDERS, default=str))"
    assert reported(script, OIDC_SERVER_URL="") == {}
    provider = {"OIDC_SERVER_URL": "https://login.example.com/", "OIDC_CLIENT_ID": "crewadmin", "OIDC_NAME": "Example"}
    (app,) = reported(script, **provider, OIDC_CLIENT_SECRET="$ecret")["openid_connect"]["APPS"]
    assert (app["name"], app["client_id"], app["secret"]) == ("Example", "crewadmin", "$ecret")
    assert app["settings"] == {"server_url": "https://login.example.com"}


def test_the_deployment_checks_find_nothing() -> None:
    result = run("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert result.returncode == 0, result.stderr


def test_https_is_the_default_and_hardens_cookies_and_transport() -> None:
    script = """
from django.conf import settings
from django.test import Client
settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
browser = Client(headers={"host": "crewadmin.example"})
plain, page = browser.get("/account/login/"), browser.get("/account/login/", secure=True)
print(json.dumps({
    "redirect": [plain.status_code, plain["Location"]],
    "hsts": page["Strict-Transport-Security"],
    "cookies": {name: dict(cookie.items()) for name, cookie in page.cookies.items()},
    "session": [settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_SECURE, settings.SESSION_COOKIE_HTTPONLY],
    "sandbox": settings.AWS_SANDBOX_URL,
    "debug": settings.DEBUG,
}))
"""
    report = reported(script, HTTPS="yes")
    assert report["redirect"] == [301, "https://crewadmin.example/account/login/"]
    assert report["hsts"] == "max-age=31536000; includeSubDomains; preload"
    assert list(report["cookies"]) == ["__Host-csrftoken"]
    cookie = report["cookies"]["__Host-csrftoken"]
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Lax")
    assert (cookie["path"], cookie["domain"]) == ("/", "")
    assert report["session"] == ["__Host-sessionid", True, True]
    assert (report["sandbox"], report["debug"]) == (None, False)


def test_logs_of_the_cloud_clients_stay_quiet_at_log_level_debug() -> None:
    script = """
import logging
names = ("root", "botocore", "botocore.auth", "boto3", "urllib3", "s3transfer", "django.db.backends")
print(json.dumps({name: logging.getLogger(name).getEffectiveLevel() for name in names}))
"""
    levels = reported(script, LOG_LEVEL="DEBUG")
    assert levels.pop("root") == 10
    assert set(levels.values()) == {30}


def test_the_web_server_refuses_a_database_of_other_keys_and_names_both(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'crewadmin.sqlite3'}"
    setup = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
from organizations.models import User
from organizations.services.organizations import create_organization
create_organization("Acme", "acme", User.objects.create_user("alice@acme.example"))
import crewadmin.wsgi
print(json.dumps("served"))
"""
    assert reported(setup, DATABASE_URL=database) == "served"
    result = run("-c", "import crewadmin.wsgi", DATABASE_URL=database, FERNET_KEYS=OTHER_KEY)
    assert result.returncode != 0
    assert "ImproperlyConfigured" in result.stderr
    assert master_key_id(VARIABLES["FERNET_KEYS"]) in result.stderr
    assert master_key_id(OTHER_KEY) in result.stderr
    both = f"{OTHER_KEY},{VARIABLES['FERNET_KEYS']}"
    assert run("-c", "import crewadmin.wsgi", DATABASE_URL=database, FERNET_KEYS=both).returncode == 0
