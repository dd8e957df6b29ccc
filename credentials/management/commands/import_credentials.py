"""`manage.py import_credentials FILE --org SLUG [--apply]`: bring credentials from a file of ours or of AWS.

Without --apply the plan is shown and nothing written. Exit codes: 0 done, 1 the file has faults, 2 wrong usage,
3 rows are in the way, 4 something moved since the plan, 5 a credential failed its test; nothing is written unless it is
0. See docs/import.md.
"""

from argparse import ArgumentParser
from typing import Any

from credentials.importing.formats import FORMATS
from credentials.importing.run import CredentialImport, Defaults
from crewadmin.importing.source import Limits, Source, read_source
from organizations.import_command import ImportCommand
from organizations.importing import Choices, Import
from organizations.models import Organization


class Command(ImportCommand):
    """Import credentials."""

    help = "Bring credentials from a CSV, JSON or AWS file; shows the plan unless --apply is given."
    kind = "credentials"
    formats = list(FORMATS)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command line takes."""
        super().add_arguments(parser)
        parser.add_argument("--config", metavar="FILE", help="the shared config file beside the credentials file")
        parser.add_argument("--profile", action="append", default=[], help="a profile to take; may be repeated")
        parser.add_argument("--name", default="", help="the name of a row without one")
        parser.add_argument("--region", default="", help="the region of rows without one")
        parser.add_argument("--default", default="", metavar="NAME", help="which becomes its provider's default")
        parser.add_argument(
            "--test", action="store_true", help="test each new or changed one before anything is stored"
        )

    def make_import(
        self, organization: Organization, source: Source, choices: Choices, limits: Limits, options: dict[str, Any]
    ) -> Import:
        """See ImportCommand."""
        sources = [source]
        if options["config"]:
            sources.append(read_source(options["config"], limits))
        defaults = Defaults(options["name"], options["region"], tuple(options["profile"]), options["default"])
        return CredentialImport(
            organization,
            None,
            sources,
            choices,
            limits,
            format_name=options["format"],
            defaults=defaults,
            test=options["test"],
        )
