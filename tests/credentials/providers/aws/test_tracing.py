"""Reading step by step: what a failure is put down to, and what is not asked in vain."""

import socket

import pytest

from credentials.providers.aws.limits import Limits
from credentials.providers.base import Fetched, ProviderError, SecretId, SkipReason, Step, StepState, Trace
from credentials.providers.failures import FailureCode

from .conftest import ROLE_ARN, MakeProvider, ServeAws
from .faults import ENDLESS, always
from .wire import GOOD, Request, http, json_error, scripted, sts_error

F = FailureCode
DB, OTHER = SecretId("db"), SecretId("other")


def states(trace: Trace) -> dict[Step, StepState]:
    return {step.step: step.state for step in (*trace.steps, *trace.reads.values())}


def codes(trace: Trace) -> dict[Step, FailureCode]:
    return {step.step: step.code for step in (*trace.steps, *trace.reads.values()) if step.code}


def test_every_step_and_every_secret_has_an_outcome(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(scripted())
    aws = provider(role_arn=ROLE_ARN)
    trace = aws.trace([DB, OTHER, DB])
    assert [step.step for step in trace.steps] == [Step.SHAPE, Step.IDENTITY, Step.ASSUME_ROLE]
    assert set(states(trace).values()) == {StepState.PASSED}
    assert list(trace.reads) == list(trace.answers) == [DB, OTHER]
    assert all(isinstance(answer, Fetched) for answer in trace.answers.values())
    assert wire.actions == ["GetCallerIdentity", "AssumeRole", "GetSecretValue", "GetSecretValue"]
    assert aws.calls == 3  # that say something of reading


def test_who_signs_is_nobody_s_need(serve: ServeAws, provider: MakeProvider) -> None:
    """A server that reaches Secrets Manager through a VPC endpoint may have none for STS."""
    serve(scripted(GetCallerIdentity=http(503, "")))
    trace = provider().trace([DB])
    assert isinstance(trace.answers[DB], Fetched)
    assert codes(trace) == {}
    identity = trace.steps[1]
    assert (identity.state, identity.skipped) == (StepState.SKIPPED, SkipReason.NOT_CONCLUSIVE)


def test_what_fails_for_the_reason_that_signing_in_has_is_put_down_to_it(
    serve: ServeAws, provider: MakeProvider
) -> None:
    serve(always(http(503, "")))
    trace = provider().trace([DB])
    assert codes(trace) == {Step.IDENTITY: F.AWS_UNAVAILABLE}
    assert trace.reads[DB].skipped is SkipReason.EARLIER_STEP_FAILED
    answer = trace.answers[DB]
    assert isinstance(answer, ProviderError)
    assert answer.code is F.AWS_UNAVAILABLE


def test_what_fails_for_another_reason_is_not(serve: ServeAws, provider: MakeProvider) -> None:
    denied = json_error("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    serve(scripted(GetCallerIdentity=http(503, ""), GetSecretValue=denied))
    trace = provider().trace([DB])
    assert codes(trace) == {Step.READ: F.SECRET_NOT_FOUND}


def test_without_the_role_nothing_is_read(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(scripted(AssumeRole=sts_error("AccessDenied", "no")))
    trace = provider(role_arn=ROLE_ARN).trace([DB, OTHER])
    assert codes(trace) == {Step.ASSUME_ROLE: F.ROLE_NOT_ASSUMED}
    assert {str(answer) for answer in trace.answers.values()} == {"role_not_assumed at assume_role"}
    assert wire.actions == ["GetCallerIdentity", "AssumeRole"]


def test_a_secret_that_fails_does_not_stop_the_next(serve: ServeAws, provider: MakeProvider) -> None:
    def one_missing(request: Request, _: socket.socket) -> bytes:
        if request.action == "GetSecretValue" and request.json["SecretId"] == "db":
            return json_error("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return GOOD[request.action]

    serve(one_missing)
    trace = provider().trace([DB, OTHER])
    assert [step.state for step in trace.reads.values()] == [StepState.FAILED, StepState.PASSED]


def test_a_name_that_cannot_be_is_not_asked_for(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(scripted())
    elsewhere = SecretId("arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf")
    trace = provider().trace([elsewhere, DB])
    assert trace.reads[elsewhere].code is F.SECRET_IN_OTHER_REGION
    assert trace.reads[DB].state is StepState.PASSED
    assert wire.actions.count("GetSecretValue") == 1


@pytest.mark.parametrize("endless", ENDLESS)
def test_a_server_that_never_ends_is_left_in_time(endless: str, serve: ServeAws, provider: MakeProvider) -> None:
    serve(ENDLESS[endless])
    trace = provider(limits=Limits(connect=0.5, read=0.5, total=1.0, attempts=1)).trace([DB, OTHER])
    assert trace.steps[1].code is F.TIMED_OUT
    assert all(isinstance(answer, ProviderError) for answer in trace.answers.values())
