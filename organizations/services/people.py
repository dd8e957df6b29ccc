"""Decide and write: people, who belong to no organization in particular."""

from django.db import transaction
from django.db.models import F

from ..audit import changing, record
from ..models import AuditEvent, Organization, User


def change_profile(user: User, *, name: str) -> None:
    """Change what a person is called. It belongs to no organization, and audit events carry the address."""
    user.name = name
    user.save(update_fields=["name"])


@transaction.atomic
def end_sessions(user: User, by: User | None) -> None:
    """Sign a person out everywhere, at their next request; every organization they belong to is told."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    # In the order of their numbers: two of these at once must not wait for each other.
    for organization in list(Organization.objects.filter(memberships__user=user).order_by("pk")):
        with changing(organization):
            record(organization, by, AuditEvent.Action.MEMBER_SESSIONS_ENDED, user)
