"""Reading and decrypting: one call to AWS, two steps for people, because different policies allow them."""

import json

import pytest

from credentials.providers.base import ProbeResult, ProviderError, SkipReason, Step, StepResult, StepState
from credentials.providers.failures import FailureCode

from .conftest import MakeProvider, ServeAws, fetch
from .test_errors import ABROAD
from .wire import REQUEST_ID, http, json_error, scripted

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf"
KMS_DENIED = json_error("AccessDeniedException", "Access to KMS is not allowed")
READ_DENIED = json_error("AccessDeniedException", "User: x is not authorized to perform: secretsmanager:GetSecretValue")
DESCRIBE_DENIED = json_error(
    "AccessDeniedException", "User: x is not authorized to perform: secretsmanager:DescribeSecret"
)


def described(**key: str) -> bytes:
    return http(200, json.dumps({"ARN": SECRET, "Name": "db", **key}))


def tail(result: ProbeResult) -> list[StepResult]:
    """The steps that read, decrypt and batch."""
    return list(result.steps[-3:])


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (KMS_DENIED, FailureCode.KMS_DENIED),
        (json_error("DecryptionFailure", "Secrets Manager can't decrypt."), FailureCode.KMS_KEY_UNUSABLE),
    ],
)
def test_what_kms_refuses_was_allowed_to_be_read(
    answer: bytes, code: FailureCode, serve: ServeAws, provider: MakeProvider
) -> None:
    wire = serve(scripted(GetSecretValue=answer))
    result = provider().probe("db")
    read, decrypt, batch = tail(result)
    assert (read.state, read.code) == (StepState.PASSED, None)
    assert read.facts == {"secret_name": "db", "request_id": REQUEST_ID}
    assert result.failure == decrypt
    assert (decrypt.step, decrypt.code) == (Step.DECRYPT, code)
    assert decrypt.facts == {
        "secret_name": "db",
        "kms_key": "alias/crew",
        "region": "us-east-1",
        "request_id": REQUEST_ID,
    }
    assert batch.skipped is SkipReason.EARLIER_STEP_FAILED
    assert wire.actions[-1] == "GetSecretValue"


def test_a_secret_that_may_not_be_read_says_nothing_about_its_key(serve: ServeAws, provider: MakeProvider) -> None:
    serve(scripted(GetSecretValue=READ_DENIED))
    read, decrypt, batch = tail(provider().probe("db"))
    assert (read.state, read.code) == (StepState.FAILED, FailureCode.READ_DENIED)
    assert decrypt.skipped is batch.skipped is SkipReason.EARLIER_STEP_FAILED


@pytest.mark.parametrize("key", [{}, {"KmsKeyId": "alias/aws/secretsmanager"}])
def test_the_default_key_needs_no_permission(key: dict[str, str], serve: ServeAws, provider: MakeProvider) -> None:
    serve(scripted(DescribeSecret=described(**key)))
    result = provider().probe("db")
    _, decrypt, _ = tail(result)
    assert result.ok
    assert (decrypt.state, decrypt.skipped) == (StepState.SKIPPED, SkipReason.DEFAULT_KEY)
    assert "kms_key" not in result.steps[4].facts


def test_the_default_key_of_another_account_fails_all_the_same(serve: ServeAws, provider: MakeProvider) -> None:
    serve(scripted(DescribeSecret=described(), GetSecretValue=json_error("InvalidRequestException", ABROAD)))
    _, decrypt, _ = tail(provider().probe("db"))
    assert (decrypt.state, decrypt.code) == (StepState.FAILED, FailureCode.KMS_DEFAULT_KEY)


def test_a_key_that_could_not_be_asked_for_is_not_made_up(serve: ServeAws, provider: MakeProvider) -> None:
    serve(scripted(DescribeSecret=DESCRIBE_DENIED))
    read, decrypt, _ = tail(provider().probe("db"))
    assert (read.state, decrypt.state) == (StepState.PASSED, StepState.PASSED)
    assert decrypt.facts == {}


def test_in_a_delivery_the_refusal_of_kms_is_the_secret_s(serve: ServeAws, provider: MakeProvider) -> None:
    serve(scripted(GetSecretValue=KMS_DENIED))
    answer = fetch(provider(), ["db"])["db"]
    assert isinstance(answer, ProviderError)
    assert (answer.code, answer.facts["secret_name"]) == (FailureCode.KMS_DENIED, "db")
