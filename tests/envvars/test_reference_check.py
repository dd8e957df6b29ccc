"""Check beside the Secret Name: what is typed is read once, and the page says whether it has a value, never which."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from credentials.models import ConnectionTest, Credential
from credentials.providers.aws.provider import AwsSecretsManager
from credentials.testing import PER_MINUTE
from envvars.models import EnvironmentVariable
from envvars.presentation import KEYS_SHOWN
from organizations.models import AuditEvent, Membership, Organization, User
from organizations.sharing import Grant
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import damage, restrict_to, store_automation, store_credential, store_reference
from tests.pages import errors_beside, html_of, text_of, value_of, words_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
HTMX = {"hx-request": "true"}
DEFAULT = "provider_default:aws"
DATABASE = json.loads(seed.DATABASE.value)


class Checker:
    """Somebody who presses Check on the form of a new variable, or of a stored one; by htmx unless told otherwise."""

    def __init__(self, client: Client, organization: Organization, variable: EnvironmentVariable | None = None) -> None:
        self.client = client
        given = [organization.uuid, *([variable.uuid] if variable else [])]
        self.address = reverse("variable_edit_check" if variable else "variable_add_check", args=given)

    def checks(self, secret_name: str, source: str = DEFAULT, *, htmx: bool = True, **more: Any) -> Any:
        data = {"key": "", "source": source, "secret_name": secret_name, **more}
        return self.client.post(self.address, data, headers=HTMX if htmx else {})


def notes(response: Any) -> list[str]:
    """The words of each part that was checked."""
    return [words_of(part) for part in re.split(r'<div class="note ', html_of(response))[1:]]


@pytest.fixture
def checker(acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn) -> Checker:
    return Checker(sign_in(alice), acme)


# --- Found ----------------------------------------------------------------------------------------------------------
def test_a_key_that_is_there_is_found_and_the_keys_are_named_and_no_value(checker: Checker, sandbox: Sandbox) -> None:
    response = checker.checks("database-credentials#password")
    assert response.status_code == 200
    assert "Found" in text_of(response)
    assert "The secret is JSON with these keys: options , password , port , username" in text_of(response)
    assert not any(str(value) in html_of(response) for value in (DATABASE["password"], DATABASE["port"], "require"))
    assert [(call.action, call.secret_id) for call in sandbox.calls] == [("GetSecretValue", "database-credentials")]
    assert not EnvironmentVariable.objects.exists()


def test_a_secret_that_is_a_text_is_found(checker: Checker) -> None:
    response = checker.checks("crewai/openai-api-key")
    assert "Found" in text_of(response)
    assert "JSON" not in text_of(response)
    assert seed.OPENAI_KEY.value not in html_of(response)


def test_many_and_long_keys_are_cut(checker: Checker, sandbox: Sandbox) -> None:
    sandbox.put_secret("wide", json.dumps({f"{number:03}" + "k" * 100: 1 for number in range(70)}))
    text = text_of(checker.checks("wide"))
    assert len(re.findall(r"\d{3}k+…", text)) == KEYS_SHOWN
    assert "k" * 60 not in text
    assert "and 50 more." in text


def test_a_key_s_name_is_no_markup(checker: Checker, sandbox: Sandbox) -> None:
    sandbox.put_secret("hostile", json.dumps({"<img src=x onerror=alert(1)>": 1}))
    assert "<img" not in html_of(checker.checks("hostile"))


def test_the_version_that_is_chosen_is_read(checker: Checker, sandbox: Sandbox) -> None:
    sandbox.put_secret("database-credentials", '{"new": 1}')
    assert "Found" in text_of(checker.checks("database-credentials#new"))
    previous = checker.checks("database-credentials#new", version_stage="AWSPREVIOUS")
    assert "JSON key not found" in text_of(previous)


def test_all_parts_of_a_template_are_read_once_and_shown_each(checker: Checker, sandbox: Sandbox) -> None:
    template = "postgres://${database-credentials#username}:${database-credentials#pasword|url}@${none}/${none}"
    first, second, third = notes(checker.checks(template))
    assert "Found database-credentials#username" in first
    assert "JSON key not found in database-credentials" in second
    assert "Perhaps password is meant." in second
    assert "Secret not found: none" in third
    assert sorted(call.secret_id for call in sandbox.calls if call.action == "GetSecretValue") == [
        "database-credentials",
        "none",
    ]


def test_a_template_may_be_too_long_though_each_part_has_a_value(checker: Checker, sandbox: Sandbox) -> None:
    sandbox.put_secret("long", "x" * 40_000)
    part, whole = notes(checker.checks("${long}${long}"))
    assert "Found" in part
    assert "too large for an environment variable" in whole
    assert "40" not in whole


# --- Not found ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("none", "Secret not found: none"),
        ("none", "Compare the name with the one in the Secrets Manager console"),
        ("database-credentials#pasword", "Perhaps password is meant."),
        ("database-credentials#pasword", "these keys: options , password , port , username"),
        ("crewai/openai-api-key#x", "is not JSON, so it has no keys"),
        ("crewai/openai-api-key#x", "Or store the secret as key/value pairs."),
        ("binary", "binary holds binary data"),
        ("list#x", "is JSON, but not a set of keys and values"),
        ("deleted", "deleted is marked for deletion"),
    ],
)
def test_what_has_no_value_says_why_and_what_to_do(
    checker: Checker, sandbox: Sandbox, reference: str, says: str
) -> None:
    sandbox.put_secret("binary", b"\x00\x01")
    sandbox.put_secret("list", "[1]")
    sandbox.put_secret("deleted", "x")
    sandbox.delete_secret("deleted")
    response = checker.checks(reference)
    assert response.status_code == 200
    assert says in text_of(response)


def test_a_missing_right_is_named(checker: Checker, sandbox: Sandbox) -> None:
    sandbox.set_policy(seed.policy({"Effect": "Allow", "Action": "secretsmanager:ListSecrets", "Resource": "*"}))
    text = text_of(checker.checks("database-credentials"))
    assert "may not read database-credentials (secretsmanager:GetSecretValue)" in text
    assert "Add secretsmanager:GetSecretValue for the secret to the policy" in text


def test_a_vault_that_cannot_be_reached_is_named(checker: Checker, settings: Any) -> None:
    settings.AWS_SANDBOX_URL = "http://127.0.0.1:9"
    assert "The connection to AWS was refused" in text_of(checker.checks("database-credentials"))


def test_a_provider_without_default_says_so_and_nothing_is_read(checker: Checker, sandbox: Sandbox) -> None:
    Credential.objects.update(is_default=False)
    assert "No credential found" in text_of(checker.checks("database-credentials"))
    assert sandbox.calls == []
    assert not AuditEvent.objects.filter(action="reference:check_started").exists()


def test_a_credential_that_cannot_be_opened_says_so(checker: Checker, aws_prod: Credential, sandbox: Sandbox) -> None:
    damage(aws_prod, "secrets")
    assert "What is stored here cannot be opened" in text_of(checker.checks("database-credentials"))
    assert sandbox.calls == []


@pytest.mark.parametrize(
    ("secret_name", "source", "says"),
    [
        ("", DEFAULT, "Name the secret to read."),
        ("a b", DEFAULT, "A secret's name has letters"),
        ("${x", DEFAULT, "has no “}” after it"),
        ("x", "direct", "A direct value has nothing to check"),
        ("x", "", "This field is required."),
        ("x", f"credential:{uuid4()}", "Select a valid choice"),
    ],
)
def test_what_cannot_be_right_is_not_read(
    checker: Checker, sandbox: Sandbox, secret_name: str, source: str, says: str
) -> None:
    response = checker.checks(secret_name, source)
    assert response.status_code == 422
    assert says in text_of(response)
    assert "Key" not in text_of(response)  # which is still to be typed
    assert sandbox.calls == []


def test_an_arn_of_another_region_is_refused_for_a_named_credential(checker: Checker, aws_prod: Credential) -> None:
    arn = f"arn:aws:secretsmanager:eu-west-1:{seed.ACCOUNT_ID}:secret:x"
    response = checker.checks(arn, f"credential:{aws_prod.uuid}")
    assert response.status_code == 422
    assert "This ARN is of another region" in text_of(response)


# --- Without JavaScript ---------------------------------------------------------------------------------------------
def test_without_javascript_the_page_comes_back_with_the_outcome_and_all_that_was_typed(
    checker: Checker, acme: Organization
) -> None:
    crew = store_automation(acme)
    typed = {"key": "API KEY", "value": "made-up-value", "automations": [crew.slug], "version_stage": "AWSPREVIOUS"}
    response = checker.checks("database-credentials#pasword", htmx=False, **typed)
    html = html_of(response)
    assert (value_of(response, "key"), value_of(response, "secret_name")) == ("API KEY", "database-credentials#pasword")
    assert f'<option value="{DEFAULT}" selected>' in html
    assert '<option value="AWSPREVIOUS" selected>' in html
    assert re.search(rf'value="{crew.slug}"[^>]*checked', html)
    assert "made-up-value" not in html  # a page never carries one
    assert errors_beside(response, "key") == ""  # that is for saving
    assert f'action="{reverse("variable_add", args=[acme.uuid])}"' in html
    assert "has no value yet" in text_of(response)


def test_without_javascript_an_error_stands_beside_its_field(checker: Checker) -> None:
    response = checker.checks("a b", htmx=False)
    assert response.status_code == 422
    assert "A secret's name has letters" in errors_beside(response, "secret_name")


# --- Who ------------------------------------------------------------------------------------------------------------
def test_only_who_may_save_the_variable_may_check(
    acme: Organization, carol: User, dora: User, mallory: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    variable = store_reference(acme, "PASSWORD", "database-credentials#password")
    for one in (None, variable):
        codes = [
            Checker(sign_in(user), acme, one).checks("database-credentials").status_code
            for user in (carol, dora, mallory)
        ]
        assert codes == [403, 403, 404]
    assert sandbox.calls == []


def test_a_restricted_variable_is_checked_only_by_who_manages_it(
    acme: Organization,
    alice_: Membership,
    erin: User,
    aws_prod: Credential,
    sandbox: Sandbox,
    sign_in: SignIn,
) -> None:
    variable = store_reference(acme, "PASSWORD", "database-credentials#password")
    checking = Checker(sign_in(erin), acme, variable)
    for grants, status in (((), 404), ((Grant.READ,), 403), ((Grant.MANAGE,), 200)):
        restrict_to(variable, alice_, {erin: grants})
        assert checking.checks("database-credentials#password").status_code == status


def test_a_foreign_credential_answers_as_one_that_does_not_exist(
    checker: Checker, umbrella: Organization, mallory: User, sandbox: Sandbox
) -> None:
    theirs = store_credential(umbrella, mallory, "theirs")
    answers = [checker.checks("x", f"credential:{uuid}") for uuid in (theirs.uuid, uuid4())]
    foreign, missing = (re.sub(r"[0-9a-f-]{36}", "", html_of(answer)) for answer in answers)
    assert (answers[0].status_code, foreign) == (422, missing)
    assert sandbox.calls == []


def test_a_credential_beyond_reach_reads_what_is_there_already_and_shows_no_keys(
    acme: Organization,
    alice_: Membership,
    erin: User,
    aws_prod: Credential,
    sandbox: Sandbox,
    sign_in: SignIn,
) -> None:
    variable = store_reference(acme, "PASSWORD", "database-credentials#pasword", aws_prod)
    restrict_to(aws_prod, alice_, {erin: [Grant.READ]})
    checking, source = Checker(sign_in(erin), acme, variable), f"credential:{aws_prod.uuid}"
    found = text_of(checking.checks("database-credentials#pasword", source))
    assert "JSON key not found" in found
    assert not any(key in found for key in ("username", "Perhaps", "these keys"))
    other = checking.checks("crewai/openai-api-key", source)
    assert other.status_code == 422
    assert "It stays database-credentials#pasword" in text_of(other)
    assert [call.secret_id for call in sandbox.calls] == ["database-credentials"]
    assert Checker(sign_in(erin), acme).checks("database-credentials", source).status_code == 422


# --- Limits and the audit log ---------------------------------------------------------------------------------------
def test_a_check_is_written_down_before_the_vault_is_asked(
    checker: Checker, alice: User, aws_prod: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    before: list[str] = []
    fetch = AwsSecretsManager.fetch

    def watched(provider: AwsSecretsManager, references: Any) -> Any:
        before.extend(AuditEvent.objects.filter(action__startswith="reference:").values_list("action", flat=True))
        return fetch(provider, references)

    monkeypatch.setattr(AwsSecretsManager, "fetch", watched)
    checker.checks("none#x")
    assert before == ["reference:check_started"]
    started, done = AuditEvent.objects.filter(action__startswith="reference:").order_by("id")
    assert (started.actor, started.target_uuid, started.details["secrets"]) == (alice, aws_prod.uuid, ["none"])
    assert done.details == {"result": "failed", "failure": "secret_not_found"}
    aws_prod.refresh_from_db()
    assert aws_prod.last_test is None


def test_the_audit_log_tells_of_it_in_a_sentence(checker: Checker, acme: Organization) -> None:
    checker.checks("database-credentials#password")
    page = text_of(checker.client.get(reverse("audit_list", args=[acme.uuid])))
    assert "started to read secrets with aws-prod , for a check of references" in page
    assert "database-credentials" in page


def test_checks_share_the_limits_of_connection_tests(checker: Checker, acme: Organization, sandbox: Sandbox) -> None:
    for _test in range(PER_MINUTE):
        test = ConnectionTest.objects.create(organization=acme, provider="aws", person_label="x", ok=True)
        ConnectionTest.objects.filter(pk=test.pk).update(created_at=timezone.now() - timedelta(seconds=20))
    for htmx in (True, False):
        response = checker.checks("database-credentials", htmx=htmx)
        assert response.status_code == 429
        assert 38 <= int(response["Retry-After"]) <= 41
        assert "Try again in" in text_of(response)
    assert sandbox.calls == []
    assert not AuditEvent.objects.filter(action="reference:check_started").exists()


def test_the_number_of_parts_does_not_change_the_number_of_queries(
    checker: Checker, django_assert_max_num_queries: DjangoAssertNumQueries, django_assert_num_queries: Any
) -> None:
    with django_assert_max_num_queries(60) as one:
        checker.checks("database-credentials#port")
    with django_assert_num_queries(len(one)):
        checker.checks("${database-credentials#port}${database-credentials#username}${database-credentials#password}")
