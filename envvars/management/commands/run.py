"""`manage.py run AUTOMATION -- COMMAND ...`: start a command with an automation's values in its environment.

The command replaces this process: it receives the signals, and its exit code is the caller's. It is not started unless
every variable has a value. Exit codes of our own: 1 a variable has no value or the automation was not found, 2 wrong
usage, 126 the command cannot be executed, 127 there is no such command.
"""

import sys
from argparse import REMAINDER, ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.utils.translation import gettext as _

from envvars.delivery import become
from envvars.lookup import find_automation
from envvars.presentation import problem_line
from envvars.resolving import resolve_for


class Command(BaseCommand):
    """Run a command with an automation's environment variables."""

    help = "Start a command with an automation's environment variables in its environment."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command line takes."""
        parser.add_argument("automation", help="ORGANIZATION/AUTOMATION, its UUID, or a short name used only once")
        parser.add_argument("command", nargs=REMAINDER, metavar="-- COMMAND ...", help="what to start, after --")

    def handle(self, *args: Any, **options: Any) -> None:
        """Resolve all; become the command if that went well."""
        command = options["command"][1:] if options["command"][:1] == ["--"] else options["command"]
        if not command:
            raise CommandError(_("Name the command to start after --."), returncode=2)
        resolution = resolve_for(find_automation(options["automation"]), None, "run")
        for problem in resolution.problems:
            self.stderr.write(problem_line(problem))
        self.stderr.write(
            _("variables: %(values)d, secrets read: %(secrets)d, problems: %(problems)d")
            % {
                "values": len(resolution.values),
                "secrets": resolution.secrets_read,
                "problems": len(resolution.problems),
            }
        )
        if not resolution.ok:
            raise CommandError(_("A variable has no value; the command was not started."))
        connections.close_all()
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            become(command, resolution.values)
        except OSError as error:
            code = 127 if isinstance(error, FileNotFoundError | NotADirectoryError) else 126
            raise CommandError(f"{command[0]}: {error.strerror}", returncode=code) from None
