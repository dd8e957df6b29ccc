"""How events of the audit log read: sentences, made of what is stored as names; never HTML."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from .models import AuditEvent

Action = AuditEvent.Action

#: What somebody did, around the name of the object. An action that is not here reads by its label.
_PHRASES: Mapping[str, Any] = {
    Action.ORGANIZATION_CREATED: gettext_lazy("created the organization %(object)s"),
    Action.MEMBER_ADDED: gettext_lazy("added the member %(object)s"),
    Action.MEMBER_SUSPENDED: gettext_lazy("suspended the member %(object)s"),
    Action.MEMBER_SESSIONS_ENDED: gettext_lazy("signed %(object)s out everywhere"),
    Action.CREDENTIAL_CREATED: gettext_lazy("created credential %(object)s"),
    Action.CREDENTIAL_CHANGED: gettext_lazy("changed credential %(object)s"),
    Action.CREDENTIAL_DELETED: gettext_lazy("deleted credential %(object)s"),
    Action.CREDENTIAL_MADE_DEFAULT: gettext_lazy("made %(object)s the default credential"),
    Action.CREDENTIAL_TEST_STARTED: gettext_lazy("started a connection test of %(object)s"),
    Action.CREDENTIAL_TESTED: gettext_lazy("tested the connection of %(object)s"),
    Action.VARIABLE_CREATED: gettext_lazy("created environment variable %(object)s"),
    Action.VARIABLE_CHANGED: gettext_lazy("changed environment variable %(object)s"),
    Action.VARIABLE_DELETED: gettext_lazy("deleted environment variable %(object)s"),
    Action.AUTOMATION_CREATED: gettext_lazy("created automation %(object)s"),
    Action.AUTOMATION_CHANGED: gettext_lazy("changed automation %(object)s"),
    Action.AUTOMATION_DELETED: gettext_lazy("deleted automation %(object)s"),
    Action.AUTOMATION_RESOLVED: gettext_lazy("read the values of automation %(object)s"),
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

#: How each detail reads; one that is not here reads as its name and value.
_DETAILS: Mapping[str, Callable[[Any], str]] = {
    "fields": _names,
    "filters": lambda value: _("only by %(names)s") % {"names": _names(value)} if value else "",
    "result": lambda value: _("passed") if value == "passed" else _("failed"),
    "failure": _names,
    "names": _some,
    "provider": str,
    "role": lambda value: _("as %(role)s") % {"role": value},
    "delivery": lambda value: _("for %(delivery)s") % {"delivery": value},
    "format": str,
    "kind": str,
    "rows": lambda count: ngettext("%(count)d row", "%(count)d rows", count) % {"count": count},
    "variables": lambda count: ngettext("%(count)d variable", "%(count)d variables", count) % {"count": count},
    "problems": lambda count: ngettext("%(count)d problem", "%(count)d problems", count) % {"count": count},
}


@dataclass(frozen=True)
class Sentence:
    """An event in words; the person and the object stand apart, so that a page can link them."""

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
    before, _object, after = phrase.partition("%(object)s")
    details = ", ".join(filter(None, (_detail(name, value) for name, value in event.details.items())))
    return Sentence(
        person or event.actor_label, before, event.target_label, f"{after}: {details}" if details else after
    )


def _detail(name: str, value: Any) -> str:
    reads = _DETAILS.get(name)
    return reads(value) if reads else f"{_names(name)} {_names(value)}"
