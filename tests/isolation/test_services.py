"""A service that is given a row of another organization refuses it, whatever the form before it let through."""

import pytest

from organizations.models import Role, User
from organizations.services.invitations import invite
from tests.isolation.stage import Stage


def test_nobody_is_invited_with_a_role_of_another_organization(stage: Stage, alice: User) -> None:
    with pytest.raises(Role.DoesNotExist):
        invite(stage.acme, alice, email="new@example.com", role=stage.rows["foreign"]["role"])
    assert not User.objects.filter(email="new@example.com").exists()
