"""The form of a credential: what all have in common, beside the fields of the chosen provider."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from crewadmin.forms import TextField
from organizations.models import Membership
from organizations.sharing import Grant, may

from .models import Credential
from .providers import PROVIDERS, provider_class
from .services import stored_secrets


class CredentialForm(forms.Form):
    """Name and provider. The provider of a stored credential stays what it is."""

    name = TextField(
        label=_("Name"),
        max_length=100,
        help_text=_("A descriptive name, such as aws-prod."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    provider = forms.ChoiceField(
        label=_("Provider"), choices=lambda: [(slug, provider.label) for slug, provider in PROVIDERS.items()]
    )


def default_is_out_of_reach(membership: Membership, provider: str) -> bool:
    """Whether a provider's default is a credential that the member does not manage: it stays the default then."""
    rows = Credential.objects.for_organization(membership.organization)
    default = rows.filter(provider=provider, is_default=True, restricted=True).first()
    return default is not None and not may(membership, default, Grant.MANAGE)


class DefaultForm(forms.Form):
    """Whether variables that name only the provider get this credential."""

    #: One answer for a default that is hidden and one that is only not managed.
    OUT_OF_REACH = _("Another credential is the default, and only somebody who manages that one can replace it.")

    is_default = forms.BooleanField(
        label=_("Set as default credential for this provider"),
        required=False,
        help_text=_("Environment variables that say “Use AWS default” are read with it."),
    )


class CredentialForms:
    """The forms that make up one page: common fields, the provider's own, and the default mark.

    `data` is what was posted, or None for a fresh page; `membership` is who asks (None: an operator on the server, who
    manages everything); `credential` is the one to change, or None to add one.
    """

    def __init__(
        self, data: Mapping[str, Any] | None, membership: Membership | None, credential: Credential | None = None
    ) -> None:
        self.membership, self.credential = membership, credential
        initial = {"name": credential.name, "provider": credential.provider} if credential else {}
        self.common = CredentialForm(data, initial=initial)
        if credential:
            self.common.fields["provider"].disabled = True
        self.default = DefaultForm(data, initial={"is_default": bool(credential and credential.is_default)})
        self._stored_secrets = stored_secrets(credential) if credential else {}
        self.provider = self._provider(data)
        self.settings = provider_class(self.provider).form(
            data,
            initial=credential.config if credential else None,
            stored=None if credential is None else self._stored_secrets,
        )

    @property
    def all(self) -> tuple[forms.Form, ...]:
        """The forms in the order of the page."""
        return self.common, self.settings, self.default

    def is_valid(self) -> bool:
        """Validate all forms, so that every error shows at once."""
        if (
            self.membership
            and self.default.is_valid()
            and self.default.cleaned_data["is_default"]
            and default_is_out_of_reach(self.membership, self.provider)
        ):
            self.default.add_error("is_default", DefaultForm.OUT_OF_REACH)
        return sum(form.is_valid() for form in self.all) == len(self.all)

    def values(self) -> dict[str, Any]:
        """Return the arguments of `credentials.services`; only after `is_valid`."""
        return {
            "name": self.common.cleaned_data["name"],
            "is_default": self.default.cleaned_data["is_default"],
            **self.settings_values(),
        }

    def settings_values(self) -> dict[str, dict[str, str]]:
        """Return the provider's config and secrets, what is stored filled in; only where `settings` is valid."""
        config, secrets = self.settings.settings(self._stored_secrets)
        return {"config": config, "secrets": secrets}

    def refuse(self, error: ValidationError) -> None:
        """Show what a service refused beside its field."""
        self.common.add_error(None, error)

    def _provider(self, data: Mapping[str, Any] | None) -> str:
        if self.credential:
            return self.credential.provider
        chosen = str((data or {}).get("provider", ""))
        return chosen if chosen in PROVIDERS else next(iter(PROVIDERS))


class ReplacementForm(forms.Form):
    """What is read from now on instead of a credential that is deleted: another one of its provider.

    Offered are those that the member may use, and the provider's default by that name, where it is another one that
    the member may use.
    """

    BY_DEFAULT = "default"

    to = forms.ChoiceField(label=_("Read them with"), required=True)

    def __init__(self, data: Mapping[str, Any] | None, credential: Credential, usable: "QuerySet[Credential]") -> None:
        super().__init__(data)
        others = usable.filter(provider=credential.provider).exclude(pk=credential.pk).select_related("organization")
        self._targets = {str(one.uuid): one for one in others}
        choices: list[tuple[str, Any]] = [(uuid, one.name) for uuid, one in self._targets.items()]
        if default := next((one for one in self._targets.values() if one.is_default), None):
            label = provider_class(credential.provider).default_label
            choices.insert(0, (self.BY_DEFAULT, _("%(label)s (now %(name)s)") % {"label": label, "name": default}))
            self._targets[self.BY_DEFAULT] = default
        self.fields["to"].choices = [("", _("Choose a credential")), *choices]  # type: ignore[attr-defined]

    @property
    def targets(self) -> Mapping[str, Credential]:
        """What can be chosen, by what is posted."""
        return self._targets


class TestForm(forms.Form):
    """The secret that a test reads, if the person names one; and which try by the page itself this is, if it is one."""

    __test__ = False  # not a test, whatever pytest thinks of the name

    secret_name = TextField(
        label=_("Secret to read in the test"),
        required=False,
        max_length=512,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    again = forms.IntegerField(required=False, min_value=1, max_value=100, widget=forms.HiddenInput)
