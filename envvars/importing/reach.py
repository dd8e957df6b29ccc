"""What an import may use and change: everything for an operator, for a member what the pages let them."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Q

from credentials.models import Credential
from credentials.providers import PROVIDERS
from organizations.access import access_of
from organizations.models import Membership, Organization
from organizations.sharing import Grant, held

from ..forms import Sources
from ..models import Automation, EnvironmentVariable


@dataclass(frozen=True)
class Reach:
    """What is in reach.

    Credentials by name, providers whose default may be used, automations' primary keys by short name, and the condition
    for the variables that may be changed (None: all).
    """

    credentials: Mapping[str, Credential]
    defaults: frozenset[str]
    automations: Mapping[str, int]
    variables: Q | None = None


def everything(organization: Organization) -> Reach:
    """Return the reach of an operator on the server."""
    credentials = {one.name: one for one in Credential.objects.for_organization(organization)}
    automations = Automation.objects.for_organization(organization).values_list("slug", "pk")
    return Reach(credentials, frozenset(PROVIDERS), dict(automations))


def reach_of(membership: Membership) -> Reach:
    """Return what the form of a variable would offer to a member."""
    sources = Sources(membership, access_of(membership), None)
    credentials = {one.name: one for one in sources.usable}
    automations = Automation.objects.for_organization(membership.organization)
    managed = automations.filter(held(Automation, membership, Grant.MANAGE)).values_list("slug", "pk")
    variables = held(EnvironmentVariable, membership, Grant.MANAGE)
    return Reach(credentials, sources.defaults, dict(managed), variables)
