"""`manage.py import_envvars FILE --org SLUG [--apply]`: bring environment variables from a CSV, JSON or .env file.

Without --apply the plan is shown and nothing written. Exit codes: 0 done, 1 the file has faults, 2 wrong usage,
3 rows are in the way, 4 something moved since the plan; nothing is written unless it is 0. See docs/import.md.
"""

from typing import Any

from crewadmin.importing.source import Limits, Source
from envvars.importing.formats import FORMATS
from envvars.importing.run import VariableImport
from organizations.import_command import ImportCommand
from organizations.importing import Choices, Import
from organizations.models import Organization


class Command(ImportCommand):
    """Import environment variables."""

    help = "Bring environment variables from a CSV, JSON or .env file; shows the plan unless --apply is given."
    kind = "variables"
    formats = list(FORMATS)

    def make_import(
        self, organization: Organization, source: Source, choices: Choices, limits: Limits, options: dict[str, Any]
    ) -> Import:
        """See ImportCommand."""
        return VariableImport(organization, None, source, choices, limits, format_name=options["format"])
