"""What a variable may hold: the rules that the form and the import share."""

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials.models import Credential
from credentials.providers import PROVIDERS
from credentials.providers.failures import explain
from crewadmin.forms import TextField

from .names import reason_to_refuse
from .references import MOST_BYTES, Written, fits_environment

MOST_REFERENCE = 2_048

# \A and \Z, because $ matches before a line break; ASCII, because \w matches look-alikes of other scripts.
KEY = re.compile(r"\A[A-Za-z_][A-Za-z0-9_]*\Z")


class KeyField(TextField):
    """The name of an environment variable."""

    def __init__(self, **kwargs: Any) -> None:
        form = gettext_lazy("Use letters, digits and underscores only, and begin with a letter or underscore.")
        super().__init__(max_length=200, validators=[RegexValidator(KEY, form)], **kwargs)


class ReferenceField(TextField):
    """A reference to a secret as a text; `references.check` says what is wrong with it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, max_length=MOST_REFERENCE, **kwargs)


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


def refuse_name(key: str) -> str:
    """Return a key. Raises ValidationError for a name that would make programs run other code."""
    if reason := reason_to_refuse(key):
        raise ValidationError(_("This name is refused. %(reason)s Choose another name.") % {"reason": reason})
    return key


def check_names(written: Written, credential: Credential) -> None:
    """Refuse what a credential cannot read, as an ARN of another region. Raises ValidationError."""
    problems = []
    for reference in written.references:
        if problem := PROVIDERS[credential.provider].name_problem(credential.config, reference.secret_name):
            failure = explain(problem, {"region": credential.config.get("region", "")})
            problems.append(f"{reference}: {failure.title}. {failure.steps[0]}")
    if problems:
        raise ValidationError(problems)
