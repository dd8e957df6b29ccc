"""How events of the audit log read: sentences, made of what is stored as names; never HTML."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from .models import AuditEvent
from .sharing import Grant
from .who_has_access import in_words

Action = AuditEvent.Action

#: What somebody did, around the name of the object, which is left out where somebody did it to themselves. A new action
#: needs a phrase here; one that only a newer release knows reads by its name.
_PHRASES: Mapping[str, Any] = {
    Action.ORGANIZATION_CREATED: gettext_lazy("created the organization %(object)s"),
    Action.ORGANIZATION_CHANGED: gettext_lazy("changed the settings of %(object)s"),
    Action.MEMBER_ADDED: gettext_lazy("added the member %(object)s"),
    Action.SECOND_FACTOR_ADDED: gettext_lazy("added a second factor of their own"),
    Action.SECOND_FACTOR_REMOVED: gettext_lazy("removed a second factor of their own"),
    Action.MEMBER_INVITED: gettext_lazy("invited %(object)s"),
    Action.MEMBER_INVITED_AGAIN: gettext_lazy("made a new invitation link for %(object)s"),
    Action.MEMBER_INVITATION_REVOKED: gettext_lazy("revoked the invitation of %(object)s"),
    Action.MEMBER_JOINED: gettext_lazy("accepted the invitation"),
    Action.MEMBER_ROLE_CHANGED: gettext_lazy("gave %(object)s another role"),
    Action.MEMBER_SUSPENDED: gettext_lazy("suspended the member %(object)s"),
    Action.MEMBER_REACTIVATED: gettext_lazy("reactivated the member %(object)s"),
    Action.MEMBER_REMOVED: gettext_lazy("removed the member %(object)s"),
    Action.MEMBER_LEFT: gettext_lazy("left the organization"),
    Action.MEMBER_SESSIONS_ENDED: gettext_lazy("signed %(object)s out everywhere"),
    Action.ROLE_CREATED: gettext_lazy("created the role %(object)s"),
    Action.ROLE_CHANGED: gettext_lazy("changed the role %(object)s"),
    Action.ROLE_DELETED: gettext_lazy("deleted the role %(object)s"),
    Action.CREDENTIAL_CREATED: gettext_lazy("created credential %(object)s"),
    Action.CREDENTIAL_CHANGED: gettext_lazy("changed credential %(object)s"),
    Action.CREDENTIAL_DELETED: gettext_lazy("deleted credential %(object)s"),
    Action.CREDENTIAL_MADE_DEFAULT: gettext_lazy("made %(object)s the default credential"),
    Action.CREDENTIAL_TEST_STARTED: gettext_lazy("started a connection test of %(object)s"),
    Action.CREDENTIAL_TESTED: gettext_lazy("tested the connection of %(object)s"),
    Action.CREDENTIAL_TRUST_CHECK_STARTED: gettext_lazy("started a check of the External ID of %(object)s"),
    Action.CREDENTIAL_TRUST_CHECKED: gettext_lazy("checked the External ID of %(object)s"),
    Action.CREDENTIALS_IMPORTED: gettext_lazy("imported credentials into %(object)s"),
    Action.REFERENCE_CHECK_STARTED: gettext_lazy("started to read secrets with %(object)s, for a check of references"),
    Action.REFERENCE_CHECKED: gettext_lazy("read secrets with %(object)s, for a check of references"),
    Action.CREDENTIAL_PREVIEW_STARTED: gettext_lazy("started a preview of a change of %(object)s"),
    Action.CREDENTIAL_PREVIEWED: gettext_lazy("previewed a change of %(object)s"),
    Action.VARIABLE_CREATED: gettext_lazy("created environment variable %(object)s"),
    Action.VARIABLE_CHANGED: gettext_lazy("changed environment variable %(object)s"),
    Action.VARIABLE_DELETED: gettext_lazy("deleted environment variable %(object)s"),
    Action.VARIABLES_IMPORTED: gettext_lazy("imported environment variables into %(object)s"),
    Action.VARIABLE_TRACE_STARTED: gettext_lazy("started to trace environment variable %(object)s"),
    Action.VARIABLE_TRACED: gettext_lazy("traced environment variable %(object)s"),
    Action.AUTOMATION_CREATED: gettext_lazy("created automation %(object)s"),
    Action.AUTOMATION_CHANGED: gettext_lazy("changed automation %(object)s"),
    Action.AUTOMATION_DELETED: gettext_lazy("deleted automation %(object)s"),
    Action.AUTOMATION_RESOLVED: gettext_lazy("read the values of automation %(object)s"),
    Action.AUTOMATION_DEPLOYED: gettext_lazy("deployed automation %(object)s"),
    Action.AUTOMATION_COMPARED: gettext_lazy("compared what automation %(object)s was deployed with to vaults"),
    Action.SHARING_RESTRICTED: gettext_lazy("restricted %(object)s"),
    Action.SHARING_LIFTED: gettext_lazy("lifted the restriction of %(object)s"),
    Action.SHARING_CHANGED: gettext_lazy("changed who may use %(object)s"),
    Action.TOKEN_CREATED: gettext_lazy("created the service token %(object)s"),
    Action.TOKEN_ROTATED: gettext_lazy("rotated the service token %(object)s"),
    Action.TOKEN_REVOKED: gettext_lazy("revoked the service token %(object)s"),
    Action.AUDIT_EXPORTED: gettext_lazy("exported the audit log of %(object)s"),
    Action.SUPPORT_LOOKED: gettext_lazy("looked at %(object)s, as support staff"),
    Action.SUPPORT_LISTED: gettext_lazy("looked at a list of %(object)s, as support staff"),
}


def _names(value: Any) -> str:
    """Return stored names as words: secret_access_key as secret access key."""
    return ", ".join(str(name).replace("_", " ") for name in (value if isinstance(value, list) else [value]))


def _some(names: list[str]) -> str:
    """Return the first of many names as they are; the export has all."""
    shown = ", ".join(names[:_MOST_NAMES])
    more = len(names) - _MOST_NAMES
    return _("%(names)s and %(count)d more") % {"names": shown, "count": more} if more > 0 else shown


_MOST_NAMES = 10


def _problems(problems: list[str]) -> str:
    """Return what stopped a delivery, as `KEY: code`, in words; nothing where nothing did."""
    count = ngettext("%(count)d problem", "%(count)d problems", len(problems)) % {"count": len(problems)}
    return f"{count} ({_some(problems)})" if problems else ""


def _levels(levels: list[str]) -> str:
    """Return a role's levels, stored as `feature: level`, in words."""
    pairs = [level.split(": ") for level in levels]
    return ", ".join(_("%(level)s for %(name)s") % {"level": level, "name": _names(name)} for name, level in pairs)


def _grants(grants: list[str]) -> str:
    known = frozenset(Grant(grant) for grant in grants if grant in Grant.values)
    return _("may %(grants)s") % {"grants": in_words(known)} if known else _("not any more")


#: Kinds of second factors, as stored.
_KINDS = {"totp": gettext_lazy("authenticator app"), "webauthn": gettext_lazy("passkey")}

#: How each detail reads, in the order of a sentence; one that is not here reads as its name and value, after these.
_DETAILS: Mapping[str, Callable[[Any], str]] = {
    "fields": _names,
    "filters": lambda value: _("only by %(names)s") % {"names": _names(value)} if value else "",
    "result": lambda value: _("passed") if value == "passed" else _("failed"),
    "failure": _names,
    "names": _some,
    "provider": str,
    "secrets": _some,
    "role": lambda value: _("as %(role)s") % {"role": value},
    "previous_role": lambda value: _("instead of %(role)s") % {"role": value},
    "levels": _levels,
    "members": lambda count: ngettext("%(count)d member", "%(count)d members", count) % {"count": count},
    "successor": lambda role: _("now %(role)s") % {"role": role},
    "holder": str,
    "grants": _grants,
    "source": lambda name: _("from %(name)s") % {"name": name},
    "created": lambda count: _("%(count)d new") % {"count": count} if count else "",
    "changed": lambda count: _("%(count)d changed") % {"count": count} if count else "",
    "removed": lambda count: _("%(count)d removed") % {"count": count} if count else "",
    "delivery": lambda value: _("for %(delivery)s") % {"delivery": value},
    "deployment": lambda number: _("deployment #%(number)d") % {"number": number},
    "stale": lambda keys: _("stale: %(keys)s") % {"keys": _some(keys)} if keys else _("nothing is stale"),
    "format": str,
    "kind": lambda kind: str(_KINDS.get(kind, kind)),
    "rows": lambda count: ngettext("%(count)d row", "%(count)d rows", count) % {"count": count},
    "variables": lambda count: ngettext("%(count)d variable", "%(count)d variables", count) % {"count": count},
    "moved_to": lambda name: _("now read with %(name)s") % {"name": name},
    "problems": _problems,
}


#: PostgreSQL stores names in an order of its own.
_ORDER = {name: place for place, name in enumerate(_DETAILS)}


@dataclass(frozen=True)
class Sentence:
    """An event in words; the person and the object, if it is named, stand apart, so that a page can link them."""

    person: str
    before: str
    object: str
    after: str

    def __str__(self) -> str:
        return f"{self.person} {self.before}{self.object}{self.after}"


def sentence_of(event: AuditEvent, person: str = "") -> Sentence:
    """Return an event in words: “Alice changed credential aws-prod: region, secret access key”.

    `person` replaces what the log calls who did it, their e-mail address.
    """
    phrase = str(_PHRASES.get(event.action) or f"{event.get_action_display()}: %(object)s")
    before, named, after = phrase.partition("%(object)s")
    ordered = sorted(event.details.items(), key=lambda detail: _ORDER.get(detail[0], len(_ORDER)))
    details = ", ".join(filter(None, (_detail(name, value) for name, value in ordered)))
    return Sentence(
        person or event.actor_label,
        before,
        event.target_label if named else "",
        f"{after}: {details}" if details else after,
    )


def _detail(name: str, value: Any) -> str:
    reads = _DETAILS.get(name)
    return reads(value) if reads else f"{_names(name)} {_names(value)}"
