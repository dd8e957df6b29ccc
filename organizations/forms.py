"""What people fill in about themselves and their organization."""

from django import forms
from django.utils.translation import gettext_lazy as _

from crewadmin.forms import TextField


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
