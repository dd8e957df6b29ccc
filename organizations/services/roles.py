"""Decide and write: roles."""

from django.contrib.auth.models import Group

from ..models import Organization, Role


def create_role(organization: Organization, name: str, kind: Role.Kind = Role.Kind.CUSTOM) -> Role:
    """Create a role that may do nothing yet, with the group that carries its permissions."""
    role = Role(organization=organization, name=name, kind=kind)
    role.group = Group.objects.create(name=f"role {role.uuid}")
    role.save()
    return role
