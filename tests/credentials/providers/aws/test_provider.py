"""The connection test and the reading of secrets, against a server that speaks AWS's protocol."""

import json
import logging
import socket
from typing import Any

import pytest

from credentials.providers.aws.limits import Limits
from credentials.providers.base import Fetched, ProviderError, SkipReason, Step, StepState
from credentials.providers.failures import FailureCode
from crewadmin.redaction import Secret

from .conftest import ROLE_ARN, SECRET_ACCESS_KEY, MakeProvider, ServeAws, fetch
from .wire import GOOD, IDENTITY, REQUEST_ID, Request, http, json_error, scripted, sts_error

ALL_STEPS = [
    "GetCallerIdentity",
    "AssumeRole",
    "ListSecrets",
    "DescribeSecret",
    "GetSecretValue",
    "BatchGetSecretValue",
]
UNKNOWN_KEY = sts_error("InvalidClientTokenId", "The security token included in the request is invalid.")
NOT_KNOWN_HERE = json_error("UnrecognizedClientException", "The security token included in the request is invalid.")
LIST_DENIED = json_error(
    "AccessDeniedException",
    "User: arn:aws:iam::123456789012:user/reader is not authorized to perform: secretsmanager:ListSecrets "
    "because no identity-based policy allows the secretsmanager:ListSecrets action",
)


def states(result: Any) -> dict[str, StepState]:
    return {step.step: step.state for step in result.steps}


def test_a_working_credential_passes_every_step(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(scripted())
    result = provider(role_arn=ROLE_ARN).probe("crewai/openai-api-key")
    assert result.ok
    assert [step.step for step in result.steps] == list(Step)
    assert set(states(result).values()) == {StepState.PASSED}
    assert wire.actions == ALL_STEPS
    assert wire.connections == 1


def test_each_step_gives_its_facts(serve: ServeAws, provider: MakeProvider) -> None:
    serve(scripted())
    facts = {step.step: dict(step.facts) for step in provider(role_arn=ROLE_ARN).probe("db").steps}
    assert facts == {
        "shape": {},
        "identity": {
            "account": "123456789012",
            "arn": "arn:aws:iam::123456789012:user/crewai-secrets-reader",
            "request_id": REQUEST_ID,
        },
        "assume_role": {
            "arn": "arn:aws:sts::123456789012:assumed-role/Reader/crewadmin",
            "request_id": REQUEST_ID,
        },
        "list": {"request_id": REQUEST_ID},
        "describe": {"secret_name": "db", "kms_key": "alias/crew", "request_id": REQUEST_ID},
        "read": {"secret_name": "db", "request_id": REQUEST_ID},
        "decrypt": {"kms_key": "alias/crew"},
        "batch": {"secret_name": "db", "request_id": REQUEST_ID},
    }


def test_without_a_role_and_a_target_their_steps_are_skipped(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(scripted())
    result = provider().probe()
    assert result.ok
    assert {step.step: step.skipped for step in result.steps if step.state is StepState.SKIPPED} == {
        Step.ASSUME_ROLE: SkipReason.NO_ROLE,
        Step.DESCRIBE: SkipReason.NO_TARGET,
        Step.READ: SkipReason.NO_TARGET,
        Step.DECRYPT: SkipReason.NO_TARGET,
        Step.BATCH: SkipReason.NO_TARGET,
    }
    assert wire.actions == ["GetCallerIdentity", "ListSecrets"]


def test_after_a_failed_step_nothing_more_is_asked(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(scripted(AssumeRole=sts_error("AccessDenied", "no")))
    result = provider(role_arn=ROLE_ARN).probe("db")
    assert wire.actions == ["GetCallerIdentity", "AssumeRole"]
    assert [step.skipped for step in result.steps[3:]] == [SkipReason.EARLIER_STEP_FAILED] * 5


def test_a_role_is_assumed_for_900_seconds_with_its_external_id_and_then_used(
    serve: ServeAws, provider: MakeProvider
) -> None:
    wire = serve(scripted())
    assert provider(role_arn=ROLE_ARN, external_id="the-external-id").probe("db").ok
    assume = wire.requests[1].form
    assert (assume["RoleArn"], assume["RoleSessionName"]) == (ROLE_ARN, "crewadmin")
    assert (assume["DurationSeconds"], assume["ExternalId"]) == ("900", "the-external-id")
    assert {request.key_id for request in wire.requests[2:]} == {"ASIAIOSFODNN7SESSION"}
    assert all("session-token-canary" in request.head for request in wire.requests[2:])


def test_without_an_external_id_none_is_sent(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(scripted())
    provider(role_arn=ROLE_ARN).probe()
    assert "ExternalId" not in wire.requests[1].form


def test_each_run_assumes_the_role_anew(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(scripted())
    provider(role_arn=ROLE_ARN).probe()
    wire_of_the_wrong_id = serve(scripted(AssumeRole=sts_error("AccessDenied", "no")))
    assert not provider(role_arn=ROLE_ARN, external_id="wrong").probe().ok
    assert "AssumeRole" in wire.actions
    assert "AssumeRole" in wire_of_the_wrong_id.actions


def test_the_current_version_is_asked_for_by_name(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(scripted())
    provider().probe("db")
    fetch(provider(), ["db"])
    reads = [request.json for request in wire.requests if request.action == "GetSecretValue"]
    assert reads == [{"SecretId": "db", "VersionStage": "AWSCURRENT"}] * 2


def test_a_list_that_is_denied_fails_the_test_but_the_secret_is_still_read(
    serve: ServeAws, provider: MakeProvider
) -> None:
    serve(scripted(ListSecrets=LIST_DENIED))
    result = provider().probe("db")
    assert not result.ok
    assert result.failure is not None
    assert result.failure.code is FailureCode.LIST_DENIED
    assert states(result)[Step.READ] is StepState.PASSED


def test_a_region_without_secrets_passes_with_an_advice(serve: ServeAws, provider: MakeProvider) -> None:
    serve(scripted(ListSecrets=http(200, '{"SecretList": []}')))
    result = provider(region="us-west-2").probe()
    listed = next(step for step in result.steps if step.step is Step.LIST)
    assert result.ok
    assert listed.code is FailureCode.NO_SECRETS_IN_REGION
    assert listed.facts == {"count": "0", "region": "us-west-2", "request_id": REQUEST_ID}


def test_an_empty_page_before_another_is_not_an_empty_region(serve: ServeAws, provider: MakeProvider) -> None:
    serve(scripted(ListSecrets=http(200, '{"SecretList": [], "NextToken": "more"}')))
    assert provider().probe().steps[3].code is None


def test_a_secret_that_is_marked_for_deletion_is_told_when_it_is_described(
    serve: ServeAws, provider: MakeProvider
) -> None:
    described = {**json.loads(GOOD["DescribeSecret"].partition(b"\r\n\r\n")[2]), "DeletedDate": 1735689600}
    serve(scripted(DescribeSecret=http(200, json.dumps(described))))
    failure = provider().probe("db").failure
    assert failure is not None
    assert (failure.step, failure.code) == (Step.DESCRIBE, FailureCode.SECRET_DELETED)
    assert failure.facts["secret_name"] == "db"


class Regions:
    """An account in which only some regions are enabled: the others answer as if the key did not exist."""

    def __init__(self, *enabled: str, at_home: bytes = IDENTITY) -> None:
        self.enabled = enabled
        self.at_home = at_home

    def __call__(self, request: Request, connection: socket.socket) -> bytes:
        if request.region not in self.enabled:
            return UNKNOWN_KEY if request.action in ("GetCallerIdentity", "AssumeRole") else NOT_KNOWN_HERE
        return self.at_home if request.action == "GetCallerIdentity" else GOOD[request.action]


#: A region of each partition, and the one in which every key of the partition is known.
HOMES = [("eu-south-1", "us-east-1"), ("cn-northwest-1", "cn-north-1"), ("us-gov-east-1", "us-gov-west-1")]


@pytest.mark.parametrize(("region", "home"), HOMES)
def test_a_region_that_is_not_enabled_is_told_from_an_unknown_key(
    region: str, home: str, serve: ServeAws, provider: MakeProvider
) -> None:
    serve(Regions(home))
    failure = provider(region=region).probe().failure
    assert failure is not None
    assert failure.code is FailureCode.REGION_NOT_ENABLED
    assert (failure.facts["region"], failure.facts["account"]) == (region, "123456789012")


@pytest.mark.parametrize(
    ("region", "home"),
    HOMES,
)
def test_the_home_region_of_the_same_partition_is_asked(
    region: str, home: str, serve: ServeAws, provider: MakeProvider
) -> None:
    wire = serve(Regions())
    failure = provider(region=region).probe().failure
    assert failure is not None
    assert failure.code is FailureCode.ACCESS_KEY_ID_UNKNOWN
    assert [request.region for request in wire.requests] == [region, home]


def test_in_the_home_region_itself_an_unknown_key_is_not_asked_for_twice(
    serve: ServeAws, provider: MakeProvider
) -> None:
    wire = serve(Regions())
    provider(region="us-east-1").probe()
    assert wire.actions == ["GetCallerIdentity"]


def test_a_wrong_secret_is_told_even_where_the_region_is_not_enabled(serve: ServeAws, provider: MakeProvider) -> None:
    serve(Regions("us-east-1", at_home=sts_error("SignatureDoesNotMatch", "The request signature we calculated...")))
    failure = provider(region="eu-south-1").probe().failure
    assert failure is not None
    assert failure.code is FailureCode.SECRET_ACCESS_KEY_WRONG


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"region": "us-esat-1"}, FailureCode.REGION_UNKNOWN),
        ({"access_key_id": "ASIAIOSFODNN7EXAMPLE"}, FailureCode.ACCESS_KEY_ID_INVALID),
        ({"secret": "too short"}, FailureCode.SECRET_ACCESS_KEY_INVALID),
        ({"secret": ""}, FailureCode.SECRET_ACCESS_KEY_INVALID),
        ({"role_arn": "arn:aws:iam::123456789012:user/x"}, FailureCode.ROLE_ARN_INVALID),
        ({"external_id": "without a role"}, FailureCode.EXTERNAL_ID_INVALID),
    ],
)
def test_what_is_malformed_is_told_without_asking_aws(
    config: dict[str, str], code: FailureCode, serve: ServeAws, provider: MakeProvider
) -> None:
    wire = serve(scripted())
    result = provider(**config).probe("db")
    assert result.failure is not None
    assert (result.failure.step, result.failure.code) == (Step.SHAPE, code)
    answer = fetch(provider(**config), ["db"])["db"]
    assert isinstance(answer, ProviderError)
    assert answer.code is code
    assert wire.requests == []


def named(request: Request, connection: socket.socket) -> bytes:
    """Answer every secret with a value made of its name, one by one only."""
    if request.action == "BatchGetSecretValue":
        return json_error("AccessDeniedException", "is not authorized to perform: secretsmanager:BatchGetSecretValue")
    if request.action != "GetSecretValue":
        return GOOD[request.action]
    name = request.json["SecretId"]
    return http(200, json.dumps({"VersionId": f"version-of-{name}", "SecretString": f"value-of-{name}"}))


def test_every_secret_is_read_once_and_its_value_is_wrapped(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(named)
    answers = fetch(provider(), ["b", "a", "b", "c", "a"])
    assert list(answers) == ["b", "a", "c"]
    read = [request for request in wire.requests if request.action == "GetSecretValue"]
    assert sorted(str(request.json["SecretId"]) for request in read) == ["a", "b", "c"]
    for name, answer in answers.items():
        assert isinstance(answer, Fetched)
        assert isinstance(answer.value, Secret)
        assert (answer.value.reveal(), answer.version_id) == (f"value-of-{name}", f"version-of-{name}")
        assert "value-of" not in repr(answer)


def test_nothing_is_asked_for_no_names(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(scripted())
    assert fetch(provider(), []) == {}
    assert wire.requests == []


def test_a_role_is_assumed_once_and_for_an_hour_to_read_many(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(named)
    fetch(provider(role_arn=ROLE_ARN), (f"n{number}" for number in range(20)))
    assumed = [request for request in wire.requests if request.action == "AssumeRole"]
    assert len(assumed) == 1
    assert assumed[0].form["DurationSeconds"] == "3600"


def test_no_more_than_the_limit_are_read_at_the_same_time(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(named)
    limits = Limits(connect=1, read=1, total=5, attempts=1, readers=8)
    answers = fetch(provider(limits=limits), (f"n{number}" for number in range(60)))
    assert all(isinstance(answer, Fetched) for answer in answers.values())
    assert 1 < wire.connections <= 8


def test_one_secret_that_fails_does_not_hide_the_others(serve: ServeAws, provider: MakeProvider) -> None:
    def without_b(request: Request, connection: socket.socket) -> bytes:
        if request.action == "GetSecretValue" and request.json.get("SecretId") in ("a", "c"):
            return json_error("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return named(request, connection)

    serve(without_b)
    answers = fetch(provider(), ["a", "b", "c"])
    assert isinstance(answers["b"], Fetched)
    for name in ("a", "c"):
        answer = answers[name]
        assert isinstance(answer, ProviderError)
        assert (answer.code, answer.facts["secret_name"]) == (FailureCode.SECRET_NOT_FOUND, name)


def test_an_empty_name_is_told_to_be_none(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(named)
    answer = fetch(provider(), ["db", ""])[""]
    assert isinstance(answer, ProviderError)
    assert answer.code is FailureCode.SECRET_NAME_INVALID
    assert len(wire.requests) == 1


def test_a_binary_secret_has_no_text(serve: ServeAws, provider: MakeProvider) -> None:
    serve(scripted(GetSecretValue=http(200, '{"VersionId": "v1", "SecretBinary": "AAEC"}')))
    assert fetch(provider(), ["db"])["db"] == Fetched(None, "v1")


def test_a_role_that_is_refused_is_the_answer_for_every_secret(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(scripted(AssumeRole=sts_error("AccessDenied", "no")))
    answers = fetch(provider(role_arn=ROLE_ARN), ["a", "b"])
    assert [answer.code for answer in answers.values() if isinstance(answer, ProviderError)] == [
        FailureCode.ROLE_NOT_ASSUMED
    ] * 2
    assert wire.actions == ["AssumeRole"]


@pytest.mark.parametrize("role_arn", ["", ROLE_ARN])
@pytest.mark.parametrize(
    ("enabled", "code"),
    [(["us-east-1"], FailureCode.REGION_NOT_ENABLED), ([], FailureCode.ACCESS_KEY_ID_UNKNOWN)],
)
def test_keys_that_are_refused_are_asked_about_once_for_all_secrets(
    enabled: list[str], code: FailureCode, role_arn: str, serve: ServeAws, provider: MakeProvider
) -> None:
    wire = serve(Regions(*enabled))
    answers = fetch(provider(region="eu-south-1", role_arn=role_arn), (f"n{number}" for number in range(30)))
    assert {answer.code for answer in answers.values() if isinstance(answer, ProviderError)} == {code}
    assert len(answers) == 30
    assert len(wire.requests) == 3  # one read or AssumeRole, then who am I, here and at home


def test_a_wrong_secret_key_is_not_tried_for_every_secret(serve: ServeAws, provider: MakeProvider) -> None:
    refused = json_error("InvalidSignatureException", "The request signature we ...")
    wire = serve(scripted(BatchGetSecretValue=refused, GetSecretValue=refused))
    answers = fetch(provider(), ["a", "b", "c"])
    for answer in answers.values():
        assert isinstance(answer, ProviderError)
        assert answer.code is FailureCode.SECRET_ACCESS_KEY_WRONG
        assert "secret_name" not in answer.facts
    assert len(wire.requests) == 1


def test_no_secret_is_logged_though_everything_is(
    serve: ServeAws, provider: MakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    serve(scripted())
    caplog.set_level(logging.DEBUG)  # the root's level; the settings pin the libraries' own
    aws = provider(role_arn=ROLE_ARN, external_id="external-id-canary")
    aws.probe("db")
    fetch(aws, ["db"])
    serve(scripted(GetSecretValue=json_error("InvalidSignatureException", f"canonical {SECRET_ACCESS_KEY}")))
    fetch(aws, ["db"])
    canaries = (
        SECRET_ACCESS_KEY,
        "external-id-canary",
        "value-canary",
        "session-secret-canary",
        "session-token-canary",
    )
    assert not [canary for canary in canaries if canary in caplog.text]


def test_the_log_would_show_secrets_if_the_settings_did_not_pin_it(
    serve: ServeAws, provider: MakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    serve(scripted())
    caplog.set_level(logging.DEBUG, logger="botocore")
    provider().probe("db")
    assert "value-canary" in caplog.text
