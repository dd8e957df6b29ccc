"""`manage.py create_organization NAME --owner EMAIL`: the first step on a fresh installation.

Creates the organization and, where there is no such person yet, its owner; prints the link with which a new owner sets
a password, or mails it (`--mail`). Exit codes: 0 done, 1 nothing was created (the short name is taken, or the person's
account is switched off), 2 wrong usage, 3 created, but the mail could not be sent: the link is printed instead.
"""

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _

from crewadmin.forms import TextField
from organizations import mail
from organizations.forms import AddressField
from organizations.models import Organization, User
from organizations.services.organizations import create_organization

FAILED, MISUSED, NOT_SENT = 1, 2, 3
LONGEST_SLUG = 50


def organization_name(text: str) -> str:
    """Return a name without characters that cannot be seen."""
    return _cleaned(TextField(max_length=100), text)


def address(text: str) -> str:
    """Return an e-mail address in lower case."""
    return _cleaned(AddressField(max_length=254), text)


def short_name(text: str) -> str:
    """Return a short name as commands and people write it."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text) or len(text) > LONGEST_SLUG:
        raise ArgumentTypeError(_("write a short name of lower-case letters, digits and hyphens, 50 at most"))
    return text


def site(text: str) -> str:
    """Return the address of this installation, without a slash at its end."""
    if not re.fullmatch(r"https?://[^\s/?#@]+/?", text):
        raise ArgumentTypeError(_("write the address as https://crewadmin.example.com"))
    return text.rstrip("/")


def _cleaned(field: TextField | AddressField, text: str) -> str:
    try:
        return str(field.clean(text))
    except ValidationError as error:
        raise ArgumentTypeError(" ".join(error.messages)) from None


class Command(BaseCommand):
    """Create an organization and its owner."""

    help = "Create an organization and its owner; a new owner gets a link to set a password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command line takes."""
        parser.add_argument("name", type=organization_name, help="as people call it, such as “Acme Robotics”")
        parser.add_argument("--owner", type=address, required=True, metavar="EMAIL", help="who signs in first")
        parser.add_argument("--slug", type=short_name, help="the short name for commands; else made from the name")
        parser.add_argument("--url", type=site, default=settings.PUBLIC_URL, help="where this installation is reached")
        parser.add_argument("--mail", action="store_true", help="mail the link instead of printing it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create all of it or nothing; then say how the owner gets in."""
        slug = options["slug"] or slugify(options["name"])[:LONGEST_SLUG].strip("-")
        if not slug:
            raise CommandError(_("No short name can be made from this name: give one with --slug."), returncode=MISUSED)
        organization, owner = _create(options["name"], slug, options["owner"])
        self.stdout.write(_("Created %(name)s (%(slug)s).") % {"name": organization.name, "slug": slug})
        if not owner.is_unclaimed:
            self.stdout.write(_("%(email)s signs in at %(url)s/") % {"email": owner.email, "url": options["url"]})
        else:
            self._hand_over(organization, owner, options["url"] + _password_path(owner), by_mail=options["mail"])

    def _hand_over(self, organization: Organization, owner: User, link: str, *, by_mail: bool) -> None:
        """Get the link to its owner; it is written out here on purpose, to whoever runs the server."""
        if by_mail and mail.send_password_link(owner, organization.name, link):
            self.stdout.write(_("A link to set the password is on its way to %(email)s.") % {"email": owner.email})
            return
        if by_mail:
            self.stderr.write(_("The mail could not be sent. Check EMAIL_URL."))
        self.stdout.write(_("%(email)s sets the password here, once and soon:") % {"email": owner.email})
        self.stdout.write(link)
        if by_mail:
            sys.exit(NOT_SENT)


@transaction.atomic
def _create(name: str, slug: str, email: str) -> tuple[Organization, User]:
    """Store both or nothing. Raises CommandError for what is in the way."""
    if Organization.objects.filter(slug=slug).exists():
        raise CommandError(
            _("There is an organization %(slug)s already: give another --slug.") % {"slug": slug}, returncode=FAILED
        )
    owner = User.objects.filter(email=email).first() or User.objects.create_user(email)
    if not owner.is_active:
        raise CommandError(_("The account of %(email)s is switched off.") % {"email": email}, returncode=FAILED)
    return create_organization(name, slug, owner), owner


def _password_path(owner: User) -> str:
    """Return the path where a person sets a password: allauth's own link of “Reset your password”."""
    arguments = {"uidb36": user_pk_to_url_str(owner), "key": default_token_generator.make_token(owner)}
    return reverse("account_reset_password_from_key", kwargs=arguments)
