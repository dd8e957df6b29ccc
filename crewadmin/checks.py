"""What the system checks refuse beyond Django's own, and the start of the web server that runs them.

gunicorn runs no checks of its own, so `crewadmin.wsgi` calls `refuse_unsafe_start` before it serves anything.
"""

import stat
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured


@checks.register(checks.Tags.security)
def check_key_file_mode(**kwargs: Any) -> list[checks.CheckMessage]:
    """Warn when the file with the keys can be read by other users of the machine."""
    path = Path(settings.BASE_DIR) / ".env"
    if not path.exists() or not path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        return []
    return [
        checks.Warning(
            "Other users of this machine can read .env, which holds the keys.",
            hint="Run: chmod 600 .env",
            id="crewadmin.W001",
        )
    ]


def refuse_unsafe_start() -> None:
    """Run every check, those that ask the database included. Raises ImproperlyConfigured naming each error."""
    errors = [message for message in checks.run_checks(databases=["default"]) if message.is_serious()]
    if errors:
        raise ImproperlyConfigured("\n".join(str(error) for error in errors))
