"""What a person enters for AWS Secrets Manager, checked as far as it can be without asking AWS.

Every rule here is about form: which value belongs in which field, and whether it can be complete. Errors never repeat
what was entered, because a secret may have been pasted into the wrong field.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from ..base import ProviderSettingsForm
from .policies import ROLE_ARN_PLACEHOLDER, assume_role_policy, pretty, read_policy, trust_policy
from .regions import all_regions, find_region, partition_of

# Password managers and spelling services must not keep, fill or send these values.
_PLAIN = {
    "autocomplete": "off",
    "autocapitalize": "off",
    "spellcheck": "false",
    "data-1p-ignore": "",
    "data-lpignore": "true",
    "data-bwignore": "",
}
_SECRET = {**_PLAIN, "autocomplete": "new-password"}

# Unique identifiers: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
_UNIQUE_ID = re.compile(r"[A-Z]{4}[A-Z2-7]{16,}")
_ACCESS_KEY_ID = re.compile(r"AKIA[A-Z2-7]{16}")
_SECRET_ACCESS_KEY = re.compile(r"[A-Za-z0-9+/]{40}")
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_ROLE_ARN = re.compile(r"arn:(aws(?:-[a-z]+)*):iam::\d{12}:role/(?:[!-~]{1,510}/)?[\w+=,.@-]{1,64}", re.ASCII)
_ARN = re.compile(r"arn:aws[a-z-]*:([a-z0-9-]+):[a-z0-9-]*:\d*:([a-z-]+)(?:[/:].*)?", re.ASCII)

_EXTERNAL_ID_PLACEHOLDER = "EXTERNAL_ID"

_NOT_A_KEY_ID = {
    "ASIA": _("This is the ID of a temporary key, which ends within hours. Create an access key for an IAM user."),
    "AIDA": _("This is the unique ID of a user, not of an access key. Access key IDs start with AKIA."),
    "AROA": _("This is the unique ID of a role, not of an access key. Access key IDs start with AKIA."),
}
_NOT_A_ROLE = {
    "user": _("This is the ARN of a user. Open the role in the IAM console and copy the role's ARN."),
    "instance-profile": _("This is the ARN of an instance profile. Copy the ARN of the role itself."),
    "policy": _("This is the ARN of a policy. Copy the ARN of the role that the policy is attached to."),
    "assumed-role": _("This is the ARN of a session of a role. Copy the ARN of the role itself from the IAM console."),
}


class PolicyTexts(NamedTuple):
    """The policies that stand beside the form, as JSON to paste into IAM, and what stands for a value not yet typed."""

    read: str
    assume_role: str
    trust: str
    role_arn_placeholder: str = ROLE_ARN_PLACEHOLDER
    external_id_placeholder: str = _EXTERNAL_ID_PLACEHOLDER


class PastedField(forms.CharField):
    """A value that is copied from somewhere: line breaks, control and zero-width characters never belong to it.

    With `blanks=False` no white space does either.
    """

    def __init__(self, *, blanks: bool = True, **kwargs: Any) -> None:
        self.blanks = blanks
        super().__init__(max_length=kwargs.pop("max_length", 2048), **kwargs)

    def to_python(self, value: Any) -> str:
        """Return the value without what came along when it was copied."""
        text = unicodedata.normalize("NFC", super().to_python(value) or "")
        text = "".join(char for char in text if unicodedata.category(char) not in ("Cc", "Cf", "Cs"))
        return text.strip() if self.blanks else "".join(text.split())


class AwsSettingsForm(ProviderSettingsForm):
    """Region and access key of an IAM user; for AssumeRole also the role and its External ID."""

    secret_fields = frozenset({"secret_access_key", "external_id"})
    control_fields = frozenset({"remove_external_id"})

    region = PastedField(
        label=_("Region"),
        help_text=_("Where your secrets live, for example us-east-1 or Frankfurt. It must be the secrets' own region."),
        widget=forms.TextInput(attrs={**_PLAIN, "list": "region-options"}),
        max_length=100,
    )
    access_key_id = PastedField(
        label=_("Access Key ID"),
        help_text=_("Of the IAM user; 20 characters that start with AKIA."),
        widget=forms.TextInput(attrs=_PLAIN),
        blanks=False,
    )
    secret_access_key = PastedField(
        label=_("Secret Access Key"),
        help_text=_("The 40 characters that AWS shows once, when the access key is created."),
        widget=forms.PasswordInput(attrs=_SECRET, render_value=False),
        blanks=False,
    )
    role_arn = PastedField(
        label=_("Role ARN"),
        help_text=_(
            "Only for AssumeRole: the role that reads your secrets. Clearing it also removes a stored External ID."
        ),
        widget=forms.TextInput(attrs=_PLAIN),
        required=False,
        blanks=False,
    )
    external_id = PastedField(
        label=_("External ID"),
        help_text=_("Only if the role's trust policy requires one. It is kept like a password."),
        widget=forms.PasswordInput(attrs=_SECRET, render_value=False),
        required=False,
    )
    remove_external_id = forms.BooleanField(
        label=_("Remove the stored External ID"),
        required=False,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["secret_access_key"].required = not self._stores("secret_access_key")
        if not self._stores("external_id"):
            del self.fields["remove_external_id"]

    @property
    def region_options(self) -> list[tuple[str, str]]:
        """Code and name of every region, for the `<datalist id="region-options">` beside the field."""
        return [(region.code, region.name) for region in all_regions()]

    @property
    def policies(self) -> PolicyTexts:
        """The policies for this credential: with the Role ARN as it was typed, never with an External ID."""
        role_arn = str(self.fields["role_arn"].to_python(self["role_arn"].value()))
        role = _ROLE_ARN.fullmatch(role_arn)
        trust = trust_policy(None, _EXTERNAL_ID_PLACEHOLDER, role[1] if role else "aws")
        return PolicyTexts(pretty(read_policy()), pretty(assume_role_policy(role_arn)), pretty(trust))

    def clean_region(self) -> str:
        """Accept a code or a name, return the code."""
        code = find_region(self.cleaned_data["region"])
        if code is None:
            raise ValidationError(_("Choose a region from the list, for example us-east-1."), code="unknown")
        return code

    def clean_access_key_id(self) -> str:
        """Refuse whatever AWS could not have given to an IAM user as access key ID, saying what it is instead."""
        value: str = self.cleaned_data["access_key_id"]
        if _ACCESS_KEY_ID.fullmatch(value):
            return value
        if _ACCESS_KEY_ID.fullmatch(value.upper()):
            raise ValidationError(_("Access key IDs are written in capital letters."), code="lower_case")
        if _UNIQUE_ID.fullmatch(value) and value[:4] in _NOT_A_KEY_ID:
            raise ValidationError(_NOT_A_KEY_ID[value[:4]], code=value[:4].lower())
        if _SECRET_ACCESS_KEY.fullmatch(value):
            raise ValidationError(
                _("This looks like a secret access key. Enter the access key ID here; it starts with AKIA."),
                code="swapped",
            )
        raise ValidationError(_("An access key ID has 20 characters and starts with AKIA."), code="form")

    def clean_secret_access_key(self) -> str:
        """Refuse what cannot be a complete secret access key; blank keeps the stored one."""
        value: str = self.cleaned_data["secret_access_key"]
        if not value or _SECRET_ACCESS_KEY.fullmatch(value):
            return value
        if _UNIQUE_ID.fullmatch(value):
            raise ValidationError(
                _("This looks like an access key ID. Enter the secret access key here; it has 40 characters."),
                code="swapped",
            )
        if len(value) != 40:
            raise ValidationError(
                _("A secret access key has 40 characters; this has %(length)d."),
                code="length",
                params={"length": len(value)},
            )
        raise ValidationError(_("A secret access key has only letters, digits, + and /."), code="form")

    def clean_role_arn(self) -> str:
        """Refuse what is not the ARN of a role, saying what it is instead."""
        value: str = self.cleaned_data["role_arn"]
        if not value or _ROLE_ARN.fullmatch(value):
            return value
        other = _ARN.fullmatch(value)
        if other and other[2] in _NOT_A_ROLE:
            raise ValidationError(_NOT_A_ROLE[other[2]], code=other[2])
        raise ValidationError(
            _("A role's ARN looks like arn:aws:iam::123456789012:role/CrewAISecretsManagerRole."), code="form"
        )

    def clean_external_id(self) -> str:
        """Refuse what AWS does not accept as an External ID; blank keeps the stored one."""
        value: str = self.cleaned_data["external_id"]
        if value and not _EXTERNAL_ID.fullmatch(value):
            raise ValidationError(
                _("An External ID has 2 to 1224 letters, digits and the characters + = , . @ : / - _"), code="form"
            )
        return value

    def clean(self) -> dict[str, Any]:
        """Check the fields against each other, and against what is stored."""
        cleaned = super().clean() or self.cleaned_data
        self._check_key_pair(cleaned)
        self._check_partition(cleaned)
        self._check_external_id(cleaned)
        return cleaned

    def settings(self, stored_secrets: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return what to store. Without a role, or when its removal was asked for, no External ID is kept."""
        config, secrets = super().settings(stored_secrets)
        if not config["role_arn"] or self.cleaned_data.get("remove_external_id"):
            secrets.pop("external_id", None)
        return config, secrets

    def _stores(self, name: str) -> bool:
        return name in (self.stored or ())

    def _changed_from_stored(self, name: str, cleaned: Mapping[str, Any]) -> bool:
        return self.stored is not None and name in cleaned and cleaned[name] != self.initial.get(name, "")

    def _check_key_pair(self, cleaned: Mapping[str, Any]) -> None:
        """A secret access key belongs to one access key ID: the stored one is of no use to another."""
        if "secret_access_key" not in cleaned or cleaned["secret_access_key"]:
            return
        if self._changed_from_stored("access_key_id", cleaned):
            self.add_error(
                "secret_access_key",
                ValidationError(
                    _("The access key ID was changed: enter the secret access key that belongs to it."), code="pair"
                ),
            )

    def _check_partition(self, cleaned: Mapping[str, Any]) -> None:
        """Roles cannot be assumed across partitions (aws, aws-cn, aws-us-gov)."""
        role = _ROLE_ARN.fullmatch(cleaned.get("role_arn", ""))
        if role and "region" in cleaned and role[1] != partition_of(cleaned["region"]):
            self.add_error(
                "role_arn",
                ValidationError(
                    _("This role and the region belong to different parts of AWS, which share no accounts."),
                    code="partition",
                ),
            )

    def _check_external_id(self, cleaned: Mapping[str, Any]) -> None:
        """An External ID belongs to one role, and is shown to whoever owns the role that is assumed with it.

        So the stored one is never sent along with another role: that role's owner could read it in CloudTrail.
        """
        if "external_id" not in cleaned or "role_arn" not in cleaned:
            return
        entered, role, removing = cleaned["external_id"], cleaned["role_arn"], cleaned.get("remove_external_id")
        if entered and not role:
            problem = _("An External ID is used with a role: enter the Role ARN too."), "without_role"
        elif entered and removing:
            problem = _("Either enter a new External ID or remove the stored one."), "contradiction"
        elif role and not (entered or removing) and self._keeps_id_for_another_role(cleaned):
            problem = _("The Role ARN was changed: enter the External ID again, or remove it."), "other_role"
        else:
            return
        self.add_error("external_id", ValidationError(problem[0], code=problem[1]))

    def _keeps_id_for_another_role(self, cleaned: Mapping[str, Any]) -> bool:
        return self._stores("external_id") and self._changed_from_stored("role_arn", cleaned)
