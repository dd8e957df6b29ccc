"""`manage.py drift [NAME] [--exit-code] [--json]`: say which deployed values vaults hold newer versions of.

No value is read. NAME is an organization's short name, or an automation as ORGANIZATION/AUTOMATION; without it every
organization is compared. Automations that resolve at every start, or were not deployed yet, have nothing to compare.
Exit codes: 0 compared; with --exit-code 1 if something is stale, or 3 if nothing is but something could not be told;
2 wrong usage, 1 there is no such organization or automation.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from credentials.providers.failures import explain
from envvars.lookup import find_automation
from envvars.services.drift import Drift, check_drift
from organizations.models import Organization

STALE, UNKNOWN = 1, 3


class Command(BaseCommand):
    """Compare what is deployed with what vaults hold now."""

    help = "Say which deployed values vaults hold newer versions of, without reading a value."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command line takes."""
        parser.add_argument("name", nargs="?", help="an organization, or ORGANIZATION/AUTOMATION; all by default")
        parser.add_argument("--exit-code", action="store_true", help="1 if something is stale, 3 if it cannot be told")
        parser.add_argument("--json", action="store_true", help="write one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare; say what was found out of each automation."""
        written = _as_json if options["json"] else _as_text
        stale = unknown = False
        for drift in _compared(options["name"]):
            self.stdout.write(written(drift))
            stale, unknown = stale or bool(drift.stale), unknown or bool(drift.unknown)
        if options["exit_code"] and (stale or unknown):
            sys.exit(STALE if stale else UNKNOWN)


def _compared(name: str | None) -> Iterator[Drift]:
    if name and "/" in name:
        automation = find_automation(name)
        yield from check_drift(automation.organization, automation=automation)
        return
    organizations = Organization.objects.filter(slug=name) if name else Organization.objects.order_by("slug")
    if name and not organizations:
        raise CommandError(_("There is no organization with the short name “%(name)s”.") % {"name": name})
    for organization in organizations.iterator():
        yield from check_drift(organization)


def _name_of(drift: Drift) -> str:
    return f"{drift.deployment.organization.slug}/{drift.deployment.automation.slug}"


def _as_text(drift: Drift) -> str:
    lines = [
        _("%(automation)s: deployment #%(number)d, %(stale)d of %(compared)d values stale")
        % {
            "automation": _name_of(drift),
            "number": drift.deployment.number,
            "stale": len(drift.stale),
            "compared": drift.compared,
        }
    ]
    lines += [
        _("  %(key)s: stale since %(since)s") % {"key": key, "since": since.isoformat(timespec="seconds")}
        for key, since in drift.stale.items()
    ]
    lines += [
        _("  %(key)s: cannot be told: %(reason)s") % {"key": key, "reason": explain(code).title}
        for key, code in drift.unknown.items()
    ]
    return "\n".join(lines)


def _as_json(drift: Drift) -> str:
    return json.dumps(
        {
            "automation": _name_of(drift),
            "uuid": str(drift.deployment.automation.uuid),
            "deployment": drift.deployment.number,
            "compared": drift.compared,
            "stale": {key: since.isoformat() for key, since in drift.stale.items()},
            "unknown": {key: code.value for key, code in drift.unknown.items()},
        },
        ensure_ascii=False,
    )
