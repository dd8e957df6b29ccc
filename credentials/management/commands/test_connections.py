"""`manage.py test_connections [--stale 24h] [--at-once 2] [--json]`: test again what was not tested for a while.

A few at once and spread out, within the limits that people have too. A credential whose keys AWS refused is left alone
until it is changed: asking again with refused keys looks like an attack. Exit code: how many credentials fail now,
whether they were tested again or not (100 for more), 0 if none does.
"""

import json
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from credentials.health import STALE, due_credentials, retest
from credentials.models import ConnectionTest, Credential

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
MOST = 100  # exit codes above mean something else to shells
MOST_AT_ONCE = 20


def period(text: str) -> timedelta:
    """Return a period written as 30m, 24h or 7d."""
    found = re.fullmatch(r"(\d{1,5})([mhd])", text)
    if not found:
        raise ArgumentTypeError(_("write a period as 30m, 24h or 7d"))
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def few(text: str) -> int:
    """Return how many tests may run at once."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_AT_ONCE:
        raise ArgumentTypeError(_("write a number from 1 to %(most)d") % {"most": MOST_AT_ONCE})
    return int(text)


def seconds(text: str) -> float:
    """Return a pause of at most an hour."""
    if not re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text) or float(text) > 3600:
        raise ArgumentTypeError(_("write a number of seconds from 0 to 3600"))
    return float(text)


class Command(BaseCommand):
    """Test again what was not tested for a while."""

    help = "Test again every credential whose last test is too old; the exit code is the number that fail."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command line takes."""
        parser.add_argument("--stale", type=period, default=STALE, help="how old: 30m, 24h (the default), 7d")
        parser.add_argument("--at-once", type=few, default=2, help="tests at the same time, 2 by default")
        parser.add_argument(
            "--pause", type=seconds, default=2.0, help="seconds between two starts, about; 2 by default"
        )
        parser.add_argument("--json", action="store_true", help="write one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Test what is due; say how each went."""
        written = _as_json if options["json"] else _as_text
        for credential, test in retest(due_credentials(options["stale"]), options["at_once"], options["pause"]):
            if test:
                self.stdout.write(written(credential, test))
        if failing := Credential.objects.failing().count():
            sys.exit(min(failing, MOST))


def _as_text(credential: Credential, test: ConnectionTest) -> str:
    outcome = str(test.failure.title) if test.failure else _("connected")
    return f"{credential.organization.slug}/{credential.name}: {outcome}"


def _as_json(credential: Credential, test: ConnectionTest) -> str:
    return json.dumps(
        {
            "organization": credential.organization.slug,
            "credential": str(credential.uuid),
            "name": credential.name,
            "ok": test.ok,
            "failure": test.failed_step and test.failed_step["code"],
            "milliseconds": test.milliseconds,
        },
        ensure_ascii=False,
    )
