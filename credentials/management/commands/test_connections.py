"""`manage.py test_connections [--stale 24h] [--json]`: test again every credential whose last test is too old.

One after the other, within the limits that people have too. A credential whose keys AWS refused is left alone until it
is changed: asking again with refused keys looks like an attack. Exit code: how many credentials are failing (100 for
more), 0 if none is.
"""

import json
import re
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from credentials.models import ConnectionTest, Credential
from credentials.testing import TooManyTestsError, due_credentials, run_connection_test

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
MOST = 100  # exit codes above mean something else to shells


def period(text: str) -> timedelta:
    """Return a period written as 30m, 24h or 7d."""
    found = re.fullmatch(r"(\d{1,5})([mhd])", text)
    if not found:
        raise ArgumentTypeError(_("write a period as 30m, 24h or 7d"))
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


class Command(BaseCommand):
    """Test again what was not tested for a while."""

    help = "Test again every credential whose last test is too old; the exit code is the number that fail."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command line takes."""
        parser.add_argument("--stale", type=period, default=timedelta(hours=24), help="how old: 30m, 24h, 7d")
        parser.add_argument("--json", action="store_true", help="write one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Test what is due; say how each went."""
        failing = 0
        for credential in due_credentials(options["stale"]):
            try:
                test = _within_limits(credential)
            except Credential.DoesNotExist:
                continue  # deleted meanwhile
            failing += not test.ok
            self.stdout.write(_as_json(credential, test) if options["json"] else _as_text(credential, test))
        if failing:
            sys.exit(min(failing, MOST))


def _within_limits(credential: Credential) -> ConnectionTest:
    """Test a credential as soon as its organization's limits allow it."""
    while True:
        try:
            return run_connection_test(credential, None)
        except TooManyTestsError as error:
            time.sleep(error.seconds)


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
