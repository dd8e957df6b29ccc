"""Two owners turn against each other in the same moment: whatever they do, an owner remains."""

import threading
from collections.abc import Callable

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connections

from organizations.models import Membership, Organization, User
from organizations.services import members
from organizations.services.owners import LastOwnerError

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 10

Attack = Callable[[Membership, User], object]


def demote(target: Membership, by: User) -> None:
    members.give_role(target, target.organization.roles.get(kind="member"), by)


def leave(target: Membership, by: User) -> None:
    members.leave(by.memberships.select_related("organization", "user").get())


ATTACKS: dict[str, Attack] = {"demote": demote, "suspend": members.suspend, "remove": members.remove, "leave": leave}


def at_once(attack: Attack, pairs: list[tuple[Membership, User]]) -> list[BaseException]:
    """Let each person attack in a thread of their own, all at the same moment; return what was refused or broke."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(pairs))

    def run(target: Membership, by: User) -> None:
        try:
            start.wait()
            attack(target, by)
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


@pytest.mark.parametrize("name", ATTACKS)
def test_two_owners_at_once_leave_one(name: str, acme: Organization, alice: User, bob: User) -> None:
    owner = acme.roles.get(kind="owner")
    for _round in range(ROUNDS):
        for user in (alice, bob):
            Membership.objects.update_or_create(
                organization=acme, user=user, defaults={"role": owner, "state": Membership.State.ACTIVE}
            )
        alices, bobs = (acme.memberships.select_related("organization").get(user=user) for user in (alice, bob))
        errors = at_once(ATTACKS[name], [(alices, bob), (bobs, alice)])
        assert acme.memberships.filter(role=owner, state="active").count() == 1
        assert len(errors) == 1
        assert isinstance(errors[0], LastOwnerError | PermissionDenied)
