"""Who is refused before any permission is looked at, by both services, in each one's own words."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from sandbox import seed
from tests.sandbox.clients import Refusal, refusal

INVALID_TOKEN = "The security token included in the request is invalid."
UNKNOWN_KEY = {
    "sts": Refusal("InvalidClientTokenId", 403, INVALID_TOKEN),
    "secretsmanager": Refusal("UnrecognizedClientException", 400, INVALID_TOKEN),
}
BAD_SIGNATURE = {"sts": ("SignatureDoesNotMatch", 403), "secretsmanager": ("InvalidSignatureException", 400)}
TIME = r"\d{8}T\d{6}Z"


@pytest.fixture(params=["sts", "secretsmanager"])
def service(request):
    return request.param


def ask(clients, service):
    return clients.sts.get_caller_identity() if service == "sts" else clients.secrets.list_secrets()


def test_an_unknown_key_is_refused(as_user, service):
    stranger = replace(seed.READER, access_key_id="AKIARZPUZDIKZEXAMPLE")

    assert refusal(ask, as_user(stranger), service) == UNKNOWN_KEY[service]


def test_an_inactive_key_is_refused_like_an_unknown_one_until_it_is_active_again(sandbox, as_user, service):
    sandbox.deactivate_key()
    assert refusal(ask, as_user(), service) == UNKNOWN_KEY[service]

    sandbox.activate_key()
    assert ask(as_user(), service)


def test_a_wrong_secret_is_refused(as_user, service):
    forger = replace(seed.READER, secret_access_key="x" * 40)

    answer = refusal(ask, as_user(forger), service)

    assert (answer.code, answer.status) == BAD_SIGNATURE[service]
    assert answer.message.startswith("The request signature we calculated does not match the signature you provided.")


@pytest.mark.parametrize("region", ["eu-south-1", "af-south-1"])
def test_a_region_that_is_not_enabled_is_refused_like_an_unknown_key(as_user, service, region):
    assert refusal(ask, as_user(region=region), service) == UNKNOWN_KEY[service]


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1"])
def test_a_region_of_another_partition_does_not_know_the_key(as_user, service, region):
    assert refusal(ask, as_user(region=region), service) == UNKNOWN_KEY[service]


def test_a_region_that_does_not_exist_is_refused(as_user, service):
    answer = refusal(ask, as_user(region="us-esat-1"), service)

    assert (answer.code, answer.status) == BAD_SIGNATURE[service]
    assert answer.message == "Credential should be scoped to a valid region, not 'us-esat-1'."


@pytest.mark.parametrize(("service", "minutes"), [("sts", 15), ("secretsmanager", 5)])
def test_a_clock_that_is_behind_is_refused_and_says_by_how_much(sandbox, as_user, service, minutes):
    sandbox.set_clock_offset(timedelta(minutes=minutes, seconds=5))

    answer = refusal(ask, as_user(), service)

    assert (answer.code, answer.status) == BAD_SIGNATURE[service]
    assert re.fullmatch(
        rf"Signature expired: {TIME} is now earlier than {TIME} \({TIME} - {minutes} min\.\)",
        answer.message,
    )


@pytest.mark.parametrize(("service", "minutes"), [("sts", 15), ("secretsmanager", 5)])
def test_a_clock_that_is_ahead_is_refused_and_says_by_how_much(sandbox, as_user, service, minutes):
    sandbox.set_clock_offset(timedelta(minutes=-minutes, seconds=-5))

    answer = refusal(ask, as_user(), service)

    assert (answer.code, answer.status) == BAD_SIGNATURE[service]
    assert re.fullmatch(
        rf"Signature not yet current: {TIME} is still later than {TIME} \({TIME} \+ {minutes} min\.\)",
        answer.message,
    )


@pytest.mark.parametrize(("service", "minutes"), [("sts", 14), ("secretsmanager", 4)])
def test_a_clock_that_is_a_little_off_is_accepted(sandbox, as_user, service, minutes):
    sandbox.set_clock_offset(timedelta(minutes=minutes))
    assert ask(as_user(), service)

    sandbox.set_clock_offset(timedelta(minutes=-minutes))
    assert ask(as_user(), service)


def test_a_wrong_clock_is_reported_before_a_wrong_secret(sandbox, as_user, service):
    sandbox.set_clock_offset(timedelta(hours=1))

    assert (
        "Signature expired" in refusal(ask, as_user(replace(seed.READER, secret_access_key="x" * 40)), service).message
    )


def test_a_session_without_its_token_is_refused(as_user, service):
    session = as_user().assume()

    assert refusal(ask, replace(session, token=None), service) == UNKNOWN_KEY[service]


def test_a_session_with_another_token_is_refused(as_user, service):
    session, other = as_user().assume(), as_user().assume()

    assert refusal(ask, replace(session, token=other.token), service) == UNKNOWN_KEY[service]


def test_a_users_key_with_a_token_is_refused(as_user, service):
    assert refusal(ask, as_user(token="left-over"), service) == UNKNOWN_KEY[service]


@pytest.mark.parametrize(
    ("service", "code", "status"), [("sts", "ExpiredToken", 403), ("secretsmanager", "ExpiredTokenException", 400)]
)
def test_an_expired_session_is_refused(sandbox, as_user, service, code, status):
    session = as_user().assume()
    sandbox.expire_sessions()

    assert refusal(ask, session, service) == (code, status, "The security token included in the request is expired")


def test_the_region_is_the_one_signed_for_whatever_the_user_agent_says(as_user):
    client = as_user().secrets
    client.meta.events.register(
        "before-sign", lambda request, **_: request.headers.add_header("User-Agent", "region/us-west-2")
    )

    assert len(client.list_secrets()["SecretList"]) == 3


def test_no_header_chooses_another_account(as_user):
    client = as_user().secrets
    client.meta.events.register(
        "before-sign", lambda request, **_: request.headers.add_header("x-moto-account-id", "999999999999")
    )

    assert len(client.list_secrets()["SecretList"]) == 3
