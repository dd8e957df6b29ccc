"""What the second factor takes from a browser: codes of an app, and the answers of passkeys.

Apart from second_factor.py because every command imports that one, and the WebAuthn library starts slowly. While an app
is being set up its seed waits in the session, sealed.
"""

import json
from typing import Any

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms as base
from allauth.mfa.totp import forms as totp
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from allauth.mfa.webauthn import forms as webauthn
from django import forms
from django.utils.translation import gettext_lazy as _

from crewadmin.forms import TextField

_LARGEST_ANSWER = 64 * 1024  # characters; a passkey's answer has some 2,000


# --- Codes ----------------------------------------------------------------------------------------------------------
class _CodeField(forms.CharField):
    """What an app shows, or a recovery code: it may still be good, so it is never written back into the page."""

    def __init__(self, **kwargs: Any) -> None:
        attributes = {"placeholder": _("Code"), "autocomplete": "one-time-code"}
        super().__init__(widget=forms.TextInput(attrs=attributes), **kwargs)

    def bound_data(self, data: Any, initial: Any) -> None:
        """Show nothing, whatever was sent."""


class CodeForm(base.AuthenticateForm):  # type: ignore[misc]  # allauth is untyped
    """A code as the second step of a sign-in."""

    code = _CodeField(label=_("Code"))


class ConfirmCodeForm(base.ReauthenticateForm):  # type: ignore[misc]  # allauth is untyped
    """A code as a fresh proof."""

    code = _CodeField(label=_("Code"))


class ActivateTOTPForm(totp.ActivateTOTPForm):  # type: ignore[misc]  # allauth is untyped
    """Take the first code of an app. The seed that it proves waits in the session, sealed."""

    code = _CodeField(label=_("Authenticator code"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        session, adapter = context.request.session, get_adapter()
        stored = session.get(SECRET_SESSION_KEY)
        super().__init__(*args, **kwargs)
        if self.is_bound and stored:
            self.secret = adapter.decrypt(stored)
        session[SECRET_SESSION_KEY] = adapter.encrypt(self.secret)


# --- Passkeys -------------------------------------------------------------------------------------------------------
class _AnswerField(forms.JSONField):
    """What a browser's authenticator answered: small, and plain ASCII in every part (it is base64)."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        """Refuse what no browser sends, before anything reads it or a database fails on it."""
        refused = get_adapter().validation_error("incorrect_code")
        if isinstance(value, str) and len(value) > _LARGEST_ANSWER:
            raise refused
        try:
            answer = super().to_python(value)
        except (RecursionError, ValueError):  # too deep, or a number too long
            raise refused from None
        if answer is not None and not _is_plain(answer):
            raise refused
        return answer

    def bound_data(self, data: Any, initial: Any) -> None:
        """Write no answer back into the page: it is good for one time only."""


def _is_plain(answer: Any) -> bool:
    text = json.dumps(answer, ensure_ascii=False)
    return isinstance(answer, dict) and text.isascii() and "\\u0000" not in text


class _Careful:
    """Turns what the WebAuthn library raises on a malformed answer into an error of the form."""

    def _clean_form(self) -> None:
        try:
            super()._clean_form()  # type: ignore[misc]
        except _MALFORMED:
            self.add_error(None, get_adapter().validation_error("incorrect_code"))  # type: ignore[attr-defined]

    def _clean_fields(self) -> None:
        try:
            super()._clean_fields()  # type: ignore[misc]
        except _MALFORMED:
            self.add_error(None, get_adapter().validation_error("incorrect_code"))  # type: ignore[attr-defined]


_MALFORMED = (TypeError, ValueError, KeyError, AttributeError, IndexError)


def _name_field() -> TextField:
    return TextField(label=_("Name"), max_length=100, help_text=_("So that you know it again, such as “Work laptop”."))


class AddPasskeyForm(_Careful, webauthn.AddWebAuthnForm):  # type: ignore[misc]
    """A new passkey and its name."""

    name = _name_field()
    credential = _AnswerField()


class RenamePasskeyForm(webauthn.EditWebAuthnForm):  # type: ignore[misc]
    """A passkey's name."""

    name = _name_field()


class PasskeyForm(_Careful, webauthn.AuthenticateWebAuthnForm):  # type: ignore[misc]
    """A passkey as the second step of a sign-in."""

    credential = _AnswerField()


class ConfirmPasskeyForm(PasskeyForm):
    """A passkey as a fresh proof."""

    reauthenticated = True
