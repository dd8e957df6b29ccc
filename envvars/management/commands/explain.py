"""`manage.py explain KEY --org SLUG [--automation SLUG] [--json]`: say hop by hop how a variable comes by its value.

It reads what the variable refers to, within the limits of connection tests, and never writes the value. Exit codes:
0 the variable has a value, 1 a hop failed, 2 wrong usage or nothing of that name, 3 the limit is reached and nothing
was asked. docs/explain.md describes the hops and what --json writes.
"""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from credentials.presentation import StepView
from crewadmin.limits import TooManyError
from envvars.explaining import Explanation, Hop, trace
from envvars.models import Automation, EnvironmentVariable
from envvars.presentation import Sight, for_terminal, hops_in_words, verdict_of
from organizations.models import Organization

LIMIT_REACHED = 3


class Command(BaseCommand):
    """Explain where a variable's value comes from."""

    help = "Say hop by hop how a variable comes by its value, or why it does not; the value is never written."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command line takes."""
        parser.add_argument("key", help="the variable's key")
        parser.add_argument("--org", required=True, metavar="SLUG", help="the organization's short name")
        parser.add_argument("--automation", metavar="SLUG", help="the short name of an automation that receives it")
        parser.add_argument("--json", action="store_true", help="write one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Trace the variable and write the hops."""
        variable, automation = _found(options)
        try:
            explanation = trace(variable, None, automation)
        except TooManyError as error:
            sentence = _("Too many connection tests at once, and a trace counts as one. Try again in %(seconds)d s.")
            raise CommandError(sentence % {"seconds": error.seconds}, returncode=LIMIT_REACHED) from None
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(explanation), ensure_ascii=False))
        else:
            self._write(explanation)
        if explanation.code:
            sys.exit(1)

    def _write(self, explanation: Explanation) -> None:
        for view in hops_in_words(explanation, Sight()):
            for line in _lines(view):
                self.stdout.write(for_terminal(line))
        self.stdout.write(for_terminal(f"{explanation.variable}: {verdict_of(explanation, Sight())}."))


def _found(options: dict[str, Any]) -> tuple[EnvironmentVariable, Automation | None]:
    """Return what is named. Raises CommandError for what is not there."""
    organization = Organization.objects.filter(slug=options["org"]).first()
    if organization is None:
        raise CommandError(_("There is no organization of this short name."), returncode=2)
    variables = EnvironmentVariable.objects.for_organization(organization).select_related("organization")
    variable = variables.filter(key=options["key"]).first()
    if variable is None:
        raise CommandError(_("The organization has no variable of this key."), returncode=2)
    if options["automation"] is None:
        return variable, None
    automation = Automation.objects.for_organization(organization).filter(slug=options["automation"]).first()
    if automation is None:
        raise CommandError(_("The organization has no automation of this short name."), returncode=2)
    return variable, automation


def _lines(view: StepView) -> list[str]:
    milliseconds = "" if view.milliseconds is None or view.state == "skipped" else f" ({view.milliseconds} ms)"
    first = f"{view.state:8}{view.label}: {view.hint}{milliseconds}"
    facts = [f"{label}: {text}" for label, text in view.facts]
    more = (
        [view.detail, *(f"{number}. {step}" for number, step in enumerate(view.steps, start=1))] if view.title else []
    )
    return [first, *(" " * 8 + line for line in (*more, *facts))]


def _as_json(explanation: Explanation) -> dict[str, Any]:
    return {
        "organization": explanation.variable.organization.slug,
        "automation": explanation.automation and explanation.automation.slug,
        "variable": explanation.variable.key,
        "ok": explanation.code is None,
        "failure": explanation.code,
        "hops": [_hop_as_json(hop) for hop in explanation.hops],
    }


def _hop_as_json(hop: Hop) -> dict[str, Any]:
    return {
        "hop": hop.name,
        "part": hop.part,
        "state": hop.state,
        "milliseconds": hop.milliseconds,
        "failure": hop.code,
        "skipped": hop.skipped,
        "facts": dict(hop.facts),
        "keys": list(hop.keys),
        "nearest": hop.nearest,
    }
