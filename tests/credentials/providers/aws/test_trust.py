"""The confused deputy: does the role's trust policy really require the External ID?"""

import logging
import re
import socket
import time

import pytest

from credentials.providers.aws.limits import Limits
from credentials.providers.base import (
    TrustAnswer,
    TrustAttempt,
    TrustCheck,
    TrustOutcome,
)
from credentials.providers.failures import FailureCode, Owner, explain

from .conftest import ROLE_ARN, MakeProvider, ServeAws
from .test_faults import GRACE, hang
from .wire import ASSUMED, REQUEST_ID, Request, http, scripted, sts_error

EXTERNAL_ID = "external-id-canary"
WITHOUT, WRONG = TrustAttempt.WITHOUT_EXTERNAL_ID, TrustAttempt.WRONG_EXTERNAL_ID
REFUSED, ACCEPTED, NOT_CONCLUSIVE = TrustOutcome.REFUSED, TrustOutcome.ACCEPTED, TrustOutcome.NOT_CONCLUSIVE
DENIED = sts_error("AccessDenied", f"User: x is not authorized to perform: sts:AssumeRole on resource: {ROLE_ARN}")


def denied_because(policy: str) -> bytes:
    because = f" because no {policy} policy allows the sts:AssumeRole action"
    return sts_error("AccessDenied", f"User: x is not authorized to perform: sts:AssumeRole on resource: y{because}")


def outcomes(check: TrustCheck) -> dict[TrustAttempt, TrustOutcome]:
    return {answer.attempt: answer.outcome for answer in check.answers}


class Trust:
    """A role that asks for no External ID, for any, or for the right one."""

    def __init__(self, *accepted: str) -> None:
        self.accepted = accepted

    def __call__(self, request: Request, connection: socket.socket) -> bytes:
        assert request.action == "AssumeRole"
        given = request.form.get("ExternalId")
        kind = "none" if given is None else "right" if given == EXTERNAL_ID else "any"
        return ASSUMED if kind in self.accepted else DENIED


@pytest.mark.parametrize(
    ("accepted", "expected", "code"),
    [
        (["right"], {WITHOUT: REFUSED, WRONG: REFUSED}, FailureCode.TRUST_REQUIRES_EXTERNAL_ID),
        (["right", "any"], {WITHOUT: REFUSED, WRONG: ACCEPTED}, FailureCode.TRUST_WITHOUT_EXTERNAL_ID),
        (["right", "none"], {WITHOUT: ACCEPTED, WRONG: REFUSED}, FailureCode.TRUST_WITHOUT_EXTERNAL_ID),
        (["right", "any", "none"], {WITHOUT: ACCEPTED, WRONG: ACCEPTED}, FailureCode.TRUST_WITHOUT_EXTERNAL_ID),
    ],
)
def test_what_aws_accepts_is_told(
    accepted: list[str],
    expected: dict[TrustAttempt, TrustOutcome],
    code: FailureCode,
    serve: ServeAws,
    provider: MakeProvider,
) -> None:
    serve(Trust(*accepted))
    check = provider(role_arn=ROLE_ARN, external_id=EXTERNAL_ID).check_trust()
    assert check.applicable
    assert (outcomes(check), check.code) == (expected, code)


def test_it_costs_two_calls_that_differ_from_a_test_in_the_external_id_only(
    serve: ServeAws, provider: MakeProvider
) -> None:
    wire = serve(Trust("right"))
    aws = provider(role_arn=ROLE_ARN, external_id=EXTERNAL_ID)
    aws.check_trust()
    without, wrong = (request.form for request in wire.requests)
    made_up = wrong.pop("ExternalId")
    assert "ExternalId" not in without
    assert without == wrong
    assert (wrong["RoleArn"], wrong["RoleSessionName"], wrong["DurationSeconds"]) == (ROLE_ARN, "crewadmin", "900")
    assert re.fullmatch(r"crewadmin-trust-check-[0-9a-f]{32}", made_up)
    aws.check_trust()
    assert wire.requests[-1].form["ExternalId"] != made_up


def test_a_session_that_was_given_is_neither_used_nor_kept(
    serve: ServeAws, provider: MakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wire = serve(Trust("none", "any"))
    check = provider(role_arn=ROLE_ARN, external_id=EXTERNAL_ID).check_trust()
    assert wire.actions == ["AssumeRole", "AssumeRole"]
    for answer in check.answers:
        assert answer.code is None
        assert answer.facts == {
            "arn": "arn:aws:sts::123456789012:assumed-role/Reader/crewadmin",
            "request_id": REQUEST_ID,
        }
    for canary in ("session-secret-canary", "session-token-canary", EXTERNAL_ID):
        assert canary not in repr(check)
        assert canary not in caplog.text


@pytest.mark.parametrize(
    ("answer", "outcome", "code"),
    [
        (DENIED, REFUSED, FailureCode.ROLE_NOT_ASSUMED),
        (denied_because("resource-based"), REFUSED, FailureCode.ROLE_TRUST_DENIED),
        # The user may not assume any role, so that nobody has looked at the trust policy
        (denied_because("identity-based"), NOT_CONCLUSIVE, FailureCode.ASSUME_ROLE_NOT_ALLOWED),
        (denied_because("service control"), NOT_CONCLUSIVE, FailureCode.DENIED_BY_ORGANIZATION),
        (sts_error("InvalidClientTokenId", "no"), NOT_CONCLUSIVE, FailureCode.ACCESS_KEY_ID_UNKNOWN),
        (sts_error("SignatureDoesNotMatch", "no"), NOT_CONCLUSIVE, FailureCode.SECRET_ACCESS_KEY_WRONG),
        (sts_error("Throttling", "Rate exceeded", 400), NOT_CONCLUSIVE, FailureCode.THROTTLED),
        (http(200, "<html>Welcome to the hotel</html>"), NOT_CONCLUSIVE, FailureCode.UNEXPECTED_RESPONSE),
        (http(200, ""), NOT_CONCLUSIVE, FailureCode.UNEXPECTED_RESPONSE),
        (http(503, ""), NOT_CONCLUSIVE, FailureCode.AWS_UNAVAILABLE),
        (None, NOT_CONCLUSIVE, FailureCode.CONNECTION_LOST),
    ],
)
def test_only_a_refusal_that_may_be_the_trust_policy_s_counts_as_one(
    answer: bytes | None, outcome: TrustOutcome, code: FailureCode, serve: ServeAws, provider: MakeProvider
) -> None:
    serve(scripted(AssumeRole=answer))
    check = provider(role_arn=ROLE_ARN, external_id=EXTERNAL_ID).check_trust()
    assert [(answer.outcome, answer.code) for answer in check.answers] == [(outcome, code)] * 2
    assert check.code is (
        FailureCode.TRUST_REQUIRES_EXTERNAL_ID if outcome is REFUSED else FailureCode.TRUST_NOT_CONCLUSIVE
    )


def test_a_danger_outweighs_an_attempt_that_came_to_nothing() -> None:
    answers = (TrustAnswer(WITHOUT, NOT_CONCLUSIVE, FailureCode.THROTTLED), TrustAnswer(WRONG, ACCEPTED))
    assert TrustCheck(answers).code is FailureCode.TRUST_WITHOUT_EXTERNAL_ID


def test_one_refusal_alone_does_not_prove_that_the_external_id_is_required() -> None:
    refused = TrustAnswer(WITHOUT, REFUSED, FailureCode.ROLE_NOT_ASSUMED)
    answers = (refused, TrustAnswer(WRONG, NOT_CONCLUSIVE, FailureCode.THROTTLED))
    assert TrustCheck(answers).code is FailureCode.TRUST_NOT_CONCLUSIVE


def test_without_a_role_there_is_nothing_to_check_and_nobody_is_asked(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(scripted())
    check = provider().check_trust()
    assert not check.applicable
    assert check.code is None
    assert wire.requests == []


def test_settings_that_are_malformed_are_not_sent(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(scripted())
    check = provider(role_arn=ROLE_ARN, region="us-esat-1").check_trust()
    assert [answer.code for answer in check.answers] == [FailureCode.REGION_UNKNOWN] * 2
    assert check.code is FailureCode.TRUST_NOT_CONCLUSIVE
    assert wire.requests == []


def test_both_attempts_share_one_deadline(serve: ServeAws, provider: MakeProvider) -> None:
    serve(hang)
    start = time.monotonic()
    check = provider(limits=Limits(connect=1, read=5, total=1, attempts=1), role_arn=ROLE_ARN).check_trust()
    assert time.monotonic() - start < 1 + GRACE
    assert [answer.code for answer in check.answers] == [FailureCode.TIMED_OUT] * 2


def test_every_attempt_and_outcome_has_words() -> None:
    assert len({str(attempt.label) for attempt in TrustAttempt}) == len(TrustAttempt)
    danger = explain(FailureCode.TRUST_WITHOUT_EXTERNAL_ID)
    assert "confused deputy" in str(danger.cause)
    assert danger.owner is Owner.ROLE_TRUST
