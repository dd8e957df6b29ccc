"""An automation to give variables to, and somebody who may only look at it."""

import pytest

from envvars.models import Automation
from organizations.access import Feature, Level, set_levels
from organizations.models import Organization, User
from organizations.services.members import add_member
from organizations.services.roles import create_role
from tests.builders import store_automation
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
