"""What a variable may hold: the rules that the form and the import share."""

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crewadmin.forms import TextField

from .references import Reference, fits_environment

#: A process argument or environment string is limited to 128 KiB on Linux; vaults allow 64 KiB.
MOST_BYTES = 65_536
MOST_SECRET_NAME = 2_048
MOST_JSON_KEY = 512

# \A and \Z, because $ matches before a line break; ASCII, because \w matches look-alikes of other scripts.
KEY = re.compile(r"\A[A-Za-z_][A-Za-z0-9_]*\Z")
# What vaults allow in names, ARNs included; `#` is ours.
SECRET_NAME = re.compile(r"\A[A-Za-z0-9/_+=.@:!-]+\Z")


class KeyField(TextField):
    """The name of an environment variable."""

    def __init__(self, **kwargs: Any) -> None:
        form = gettext_lazy("Use letters, digits and underscores only, and begin with a letter or underscore.")
        super().__init__(max_length=200, validators=[RegexValidator(KEY, form)], **kwargs)


class ReferenceField(TextField):
    """A reference to a secret as a text; `clean_reference` says whether it names one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, max_length=MOST_SECRET_NAME, **kwargs)


_KEY = KeyField()


def clean_key(text: str) -> str:
    """Return a key as the form's field cleans it. Raises ValidationError."""
    if KEY.match(text) and len(text) <= 200:
        return text  # nearly all, and an import has very many
    return str(_KEY.clean(text))


def clean_value(text: str) -> str:
    """Keep line breaks as one character (browsers send two), and refuse what no environment can hold.

    Raises ValidationError.
    """
    value = text.replace("\r\n", "\n")
    if not fits_environment(value):
        raise ValidationError(
            _("Remove the characters that an environment variable cannot hold (NUL, lone surrogates).")
        )
    if len(value.encode()) > MOST_BYTES:
        raise ValidationError(_("A value may have 65,536 bytes at most."))
    return value


def clean_reference(text: str) -> Reference:
    """Return the reference that a text is. Raises ValidationError if it names no secret, or half of one."""
    reference = Reference.parse(text)
    if not reference.secret_name:
        raise ValidationError(_("Name the secret to read."))
    if not SECRET_NAME.match(reference.secret_name):
        raise ValidationError(_("A secret's name has letters, digits and /_+=.@-: only, before any “#”."))
    if len(reference.json_key) > MOST_JSON_KEY:
        raise ValidationError(_("The JSON key after “#” may have 512 characters at most."))
    if not reference.json_key and text.endswith("#"):
        raise ValidationError(_("Name the JSON key after “#”, or remove the “#”."))
    return reference
