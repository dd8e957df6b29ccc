"""`manage.py resolve AUTOMATION --format FORMAT`: write an automation's values to standard output.

Nothing is written there unless every variable has a value that the format can hold; problems go to standard error.
Exit codes: 0 written, 1 a variable has no value or one that the format cannot hold, or the automation was not found
or is not deployed yet, 2 wrong usage. docs/delivery.md describes the formats.
"""

from argparse import ArgumentParser
from typing import Any, NoReturn

from django.core.checks import Tags
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from envvars.delivery.formats import FORMATS, CannotBeWrittenError, write
from envvars.deployed import NotDeployedError
from envvars.kickoff import environment_for
from envvars.lookup import find_automation
from envvars.presentation import problem_line
from envvars.resolving import Resolution


class Command(BaseCommand):
    """Write the values of an automation's environment variables."""

    help = "Write an automation's environment variables with their values to standard output."
    # An automation waits for this process: the addresses of the web server are not loaded to be checked.
    requires_system_checks = (Tags.security,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command line takes."""
        parser.add_argument("automation", help="ORGANIZATION/AUTOMATION, its UUID, or a short name used only once")
        parser.add_argument("--format", choices=FORMATS, default="dotenv", help="how to write (default: dotenv)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Resolve all, then write all or nothing."""
        automation = find_automation(options["automation"])
        try:
            resolution = environment_for(automation, options["format"])
        except NotDeployedError as error:
            raise CommandError(f"{error.title}. {error.detail}") from None
        if not resolution.ok:
            lines = [problem_line(problem) for problem in resolution.problems]
            self._refuse(lines, _("%(problems)d of %(all)d variables have no value; nothing was written."), resolution)
        try:
            written = write(options["format"], resolution.values, automation.slug)
        except CannotBeWrittenError as error:
            lines = [f"{key}: {reason}." for key, reason in error.reasons.items()]
            self._refuse(
                lines, _("%(problems)d of %(all)d values do not fit the format; nothing was written."), resolution
            )
        self.stdout.write(written, ending="")

    def _refuse(self, lines: list[str], sentence: str, resolution: Resolution) -> NoReturn:
        for line in lines:
            self.stderr.write(line)
        count = len(resolution.values) + len(resolution.problems)
        raise CommandError(sentence % {"problems": len(lines), "all": count})
