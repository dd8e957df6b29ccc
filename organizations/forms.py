"""The forms of people, organizations, members, invitations and roles. Choices are the organization's own."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.forms import SetPasswordMixin
from django.db.models import QuerySet
from django.forms import BoundField
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crewadmin.forms import TextField, clean_text

from .access import Feature, Level, levels_of
from .levels import FEATURE_LABELS, LEVEL_LABELS, SENTENCES
from .models import Membership, Organization, Role, User

_PLAIN_INPUT = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}


class AddressField(forms.EmailField):
    """An e-mail address as people are stored by: clean, in lower case."""

    def to_python(self, value: object) -> str:
        """Clean before Django's validators look."""
        return clean_text(super().to_python(value) or "").lower()


class RoleField(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in the stubs only
    """A role of the organization, by its public id."""

    default_error_messages = {"invalid_choice": _("Choose one of the organization's roles.")}

    def __init__(self, roles: QuerySet[Role], **kwargs: Any) -> None:
        super().__init__(roles.order_by("name"), to_field_name="uuid", empty_label=None, **kwargs)

    def to_python(self, value: Any) -> Any:
        """Say of what is no id the same as of another organization's role."""
        try:
            return super().to_python(value)
        except forms.ValidationError:
            raise forms.ValidationError(self.error_messages["invalid_choice"], code="invalid_choice") from None


class InviteForm(forms.Form):
    """Whom to invite, with which role."""

    email = AddressField(
        label=_("E-mail address"),
        max_length=254,
        help_text=_("Only the person who reads mail at this address can accept."),
        widget=forms.EmailInput(attrs=_PLAIN_INPUT),
    )

    def __init__(self, data: Mapping[str, Any] | None, organization: Organization) -> None:
        super().__init__(data)
        member = organization.roles.get(kind=Role.Kind.MEMBER)
        self.fields["role"] = RoleField(
            organization.roles.all(),
            label=_("Role"),
            initial=member.uuid,
            help_text=_("You can change it at any time."),
        )


class MemberRoleForm(forms.Form):
    """Another role for a member."""

    def __init__(self, data: Mapping[str, Any] | None, membership: Membership) -> None:
        super().__init__(data)
        self.fields["role"] = RoleField(
            membership.organization.roles.all(), label=_("Role"), initial=membership.role.uuid
        )


class ClaimForm(SetPasswordMixin, forms.Form):  # type: ignore[type-arg]  # generic in the stubs only
    """Name and password of somebody new who accepts an invitation. What is typed as a password is never shown again."""

    name = TextField(
        label=_("Your name"),
        max_length=150,
        help_text=_("As your colleagues know you."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password1, password2 = SetPasswordMixin.create_password_fields(_("Password"), _("Password again"))

    def __init__(self, data: Mapping[str, Any] | None, person: User) -> None:
        super().__init__(data)
        self._person = User(email=person.email)
        self.fields["password2"].help_text = ""

    def clean(self) -> dict[str, Any]:
        """Compare the two, and hold the password against name and address too."""
        cleaned = super().clean() or self.cleaned_data
        self._person.name = cleaned.get("name", "")
        self.validate_passwords()
        self.validate_password_for_user(self._person, "password1")
        return cleaned


class RoleForm(forms.Form):
    """A role: its name, and a level for each feature. A built-in role keeps its name."""

    name = TextField(
        label=_("Name"),
        max_length=100,
        help_text=_("What its members do, such as Deployers."),
        widget=forms.TextInput(attrs=_PLAIN_INPUT),
    )

    def __init__(
        self, data: Mapping[str, Any] | None, role: Role | None = None, initial: Mapping[Feature, Level] | None = None
    ) -> None:
        """`role` is the one to change, or None to add one, which then starts with `initial` levels."""
        levels = levels_of(role) if role else initial or {}
        super().__init__(data, initial={"name": role.name if role else ""})
        self.fields["name"].disabled = role is not None and role.kind != Role.Kind.CUSTOM
        for feature in Feature:
            self.fields[feature] = _level_field(feature, levels.get(feature, Level.NONE))

    def features(self) -> list[tuple[BoundField, list[tuple[Any, Promise]]]]:
        """Return each feature's field with its options, each beside the sentence of what it allows."""
        return [
            (self[feature], list(zip(self[feature].subwidgets, SENTENCES[feature].values(), strict=True)))
            for feature in Feature
        ]

    def values(self) -> dict[str, Any]:
        """Return the arguments of `organizations.services.roles`; only after `is_valid`."""
        return {
            "name": self.cleaned_data["name"],
            "levels": {feature: self.cleaned_data[feature] for feature in Feature},
        }


def _level_field(feature: Feature, level: Level) -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        label=str(FEATURE_LABELS[feature]),
        choices=[(one.name.lower(), label) for one, label in LEVEL_LABELS.items()],
        coerce=lambda name: Level[name.upper()],
        initial=level.name.lower(),
        widget=forms.RadioSelect,
        error_messages={
            "invalid_choice": _("Choose None, Read or Manage."),
            "required": _("Choose None, Read or Manage."),
        },
    )


class SuccessorForm(forms.Form):
    """Which role those get whose role is deleted. Nobody becomes an owner by the way."""

    def __init__(self, data: Mapping[str, Any] | None, role: Role) -> None:
        super().__init__(data)
        others = role.organization.roles.exclude(kind=Role.Kind.OWNER).exclude(pk=role.pk)
        self.fields["successor"] = RoleField(others, label=_("They get the role"))


class ProfileForm(forms.Form):
    """A person's name."""

    name = TextField(
        label=_("Name"), max_length=150, required=False, help_text=_("What others see beside what you did.")
    )


class OrganizationForm(forms.Form):
    """An organization's name, and what it asks of its members."""

    name = TextField(label=_("Name"), max_length=100)
    requires_mfa = forms.BooleanField(
        label=_("Require a second factor"),
        required=False,
        help_text=_("Members without one reach nothing of the organization until they have set it up."),
    )
