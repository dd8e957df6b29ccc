"""Decide and write: where a person is signed in."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import models, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext

from ..audit import changing, record
from ..models import AuditEvent, User
from .members import in_the_log


@dataclass(frozen=True)
class SignedIn:
    """One session of a person, without the key that opens it."""

    id: str
    device: str
    address: str
    began_at: datetime
    used_at: datetime
    is_current: bool


def sessions_of(user: User, current: str | None) -> list[SignedIn]:
    """Return a person's living sessions, last used first; `current` is the key of the session that asks."""
    rows = UserSession.objects.filter(user=user, session_key__in=_living()).order_by("-last_seen_at")
    return [
        SignedIn(
            public_id(row.session_key),
            device_of(row.user_agent),
            row.ip,
            row.created_at,
            row.last_seen_at,
            is_current=row.session_key == current,
        )
        for row in rows
    ]


def device_of(user_agent: str) -> str:
    """Return what a browser says it is, in two words where they are known: "Firefox on Windows"."""
    browser = next((name for token, name in _BROWSERS if token in user_agent), "")
    system = next((name for token, name in _SYSTEMS if token in user_agent), "")
    if browser and system:
        return gettext("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or user_agent[:60] or gettext("Unknown device")


#: What tells browsers and systems apart. The order matters: most browsers name the older ones too.
_BROWSERS = (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def public_id(session_key: str) -> str:
    """Return what may stand in a page in place of a session's key."""
    return hashlib.sha256(f"crewadmin session {session_key}".encode()).hexdigest()[:32]


def end_session(user: User, session_id: str, *, but: str | None) -> bool:
    """End one session of a person by its public id, never the one named by `but`. Returns whether there was one."""
    keys = UserSession.objects.filter(user=user).exclude(session_key=but or "").values_list("session_key", flat=True)
    key = next((key for key in keys if public_id(key) == session_id), None)
    if key is not None:
        _end([key])
    return key is not None


def end_sessions(user: User, *, but: str | None = None) -> int:
    """End all sessions of a person but one, named by its key. Returns how many were living."""
    keys = list(
        UserSession.objects.filter(user=user).exclude(session_key=but or "").values_list("session_key", flat=True)
    )
    return _end(keys)


@transaction.atomic
def sign_out_everywhere(user: User, by: User | None) -> None:
    """End all sessions of somebody else, those that nobody listed too; every organization they belong to is told."""
    # In the order of their numbers, and the person last: two of these at once, or an invitation of the same person,
    # must not wait for each other.
    for membership in list(user.memberships.select_related("organization", "user").order_by("organization_id")):
        with changing(membership.organization):
            action = AuditEvent.Action.MEMBER_SESSIONS_ENDED
            record(membership.organization, by, action, in_the_log(membership))
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    end_sessions(user)


@transaction.atomic
def _end(keys: list[str]) -> int:
    ended, _by_model = Session.objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(session_key__in=keys).delete()
    return ended


def _living() -> "models.QuerySet[Session, str]":
    return Session.objects.filter(expire_date__gt=timezone.now()).values_list("session_key", flat=True)
