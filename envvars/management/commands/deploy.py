"""`manage.py deploy AUTOMATION [--org SLUG] [--json]`: read an automation's values, and let it start with them.

Nothing is deployed unless every variable has a value; problems go to standard error, all of them, and what was deployed
before stays. Exit codes: 0 deployed, 1 a variable has no value, settings changed while values were read, or the
automation was not found, 2 wrong usage. docs/deployments.md describes it.
"""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from envvars.lookup import find_automation
from envvars.models import Automation
from envvars.presentation import problem_line
from envvars.resolving import Resolution
from envvars.services.deployments import KeptChangingError, NothingDeployedError, deploy


class Command(BaseCommand):
    """Deploy an automation."""

    help = "Read an automation's values and keep them sealed: what it starts with if it resolves when it is deployed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command line takes."""
        parser.add_argument("automation", help="ORGANIZATION/AUTOMATION, its UUID, or a short name used only once")
        parser.add_argument("--org", default="", metavar="SLUG", help="the organization that the short name is of")
        parser.add_argument("--json", action="store_true", help="write a report for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        """Deploy and say the number, or every problem."""
        name = options["automation"]
        automation = find_automation(f"{options['org']}/{name}" if options["org"] else name)
        try:
            deployment = deploy(automation, None)
        except NothingDeployedError as error:
            self._refuse(error.resolution, as_json=options["json"])
        except KeptChangingError as error:
            raise CommandError(f"{error.title}. {error.detail}") from None
        except Automation.DoesNotExist:
            raise CommandError(_("The automation was deleted meanwhile.")) from None
        else:
            if options["json"]:
                report = {"deployed": True, "number": deployment.number, "variables": deployment.variables_count}
                self.stdout.write(json.dumps({**report, "problems": []}))
            else:
                sentence = _("Deployed %(automation)s: deployment #%(number)d, variables: %(variables)d")
                self.stdout.write(
                    sentence
                    % {
                        "automation": f"{automation.organization.slug}/{automation.slug}",
                        "number": deployment.number,
                        "variables": deployment.variables_count,
                    }
                )

    def _refuse(self, resolution: Resolution, *, as_json: bool) -> None:
        if as_json:
            problems = [
                {"variable": problem.key, "code": str(problem.code), "reference": problem.reference}
                for problem in resolution.problems
            ]
            self.stdout.write(json.dumps({"deployed": False, "problems": problems}))
            sys.exit(1)
        for problem in resolution.problems:
            self.stderr.write(problem_line(problem))
        count = len(resolution.values) + len(resolution.problems)
        raise CommandError(
            _("%(problems)d of %(all)d variables have no value; nothing was deployed.")
            % {"problems": len(resolution.problems), "all": count}
        )
