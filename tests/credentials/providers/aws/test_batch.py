"""Reading several secrets at once: tried with one, worth an advice, and never the reason why a test fails."""

import json
import logging
import socket
from collections.abc import Callable

import pytest

from credentials.providers.aws.limits import Limits
from credentials.providers.base import ProbeResult, SkipReason, Step, StepResult, StepState
from credentials.providers.failures import FailureCode

from .conftest import ROLE_ARN, MakeProvider, ServeAws
from .test_faults import FAULTS, PATIENT, drip, only_at
from .wire import REQUEST_ID, VALUE, Request, http, json_error, scripted

USER = "arn:aws:iam::123456789012:user/crewai-secrets-reader"
BATCH, READ = "secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue"


def denied(action: str, because: str = "") -> str:
    return f"User: {USER} is not authorized to perform: {action}{because}"


def one_error(code: str, message: str) -> bytes:
    errors = [{"SecretId": "db", "ErrorCode": code, "Message": message}]
    return http(200, json.dumps({"SecretValues": [], "Errors": errors}))


def batch(result: ProbeResult) -> StepResult:
    last = result.steps[-1]
    assert last.step is Step.BATCH
    return last


def test_the_target_is_read_as_a_batch_of_one(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(scripted())
    step = batch(provider().probe("db"))
    assert (step.state, step.code) == (StepState.PASSED, None)
    assert wire.requests[-1].json == {"SecretIdList": ["db"]}


def test_an_answer_without_a_list_of_errors_will_do(serve: ServeAws, provider: MakeProvider) -> None:
    serve(scripted(BatchGetSecretValue=http(200, json.dumps({"SecretValues": [VALUE]}))))
    assert batch(provider().probe("db")).state is StepState.PASSED


@pytest.mark.parametrize(
    ("answer", "code", "action"),
    [
        (
            json_error("AccessDeniedException", denied(BATCH, f" because no identity-based policy allows the {BATCH}")),
            FailureCode.BATCH_DENIED,
            BATCH,
        ),
        (json_error("AccessDeniedException", denied(BATCH)), FailureCode.BATCH_DENIED, BATCH),
        (
            json_error("AccessDeniedException", denied(BATCH, " with an explicit deny in a service control policy")),
            FailureCode.DENIED_BY_ORGANIZATION,
            BATCH,
        ),
        (
            json_error("AccessDeniedException", denied(BATCH, " with an explicit deny in an identity-based policy")),
            FailureCode.EXPLICIT_DENY,
            BATCH,
        ),
        # Allowed as a batch, but not this secret: a condition on the version stage, which a batch does not name
        (one_error("AccessDeniedException", denied(READ)), FailureCode.BATCH_DENIED, READ),
    ],
)
def test_a_missing_right_is_an_advice_and_no_failure(
    answer: bytes, code: FailureCode, action: str, serve: ServeAws, provider: MakeProvider
) -> None:
    serve(scripted(BatchGetSecretValue=answer))
    result = provider().probe("db")
    assert result.ok
    assert (batch(result).state, batch(result).code) == (StepState.PASSED, code)
    assert batch(result).facts["action"] == action
    assert batch(result).facts["request_id"] == REQUEST_ID


def is_not_conclusive(result: ProbeResult) -> bool:
    step = batch(result)
    assert (step.code, step.facts) == (None, {})
    return result.ok and (step.state, step.skipped) == (StepState.SKIPPED, SkipReason.NOT_CONCLUSIVE)


@pytest.mark.parametrize(
    "answer",
    [
        json_error("ThrottlingException", "Rate exceeded"),
        json_error("UnknownOperationException", ""),
        json_error("ExpiredTokenException", "The security token is expired"),
        one_error("InternalServiceError", "Something went wrong."),
        one_error("DecryptionFailure", "Secrets Manager can't decrypt."),
        http(200, json.dumps({"SecretValues": [VALUE], "Errors": [{"ErrorCode": "InternalServiceError"}]})),
        http(200, '{"SecretValues": []}'),
        http(200, json.dumps({"SecretValues": [VALUE, VALUE]})),
        http(200, '{"SecretValues": [{"Name": "db"}]}'),
        http(200, '{"SecretValues": [1]}'),
        http(200, '{"SecretValues": {}, "Errors": {}}'),
        http(200, '{"Errors": [{"SecretId": "db"}]}'),
    ],
)
def test_any_other_answer_is_as_if_it_had_not_been_tried(
    answer: bytes, serve: ServeAws, provider: MakeProvider
) -> None:
    serve(scripted(BatchGetSecretValue=answer))
    assert is_not_conclusive(provider().probe("db"))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_network_does_not_fail_the_test(name: str, serve: ServeAws, provider: MakeProvider) -> None:
    fault, _ = FAULTS[name]
    serve(only_at("BatchGetSecretValue", fault))
    assert is_not_conclusive(provider(limits=PATIENT).probe("db"))


def test_a_server_that_never_ends_does_not_fail_the_test(serve: ServeAws, provider: MakeProvider) -> None:
    endless: Callable[[Request, socket.socket], None] = drip
    serve(only_at("BatchGetSecretValue", endless))
    assert is_not_conclusive(provider(limits=Limits(connect=1, read=1, total=1.5, attempts=1)).probe("db"))


def test_a_batch_is_asked_for_with_the_role_s_session(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(scripted())
    assert provider(role_arn=ROLE_ARN).probe("db").ok
    assert wire.requests[-1].key_id == "ASIAIOSFODNN7SESSION"


def test_no_value_of_a_batch_is_kept_or_logged(
    serve: ServeAws, provider: MakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    canary = {**VALUE, "SecretString": "batch-canary"}
    errors = [{"SecretId": "db", "ErrorCode": "InternalServiceError", "Message": "batch-canary"}]
    caplog.set_level(logging.DEBUG)
    for content in ({"SecretValues": [canary]}, {"SecretValues": [canary], "Errors": errors}, {"SecretValues": canary}):
        serve(scripted(BatchGetSecretValue=http(200, json.dumps(content))))
        assert "batch-canary" not in repr(provider().probe("db"))
    assert "batch-canary" not in caplog.text
