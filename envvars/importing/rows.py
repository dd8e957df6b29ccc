"""From a row of a file to the variable it wants, by the rules of the form."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from credentials.providers import PROVIDERS
from credentials.providers.base import VersionStage
from crewadmin.importing.export import STORED
from crewadmin.importing.findings import Finding, Findings
from crewadmin.importing.rows import Row

from ..models import STAGES
from ..names import reason_to_ask
from ..references import Written, check, parse
from ..rules import ReferenceField, check_names, clean_key, clean_value, refuse_name
from ..services.imports import Wanted
from ..services.variables import Source, Value
from .reach import Reach

_REFERENCE = ReferenceField()


class RowReader:
    """Makes variables of rows, with what is in reach."""

    def __init__(self, reach: Reach, findings: Findings) -> None:
        self.reach, self.findings = reach, findings
        self._lines: dict[str, int] = {}

    @property
    def keys(self) -> set[str]:
        """The keys of all rows so far."""
        return set(self._lines)

    def read(self, row: Row) -> Wanted | None:
        """Return what a row wants, or None and findings."""
        field = "key"
        try:
            key = self._key(row)
            field = "acknowledged"
            acknowledged = _acknowledged(key, row.fields)
            field = "source"
            kind, which = self._source(row.fields)
            field = "value" if kind is Source.DIRECT else "secret_name"
            value = self._value(kind, which, row.fields)
            field = "automations"
            automations = self._assigned(row.fields)
        except ValidationError as error:
            self.findings.refuse(row.place(field), field, error)
            return None
        return Wanted(key, value, automations, acknowledged)

    def beyond_reach(self, row: Row) -> None:
        """Say that a row is of a variable that the person may not change."""
        text = _("The organization has a variable with this key, which you may not change.")
        self.findings.refuse(row.place("key"), "key", [text])

    def lacks_value(self, row: Row) -> None:
        """Say that a row keeps a value that is not there."""
        reason = _("There is no stored value to keep.")
        advice = _("Write the value; one that is really the word “stored” is typed on the variable's page.")
        self.findings.add(Finding(row.place("value"), reason, advice, "value"))

    def _key(self, row: Row) -> str:
        key = refuse_name(clean_key(_text(row.fields, "key")))
        first = self._lines.setdefault(key, row.line)
        if first != row.line:
            raise ValidationError(_("This key is in the file twice; the first is on line %(line)d.") % {"line": first})
        return key

    def _source(self, fields: Mapping[str, Any]) -> tuple[Source, str]:
        """Return the kind of source, and the provider or the name of the credential."""
        kind, _colon, which = (_text(fields, "source").strip() or Source.DIRECT.value).partition(":")
        if kind == Source.DIRECT and not which:
            return Source.DIRECT, ""
        if (kind == Source.PROVIDER_DEFAULT and which in self.reach.defaults) or (
            kind == Source.CREDENTIAL and which in self.reach.credentials
        ):
            return Source(kind), which
        if kind == Source.CREDENTIAL:
            raise ValidationError(_("There is no credential of this name that you may use."))
        if kind == Source.PROVIDER_DEFAULT and which in PROVIDERS:
            raise ValidationError(_("You may not use this provider's default."))
        raise ValidationError(
            _("Write direct, provider_default:%(provider)s, or credential: and its name.")
            % {"provider": next(iter(PROVIDERS))}
        )

    def _value(self, kind: Source, which: str, fields: Mapping[str, Any]) -> Value:
        if kind is Source.DIRECT:
            if _text(fields, "secret_name").strip():
                raise ValidationError(_("A direct value has no secret name: leave it blank, or choose the source."))
            text = _text(fields, "value")
            return Value(Source.DIRECT, text="" if text == STORED else clean_value(text))
        if _text(fields, "value"):
            raise ValidationError(_("A value that is read from a vault is not in the file: leave it blank."))
        reference = _reference(fields)
        if kind is Source.PROVIDER_DEFAULT:
            return Value(kind, provider=which, reference=reference)
        credential = self.reach.credentials[which]
        check_names(reference, credential)
        return Value(kind, provider=credential.provider, credential=credential, reference=reference)

    def _assigned(self, fields: Mapping[str, Any]) -> frozenset[int] | None:
        """Return the automations' primary keys; None where the file says nothing of them."""
        if "automations" not in fields:
            return None
        names = fields["automations"]
        names = names if isinstance(names, list) else _text(fields, "automations").replace(",", " ").split()
        try:
            return frozenset(self.reach.automations[name] for name in names)
        except (KeyError, TypeError):
            raise ValidationError(_("There is no automation of such a short name that you may change.")) from None


def _reference(fields: Mapping[str, Any]) -> Written:
    """Return the reference or template of a row, in the version that it names: the current one if it names none."""
    written = check(_REFERENCE.clean(_text(fields, "secret_name")))
    stage = _text(fields, "version_stage").strip() or VersionStage.CURRENT.value
    if stage not in dict(STAGES):
        raise ValidationError(_("The version is one of: %(names)s.") % {"names": ", ".join(dict(STAGES))})
    return parse(str(written), stage)


def _acknowledged(key: str, fields: Mapping[str, Any]) -> bool:
    """Return whether a name has an effect on programs, and the row says that this is known."""
    said = fields.get("acknowledged", "")
    word = str(said).lower() if isinstance(said, bool) else _text(fields, "acknowledged").strip().lower()
    if word not in ("true", "false", ""):
        raise ValidationError(_("Write true or false."))
    reason = reason_to_ask(key)
    if reason and word != "true":
        advice = _("If that is what you want, import it by CSV or JSON with acknowledged: true.")
        raise ValidationError(f"{reason} {advice}")
    return bool(reason)


def _text(fields: Mapping[str, Any], name: str) -> str:
    text = fields.get(name, "")
    if not isinstance(text, str):
        raise ValidationError(_("Write this as a text in quotes."))
    return text
