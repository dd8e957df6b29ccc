"""Second factors for tests: an authenticator app whose clock the test holds, and rows as allauth writes them."""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value

from organizations.models import User

CLOCK = "allauth.mfa.totp.internal.auth.yield_hotp_counters_from_time"


#: What Chromium answered once for a passkey at http://localhost; its private key is gone.
_PASSKEY = {
    "type": "public-key",
    "id": "db9mAyR8sGUK85vmgxZVBP-9h9H74cqb3EmMZbN7-3Y",
    "rawId": "db9mAyR8sGUK85vmgxZVBP-9h9H74cqb3EmMZbN7-3Y",
    "response": {
        "clientDataJSON": (
            "eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIiwiY2hhbGxlbmdlIjoiZElkVnhBaVVuUW9SbF9OVjV2ZHR0NEUySGJ1Vk"
            "toM1pJS2h5WVNkN2VUYyIsIm9yaWdpbiI6Imh0dHA6Ly9sb2NhbGhvc3Q6MzY1OTEiLCJjcm9zc09yaWdpbiI6ZmFs"
            "c2V9"
        ),
        "attestationObject": (
            "o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YVikSZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2NFAAAAAQ"
            "ECAwQFBgcIAQIDBAUGBwgAIHW_ZgMkfLBlCvOb5oMWVQT_vYfR--HKm9xJjGWze_t2pQECAyYgASFYIAJ-9-wNZI1t"
            "QnK2vvGzd6wiY-Sn124PgjhkTfM6dVFZIlggZXxvbUFKnk2LdxbUJCa29rv2Pz59IqwRqS_CX6jWoxk"
        ),
    },
}


class App:
    """An authenticator app. Its clock is the server's too, and moves by `tick` only."""

    def __init__(self, monkeypatch: Any) -> None:
        self.seed = ""
        self.step = 1_000
        monkeypatch.setattr(CLOCK, lambda: iter([self.step]))

    def code(self) -> str:
        """What the app shows now."""
        return format_hotp_value(hotp_value(self.seed, self.step))

    def tick(self) -> None:
        """Let half a minute pass."""
        self.step += 1

    def set_up_for(self, user: User) -> None:
        """Give a person this app as if they had set it up."""
        self.seed = generate_totp_secret()
        TOTP.activate(user, self.seed)


def give_recovery_codes(user: User) -> list[str]:
    """Give a person recovery codes, as set-up does; returns them."""
    return RecoveryCodes.activate(user).generate_codes()


def give_passkey(user: User, name: str = "Work laptop") -> Authenticator:
    """A passkey that no browser can answer for."""
    row: Authenticator = Authenticator.objects.create(
        user=user, type=Authenticator.Type.WEBAUTHN, data={"name": name, "credential": _PASSKEY}
    )
    return row
