"""Decide and write: organizations."""

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext

from crewadmin.sealing import master_key_id, new_data_key

from ..access import Feature, Level, set_levels
from ..audit import record
from ..models import AuditEvent, DataKey, Organization, Role, User
from .members import add_member
from .roles import create_role

#: What the built-in Member role starts with; the owner's levels are not stored, an owner manages everything.
MEMBER_LEVELS = {Feature.ENVIRONMENT_VARIABLES: Level.MANAGE}


@transaction.atomic
def create_organization(name: str, slug: str, owner: User) -> Organization:
    """Create an organization with its data key and built-in roles, and make a person its owner.

    There is no page for it: whoever runs the server does it, and the audit log says so.
    """
    organization = Organization.objects.create(name=name, slug=slug)
    DataKey.objects.create(
        organization=organization, wrapped_key=new_data_key(), master_key_id=master_key_id(settings.FERNET_KEYS[0])
    )
    create_role(organization, gettext("Owner"), Role.Kind.OWNER)
    member = create_role(organization, gettext("Member"), Role.Kind.MEMBER)
    set_levels(member, MEMBER_LEVELS)
    record(organization, None, AuditEvent.Action.ORGANIZATION_CREATED, organization)
    add_member(organization, owner, organization.roles.get(kind=Role.Kind.OWNER), by=None)
    return organization
