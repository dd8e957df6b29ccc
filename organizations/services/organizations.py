"""Decide and write: organizations."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from crewadmin.sealing import master_key_id, new_data_key

from ..access import Feature, Level, set_levels
from ..audit import record
from ..models import AuditEvent, DataKey, Organization, Role, User
from ..second_factor import has_second_factor
from .members import add_member
from .owners import changing_as_owner
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


def change_organization(organization: Organization, by: User, *, name: str, requires_mfa: bool) -> Organization:
    """Change what an organization is called, and whether its members need a second factor.

    Returns the organization as it is now. Raises ValidationError (`requires_mfa`) if the owner who asks for second
    factors has none: they would be shut out by their own click; and PermissionDenied.
    """
    if requires_mfa and not has_second_factor(by):
        error = gettext("First set up a second factor of your own, or you would be shut out.")
        raise ValidationError({"requires_mfa": error}, code="no_second_factor")
    with changing_as_owner(organization, by):
        current = Organization.objects.get(pk=organization.pk)
        wanted = {"name": name, "requires_mfa": requires_mfa}
        changed = [field for field, value in wanted.items() if getattr(current, field) != value]
        if changed:
            for field in changed:
                setattr(current, field, wanted[field])
            current.save(update_fields=changed)
            record(current, by, AuditEvent.Action.ORGANIZATION_CHANGED, current, {"fields": changed})
    return current
