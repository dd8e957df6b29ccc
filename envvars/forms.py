"""The forms of variables and automations."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from credentials.models import Credential
from credentials.providers import PROVIDERS
from credentials.providers.base import VersionStage
from crewadmin.forms import TextField, UnshownTextarea
from organizations.access import Access
from organizations.models import Membership
from organizations.sharing import Grant, Restrictable, visible

from .models import STAGES, Automation, Deployment, EnvironmentVariable
from .names import reason_to_ask
from .references import Written, check, fits_environment, parse
from .rules import MOST_REFERENCE, KeyField, ReferenceField, check_names, clean_value, refuse_name
from .services.variables import Value

Source = EnvironmentVariable.Source
M = TypeVar("M", bound=Restrictable)

#: Beyond this many, boxes to tick become a list of names to type or paste.
MOST_BOXES = 200
#: More names than this in one text are a mistake; each would cost the database a parameter.
MOST_NAMES = 5_000

_PLAIN_INPUT = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
_SECRET_INPUT = {**_PLAIN_INPUT, "data-1p-ignore": "", "data-lpignore": "true", "data-bwignore": "true"}


class NamesTextarea(forms.Textarea):
    """Many names as text: separated by spaces, commas or line breaks."""

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[str]:
        """Return the names that were typed."""
        return re.findall(r"[^\s,]+", data.get(name, ""))

    def format_value(self, value: Any) -> str:
        """Show one name a line."""
        return "\n".join(map(str, value or []))


class ChosenField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # generic in the stubs only
    """Rows of the organization, by a name of theirs: boxes to tick, or text where there would be too many boxes."""

    default_error_messages = {"invalid_choice": _("There is no “%(value)s” in this organization.")}

    def __init__(self, rows: "QuerySet[Any]", by: str, **kwargs: Any) -> None:
        many = rows[MOST_BOXES : MOST_BOXES + 1].exists()
        widget = NamesTextarea(attrs={"rows": 8, **_PLAIN_INPUT}) if many else forms.CheckboxSelectMultiple()
        super().__init__(rows, to_field_name=by, required=False, widget=widget, **kwargs)

    def clean(self, value: Any) -> Any:
        """Refuse what no row can be called before the database is asked."""
        if len(value or ()) > MOST_NAMES:
            raise ValidationError(_("Name 5,000 at most."), code="too_many")
        for name in value or ():
            if not fits_environment(str(name)) or len(str(name)) > 200:
                raise ValidationError(_("One of these is no name of ours."), code="invalid_choice")
        return super().clean(value)


class Sources:
    """The value sources that a member may choose for a variable.

    Offered are the credentials that the member may use, and a provider's default if it is not one beyond reach. A
    source that the variable has already can be kept; `locked` names it if its credential is restricted: then the
    reference stays too, or it would open that vault's other secrets.
    """

    def __init__(self, membership: Membership, access: Access, variable: EnvironmentVariable | None) -> None:
        self._organization = membership.organization
        self._usable = {str(one.uuid): one for one in Credential.objects.usable_by(membership, access)}
        defaults = Credential.objects.for_organization(membership.organization).filter(is_default=True, restricted=True)
        self._beyond = {one.provider for one in defaults if str(one.uuid) not in self._usable}
        self._variable = variable
        self.choices = self._offered(access)
        self.locked = ""
        if variable and (current := _source_value(variable)) not in self._values():
            self.choices.append((current, _("%(source)s (as it is)") % {"source": variable.source_label}))
            self.locked = current if self._is_restricted(variable) else ""

    @property
    def usable(self) -> list[Credential]:
        """The credentials that the member may use."""
        return list(self._usable.values())

    @property
    def defaults(self) -> frozenset[str]:
        """The providers whose default the member may use."""
        chosen = (value.partition(":") for value in self._values())
        return frozenset(which for kind, _colon, which in chosen if kind == Source.PROVIDER_DEFAULT)

    def credential(self, uuid: str) -> Credential:
        """Return the credential of a choice."""
        current = self._variable and self._variable.credential
        return current if current and str(current.uuid) == uuid else self._usable[uuid]

    def read_with(self, choice: str) -> Credential | None:
        """Return the credential that a choice is read with now; None where nothing is the provider's default."""
        kind, _colon, which = choice.partition(":")
        if kind == Source.PROVIDER_DEFAULT:
            rows = Credential.objects.for_organization(self._organization)
            return rows.filter(provider=which, is_default=True).first()
        return self.credential(which) if kind == Source.CREDENTIAL else None

    def opens(self, credential: Credential) -> bool:
        """Whether the member may see what a credential opens: it is one that the member may use."""
        return str(credential.uuid) in self._usable

    def _offered(self, access: Access) -> list[Any]:
        choices: list[Any] = [(str(Source.DIRECT), Source.DIRECT.label)]
        if access.secret_providers.read:
            providers = [(slug, one) for slug, one in PROVIDERS.items() if slug not in self._beyond]
            choices += [(f"{Source.PROVIDER_DEFAULT}:{slug}", one.default_label) for slug, one in providers]
        named = [(f"{Source.CREDENTIAL}:{uuid}", f"{one} ({one.provider_label})") for uuid, one in self._usable.items()]
        return [*choices, *([(_("Named credential"), named)] if named else [])]

    def _values(self) -> set[str]:
        """Return what can be chosen; a group of choices is a list in place of a label."""
        groups = (choice[1] if isinstance(choice[1], list) else [choice] for choice in self.choices)
        return {value for group in groups for value, _label in group}

    def _is_restricted(self, variable: EnvironmentVariable) -> bool:
        return variable.credential.restricted if variable.credential else variable.provider in self._beyond


#: The fields of a variable that say which secret is read, and how.
REFERENCE_FIELDS = frozenset({"source", "secret_name", "version_stage"})


class VariableForm(forms.Form):
    """A variable: its key, where its value comes from, and who receives it."""

    key = KeyField(
        label=_("Key"),
        help_text=_("Letters, digits and underscores; upper case by custom, as DATABASE_PASSWORD."),
        widget=forms.TextInput(attrs=_PLAIN_INPUT),
    )
    acknowledged = forms.BooleanField(label=_("I know what this name does to programs"), required=False)
    source = forms.ChoiceField(label=_("Value Source"))
    value = forms.CharField(
        label=_("Value"),
        required=False,
        strip=False,
        widget=UnshownTextarea(attrs={"rows": 3, **_SECRET_INPUT}),
    )
    secret_name = ReferenceField(
        label=_("Secret Name"),
        help_text=_(
            "The secret's name at the provider. Write secret-name#json_key to take one field of a JSON secret, or a"
            " text with several references as ${database-credentials#password}: the text around them is not secret,"
            " it is shown."
        ),
        widget=forms.TextInput(attrs={**_PLAIN_INPUT, "placeholder": "database-credentials#password"}),
    )

    version_stage = forms.ChoiceField(
        label=_("Version"),
        required=False,
        choices=STAGES,
        help_text=_("The current version, or the one before it while a rotation is under way."),
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        membership: Membership,
        access: Access,
        variable: EnvironmentVariable | None = None,
    ) -> None:
        self.variable = variable
        self.sources = Sources(membership, access, variable)
        automations = visible(Automation.objects.for_organization(membership.organization), membership, Grant.MANAGE)
        #: Those that receive it and are not the member's to change: they go on receiving it.
        self.kept = _others(Automation, variable.automations if variable else None, automations)
        super().__init__(data, initial=_initial(variable, automations))
        self.fields["source"].choices = self.sources.choices  # type: ignore[attr-defined]  # a ChoiceField
        self.fields["automations"] = ChosenField(
            automations,
            by="slug",
            label=_("Automations"),
            help_text=_("The automations that receive this variable."),
        )

    @property
    def kept_count(self) -> int:
        """How many automations receive it whatever is chosen."""
        return self.kept.count()

    @property
    def asks_about_name(self) -> bool:
        """Whether the key is one that needs the tick; the page shows the box then."""
        return reason_to_ask(str(self["key"].value() or "").strip()) is not None

    def clean_key(self) -> str:
        """Refuse a name that would make programs run other code."""
        return refuse_name(str(self.cleaned_data["key"]))

    def clean_value(self) -> str:
        """Keep the value as an environment holds it."""
        return clean_value(str(self.cleaned_data["value"]))

    def clean(self) -> dict[str, Any]:
        """Require what the chosen source needs, and drop what belongs to the other one."""
        cleaned = super().clean() or self.cleaned_data
        if (reason := reason_to_ask(cleaned.get("key", ""))) and not cleaned.get("acknowledged"):
            self.add_error("acknowledged", _("%(reason)s Tick the box if that is what you want.") % {"reason": reason})
        source = cleaned.get("source", "")
        if source:  # the page hides the other field, and an error in it
            for name in ("secret_name", "version_stage") if source == Source.DIRECT else ("value",):
                self.errors.pop(name, None)
        if source == Source.DIRECT:
            keeps = self.variable is not None and self.variable.source == Source.DIRECT
            if not cleaned.get("value") and not keeps and "value" not in self.errors:
                self.add_error("value", _("Type the value, or choose another value source."))
        elif source and "secret_name" not in self.errors:
            if source == self.sources.locked:
                self._check_unchanged()
            else:
                self._check_reference(cleaned.get("secret_name", ""))
        return cleaned

    def _check_unchanged(self) -> None:
        """Refuse another secret, or another version of it, behind a credential that is not this person's to use."""
        before, now = parse(self.initial["secret_name"], self.initial["version_stage"]), self.reference()
        if str(now) != str(before):
            self.add_error(
                "secret_name",
                _("It stays %(name)s: only who may use this credential can change it.")
                % {"name": self.initial["secret_name"]},
            )
        if now.version_stage != before.version_stage:
            self.add_error("version_stage", _("It stays as it is: only who may use this credential can change it."))

    def _check_reference(self, text: str) -> None:
        try:
            written = check(text)
            _kind, credential = self._source()
            if credential:
                check_names(written, credential)
        except ValidationError as error:
            self.add_error("secret_name", error)

    def is_reference_valid(self) -> bool:
        """Validate what a check reads, and nothing else: the rest may still be typed."""
        if self.is_bound and "source" not in self.errors and self.cleaned_data["source"] == Source.DIRECT:
            self.add_error("source", _("A direct value has nothing to check: choose where the secret is read."))
        for name in set(self.errors) - REFERENCE_FIELDS:
            del self.errors[name]
        return not self.errors

    def reference(self) -> Written:
        """Return what was written; only after `is_valid` or `is_reference_valid`."""
        return parse(self.cleaned_data["secret_name"], self.cleaned_data.get("version_stage") or VersionStage.CURRENT)

    def values(self) -> dict[str, Any]:
        """Return the arguments of `envvars.services`; only after `is_valid`."""
        return {
            "key": self.cleaned_data["key"],
            "value": self._value(),
            # Asked again when it is stored.
            "automations": _together(Automation, self.cleaned_data["automations"], self.kept),
            "acknowledged": self.cleaned_data["acknowledged"],
        }

    def _source(self) -> tuple[str, Credential | None]:
        """Return the kind of source that was chosen, and the credential if one was chosen by name."""
        kind, _colon, which = self.cleaned_data["source"].partition(":")
        return kind, self.sources.credential(which) if kind == Source.CREDENTIAL else None

    def _value(self) -> Value:
        kind, credential = self._source()
        if kind == Source.DIRECT:
            return Value(Source.DIRECT, text=self.cleaned_data["value"])
        reference = self.reference()
        if credential is None:
            provider = self.cleaned_data["source"].partition(":")[2]
            return Value(Source.PROVIDER_DEFAULT, provider=provider, reference=reference)
        return Value(Source.CREDENTIAL, provider=credential.provider, credential=credential, reference=reference)


class PlaceForm(forms.Form):
    """Where somebody types a reference: what stands before and after the caret, and what it is to be read with."""

    source = forms.ChoiceField()
    version_stage = forms.ChoiceField(required=False, choices=STAGES)
    before = forms.CharField(required=False, strip=False, max_length=MOST_REFERENCE)
    after = forms.CharField(required=False, strip=False, max_length=MOST_REFERENCE)

    def __init__(self, data: Mapping[str, Any], sources: Sources) -> None:
        super().__init__(data)
        self.fields["source"].choices = sources.choices  # type: ignore[attr-defined]  # a ChoiceField


def _source_value(variable: EnvironmentVariable) -> str:
    if variable.source == Source.PROVIDER_DEFAULT:
        return f"{variable.source}:{variable.provider}"
    if variable.source == Source.CREDENTIAL and variable.credential:
        return f"{variable.source}:{variable.credential.uuid}"
    return variable.source


def _initial(variable: EnvironmentVariable | None, automations: "QuerySet[Automation]") -> dict[str, Any]:
    if variable is None:
        return {}
    chosen = automations.filter(variables=variable).order_by("slug")
    return {
        "key": variable.key,
        "acknowledged": variable.acknowledged,
        "source": _source_value(variable),
        "secret_name": variable.reference,
        "version_stage": variable.version_stage,
        "automations": list(chosen.values_list("slug", flat=True)),
    }


def _others(model: type[M], assigned: Any, mine: "QuerySet[M]") -> "QuerySet[M]":
    """Return the assigned rows (None: there are none) that are not among `mine`."""
    if assigned is None:
        return model._default_manager.none()
    others: QuerySet[M] = assigned.exclude(pk__in=mine.order_by().values("pk"))
    return others


def _together(model: type[M], chosen: "QuerySet[M]", kept: "QuerySet[M]") -> "QuerySet[M]":
    """Return the rows of both, asked only when they are needed."""
    either = Q(pk__in=chosen.order_by().values("pk")) | Q(pk__in=kept.order_by().values("pk"))
    return model._default_manager.filter(either)


#: What each moment at which values are read means, in the order of the choices.
_RESOLVES_AT: Mapping[str, Any] = {
    Automation.ResolvesAt.KICKOFF: _("What vaults hold then: a rotated secret is there at the next start."),
    Automation.ResolvesAt.DEPLOY: _(
        "The values are kept sealed and starts ask no vault: whatever changes arrives with the next deployment."
    ),
}


class AutomationForm(forms.Form):
    """An automation: its name, the short name for commands, and the variables it receives."""

    name = TextField(
        label=_("Name"), max_length=100, help_text=_("As people call it."), widget=forms.TextInput(attrs=_PLAIN_INPUT)
    )
    slug = forms.SlugField(
        label=_("Short name"),
        max_length=50,
        required=False,
        help_text=_("For commands, as invoice-crew. Leave it blank to make one from the name."),
        widget=forms.TextInput(attrs=_PLAIN_INPUT),
    )

    resolves_at = forms.ChoiceField(
        label=_("Values are read"),
        choices=Automation.ResolvesAt.choices,
        initial=Automation.ResolvesAt.KICKOFF,
        required=False,  # left out: as it is
        widget=forms.RadioSelect,
    )

    def __init__(
        self, data: Mapping[str, Any] | None, membership: Membership, automation: Automation | None = None
    ) -> None:
        rows = EnvironmentVariable.objects.for_organization(membership.organization)
        variables = visible(rows, membership, Grant.MANAGE)
        #: Those it receives that are not the member's to change: it goes on receiving them.
        self.kept = _others(EnvironmentVariable, automation.variables if automation else None, variables)
        super().__init__(data, initial=_automation_initial(automation, variables))
        self.fields["variables"] = ChosenField(
            variables,
            by="key",
            label=_("Environment Variables"),
            help_text=_("The variables this automation receives, and no others."),
        )

    @property
    def resolves_at_options(self) -> list[tuple[Any, Any]]:
        """The radio buttons of when values are read, each with what it means."""
        return list(zip(self["resolves_at"].subwidgets, _RESOLVES_AT.values(), strict=True))

    @property
    def kept_count(self) -> int:
        """How many variables it receives whatever is chosen."""
        return self.kept.count()

    def clean(self) -> dict[str, Any]:
        """Make a short name from the name where none was typed."""
        cleaned = super().clean() or self.cleaned_data
        if "name" in cleaned and not cleaned.get("slug") and "slug" not in self.errors:
            cleaned["slug"] = slugify(cleaned["name"])[:50].strip("-")
            if not cleaned["slug"]:
                self.add_error("slug", _("Type a short name of letters, digits and hyphens."))
        return cleaned

    def values(self) -> dict[str, Any]:
        """Return the arguments of `envvars.services`; only after `is_valid`."""
        cleaned = self.cleaned_data
        # The variables are asked again when they are stored.
        variables = _together(EnvironmentVariable, cleaned["variables"], self.kept)
        names = {"name": cleaned["name"], "slug": cleaned["slug"]}
        return {**names, "resolves_at": cleaned["resolves_at"], "variables": variables}


def _automation_initial(automation: Automation | None, variables: "QuerySet[EnvironmentVariable]") -> dict[str, Any]:
    if automation is None:
        return {}
    keys = variables.filter(automations=automation).order_by("key").values_list("key", flat=True)
    names = {"name": automation.name, "slug": automation.slug}
    return {**names, "resolves_at": automation.resolves_at, "variables": list(keys)}


class _OnceForm(forms.Form):
    """A form whose page shows something once: sent twice (by a reload, say) it must not act twice."""

    uuid = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)


class TokenForm(_OnceForm):
    """A new service token."""

    name = TextField(
        label=_("Name"),
        max_length=100,
        help_text=_("Where it will be used, as production cluster."),
        widget=forms.TextInput(attrs=_PLAIN_INPUT),
    )
    days = forms.TypedChoiceField(
        label=_("Works for"),
        coerce=int,
        choices=[(30, _("30 days")), (90, _("90 days")), (180, _("180 days")), (365, _("a year"))],
        initial=90,
    )
    may_deploy = forms.BooleanField(
        label=_("May deploy"),
        required=False,
        help_text=_("Beside fetching the values: for the pipeline that deploys the automation, not for its host."),
    )

    def values(self) -> dict[str, Any]:
        """Return the arguments of `services.tokens.add_token`; only after `is_valid`."""
        cleaned = self.cleaned_data
        return {
            "name": cleaned["name"],
            "lifetime": timedelta(days=cleaned["days"]),
            "uuid": cleaned["uuid"],
            "may_deploy": cleaned["may_deploy"],
        }


class RotationForm(_OnceForm):
    """How long a service token goes on working beside the one that replaces it."""

    hours = forms.TypedChoiceField(
        label=_("The old token works for"),
        coerce=int,
        choices=[(0, _("no longer")), (1, _("another hour")), (24, _("another day")), (168, _("another week"))],
        initial=24,
        help_text=_("Long enough to put the new one in its place."),
    )

    def values(self) -> dict[str, Any]:
        """Return the arguments of `services.tokens.rotate_token`; only after `is_valid`."""
        return {"overlap": timedelta(hours=self.cleaned_data["hours"]), "uuid": self.cleaned_data["uuid"]}


class CompareForm(forms.Form):
    """Which two deployments are compared, by their numbers; at first the newest with the one before."""

    def __init__(self, data: Mapping[str, Any] | None, deployments: Sequence[Deployment]) -> None:
        super().__init__(data)
        self._by_number = {str(deployment.number): deployment for deployment in deployments}
        numbers = [(number, f"#{number}") for number in self._by_number]
        for name, label, first in (("before", _("Before"), deployments[1]), ("after", _("After"), deployments[0])):
            self.fields[name] = forms.ChoiceField(label=label, choices=numbers, initial=str(first.number))

    def chosen(self) -> tuple[Deployment, Deployment]:
        """Return the deployments to compare; of a bound form only after `is_valid`."""
        numbers = self.cleaned_data if self.is_bound else {name: one.initial for name, one in self.fields.items()}
        return self._by_number[numbers["before"]], self._by_number[numbers["after"]]
