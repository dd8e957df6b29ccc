"""organizations.services.second_factors: seeds move to the newest key."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator

from crewadmin.sealing import SealError
from organizations.models import User
from organizations.services.second_factors import reseal_second_factors
from tests.second_factors import App, give_passkey, give_recovery_codes

NEW_KEY = "b3RoZXItMzItcmFuZG9tLWJ5dGVzLTRuUTd4WjJrVzk="


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, alice: User) -> App:
    app = App(monkeypatch)
    app.set_up_for(alice)
    return app


def test_seeds_are_sealed_anew_and_the_old_key_may_go(app: App, alice: User, settings: Any) -> None:
    codes = give_recovery_codes(alice)
    give_passkey(alice)
    settings.FERNET_KEYS = [NEW_KEY, *settings.FERNET_KEYS]
    assert reseal_second_factors() == 2
    settings.FERNET_KEYS = [NEW_KEY]
    assert Authenticator.objects.get(type="totp").wrap().validate_code(app.code())
    assert Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes() == codes


def test_a_seed_that_none_of_the_keys_opens_is_left_as_it_is(app: App, settings: Any) -> None:
    before = Authenticator.objects.values().get()
    settings.FERNET_KEYS = [NEW_KEY]
    with pytest.raises(SealError):
        reseal_second_factors()
    assert Authenticator.objects.values().get() == before
