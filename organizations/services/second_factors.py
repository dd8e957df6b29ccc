"""Decide and write: second factors of people. allauth stores them; what happened is written into the audit log."""

from typing import Any

from allauth.mfa.models import Authenticator

from crewadmin.sealing import open_for_person, seal_for_person

from ..audit import changing, record
from ..models import AuditEvent, Membership, User
from ..second_factor import FACTORS, PURPOSE

#: Where an authenticator's row keeps a sealed text.
_SEALED = ("secret", "seed")


def record_added(user: User, authenticator: Authenticator, **signal: Any) -> None:
    """Tell every organization of a person that they have a new second factor (allauth's `authenticator_added`)."""
    _record(user, AuditEvent.Action.SECOND_FACTOR_ADDED, authenticator)


def record_removed(user: User, authenticator: Authenticator, **signal: Any) -> None:
    """Tell every organization of a person that they removed a second factor (allauth's `authenticator_removed`)."""
    _record(user, AuditEvent.Action.SECOND_FACTOR_REMOVED, authenticator)


def _record(user: User, action: AuditEvent.Action, authenticator: Authenticator) -> None:
    if authenticator.type not in FACTORS:
        return
    for membership in Membership.objects.filter(user=user, state=Membership.State.ACTIVE).order_by("organization_id"):
        with changing(membership.organization):
            record(membership.organization, user, action, user, {"kind": authenticator.type})


def reseal_second_factors() -> int:
    """Seal every second factor anew under the newest of FERNET_KEYS; returns how many rows that were.

    After this, and a rotation of the data keys, an older key may be taken away. Raises SealError, with nothing of that
    row changed, for one that none of FERNET_KEYS opens.
    """
    rows = list(Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN))
    for row in rows:
        sealed = {name: open_for_person(PURPOSE, row.data[name]) for name in _SEALED if name in row.data}
        row.data |= {name: seal_for_person(PURPOSE, secret) for name, secret in sealed.items()}
        row.save(update_fields=["data"])
    return len(rows)
