"""`manage.py export_credentials --org SLUG [--format csv|json]`: write an organization's credentials, without secrets.

The output is what import_credentials reads: export, edit, import. Exit codes: 0 written, 2 wrong usage.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from credentials.importing.formats import SCHEMA
from credentials.importing.run import exported_credentials
from crewadmin.importing.export import WRITERS
from organizations.models import Organization


class Command(BaseCommand):
    """Export credentials without their secrets."""

    help = "Write an organization's credentials, without secrets, as import_credentials reads them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command line takes."""
        parser.add_argument("--org", required=True, metavar="SLUG", help="the organization's short name")
        parser.add_argument("--format", choices=sorted(WRITERS), default="csv")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write to standard output."""
        organization = Organization.objects.filter(slug=options["org"]).first()
        if organization is None:
            raise CommandError(_("There is no organization of this short name."), returncode=2)
        self.stdout.ending = ""
        WRITERS[options["format"]](self.stdout, SCHEMA, exported_credentials(organization))
