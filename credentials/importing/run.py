"""One import of credentials: each row through the form of the page, then through its service."""

import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from crewadmin.importing.export import STORED
from crewadmin.importing.findings import Finding
from crewadmin.importing.plan import Action, Plan, decide
from crewadmin.importing.rows import Row
from crewadmin.importing.source import Limits, Source
from crewadmin.limits import TooManyError
from organizations.access import Feature
from organizations.importing import Choices, Import, Progress, Tested
from organizations.models import AuditEvent, Organization, User
from organizations.sharing import Grant, held

from .. import services
from ..forms import CredentialForms
from ..models import Credential
from ..providers import PROVIDERS
from ..testing import try_settings
from ..usage import uses_of
from .formats import format_of, read

_YES, _NO = ("true", "yes", "1", "on"), ("false", "no", "0", "off", "")
#: How many seconds of tests somebody who looks at a page is let wait for.
MOST_SECONDS = 40
_SWITCHES = frozenset({"is_default", "remove_external_id"})


@dataclass(frozen=True)
class Defaults:
    """What a file leaves open: a name and a region for rows without, profiles to take, who becomes the default."""

    name: str = ""
    region: str = ""
    profiles: Sequence[str] = ()
    default: str = ""


@dataclass(frozen=True)
class Wanted:
    """Settings that an import would store: for a test before it does."""

    name: str
    provider: str
    settings: Mapping[str, Any] = field(repr=False)


class CredentialImport(Import):
    """See Import. `wanted` holds what is to be stored, once the import was planned.

    `test`: each credential is to be tested before anything is stored.
    """

    imported = AuditEvent.Action.CREDENTIALS_IMPORTED
    feature = Feature.SECRET_PROVIDERS

    def __init__(
        self,
        organization: Organization,
        by: User | None,
        sources: Sequence[Source],
        choices: Choices,
        limits: Limits,
        *,
        format_name: str = "",
        defaults: Defaults | None = None,
        test: bool = False,
    ) -> None:
        super().__init__(organization, by, sources, choices, limits)
        self.defaults, self.test = defaults or Defaults(), test
        self.format_name = format_name or format_of(sources[0])
        self.wanted: list[Wanted] = []

    def walk(self, plan: Plan, progress: Progress, *, write: bool) -> None:
        """See Import."""
        stored = {one.name: one for one in self._rows().select_related("organization")}
        self._managed = set(stored)
        if self.membership:
            condition = held(Credential, self.membership, Grant.MANAGE)
            self._managed = set(self._rows().filter(condition).values_list("name", flat=True))
        seen, marked = set[str](), set[str]()
        self.wanted = []
        last = self.sources[0].text.count("\n") + 1
        for row in read(self.format_name, self.sources, self.limits, self.findings, plan, self.defaults.profiles):
            forms = self._forms(row, stored)
            if forms and self._is_first(row, forms, seen, marked):
                self._take(plan, forms, write=write and not self.findings)
            progress(row.line, last)
        if self.defaults.default and self.defaults.default not in seen and not self.findings:
            reason, advice = _("--default names no credential of the file."), _("Check the name.")
            self.findings.add(Finding(Row(self.sources[0].name, 0, {}).place(), reason, advice, "is_default"))
        if self.choices.prune and not self.findings:
            self._prune(plan, [one for name, one in sorted(stored.items()) if name not in seen], write=write)

    def tested(self, *, patient: bool) -> Iterator[Tested]:
        """See Import."""
        end = time.monotonic() + (float("inf") if patient else MOST_SECONDS)
        for wanted in self.wanted if self.test else ():
            yield Tested(wanted.name, self._failure(wanted, end))

    def _failure(self, wanted: Wanted, end: float) -> str:
        """Test settings as soon as the organization's limits allow it; return why they failed, or ""."""
        while time.monotonic() < end:
            try:
                test = try_settings(self.organization, self.by, wanted.provider, **wanted.settings)
            except TooManyError as error:
                if time.monotonic() + error.seconds > end:
                    break
                time.sleep(error.seconds)
            else:
                return str(test.failure.title) if test.failure else ""
        return _("Not tested: there are more than a page can wait for. Import fewer, or by command.")

    def _rows(self) -> Any:
        return Credential.objects.filter(organization=self.organization)

    def _forms(self, row: Row, stored: Mapping[str, Credential]) -> CredentialForms | None:
        """Return the row's valid forms, or None and findings."""
        data = self._data(row)
        if data is None:
            return None
        credential = stored.get(data["name"])
        if credential and credential.name not in self._managed:
            text = _("The organization has a credential of this name, which you may not change.")
            self.findings.refuse(row.place("name"), "name", [text])
            return None
        if credential:
            switch = {"is_default": "on"} if credential.is_default and "is_default" not in data else {}
            data = {**credential.config, **switch, **data}
        provider = data.get("provider", "") or (credential.provider if credential else next(iter(PROVIDERS)))
        if provider not in PROVIDERS or (credential and provider != credential.provider):
            self.findings.refuse(row.place("provider"), "provider", [_("This is not the provider, or none of ours.")])
            return None
        forms = CredentialForms({**data, "provider": provider}, self.membership, credential)
        if forms.is_valid():
            return forms
        for form in forms.all:
            for name, errors in form.errors.items():
                self.findings.refuse(row.place(name), name, [str(error) for error in errors])
        return None

    def _data(self, row: Row) -> dict[str, str] | None:
        """Return what the row says as a browser would post it."""
        data: dict[str, str] = {}
        defaults = {"name": self.defaults.name, "region": self.defaults.region}
        given = {name: text for name, text in defaults.items() if text and not row.fields.get(name)}
        for name, text in {**row.fields, **given}.items():
            if name in _SWITCHES:
                word = str(text).strip().lower()
                if word not in (*_YES, *_NO):
                    self.findings.refuse(row.place(name), name, [_("Write true or false.")])
                    return None
                data[name] = "on" if word in _YES else ""
            elif not isinstance(text, str):
                self.findings.refuse(row.place(name), name, [_("Write this as a text in quotes.")])
                return None
            elif text != STORED or name not in _secret_fields():
                data[name] = text
        data["name"] = unicodedata.normalize("NFC", data.get("name", "")).strip()  # as the form makes it
        if self.defaults.default:
            data["is_default"] = "on" if data["name"] == self.defaults.default else ""
        if not data["name"]:
            self.findings.refuse(
                row.place("name"), "name", [_("Name it in the file, or give a name for those without.")]
            )
            return None
        return data

    def _is_first(self, row: Row, forms: CredentialForms, seen: set[str], marked: set[str]) -> bool:
        """Refuse a second row of a name, and a second default of a provider."""
        values = forms.values()
        if values["name"] in seen:
            self.findings.refuse(row.place("name"), "name", [_("This name is in the file twice.")])
            return False
        seen.add(values["name"])
        if values["is_default"] and forms.provider in marked:
            self.findings.refuse(row.place("is_default"), "is_default", [_("The provider has another default here.")])
            return False
        if values["is_default"]:
            marked.add(forms.provider)
        return True

    def _take(self, plan: Plan, forms: CredentialForms, *, write: bool) -> None:
        """Add a row to the plan, and store it if that is asked for."""
        credential, values = forms.credential, forms.values()
        fields = services.changed_fields(credential, **values) if credential else []
        is_ours = credential is not None and credential.import_name == self.choices.name
        action = decide(fields, exists=credential is not None, is_ours=is_ours, on_conflict=self.choices.on_conflict)
        plan.add(action, values["name"], fields, _state(credential))
        if action not in (Action.CREATE, Action.CHANGE):
            return
        self.wanted.append(Wanted(values["name"], forms.provider, forms.settings_values()))
        if not write:
            return
        mark = self.choices.name
        if credential:
            services.change_credential(credential, self.by, import_name=mark, **values)
        else:
            provider = forms.provider
            services.add_credential(self.organization, self.by, provider=provider, import_name=mark, **values)

    def _prune(self, plan: Plan, candidates: Sequence[Credential], *, write: bool) -> None:
        """Remove what an earlier import of this name brought; what is in use is in the way."""
        for credential in candidates:
            if credential.import_name != self.choices.name or credential.name not in self._managed:
                continue
            if uses_of(credential).exists():
                plan.add(Action.CONFLICT, credential.name, (), _state(credential))
                plan.notes.append(_("“%(name)s” is in use and cannot be removed.") % {"name": credential.name})
                continue
            plan.add(Action.REMOVE, credential.name, (), _state(credential))
            if write:
                services.delete_credential(credential, self.by)


def _state(credential: Credential | None) -> Any:
    if credential is None:
        return None
    return credential.uuid, credential.version, credential.is_default, credential.updated_at, credential.import_name


def _secret_fields() -> frozenset[str]:
    return frozenset(name for provider in PROVIDERS.values() for name in provider.form.secret_fields)


def exported_credentials(organization: Organization) -> list[dict[str, Any]]:
    """Return an organization's credentials as an import reads them again; a secret says that it is stored."""
    rows = Credential.objects.filter(organization=organization).order_by("name")
    return [
        {
            "name": one.name,
            "provider": one.provider,
            **one.config,
            **dict.fromkeys(services.stored_secrets(one), STORED),
            "is_default": str(one.is_default).lower(),
        }
        for one in rows
    ]
