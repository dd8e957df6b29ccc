"""`manage.py resolve AUTOMATION --format dotenv|json|shell`: write an automation's values to standard output.

Nothing is written there unless every variable has a value; problems go to standard error.
Exit codes: 0 written, 1 a variable has no value or the automation was not found, 2 wrong usage.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from envvars.delivery import FORMATS
from envvars.lookup import find_automation
from envvars.presentation import problem_line
from envvars.resolving import resolve_for


class Command(BaseCommand):
    """Write the values of an automation's environment variables."""

    help = "Write an automation's environment variables with their values to standard output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command line takes."""
        parser.add_argument("automation", help="ORGANIZATION/AUTOMATION, its UUID, or a short name used only once")
        parser.add_argument(
            "--format", choices=sorted(FORMATS), default="dotenv", help="how to write (default: dotenv)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Resolve all, then write all or nothing."""
        automation = find_automation(options["automation"])
        resolution = resolve_for(automation, None, options["format"])
        if not resolution.ok:
            for problem in resolution.problems:
                self.stderr.write(problem_line(problem))
            raise CommandError(
                _("%(problems)d of %(all)d variables have no value; nothing was written.")
                % {"problems": len(resolution.problems), "all": len(resolution.problems) + len(resolution.values)}
            )
        self.stdout.write(FORMATS[options["format"]](resolution.values), ending="")
