"""The second factor: who has one, and how allauth keeps it here. Its forms are in second_factor_forms.py."""

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext_lazy as _

from crewadmin.redaction import Secret
from crewadmin.sealing import SealError, open_for_person, seal_for_person

from .models import User

PURPOSE = "second factor"
#: What makes a second factor; recovery codes only stand in for one of these.
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def has_second_factor(user: User | AnonymousUser) -> bool:
    """Whether a person has set up an authenticator app or a passkey."""
    return user.is_authenticated and Authenticator.objects.filter(user=user, type__in=FACTORS).exists()


class Adapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth is untyped
    """Seeds of apps and of recovery codes are sealed."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "cannot_be_opened": _(
            "Your second factor cannot be opened here. Whoever runs this server has to restore its keys."
        ),
    }

    def encrypt(self, text: str) -> str:
        """Seal a seed on its way into the database."""
        return seal_for_person(PURPOSE, Secret(text))

    def decrypt(self, encrypted_text: str) -> str:
        """Open a seed to compare a code with it. Raises ValidationError, for the form, if it cannot be opened."""
        try:
            return open_for_person(PURPOSE, encrypted_text).reveal()
        except SealError:
            raise self.validation_error("cannot_be_opened") from None

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        """Suggest a passkey's name."""
        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return str(_("Passkey %(number)s")) % {"number": number}
