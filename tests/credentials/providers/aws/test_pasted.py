"""What people paste: terminals, logs, other languages' SDKs, the console, the guide."""

import logging
import time
from socket import gaierror

import pytest
from botocore import exceptions as botocore
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.providers.aws.errors import classify
from credentials.providers.aws.pasted import MAX_TEXT, explain_pasted
from credentials.providers.base import Step
from credentials.providers.failures import FailureCode

F = FailureCode
USER = "arn:aws:iam::123456789012:user/crewai-secrets-reader"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf"
ROLE = "arn:aws:iam::123456789012:role/CrewAISecretsManagerRole"


def cli(code: str, operation: str, message: str) -> str:
    return f"An error occurred ({code}) when calling the {operation} operation: {message}"


def denied(action: str, resource: str = "*", because: str = "") -> str:
    return f"User: {USER} is not authorized to perform: {action} on resource: {resource}{because}"


def no_policy(kind: str, action: str) -> str:
    return f" because no {kind} policy allows the {action} action"


LIST, READ, ASSUME = "secretsmanager:ListSecrets", "secretsmanager:GetSecretValue", "sts:AssumeRole"
NOT_FOUND = "Secrets Manager can't find the specified secret."
TRACEBACK = f"""Traceback (most recent call last):
  File "/app/read.py", line 12, in <module>
    value = client.get_secret_value(SecretId="db")
  File "/usr/lib/python3/site-packages/botocore/client.py", line 569, in _api_call
    return self._make_api_call(operation_name, kwargs)
botocore.exceptions.ClientError: {cli("AccessDeniedException", "GetSecretValue", denied(READ, SECRET))}
"""
CHAINED = f"""{cli("ExpiredTokenException", "GetSecretValue", "The security token included in the request is expired")}

During handling of the above exception, another exception occurred:

{cli("AccessDenied", "AssumeRole", denied(ASSUME, ROLE))}
"""
DNS_TRACEBACK = """urllib3.exceptions.NameResolutionError: Failed to resolve 'secretsmanager.eu-west-1.amazonaws.com'
([Errno -2] Name or service not known)
botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL: "https://secretsmanager.eu-west-1.amazonaws.com/"
"""
STS_XML = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error>
    <Type>Sender</Type>
    <Code>{code}</Code>
    <Message>{message}</Message>
  </Error>
  <RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>
</ErrorResponse>"""
JAVA = (
    "software.amazon.awssdk.services.secretsmanager.model.ResourceNotFoundException: Secrets Manager can't find the "
    "specified secret. (Service: SecretsManager, Status Code: 400, Request ID: 01234567-89ab-cdef-0123-456789abcdef)"
)
GO = (
    "operation error Secrets Manager: GetSecretValue, https response error StatusCode: 400, RequestID: 0123, api error "
    f"AccessDeniedException: {denied(READ, SECRET, no_policy('identity-based', READ))}"
)
JAVASCRIPT = """InvalidSignatureException: The request signature we calculated does not match what you provided.
    at throwDefaultError (/app/node_modules/@smithy/smithy-client/dist-cjs/index.js:840:20) {
  '$fault': 'client',
  '$metadata': { httpStatusCode: 400, attempts: 1 },
  __type: 'InvalidSignatureException'
}"""
EXPIRED = "Signature expired: 20250101T000000Z is now earlier than 20250101T000500Z (20250101T001000Z - 5 min.)"

#: The rows of the guide's table, left column as it is printed.
GUIDE = [
    ("`AccessDenied` on `secretsmanager:ListSecrets`", F.LIST_DENIED),
    ("`AccessDenied` on `kms:Decrypt`", F.KMS_DENIED),
    ("`InvalidClientTokenId` / `SignatureDoesNotMatch`", F.ACCESS_KEY_ID_UNKNOWN),
    ("`RegionDisabledException` / no secrets found", F.STS_NOT_ACTIVE),
    ("`AccessDenied` on `sts:AssumeRole` (AssumeRole only)", F.ROLE_NOT_ASSUMED),
    ("Test passes immediately after creating the IAM user, but fails next time", F.JUST_CREATED),
    # and as plain text, one symptom at a time
    ("AccessDenied on secretsmanager:ListSecrets", F.LIST_DENIED),
    ("AccessDenied on kms:Decrypt", F.KMS_DENIED),
    ("InvalidClientTokenId", F.ACCESS_KEY_ID_UNKNOWN),
    ("SignatureDoesNotMatch", F.SECRET_ACCESS_KEY_WRONG),
    ("RegionDisabledException", F.STS_NOT_ACTIVE),
    ("no secrets found", F.NO_SECRETS_IN_REGION),
    ("AccessDenied on sts:AssumeRole", F.ROLE_NOT_ASSUMED),
]
PASTED = [
    *GUIDE,
    # Permissions
    (
        cli("AccessDeniedException", "ListSecrets", denied(LIST, because=no_policy("identity-based", LIST))),
        F.LIST_DENIED,
    ),
    (cli("AccessDeniedException", "GetSecretValue", denied(READ, SECRET)), F.READ_DENIED),
    (
        cli("AccessDeniedException", "DescribeSecret", denied("secretsmanager:DescribeSecret", "db")),
        F.DESCRIBE_DENIED,
    ),
    (
        cli("AccessDeniedException", "ListSecrets", denied(LIST, because=no_policy("service control", LIST))),
        F.DENIED_BY_ORGANIZATION,
    ),
    (
        cli("AccessDeniedException", "ListSecrets", denied(LIST, because=no_policy("permissions boundary", LIST))),
        F.DENIED_BY_BOUNDARY,
    ),
    (denied(READ, SECRET, " with an explicit deny in an identity-based policy"), F.EXPLICIT_DENY),
    (denied(READ, SECRET, " with an explicit deny in a resource-based policy"), F.DENIED_BY_SECRET_POLICY),
    (denied(LIST, because=no_policy("session", LIST)), F.DENIED_BY_SESSION_POLICY),
    (denied(LIST, because=no_policy("VPC endpoint", LIST)), F.DENIED_BY_ENDPOINT_POLICY),
    (denied("s3:ListBucket", "x", " with an explicit deny in a service control policy"), F.DENIED_BY_ORGANIZATION),
    ("Failed to list secrets. " + denied(LIST, because=no_policy("identity-based", LIST)), F.LIST_DENIED),
    (TRACEBACK, F.READ_DENIED),
    (CHAINED, F.ROLE_NOT_ASSUMED),
    (GO, F.READ_DENIED),
    (cli("AccessDenied", "GetCallerIdentity", denied("sts:GetCallerIdentity")), F.DENIED_BY_ENDPOINT_POLICY),
    # The role
    (cli("AccessDenied", "AssumeRole", denied(ASSUME, ROLE)), F.ROLE_NOT_ASSUMED),
    (
        cli("AccessDenied", "AssumeRole", denied(ASSUME, ROLE, no_policy("identity-based", ASSUME))),
        F.ASSUME_ROLE_NOT_ALLOWED,
    ),
    (
        cli("AccessDenied", "AssumeRole", denied(ASSUME, ROLE, no_policy("resource-based", ASSUME))),
        F.ROLE_TRUST_DENIED,
    ),
    (STS_XML.format(code="AccessDenied", message=denied(ASSUME, ROLE)), F.ROLE_NOT_ASSUMED),
    (
        cli(
            "ValidationError", "AssumeRole", "The requested DurationSeconds exceeds the MaxSessionDuration set for it."
        ),
        F.ROLE_SESSION_TOO_LONG,
    ),
    (
        STS_XML.format(code="ValidationError", message="Value at 'roleArn' failed to satisfy constraint"),
        F.ROLE_SETTINGS_REFUSED,
    ),
    # Keys, clock, account
    (STS_XML.format(code="InvalidClientTokenId", message="The security token is invalid."), F.ACCESS_KEY_ID_UNKNOWN),
    (
        cli("UnrecognizedClientException", "ListSecrets", "The security token included in the request is invalid."),
        F.ACCESS_KEY_ID_UNKNOWN,
    ),
    ("The security token included in the request is invalid.", F.ACCESS_KEY_ID_UNKNOWN),
    (JAVASCRIPT, F.SECRET_ACCESS_KEY_WRONG),
    ("The request signature we calculated\ndoes not match the signature you provided.", F.SECRET_ACCESS_KEY_WRONG),
    (cli("InvalidSignatureException", "ListSecrets", EXPIRED), F.CLOCK_SKEW),
    (cli("ExpiredTokenException", "ListSecrets", "The security token is expired"), F.SESSION_EXPIRED),
    (cli("OptInRequired", "ListSecrets", "You are not subscribed to this service."), F.ACCOUNT_NOT_READY),
    ("STS is not activated in this region for account:123456789012.", F.STS_NOT_ACTIVE),
    ("MissingAuthenticationTokenException: Missing Authentication Token", F.REQUEST_ALTERED),
    # Encryption and the secret
    (cli("AccessDeniedException", "GetSecretValue", "Access to KMS is not allowed"), F.KMS_DENIED),
    (
        cli("AccessDeniedException", "BatchGetSecretValue", denied("secretsmanager:BatchGetSecretValue")),
        F.BATCH_DENIED,
    ),
    ("Access to KMS is not allowed", F.KMS_DENIED),
    ("This version of secret is not encrypted with the current KMS key.", F.KMS_KEY_CHANGED),
    (cli("AccessDeniedException", "Decrypt", denied("kms:Decrypt", "arn:aws:kms:us-east-1:1:key/x")), F.KMS_DENIED),
    ('{"__type": "DecryptionFailure", "Message": "Secrets Manager can\'t decrypt the secret."}', F.KMS_KEY_UNUSABLE),
    (
        f'{{"__type": "com.amazonaws.secretsmanager#ResourceNotFoundException", "Message": "{NOT_FOUND}"}}',
        F.SECRET_NOT_FOUND,
    ),
    (JAVA, F.SECRET_NOT_FOUND),
    (NOT_FOUND.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}"), F.SECRET_NOT_FOUND),
    (f"{NOT_FOUND[:-1]} value for staging label: AWSCURRENT", F.SECRET_WITHOUT_VALUE),
    (
        cli("InvalidRequestException", "GetSecretValue", "You can't do this because it was marked for deletion."),
        F.SECRET_DELETED,
    ),
    (cli("ValidationException", "GetSecretValue", "Invalid name. Must be a valid name"), F.SECRET_NAME_INVALID),
    # AWS and the network
    (cli("ThrottlingException", "ListSecrets", "Rate exceeded"), F.THROTTLED),
    ("An error occurred (503) when calling the ListSecrets operation (reached max retries: 4): ", F.AWS_UNAVAILABLE),
    (cli("403", "ListSecrets", "Forbidden"), F.UNEXPECTED_RESPONSE),
    ("HTTP/1.1 407 Proxy Authentication Required", F.PROXY_REFUSED),
    (DNS_TRACEBACK, F.DNS_FAILED),
    (
        'Could not connect to the endpoint URL: "https://secretsmanager.eu-west-1.amazonaws.com/"',
        F.CONNECTION_REFUSED,
    ),
    ('Could not connect to the endpoint URL: "https://secretsmanager.eu-wset-1.amazonaws.com/"', F.REGION_UNKNOWN),
    ("getaddrinfo ENOTFOUND secretsmanager.us-est-1.amazonaws.com", F.REGION_UNKNOWN),
]
NOT_KNOWN = [
    "",
    " \n ",
    "AccessDenied",
    "Hello, this is a text about nothing in particular.",
    cli("SomethingNew", "ListSecrets", "A sentence nobody has seen before."),
    cli("AccessDenied", "ListBuckets", "Access Denied"),
    cli("404", "HeadObject", "Not Found"),
    cli("ResourceNotFoundException", "GetItem", "Requested resource not found"),
    denied("secretsmanager:CreateSecret"),
    denied("sts:AssumeRoleWithWebIdentity", ROLE),
    "pydantic.ValidationError: 1 validation error for Settings",
    'Unable to locate credentials. You can configure credentials by running "aws configure".',
]


def test_the_table_is_long_enough_to_mean_something() -> None:
    assert len(PASTED) >= 45
    assert len({text for text, _code in PASTED}) == len(PASTED)


@pytest.mark.parametrize(("text", "code"), PASTED, ids=[f"{n}-{code}" for n, (_text, code) in enumerate(PASTED)])
def test_every_pasted_text_is_explained(text: str, code: FailureCode) -> None:
    assert explain_pasted(text).code == code


@pytest.mark.parametrize("text", NOT_KNOWN)
def test_a_text_that_tells_too_little_is_not_guessed_at(text: str) -> None:
    explanation = explain_pasted(text)
    assert explanation.code is None
    assert str(explanation.failure.title) == "This text is none of the AWS errors known here"


def test_every_row_of_the_guides_table_of_symptoms_is_here() -> None:
    rows = [text for text, _code in GUIDE[:6]]
    assert [explain_pasted(f"| {row} | Likely cause |").code for row in rows] == [code for _text, code in GUIDE[:6]]


def test_the_facts_are_what_the_message_names() -> None:
    message = denied(READ, SECRET, no_policy("identity-based", READ))
    assert explain_pasted(cli("AccessDeniedException", "GetSecretValue", message)).facts == {
        "action": READ,
        "operation": "GetSecretValue",
        "policy_type": "identity-based",
        "account": "123456789012",
        "region": "eu-west-1",
    }


def test_a_denial_of_batch_reading_names_the_action() -> None:
    text = denied("secretsmanager:BatchGetSecretValue", because=no_policy("identity-based", "x:Y"))
    assert explain_pasted(text).facts["action"] == "secretsmanager:BatchGetSecretValue"


def test_the_explanation_is_in_the_words_of_the_catalogue() -> None:
    assert explain_pasted("no secrets found").failure.title == "No secrets found in the region"


def test_a_message_that_a_terminal_wrapped_is_recognized() -> None:
    wrapped = cli("AccessDeniedException", "ListSecrets", denied(LIST)).replace(" ", "\n")
    assert explain_pasted(wrapped).code == F.LIST_DENIED


def test_only_the_end_of_a_long_text_counts() -> None:
    assert explain_pasted("x" * MAX_TEXT + " no secrets found").code == F.NO_SECRETS_IN_REGION
    assert explain_pasted("no secrets found " + "x" * MAX_TEXT).code is None


URL = "https://secretsmanager.eu-west-1.amazonaws.com/"
LIBRARY_ERRORS = [
    botocore.EndpointConnectionError(endpoint_url=URL),
    botocore.ConnectTimeoutError(endpoint_url=URL),
    botocore.ReadTimeoutError(endpoint_url=URL),
    botocore.ConnectionClosedError(endpoint_url=URL),
    botocore.SSLError(endpoint_url=URL, error="handshake failure"),
    botocore.ProxyConnectionError(proxy_url="http://proxy.example:3128"),
    botocore.InvalidRegionError(region_name="us east 1"),
    botocore.NoRegionError(),
    botocore.PartialCredentialsError(provider="explicit", cred_var="aws_secret_access_key"),
]


@pytest.mark.parametrize("error", LIBRARY_ERRORS, ids=lambda error: type(error).__name__)
def test_a_pasted_library_error_means_what_it_means_when_it_is_raised(error: Exception) -> None:
    assert explain_pasted(str(error)).code == classify(error, Step.LIST, {}).code


def test_a_pasted_name_that_was_not_resolved_means_what_it_means_when_it_is_raised() -> None:
    cause = gaierror(-2, "Name or service not known")
    raised = botocore.EndpointConnectionError(endpoint_url=URL, error=cause)
    assert explain_pasted(f"{cause}\n{raised}").code == classify(raised, Step.LIST, {}).code == F.DNS_FAILED


@pytest.mark.parametrize(
    ("parameter", "code"),
    [
        ("RoleArn", F.ROLE_SETTINGS_REFUSED),
        ("ExternalId", F.ROLE_SETTINGS_REFUSED),
        ("SecretId", F.SECRET_NAME_INVALID),
    ],
)
def test_botocores_own_check_of_parameters_is_recognized(parameter: str, code: FailureCode) -> None:
    report = f"Invalid length for parameter {parameter}, value: 1, valid min length: 20"
    assert explain_pasted(str(botocore.ParamValidationError(report=report))).code == code


CANARY = "canarySecretAccessKey0123456789abcdefghi"
HOSTILE = [
    f"aws_secret_access_key={CANARY} no secrets found",
    f"An error occurred (AccessDenied) when calling the {CANARY} operation: {CANARY}",
    f"User: {CANARY} is not authorized to perform: {CANARY} on resource: {CANARY}",
    f"AccessDenied on secretsmanager:{CANARY}",
    f"AccessDenied on secretsmanager:Canary{'x' * 20} because no {CANARY} policy allows it",
    f"https://secretsmanager.{CANARY.lower()}.amazonaws.com/ arn:aws:kms:{CANARY.lower()}:123456789012:key",
    f"<script>{CANARY}</script>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_text_but_listed_names_comes_back(text: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    explanation = explain_pasted(text)
    failure = explanation.failure
    said = f"{explanation!r} {failure.title} {failure.cause} {[str(step) for step in failure.steps]} {caplog.text}"
    assert "canary" not in said.lower()
    assert "script" not in said


@settings(database=None, deadline=None)
@given(st.text() | st.text("AccessDenied :()<>\"'*#arn:aws:sts123", max_size=300))
def test_no_text_at_all_breaks_it(text: str) -> None:
    assert explain_pasted(text).failure.title


@pytest.mark.parametrize(
    "piece",
    [
        "An error occurred (",
        "An error occurred (AccessDenied) when calling the ",
        "User: arn:aws:iam::123456789012:user/",
        "not authorized to perform: ",
        "arn:aws:secretsmanager:",
        "passes ",
        "secretsmanager:A",
        " \n",
        "\\",
    ],
)
def test_hostile_repetition_is_read_in_bounded_time(piece: str) -> None:
    start = time.process_time()
    explain_pasted(piece * 200_000)
    assert time.process_time() - start < 2
