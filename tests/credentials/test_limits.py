"""Connection tests are limited: ten a minute and two at once for an organization, some at once for the server."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from credentials import asking, testing
from credentials.models import ConnectionTest, Credential
from credentials.providers.aws.provider import AwsSecretsManager
from credentials.providers.base import ProbeResult
from credentials.testing import AT_ONCE, HISTORY, PER_MINUTE, run_connection_test
from crewadmin.limits import TooManyError
from organizations.models import AuditEvent, Organization, User
from sandbox.aws import Sandbox

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def begun(credential: Credential, count: int, seconds_ago: int, *, ok: bool | None = True) -> None:
    """Store tests that began some seconds ago; `ok=None` are still running."""
    for _test in range(count):
        test = ConnectionTest.objects.create(
            organization=credential.organization, credential=credential, provider="aws", person_label="x", ok=ok
        )
        ConnectionTest.objects.filter(pk=test.pk).update(created_at=timezone.now() - timedelta(seconds=seconds_ago))


def test_the_eleventh_test_in_a_minute_is_refused_with_the_time_to_wait(
    aws_prod: Credential, alice: User, sandbox: Sandbox
) -> None:
    begun(aws_prod, PER_MINUTE, seconds_ago=20)
    events = AuditEvent.objects.count()
    with pytest.raises(TooManyError) as refused:
        run_connection_test(aws_prod, alice)
    assert 38 <= refused.value.seconds <= 41
    assert sandbox.calls == []
    assert AuditEvent.objects.count() == events


def test_a_minute_later_testing_goes_on(aws_prod: Credential, alice: User, sandbox: Sandbox) -> None:
    begun(aws_prod, PER_MINUTE, seconds_ago=61)
    assert run_connection_test(aws_prod, alice).ok


def test_a_third_test_at_the_same_time_is_refused(aws_prod: Credential, alice: User, sandbox: Sandbox) -> None:
    begun(aws_prod, AT_ONCE, seconds_ago=3, ok=None)
    with pytest.raises(TooManyError):
        run_connection_test(aws_prod, alice)
    assert sandbox.calls == []


def test_a_test_that_was_cut_off_with_its_process_holds_no_place_for_long(
    aws_prod: Credential, alice: User, sandbox: Sandbox
) -> None:
    begun(aws_prod, AT_ONCE, seconds_ago=31, ok=None)
    assert run_connection_test(aws_prod, alice).ok


def test_another_organization_is_not_held_up(
    aws_prod: Credential, umbrella: Organization, mallory: User, sandbox: Sandbox
) -> None:
    begun(aws_prod, PER_MINUTE, seconds_ago=1)
    other = testing.try_settings(umbrella, mallory, "aws", aws_prod.config, aws_prod.secrets.reveal())
    assert other.ok


def test_the_server_keeps_threads_free_for_pages(
    aws_prod: Credential, alice: User, sandbox: Sandbox, settings: Any
) -> None:
    held = [asking._slots.acquire(blocking=False) for _place in range(settings.CONNECTION_TESTS_AT_ONCE)]
    try:
        assert all(held)
        with pytest.raises(TooManyError):
            run_connection_test(aws_prod, alice)
    finally:
        for _place in held:
            asking._slots.release()
    assert run_connection_test(aws_prod, alice).ok


def test_a_refused_test_says_how_long_to_wait_with_and_without_javascript(
    aws_prod: Credential, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    begun(aws_prod, PER_MINUTE, seconds_ago=20)
    address = reverse("credential_test", args=[aws_prod.organization.uuid, aws_prod.uuid])
    client = sign_in(alice)
    response = client.post(address, headers={"hx-request": "true"})
    assert response.status_code == 429
    assert 38 <= int(response["Retry-After"]) <= 41
    assert "Too many connection tests at once" in response.content.decode()
    page = client.post(address, follow=True).content.decode()
    assert "Too many connection tests at once" in page
    assert "Try again in" in page


def test_only_the_last_tests_of_a_credential_are_kept(aws_prod: Credential, alice: User, sandbox: Sandbox) -> None:
    begun(aws_prod, HISTORY + 5, seconds_ago=600)
    test = run_connection_test(aws_prod, alice)
    assert aws_prod.tests.count() == HISTORY
    assert aws_prod.tests.order_by("-id").first() == test


def test_of_settings_that_are_not_stored_no_more_is_kept_than_the_limits_need(
    aws_prod: Credential, alice: User, sandbox: Sandbox
) -> None:
    for _try in range(2):
        testing.try_settings(aws_prod.organization, alice, "aws", aws_prod.config, aws_prod.secrets.reveal())
    ConnectionTest.objects.update(created_at=timezone.now() - timedelta(seconds=61))
    kept = run_connection_test(aws_prod, alice)
    assert list(ConnectionTest.objects.all()) == [kept]


def test_what_took_so_long_that_the_limits_have_forgotten_it_ends_all_the_same(
    acme: Organization, aws_prod: Credential, alice: User, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = AwsSecretsManager.probe

    def slow(provider: AwsSecretsManager, target: str | None = None) -> ProbeResult:
        ConnectionTest.objects.update(created_at=timezone.now() - timedelta(seconds=61))
        monkeypatch.setattr(AwsSecretsManager, "probe", probe)
        run_connection_test(aws_prod, alice)
        return probe(provider, target)

    monkeypatch.setattr(AwsSecretsManager, "probe", slow)
    assert testing.try_settings(acme, alice, "aws", aws_prod.config, aws_prod.secrets.reveal()).ok
