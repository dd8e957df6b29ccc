"""Decide and write: organizations and their members. Each function is one transaction, audited."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.translation import gettext

from crewadmin.sealing import master_key_id, new_data_key

from .access import Feature, Level, set_levels
from .audit import changing, record
from .models import AuditEvent, DataKey, Membership, Organization, Role, User

#: What the built-in Member role starts with; the owner's levels are not stored, an owner manages everything.
MEMBER_LEVELS = {Feature.ENVIRONMENT_VARIABLES: Level.MANAGE}


@transaction.atomic
def create_organization(name: str, slug: str, owner: User) -> Organization:
    """Create an organization with its data key and built-in roles, and make a person its owner."""
    organization = Organization.objects.create(name=name, slug=slug)
    DataKey.objects.create(
        organization=organization, wrapped_key=new_data_key(), master_key_id=master_key_id(settings.FERNET_KEYS[0])
    )
    create_role(organization, gettext("Owner"), Role.Kind.OWNER)
    member = create_role(organization, gettext("Member"), Role.Kind.MEMBER)
    set_levels(member, MEMBER_LEVELS)
    record(organization, owner, AuditEvent.Action.ORGANIZATION_CREATED, organization)
    add_member(organization, owner, organization.roles.get(kind=Role.Kind.OWNER), by=owner)
    return organization


def create_role(organization: Organization, name: str, kind: Role.Kind = Role.Kind.CUSTOM) -> Role:
    """Create a role that may do nothing yet, with the group that carries its permissions."""
    role = Role(organization=organization, name=name, kind=kind)
    role.group = Group.objects.create(name=f"role {role.uuid}")
    role.save()
    return role


def add_member(organization: Organization, user: User, role: Role, *, by: User | None) -> Membership:
    """Make a person an active member. `role` must be the organization's own."""
    if role.organization_id != organization.pk:
        raise ValueError("The role belongs to another organization.")
    with changing(organization):
        membership = Membership.objects.create(organization=organization, user=user, role=role)
        record(organization, by, AuditEvent.Action.MEMBER_ADDED, user, {"role": role.name})
    return membership
