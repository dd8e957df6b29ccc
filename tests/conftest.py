"""The cast and the stage that every test shares.

Alice owns Acme and Bob is a plain member there; Carol has a custom role that may read credentials and nothing else;
Mallory owns Umbrella, another organization. The AWS sandbox is started once, and put back into its seeded state for
each test that uses it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.account.internal.flows.login import record_authentication
from django.core.cache import cache
from django.http import HttpRequest
from django.test import Client

from credentials.models import Credential
from credentials.providers.aws import memory
from credentials.services import add_credential
from crewadmin.sealing import key_ring
from organizations import sessions
from organizations.access import Feature, Level, set_levels
from organizations.models import Organization, Role, User
from organizations.services.members import add_member
from organizations.services.organizations import create_organization
from organizations.services.roles import create_role
from sandbox import seed
from sandbox.aws import Sandbox

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _stage(settings: Any) -> None:
    """Quick password hashes, an empty cache, and nothing remembered from another test's organization."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    settings.WHITENOISE_AUTOREFRESH = True  # else every browser of a test lists the collected files when it starts
    cache.clear()
    key_ring.forget()
    memory.forget()


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice@acme.example", PASSWORD, name="Alice")


@pytest.fixture
def acme(alice: User) -> Organization:
    return create_organization("Acme", "acme", alice)


@pytest.fixture
def bob(acme: Organization, alice: User) -> User:
    user = User.objects.create_user("bob@acme.example", PASSWORD, name="Bob")
    add_member(acme, user, acme.roles.get(kind=Role.Kind.MEMBER), by=alice)
    return user


@pytest.fixture
def carol(acme: Organization, alice: User) -> User:
    user = User.objects.create_user("carol@acme.example", PASSWORD, name="Carol")
    role = create_role(acme, "Credential readers")
    set_levels(role, {Feature.SECRET_PROVIDERS: Level.READ})
    add_member(acme, user, role, by=alice)
    return user


@pytest.fixture
def mallory(db: None) -> User:
    return User.objects.create_user("mallory@umbrella.example", PASSWORD, name="Mallory")


@pytest.fixture
def umbrella(mallory: User) -> Organization:
    return create_organization("Umbrella", "umbrella", mallory)


@pytest.fixture
def sign_in() -> Callable[[User], Client]:
    """Return a function that gives a browser in which a person just signed in with a password."""

    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        request = HttpRequest()
        request.session = client.session
        record_authentication(request, user, method="password")
        sessions.begin(request.session)
        request.session.save()
        return client

    return signed_in


@pytest.fixture(scope="session")
def _running_sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox.start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def sandbox(_running_sandbox: Sandbox, settings: Any) -> Sandbox:
    """The AWS sandbox as seeded, with the product pointed at it."""
    _running_sandbox.reset()
    settings.AWS_SANDBOX_URL = _running_sandbox.url
    return _running_sandbox


@pytest.fixture
def aws_prod(acme: Organization, alice: User) -> Credential:
    """A stored credential of Acme that works in the sandbox with static keys, and is the default."""
    return add_credential(
        acme,
        alice,
        name="aws-prod",
        provider="aws",
        config={"region": seed.REGION, "access_key_id": seed.READER.access_key_id, "role_arn": ""},
        secrets={"secret_access_key": seed.READER.secret_access_key},
        is_default=True,
    )
