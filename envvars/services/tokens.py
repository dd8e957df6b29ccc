"""Decide and write: the service tokens that automations show over HTTP.

A token is `crewadmin_` and twelve hex digits (its prefix, which may be seen), then `_` and 256 random bits. Only the
SHA-256 of the whole is stored: that many random bits need no slow hash.
"""

import hashlib
import hmac
import re
import secrets
from datetime import timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from crewadmin.redaction import Secret
from organizations.audit import record
from organizations.models import AuditEvent, User
from organizations.services.managers import changing_as_manager

from ..models import Automation, ServiceToken

Action = AuditEvent.Action

#: Working tokens that an automation may have: one for each place that it runs at, and their successors.
MOST_TOKENS = 20
#: How often it is written down that a token is in use.
USE_NOTED = timedelta(minutes=1)

_TOKEN = re.compile(r"\A(crewadmin_[0-9a-f]{12})_[A-Za-z0-9_-]{43}\Z")
#: Looked up and compared where there is nothing to look up, so that every refusal costs the same.
_NO_PREFIX, _NO_HASH = "crewadmin_", bytes(32)


class TokenGivenError(Exception):
    """The form was sent a second time: its token was made by the first, and is not shown again."""


def add_token(
    automation: Automation, by: User | None, *, name: str, lifetime: timedelta, uuid: UUID, may_deploy: bool = False
) -> tuple[ServiceToken, Secret[str]]:
    """Store a token and return it with its text, which nobody can get again. `uuid` becomes the row's.

    It opens the automation's values; with `may_deploy` it deploys too. Raises TokenGivenError for a `uuid` that is
    taken, ValidationError if the automation has its most already, and what `managed_row` does.
    """
    with changing_as_manager(automation, by) as automation:
        _refuse_more(automation, uuid)
        token, text = _new_token(automation, by, name, lifetime, uuid, may_deploy=may_deploy)
        record(
            automation.organization, by, Action.TOKEN_CREATED, token, {"fields": ["may_deploy"]} if may_deploy else {}
        )
    return token, text


def rotate_token(
    token: ServiceToken, by: User | None, *, overlap: timedelta, uuid: UUID
) -> tuple[ServiceToken, Secret[str]]:
    """Store a successor with the same name, lifetime and rights; the old one ends after `overlap`, if not earlier.

    Raises TokenGivenError for a `uuid` that is taken, ValidationError if the automation has its most already or the
    token does not work any more, ServiceToken.DoesNotExist if it was deleted meanwhile, and what `managed_row` does.
    """
    with changing_as_manager(token.automation, by) as automation:
        _refuse_more(automation, uuid)
        token = ServiceToken.objects.get(pk=token.pk)
        if not token.works:
            raise ValidationError(_("This token does not work any more. Create a new one."))
        successor, text = _new_token(automation, by, token.name, token.lifetime, uuid, may_deploy=token.may_deploy)
        token.expires_at = min(token.expires_at, timezone.now() + overlap)
        token.save(update_fields=["expires_at"])
        record(automation.organization, by, Action.TOKEN_ROTATED, token)
    return successor, text


def revoke_token(token: ServiceToken, by: User | None) -> None:
    """End a token at once; one that was revoked before stays as it is. Raises what `managed_row` does."""
    with changing_as_manager(token.automation, by):
        if ServiceToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            record(token.organization, by, Action.TOKEN_REVOKED, token)


def token_of(text: str) -> ServiceToken | None:
    """Return the working token whose text this is, or None; a look-up, a hash and a comparison in either case."""
    found = _TOKEN.match(text)
    rows = ServiceToken.objects.select_related("automation__organization")
    token = rows.filter(prefix=found[1] if found else _NO_PREFIX).first()
    same = hmac.compare_digest(_hash_of(text), bytes(token.hash) if token else _NO_HASH)
    return token if token and same and token.works else None


def note_use(token: ServiceToken) -> None:
    """Write down that a token is in use; about once a minute, because a write costs more than the answer."""
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_NOTED)
    if token.last_used_at is None or token.last_used_at < now - USE_NOTED:
        ServiceToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)


def _refuse_more(automation: Automation, uuid: UUID) -> None:
    if ServiceToken.objects.filter(uuid=uuid).exists():
        raise TokenGivenError
    if ServiceToken.objects.filter(automation=automation).working().count() >= MOST_TOKENS:
        raise ValidationError(_("An automation has 20 working tokens at most. Revoke one that is not used any more."))


def _new_token(
    automation: Automation, by: User | None, name: str, lifetime: timedelta, uuid: UUID, *, may_deploy: bool
) -> tuple[ServiceToken, Secret[str]]:
    prefix = f"crewadmin_{secrets.token_hex(6)}"
    text = f"{prefix}_{secrets.token_urlsafe(32)}"
    token = ServiceToken(
        uuid=uuid,
        automation=automation,
        name=name,
        prefix=prefix,
        hash=_hash_of(text),
        lifetime=lifetime,
        expires_at=timezone.now() + lifetime,
        may_deploy=may_deploy,
        created_by=by,
    )
    token.save(force_insert=True)
    return token, Secret(text)


def _hash_of(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
