"""An organization in which secrets of every class are planted, and a vault that answers with more of them."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP

from credentials.services import add_credential
from crewadmin.sealing import key_ring
from envvars.services.deployments import deploy
from envvars.services.tokens import add_token
from envvars.services.variables import delete_variable
from organizations.models import Organization, User
from organizations.services.invitations import invite
from sandbox import seed
from tests.builders import store_automation, store_direct, store_reference
from tests.credentials.providers.aws.wire import GOOD, VALUE, Request, Wire, http
from tests.organizations.conftest import Rows, rows_of

from .places import Places
from .search import HEX_DIGITS, Search, Value, made_up

#: What people type, and what the cloud answers. The rest is made while it is planted.
TYPED = {
    name: made_up(name)
    for name in (
        "direct value",
        "deployed value",
        "secret access key",
        "External ID",
        "typed value",
        "imported value",
        "password",
    )
}
OF_THE_CLOUD = {name: made_up(name) for name in ("session key", "session token", "vault value")}


@pytest.fixture(autouse=True)
def keys(settings: Any) -> dict[str, Value]:
    """The site's own keys and passwords. Those that wrap data keys are the suite's: the library reads them once."""
    own = {name: made_up(name, 60) for name in ("SECRET_KEY", "DRIFT_WEBHOOK_KEY", "EMAIL_HOST_PASSWORD")}
    for name, value in own.items():
        setattr(settings, name, value)
    settings.MFA_RECOVERY_CODE_DIGITS = 16  # so that none occurs by chance
    wrapping = settings.FERNET_KEYS[0]
    return {**own, **_single_sign_on(settings), "FERNET_KEYS": wrapping, "its bytes": base64.b64decode(wrapping)}


def _single_sign_on(settings: Any) -> dict[str, Value]:
    """A provider that cannot be reached, with a secret that both know."""
    secret = made_up("OIDC_CLIENT_SECRET", 60)
    own = {"provider_id": settings.OIDC_PROVIDER_ID, "name": "Example Login", "client_id": "crewadmin"}
    app = {**own, "secret": secret, "settings": {"server_url": "http://127.0.0.1:9"}}
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}
    return {"OIDC_CLIENT_SECRET": secret}


@pytest.fixture
def vault(settings: Any) -> Iterator[Wire]:
    """A cloud that answers everything, with canaries wherever it answers with a secret."""
    names = {b"session-secret-canary": "session key", b"session-token-canary": "session token"}
    value = VALUE | {"SecretString": json.dumps({"password": OF_THE_CLOUD["vault value"]})}
    bodies = {
        "GetSecretValue": json.dumps(value).encode(),
        "BatchGetSecretValue": json.dumps({"SecretValues": [value], "Errors": []}).encode(),
    }

    def answer(request: Request, _connection: Any) -> bytes:
        body = bodies.get(request.action) or GOOD[request.action].partition(b"\r\n\r\n")[2]
        for made_for_another_test, name in names.items():
            body = body.replace(made_for_another_test, OF_THE_CLOUD[name].encode())
        return http(200, body)

    with Wire(answer) as wire:
        settings.AWS_SANDBOX_URL = wire.url
        yield wire


@pytest.fixture
def planted(acme: Organization, alice: User, keys: dict[str, Value], vault: Wire) -> tuple[Rows, dict[str, Value]]:
    """Acme's rows by kind, and every secret by its class."""
    rows = rows_of(acme, alice)
    rows["credential"] = add_credential(
        acme,
        alice,
        name="aws-canary",
        provider="aws",
        config={
            "region": seed.REGION,
            "access_key_id": seed.ROLE_ONLY.access_key_id,
            "role_arn": seed.ROLE_ARN,
        },
        secrets={"secret_access_key": TYPED["secret access key"], "external_id": TYPED["External ID"]},
        is_default=True,
    )
    rows["automation"] = store_automation(acme, "Canary crew", "canary")
    rows["variable"] = store_direct(acme, "DIRECT", TYPED["direct value"], [rows["automation"]])
    store_reference(acme, "FROM_VAULT", f"{VALUE['Name']}#password", None, [rows["automation"]])
    deployed = store_direct(acme, "DEPLOYED", TYPED["deployed value"], [rows["automation"]])
    rows["deployment"] = deploy(rows["automation"], alice)
    delete_variable(deployed, alice)  # so that its value is in the snapshot of the deployment, and nowhere else
    rows["token"], token = add_token(
        rows["automation"], alice, name="Cluster", lifetime=timedelta(days=9), uuid=uuid4()
    )
    _invitation, link = invite(acme, alice, email="invited@acme.example", role=rows["role"])
    alice.set_password(TYPED["password"])
    alice.save()
    made = {
        "service token": token.reveal().removeprefix(rows["token"].prefix),
        "invitation": link.reveal(),
        **_second_factor(alice),
    }
    made_by_the_site = {"data key": key_ring.first(acme.pk).key}
    return rows, {**TYPED, **OF_THE_CLOUD, **keys, **made, **made_by_the_site}


def _second_factor(person: User) -> dict[str, Value]:
    app = made_up("TOTP secret", 32, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    TOTP.activate(person, app)
    codes = RecoveryCodes.activate(person)
    recovery_seed = made_up("recovery seed", 80, HEX_DIGITS)
    codes.instance.data["seed"] = _sealed(recovery_seed)
    codes.instance.save()
    own = Authenticator.objects.get(user=person, type=Authenticator.Type.RECOVERY_CODES).wrap().generate_codes()
    assert len(own[0]) == 16
    return {"TOTP secret": app, "recovery seed": recovery_seed, "recovery codes": own}


def _sealed(text: str) -> str:
    from allauth.mfa.utils import encrypt

    sealed: str = encrypt(text)
    return sealed


@pytest.fixture
def places(planted: tuple[Rows, dict[str, Value]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    """Everything that is written while the test runs; the test fails if something of a secret is in it."""
    _rows, secrets = planted
    found = Places(Search(secrets))
    with found.recorded(monkeypatch):
        yield found
    assert found.leaks == set()
