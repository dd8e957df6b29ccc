"""Make default: one credential of each provider is the one that variables get which name none."""

import random
import threading
import time
from collections.abc import Callable

import pytest
from django.db import close_old_connections, connection
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from credentials.services import delete_credential, make_default
from organizations.models import AuditEvent, Organization, User
from tests.builders import store_credential
from tests.pages import rows_of, text_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
THREADS, TOGGLES = 16, 50


def address(credential: Credential) -> str:
    return reverse("credential_make_default", args=[credential.organization.uuid, credential.uuid])


def test_the_mark_moves_from_one_to_the_other(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    other = store_credential(acme, alice, "aws-stage")
    response = sign_in(alice).post(address(other), follow=True)
    assert "“aws-stage” is now the default credential for AWS Secrets Manager." in text_of(response)
    prod, stage = rows_of(response)
    assert "(default)" not in prod
    assert "(default)" in stage
    assert list(Credential.objects.filter(is_default=True)) == [other]
    event = AuditEvent.objects.filter(action="credential:made_default").latest("id")
    assert (event.actor, event.target_label, event.details) == (alice, "aws-stage", {"provider": "aws"})


def test_the_credential_s_version_stays(acme: Organization, alice: User, aws_prod: Credential) -> None:
    other = store_credential(acme, alice, "aws-stage")
    make_default(other, alice)
    assert set(Credential.objects.values_list("version", flat=True)) == {1}


def test_making_the_default_the_default_changes_nothing(alice: User, aws_prod: Credential, sign_in: SignIn) -> None:
    events = AuditEvent.objects.count()
    assert sign_in(alice).post(address(aws_prod)).status_code == 302
    assert Credential.objects.get().is_default
    assert AuditEvent.objects.count() == events


def test_another_organization_keeps_its_default(
    acme: Organization, umbrella: Organization, alice: User, mallory: User, aws_prod: Credential
) -> None:
    theirs = store_credential(umbrella, mallory, is_default=True)
    make_default(store_credential(acme, alice, "aws-stage"), alice)
    theirs.refresh_from_db()
    assert theirs.is_default


def test_a_credential_deleted_meanwhile_leaves_the_default_where_it_is(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted_first(credential: Credential, by: User, **expected: str) -> None:
        delete_credential(credential, by)
        make_default(credential, by, **expected)

    other = store_credential(acme, alice, "aws-stage")
    monkeypatch.setattr("credentials.services.make_default", deleted_first)
    assert sign_in(alice).post(address(other)).status_code == 404
    assert list(Credential.objects.filter(is_default=True)) == [aws_prod]


def test_only_a_post_makes_a_default(alice: User, aws_prod: Credential, sign_in: SignIn) -> None:
    assert sign_in(alice).get(address(aws_prod)).status_code == 405


def test_who_may_not_manage_credentials_cannot_choose_the_default(
    acme: Organization, alice: User, bob: User, carol: User, mallory: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    other = store_credential(acme, alice, "aws-stage")
    statuses = [sign_in(user).post(address(other)).status_code for user in (bob, carol, mallory)]
    assert statuses == [403, 403, 404]
    assert list(Credential.objects.filter(is_default=True)) == [aws_prod]


@pytest.mark.django_db(transaction=True)
def test_sixteen_people_at_once_never_leave_two_defaults_or_none(
    acme: Organization, alice: User, aws_prod: Credential
) -> None:
    credentials = [aws_prod, *(store_credential(acme, alice, f"aws-{number}") for number in range(5))]
    errors: list[BaseException] = []
    start = threading.Barrier(THREADS + 1)

    def toggle(seed: int) -> None:
        order = random.Random(seed)  # noqa: S311 - an order, not a secret
        try:
            start.wait()
            for _number in range(TOGGLES):
                make_default(order.choice(credentials), alice)
                close_old_connections()  # as at the end of a request
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=toggle, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    start.wait()
    seen = []
    while any(thread.is_alive() for thread in threads):
        seen.append(Credential.objects.filter(organization=acme, is_default=True).count())
        time.sleep(0.005)
    for thread in threads:
        thread.join()
    assert errors == []
    assert set(seen) == {1}
    assert len(seen) > 20
    assert Credential.objects.filter(is_default=True).count() == 1
    toggles = AuditEvent.objects.filter(action="credential:made_default")
    assert THREADS * TOGGLES / 2 < toggles.count() <= THREADS * TOGGLES + 1
    assert toggles.latest("id").target_uuid == Credential.objects.get(is_default=True).uuid
