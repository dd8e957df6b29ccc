"""`manage.py verify_audit [ORGANIZATION ...] [--json]`: check that nobody changed an audit log behind the application.

Names the first event that does not fit, for each organization that is named (short name or UUID), or for all. Exit
code 0: every log is as it was written; 1: one is not, or cannot be checked; 2: there is no such organization.
"""

import json
import sys
from argparse import ArgumentParser
from time import perf_counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crewadmin.sealing import SealError
from organizations.audit_chain import Break, Fault, Verdict, verify
from organizations.models import Organization, public_id

_FAULTS = {
    Fault.EDITED: gettext_lazy("was edited"),
    Fault.DELETED: gettext_lazy("does not follow the event before it: events between them were deleted"),
    Fault.MOVED: gettext_lazy("does not stand where it was written"),
    Fault.CUT: gettext_lazy("is missing: the newest events were deleted"),
    Fault.HEAD: gettext_lazy("is the end, but the record of where the log ends is missing or forged"),
}


class Command(BaseCommand):
    """Check audit logs."""

    help = "Check that nobody changed an audit log; exit code 1 if somebody did."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command line takes."""
        parser.add_argument("organizations", nargs="*", metavar="ORGANIZATION", help="short name or UUID; default: all")
        parser.add_argument("--json", action="store_true", help="write one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check each log; say what was found."""
        write = _as_json if options["json"] else _as_text
        intact = True
        for organization in _organizations(options["organizations"]):
            started = perf_counter()
            verdict, problem = _checked(organization)
            self.stdout.write(write(organization, verdict, problem, perf_counter() - started))
            intact = intact and verdict is not None and verdict.broken is None
        if not intact:
            sys.exit(1)


def _organizations(names: list[str]) -> list[Organization]:
    """Return the organizations that were named, or all. Raises CommandError for a name that none has."""
    rows = Organization.objects.order_by("slug")
    if not names:
        return list(rows)
    found = []
    for name in names:
        uuid = public_id(name)
        organization = rows.filter(**{"uuid": uuid} if uuid else {"slug": name}).first()
        if organization is None:
            raise CommandError(
                _("There is no organization called “%(name)s”: write its short name or UUID.") % {"name": name},
                returncode=2,
            )
        found.append(organization)
    return found


def _checked(organization: Organization) -> tuple[Verdict | None, str]:
    """Return what was found, or None and why nothing can be."""
    try:
        return verify(organization), ""
    except SealError as error:
        return None, str(error)


def _as_text(organization: Organization, verdict: Verdict | None, problem: str, seconds: float) -> str:
    if verdict is None:
        return f"{organization.slug}: " + _("cannot be checked: %(problem)s") % {"problem": problem}
    if verdict.broken:
        return f"{organization.slug}: " + _("BROKEN: %(place)s") % {"place": _place(verdict.broken)}
    speed = round(verdict.events / seconds) if seconds else verdict.events
    return f"{organization.slug}: " + _("intact: %(events)d events (%(speed)d a second)") % {
        "events": verdict.events,
        "speed": speed,
    }


def _place(broken: Break) -> str:
    """Return where a log is broken first, and how."""
    event = f" ({broken.event}, {broken.created_at:%Y-%m-%d %H:%M:%S} UTC)" if broken.event else ""
    return _("event %(position)d") % {"position": broken.position} + f"{event} {_FAULTS[broken.fault]}"


def _as_json(organization: Organization, verdict: Verdict | None, problem: str, seconds: float) -> str:
    broken = verdict.broken if verdict else None
    return json.dumps(
        {
            "organization": organization.slug,
            "intact": verdict is not None and broken is None,
            "events": verdict.events if verdict else None,
            "problem": problem or (broken and broken.fault.value),
            "position": broken and broken.position,
            "event": broken and broken.event and str(broken.event),
            "seconds": round(seconds, 3),
        }
    )
