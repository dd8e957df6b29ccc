"""Reading many secrets: in batches, past what fails in the middle, and with what is remembered from the last time."""

import json
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from credentials.providers.aws import client, memory
from credentials.providers.aws.limits import Limits
from credentials.providers.aws.provider import AwsSecretsManager
from credentials.providers.aws.reading import BATCH_SIZE
from credentials.providers.aws.regions import all_regions, secrets_manager_url
from credentials.providers.base import Fetched, ListedSecret, ProviderError, SecretId, VersionStage
from credentials.providers.failures import FailureCode
from crewadmin.redaction import Secret

from .conftest import CONFIG, ROLE_ARN, SECRET_ACCESS_KEY, MakeProvider, ServeAws, fetch
from .wire import ASSUMED, GOOD, REQUEST_ID, Request, http, json_error

NAMES = [f"n{number:02}" for number in range(92)]
DENIED = json_error("AccessDeniedException", "is not authorized to perform: secretsmanager:BatchGetSecretValue")
EXPIRED = json_error("ExpiredTokenException", "The security token included in the request is expired")
THROTTLED = json_error("ThrottlingException", "Rate exceeded")
Fault = Callable[[Request, socket.socket], bytes | None]


def secret(name: str) -> dict[str, str]:
    return {
        "ARN": f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}-AbCdEf",
        "Name": name,
        "VersionId": f"version-of-{name}",
        "SecretString": f"value-of-{name}",
    }


class Vault:
    """Secrets Manager with any secret one asks for, which takes 20 in a batch and no more.

    `errors` are per-item errors (code, message) by name; `fault` may answer a request instead.
    """

    def __init__(self, fault: Fault | None = None, **errors: tuple[str, str]) -> None:
        self.fault = fault
        self.errors = errors

    def __call__(self, request: Request, connection: socket.socket) -> bytes | None:
        if self.fault and (answer := self.fault(request, connection)):
            return answer
        if request.action == "BatchGetSecretValue":
            return self.batch(request.json["SecretIdList"])  # type: ignore[arg-type]  # a list of names
        if request.action == "GetSecretValue":
            name = str(request.json["SecretId"])
            return json_error(*self.errors[name]) if name in self.errors else http(200, json.dumps(secret(name)))
        return GOOD[request.action]

    def batch(self, names: list[str]) -> bytes:
        if len(names) > BATCH_SIZE:
            return json_error("ValidationException", "Member must have length less than or equal to 20")
        failed = [
            {"SecretId": name, "ErrorCode": self.errors[name][0], "Message": self.errors[name][1]}
            for name in names
            if name in self.errors
        ]
        values = [secret(name) for name in reversed(names) if name not in self.errors]  # in an order of their own
        return http(200, json.dumps({"SecretValues": values, "Errors": failed}))


def scoped(provider: AwsSecretsManager, scope: str = "acme:credential:1") -> AwsSecretsManager:
    return AwsSecretsManager(provider.config, provider.secrets, scope)


def codes(answers: dict[str, Fetched | ProviderError]) -> dict[str, FailureCode]:
    return {name: answer.code for name, answer in answers.items() if isinstance(answer, ProviderError)}


def values(answers: dict[str, Fetched | ProviderError]) -> dict[str, str]:
    return {name: a.value.reveal() for name, a in answers.items() if isinstance(a, Fetched) and a.value is not None}


# --- Together -------------------------------------------------------------------------------------------------------
def test_ninety_two_secrets_are_five_calls(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(Vault())
    aws = provider()
    answers = fetch(aws, NAMES)
    assert list(answers) == NAMES
    assert values(answers) == {name: f"value-of-{name}" for name in NAMES}
    assert wire.actions == ["BatchGetSecretValue"] * 5
    assert aws.calls == 5


def test_one_secret_is_read_without_the_right_to_batch(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(Vault())
    fetch(provider(), ["db"])
    assert wire.actions == ["GetSecretValue"]


def test_a_denied_batch_is_tried_once_and_remembered(
    serve: ServeAws, provider: MakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = serve(Vault(lambda request, _: DENIED if request.action == "BatchGetSecretValue" else None))
    assert len(values(fetch(scoped(provider()), NAMES))) == 92
    assert (wire.actions.count("BatchGetSecretValue"), wire.actions.count("GetSecretValue")) == (1, 92)
    wire.requests.clear()
    fetch(scoped(provider()), NAMES)
    assert wire.actions == ["GetSecretValue"] * 92
    fetch(scoped(provider(), "acme:credential:2"), NAMES[:2])  # another version may have the right
    assert wire.actions.count("BatchGetSecretValue") == 1
    wire.requests.clear()
    later = time.monotonic() + memory.BATCH_DENIED + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    fetch(scoped(provider()), NAMES[:2])  # and somebody may have granted it since
    assert wire.actions.count("BatchGetSecretValue") == 1


def test_a_right_that_is_taken_away_is_noticed(serve: ServeAws, provider: MakeProvider) -> None:
    vault = Vault()
    serve(vault)
    fetch(scoped(provider()), NAMES)
    vault.fault = lambda request, _: DENIED if request.action == "BatchGetSecretValue" else None
    assert len(values(fetch(scoped(provider()), NAMES))) == 92


def test_what_is_wrong_with_single_secrets_of_a_batch_is_told_apart(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(
        Vault(
            n01=("ResourceNotFoundException", "Secrets Manager can't find the specified secret."),
            n02=("InvalidRequestException", "... because it was marked for deletion."),
            n03=("AccessDeniedException", "Access to KMS is not allowed"),
        )
    )
    answers = fetch(provider(), NAMES[:10])
    assert codes(answers) == {
        "n01": FailureCode.SECRET_NOT_FOUND,
        "n02": FailureCode.SECRET_DELETED,
        "n03": FailureCode.KMS_DENIED,
    }
    assert len(values(answers)) == 7
    for name in codes(answers):
        assert answers[name].facts["secret_name"] == name  # type: ignore[union-attr]  # an error
    assert wire.actions == ["BatchGetSecretValue"]


def test_what_a_batch_is_denied_may_be_read_alone(serve: ServeAws, provider: MakeProvider) -> None:
    """A policy with a condition on the version stage denies the batch, which cannot name one."""
    vault = Vault(n01=("AccessDeniedException", "not authorized to perform: secretsmanager:GetSecretValue"))

    def staged(request: Request, _: socket.socket) -> bytes | None:
        named = request.action == "GetSecretValue" and request.json.get("VersionStage") == "AWSCURRENT"
        return http(200, json.dumps(secret("n01"))) if named else None

    vault.fault = staged
    wire = serve(vault)
    assert len(values(fetch(provider(), NAMES[:10]))) == 10
    assert wire.actions == ["BatchGetSecretValue", "GetSecretValue"]


def test_all_pages_of_a_batch_are_read(serve: ServeAws, provider: MakeProvider) -> None:
    def paged(request: Request, _: socket.socket) -> bytes | None:
        asked = request.json
        start = int(str(asked.get("NextToken", "0")))
        names: Any = asked["SecretIdList"]
        page = {"SecretValues": [secret(name) for name in names[start : start + 7]], "Errors": []}
        return http(200, json.dumps(page | ({"NextToken": str(start + 7)} if start + 7 < len(names) else {})))

    wire = serve(Vault(paged))
    assert len(values(fetch(provider(), NAMES[:20]))) == 20
    assert wire.actions == ["BatchGetSecretValue"] * 3


def test_a_batch_of_the_largest_secrets_is_no_flood(serve: ServeAws, provider: MakeProvider) -> None:
    large = {name: {**secret(name), "SecretString": "\u0001" * 65_536} for name in NAMES[:20]}
    body = json.dumps({"SecretValues": list(large.values()), "Errors": []})
    assert len(body) > 7_500_000
    serve(Vault(lambda request, _: http(200, body)))
    assert len(values(fetch(provider(limits=Limits(total=10)), NAMES[:20]))) == 20


def test_a_secret_that_is_too_large_fails_alone(serve: ServeAws, provider: MakeProvider) -> None:
    def too_large(request: Request, _: socket.socket) -> bytes | None:
        if "n03" in request.body.decode():
            length = Limits().batch_body if request.action == "BatchGetSecretValue" else Limits().body
            return http(200, json.dumps({**secret("n03"), "SecretString": "x" * length}))
        return None

    serve(Vault(too_large))
    answers = fetch(provider(limits=Limits(total=10)), NAMES[:10])
    assert codes(answers) == {"n03": FailureCode.VALUE_TOO_LARGE}
    assert len(values(answers)) == 9


def test_a_secret_is_found_in_a_batch_by_whatever_it_was_called(serve: ServeAws, provider: MakeProvider) -> None:
    arn = secret("db")["ARN"]
    names = ["db", arn, arn.removesuffix("-AbCdEf")]
    found = http(200, json.dumps({"SecretValues": [secret("db")], "Errors": []}))
    wire = serve(Vault(lambda request, _: found))
    assert values(fetch(provider(), names)) == dict.fromkeys(names, "value-of-db")
    assert wire.actions == ["BatchGetSecretValue"]


def test_the_previous_version_is_read_by_itself(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(Vault())
    wanted = [SecretId("a"), SecretId("b"), SecretId("a", VersionStage.PREVIOUS)]
    answers = provider().fetch(wanted)
    assert list(answers) == wanted
    assert wire.actions == ["BatchGetSecretValue", "GetSecretValue"]
    assert wire.requests[1].json == {"SecretId": "a", "VersionStage": "AWSPREVIOUS"}


def test_a_binary_secret_in_a_batch_has_no_text(serve: ServeAws, provider: MakeProvider) -> None:
    binary = {name: value for name, value in secret("a").items() if name != "SecretString"} | {"SecretBinary": "AAEC"}
    serve(Vault(lambda request, _: http(200, json.dumps({"SecretValues": [binary, secret("b")], "Errors": []}))))
    assert fetch(provider(), ["a", "b"])["a"] == Fetched(None, "version-of-a")


@pytest.mark.parametrize("answer", ["{}", "[1]", '{"SecretValues": {}}', '{"SecretValues": [1]}', "<html>", "null"])
def test_an_answer_that_is_none_is_a_failure_and_not_an_empty_batch(
    answer: str, serve: ServeAws, provider: MakeProvider
) -> None:
    serve(Vault(lambda request, _: http(200, answer)))
    assert set(codes(fetch(provider(), NAMES[:3])).values()) == {FailureCode.UNEXPECTED_RESPONSE}


def test_an_arn_of_another_region_is_refused_without_asking(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(Vault())
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf"
    answers = fetch(provider(), [arn, "arn:aws:s3:::bucket", "db"])
    assert codes(answers) == {
        arn: FailureCode.SECRET_IN_OTHER_REGION,
        "arn:aws:s3:::bucket": FailureCode.SECRET_NAME_INVALID,
    }
    assert answers[arn].facts == {"secret_name": arn, "region": "us-east-1"}  # type: ignore[union-attr]  # an error
    assert len(wire.requests) == 1


# --- What fails in the middle ---------------------------------------------------------------------------------------
def test_throttling_is_waited_for(serve: ServeAws, provider: MakeProvider) -> None:
    refusals = iter([THROTTLED] * 3)
    wire = serve(Vault(lambda request, _: next(refusals, None)))
    assert len(values(fetch(provider(), NAMES[:10]))) == 10
    assert wire.actions == ["BatchGetSecretValue"] * 4


def test_throttling_without_end_is_named_before_the_deadline(serve: ServeAws, provider: MakeProvider) -> None:
    serve(Vault(lambda request, _: THROTTLED))
    start = time.monotonic()
    answers = fetch(provider(limits=Limits(total=1, attempts=1)), NAMES[:10])
    assert time.monotonic() - start < 3
    assert set(codes(answers).values()) == {FailureCode.THROTTLED}
    assert len(answers) == 10


def test_a_server_error_is_tried_as_often_as_the_limits_say(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(Vault(lambda request, _: http(503, "")))
    answers = fetch(provider(limits=Limits(attempts=2)), ["db"])
    assert codes(answers) == {"db": FailureCode.AWS_UNAVAILABLE}
    assert len(wire.requests) == 2


def test_a_session_that_expires_in_the_middle_is_renewed_once(serve: ServeAws, provider: MakeProvider) -> None:
    sessions = iter(range(1, 100))
    expired = threading.Event()

    def fault(request: Request, _: socket.socket) -> bytes | None:
        if request.action == "AssumeRole":
            return ASSUMED.replace(b"ASIAIOSFODNN7SESSION", b"ASIAIOSFODNN7SESSI%02d" % next(sessions))
        if request.action == "BatchGetSecretValue" and not expired.is_set():
            expired.set()
            return None  # the first batch is read with the first session
        return EXPIRED if request.key_id.endswith("01") else None

    wire = serve(Vault(fault))
    aws = provider(role_arn=ROLE_ARN)
    assert len(values(fetch(aws, NAMES))) == 92
    assert wire.actions.count("AssumeRole") == 2
    assert aws.calls == len(wire.requests)


def test_a_session_that_stays_expired_is_a_failure(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(Vault(lambda request, _: EXPIRED if request.action != "AssumeRole" else None))
    answers = fetch(provider(role_arn=ROLE_ARN), NAMES)
    assert set(codes(answers).values()) == {FailureCode.SESSION_EXPIRED}
    assert wire.actions == ["AssumeRole", "BatchGetSecretValue", "AssumeRole", "BatchGetSecretValue"]


def test_a_key_that_stops_working_is_asked_about_again(serve: ServeAws, provider: MakeProvider) -> None:
    vault = Vault()
    wire = serve(vault)
    fetch(scoped(provider()), NAMES)
    wire.requests.clear()
    unknown = json_error("UnrecognizedClientException", "The security token included in the request is invalid.")
    vault.fault = lambda request, _: unknown if request.action != "GetCallerIdentity" else None
    assert set(codes(fetch(scoped(provider()), NAMES)).values()) == {FailureCode.KEYS_NOT_ACCEPTED}
    assert wire.actions.count("GetCallerIdentity") == 1


def test_a_run_that_is_cut_off_does_not_disturb_another(serve: ServeAws, provider: MakeProvider) -> None:
    """Two at a time with one credential: one hangs and is cut off at its deadline, the other works."""

    def fault(request: Request, connection: socket.socket) -> bytes | None:
        if b"slow" in request.body:
            connection.recv(1)
        if b"late" in request.body:
            time.sleep(0.8)
        return None

    serve(Vault(fault))
    hasty = scoped(provider(limits=Limits(connect=1, read=3, total=0.5, attempts=1)))
    slow = threading.Thread(target=lambda: fetch(hasty, ["slow"]))
    slow.start()
    patient = scoped(provider(limits=Limits(connect=1, read=3, total=5, attempts=1)))
    assert codes(fetch(patient, ["late"])) == {}
    slow.join(5)


# --- What is remembered ---------------------------------------------------------------------------------------------
def test_connections_are_used_again_and_no_more_than_needed(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(Vault())
    for _run in range(5):
        fetch(scoped(provider()), NAMES[:10])
    assert wire.connections == 1


def test_a_connection_that_was_closed_meanwhile_is_no_failure(serve: ServeAws, provider: MakeProvider) -> None:
    def closing(request: Request, connection: socket.socket) -> bytes | None:
        connection.sendall(http(200, json.dumps(secret("db"))))
        connection.shutdown(socket.SHUT_RDWR)
        return None

    serve(closing)
    for _run in range(3):
        assert values(fetch(scoped(provider(limits=Limits(attempts=2))), ["db"])) == {"db": "value-of-db"}


def test_without_a_scope_nothing_is_kept(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(Vault())
    for _run in range(2):
        fetch(provider(role_arn=ROLE_ARN), ["db"], max_age=60)
    assert wire.actions == ["AssumeRole", "GetSecretValue"] * 2


def test_a_role_s_session_is_used_again_by_the_same_version_of_a_credential_only(
    serve: ServeAws, provider: MakeProvider
) -> None:
    wire = serve(Vault())
    for _run in range(2):
        fetch(scoped(provider(role_arn=ROLE_ARN)), ["db"])
    assert wire.actions == ["AssumeRole", "GetSecretValue", "GetSecretValue"]
    fetch(scoped(provider(role_arn=ROLE_ARN), "acme:credential:2"), ["db"])
    assert wire.actions.count("AssumeRole") == 2


def test_two_tenants_with_the_same_role_and_external_id_but_other_keys_never_share_a_session(
    serve: ServeAws, provider: MakeProvider
) -> None:
    def by_key(request: Request, _: socket.socket) -> bytes | None:
        if request.action == "AssumeRole" and request.key_id != CONFIG["access_key_id"]:
            return http(
                403,
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error>"
                f"<RequestId>{REQUEST_ID}</RequestId></ErrorResponse>",
            )
        return None

    wire = serve(Vault(by_key))
    same = {"role_arn": ROLE_ARN, "external_id": "shared-external-id"}
    assert codes(fetch(scoped(provider(**same), "acme:a:1"), ["db"])) == {}
    theirs = provider(**same, access_key_id="AKIAIOSFODNN7UMBRELA", secret="x" * 40)
    for scope in ("umbrella:b:1", "acme:a:1"):  # not even if two scopes were mixed up
        assert codes(fetch(scoped(theirs, scope), ["db"])) == {"db": FailureCode.ROLE_NOT_ASSUMED}
    assert wire.actions == ["AssumeRole", "GetSecretValue", "AssumeRole", "AssumeRole"]


def test_a_session_is_renewed_before_it_ends(
    serve: ServeAws, provider: MakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = serve(Vault())
    fetch(scoped(provider(role_arn=ROLE_ARN)), ["db"])
    begun = time.monotonic()
    for seconds, sessions in ((3200, 1), (3400, 2)):
        monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: begun + seconds)
        fetch(scoped(provider(role_arn=ROLE_ARN)), ["db"])
        assert wire.actions.count("AssumeRole") == sessions


def test_a_connection_test_uses_nothing_that_was_kept(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(Vault())
    aws = scoped(provider(role_arn=ROLE_ARN))
    fetch(aws, ["db"], max_age=60)
    wire.requests.clear()
    assert aws.probe("db").ok
    assert wire.actions == [
        "GetCallerIdentity",
        "AssumeRole",
        "ListSecrets",
        "DescribeSecret",
        "GetSecretValue",
        "BatchGetSecretValue",
    ]


def test_values_are_kept_and_used_again_only_where_that_is_asked_for(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(Vault())
    for max_age in (0, 60, 0):
        fetch(scoped(provider()), ["db"], max_age=max_age)
    assert len(wire.requests) == 3


def test_values_are_kept_for_their_time_for_one_version_and_never_failures(
    serve: ServeAws, provider: MakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = serve(Vault(bad=("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")))
    fetch(scoped(provider()), ["db", "bad"], max_age=60)
    wire.requests.clear()
    aws = scoped(provider())
    assert values(fetch(aws, ["db"], max_age=60)) == {"db": "value-of-db"}
    assert (wire.requests, aws.calls) == ([], 0)
    assert codes(fetch(scoped(provider()), ["db", "bad"], max_age=60)) == {"bad": FailureCode.SECRET_NOT_FOUND}
    fetch(scoped(provider(), "acme:credential:2"), ["db"], max_age=60)
    scoped(provider()).fetch([SecretId("db", VersionStage.PREVIOUS)], 60)
    assert wire.actions == ["GetSecretValue"] * 3
    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)
    fetch(scoped(provider()), ["db"], max_age=60)
    assert len(wire.requests) == 4


def test_what_is_kept_shows_no_value(serve: ServeAws, provider: MakeProvider) -> None:
    serve(Vault())
    fetch(scoped(provider(role_arn=ROLE_ARN)), ["db"], max_age=60)
    for kept in memory._memories.values():
        assert "value-of-db" not in repr(vars(kept))
        assert "session-secret-canary" not in repr(vars(kept))


def test_the_credentials_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_CREDENTIALS", 3)
    monkeypatch.setattr(memory, "MOST_VALUES", 2)
    for number in range(5):
        memory.memory_of(f"scope {number}").keep(
            {SecretId(f"n{number}"): Fetched(Secret("x"), "v") for number in "abc"}
        )
    assert [scope for scope, *_ in memory._memories] == ["scope 2", "scope 3", "scope 4"]
    assert list(memory.memory_of("scope 4").values([SecretId("na"), SecretId("nb"), SecretId("nc")], 60)) == [
        SecretId("nb"),
        SecretId("nc"),
    ]


# --- Versions and lists ---------------------------------------------------------------------------------------------
def test_versions_come_from_descriptions_only(serve: ServeAws, provider: MakeProvider) -> None:
    described = {
        "ARN": secret("db")["ARN"],
        "VersionIdsToStages": {"old": ["AWSPREVIOUS"], "new": ["AWSCURRENT", "mine"], "older": []},
    }
    wire = serve(Vault(lambda request, _: http(200, json.dumps(described))))
    current, previous = SecretId("db"), SecretId("db", VersionStage.PREVIOUS)
    assert provider().versions([current, previous]) == {current: "new", previous: "old"}
    assert wire.actions == ["DescribeSecret"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (http(200, '{"DeletedDate": 1.0, "VersionIdsToStages": {"v": ["AWSCURRENT"]}}'), FailureCode.SECRET_DELETED),
        (http(200, '{"VersionIdsToStages": {"v": []}}'), FailureCode.SECRET_WITHOUT_VALUE),
        (http(200, '{"VersionIdsToStages": ["v"]}'), FailureCode.SECRET_WITHOUT_VALUE),
        (json_error("ResourceNotFoundException", "can't find"), FailureCode.SECRET_NOT_FOUND),
        (json_error("AccessDeniedException", "no"), FailureCode.DESCRIBE_DENIED),
    ],
)
def test_a_version_that_is_not_known_is_a_failure(
    answer: bytes, code: FailureCode, serve: ServeAws, provider: MakeProvider
) -> None:
    serve(Vault(lambda request, _: answer))
    (found,) = provider().versions([SecretId("db")]).values()
    assert isinstance(found, ProviderError)
    assert (found.code, found.facts["secret_name"]) == (code, "db")


def test_names_are_listed_by_aws_s_own_filter(serve: ServeAws, provider: MakeProvider) -> None:
    page = {
        "SecretList": [
            {"Name": "crewai/a", "Description": "For <b>crews</b>", "NextRotationDate": 1.8e9},
            {"Name": "crewai/b", "DeletedDate": 1.9e9},
        ]
    }
    wire = serve(Vault(lambda request, _: http(200, json.dumps(page))))
    assert provider().list_names("!!crewai/") == (
        ListedSecret("crewai/a", "For <b>crews</b>", None, datetime.fromtimestamp(1.8e9, UTC)),
        ListedSecret("crewai/b", "", datetime.fromtimestamp(1.9e9, UTC), None),
    )
    assert wire.requests[0].json == {
        "MaxResults": 20,
        "IncludePlannedDeletion": True,
        "Filters": [{"Key": "name", "Values": ["crewai/"]}],
    }


def test_at_most_twenty_are_listed_though_pages_are_empty(serve: ServeAws, provider: MakeProvider) -> None:
    pages = iter([[], *[[{"Name": f"n{page}{number}"} for number in range(9)] for page in range(5)]])
    wire = serve(Vault(lambda request, _: http(200, json.dumps({"SecretList": next(pages), "NextToken": "more"}))))
    listed = provider().list_names("")
    assert len(listed) == 20
    assert len(wire.requests) == 4
    assert "Filters" not in wire.requests[0].json


@pytest.mark.parametrize("prefix", ["a#b", "ü", "a\n", "x" * 513, "a'b"])
def test_what_no_name_begins_with_is_not_asked_for(prefix: str, serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(Vault())
    assert provider().list_names(prefix) == ()
    assert wire.requests == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (json_error("AccessDeniedException", "no"), FailureCode.LIST_DENIED),
        (http(200, "{}"), FailureCode.UNEXPECTED_RESPONSE),
        (http(200, '{"SecretList": [{"Name": 1}]}'), FailureCode.UNEXPECTED_RESPONSE),
        (http(200, '{"SecretList": [{"Name": "a", "DeletedDate": "soon"}]}'), FailureCode.UNEXPECTED_RESPONSE),
        (http(200, '{"SecretList": [{"Name": "a", "DeletedDate": 1e300}]}'), FailureCode.UNEXPECTED_RESPONSE),
    ],
)
def test_a_list_that_cannot_be_had_is_a_failure(
    answer: bytes, code: FailureCode, serve: ServeAws, provider: MakeProvider
) -> None:
    serve(Vault(lambda request, _: answer))
    with pytest.raises(ProviderError) as raised:
        provider().list_names("a")
    assert raised.value.code is code


# --- The way there --------------------------------------------------------------------------------------------------
def test_the_address_of_every_region_is_the_one_of_botocore_s_own_client() -> None:
    keys = client.Keys(CONFIG["access_key_id"], Secret(SECRET_ACCESS_KEY))
    with client.Calls(Limits()) as calls:
        for region in all_regions():
            made = calls.client("secretsmanager", region.code, keys)
            assert secrets_manager_url(region.code) == made.meta.endpoint_url


def test_a_request_is_signed_as_botocore_s_own_client_signs_it(serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(Vault())
    aws = provider()
    aws.probe("db")
    fetch(aws, ["db"])
    by_client, by_us = (request for request in wire.requests if request.action == "GetSecretValue")
    assert by_client.json == by_us.json
    assert (by_us.key_id, by_us.region) == (by_client.key_id, by_client.region)
    signed = [line for line in by_us.head.splitlines() if "SignedHeaders=content-type;host;x-amz-date" in line]
    assert len(signed) == 1
