"""An automation to give variables to, and people who may do more or less with it."""

import pytest

from credentials.models import Credential
from envvars.models import Automation
from organizations.access import Feature, Level, set_levels
from organizations.models import Membership, Organization, User
from organizations.services.members import add_member
from organizations.services.roles import create_role
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import store_automation, store_direct, store_reference
from tests.conftest import PASSWORD


@pytest.fixture
def crew(acme: Organization) -> Automation:
    return store_automation(acme)


@pytest.fixture
def dora(acme: Organization, alice: User) -> User:
    """May read environment variables, and nothing else."""
    user = User.objects.create_user("dora@acme.example", PASSWORD, name="Dora")
    role = create_role(acme, "Variable readers")
    set_levels(role, {Feature.ENVIRONMENT_VARIABLES: Level.READ})
    add_member(acme, user, role, by=alice)
    return user


@pytest.fixture
def baked_crew(acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox) -> Automation:
    """A crew that starts with what was deployed: a typed value, a secret's key, and a template of two secrets."""
    Automation.objects.filter(pk=crew.pk).update(resolves_at=Automation.ResolvesAt.DEPLOY)
    crew.refresh_from_db()
    store_direct(acme, "LOG_LEVEL", "debug", [crew])
    store_reference(acme, "DB_PASSWORD", "database-credentials#password", aws_prod, [crew])
    store_reference(
        acme, "DB_URL", f"${{database-credentials#username}}:${{{seed.OPENAI_KEY.name}}}", automations=[crew]
    )
    return crew


@pytest.fixture
def alice_(alice: User, acme: Organization) -> Membership:
    return alice.memberships.select_related("role", "organization", "user").get()


@pytest.fixture
def erin(acme: Organization) -> User:
    """Manages credentials and variables without being an owner."""
    user = User.objects.create_user("erin@acme.example", PASSWORD, name="Erin")
    role = create_role(acme, "Managers")
    set_levels(role, dict.fromkeys(Feature, Level.MANAGE))
    add_member(acme, user, role, by=None)
    return user
