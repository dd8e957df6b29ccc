"""A credential's own page: what may be seen of it, its last test step by step, who uses it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from credentials.testing import run_connection_test
from organizations.models import Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import damage, store_credential, store_reference
from tests.pages import html_of, text_of, words_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def address(credential: Credential) -> str:
    return reverse("credential_detail", args=[credential.organization.uuid, credential.uuid])


def steps_that_unfold(page: Any) -> tuple[list[str], list[str]]:
    """The words of the steps that stand open, and of those that are folded."""
    found = re.findall(r'<details class="step-body" (open)?>(.*?)</details>', html_of(page), re.DOTALL)
    return [words_of(step) for is_open, step in found if is_open], [words_of(s) for is_open, s in found if not is_open]


def test_the_page_shows_settings_and_no_secret(acme: Organization, alice: User, sign_in: SignIn) -> None:
    credential = store_credential(acme, alice, role_arn=seed.ROLE_ARN, external_id=seed.EXTERNAL_ID)
    page = sign_in(alice).get(address(credential))
    for words in ("aws-other", "us-east-1", "AssumeRole", "AKIA…MPLE", seed.ROLE_ARN, "has not been tested yet"):
        assert words in text_of(page)
    for secret in (seed.READER.secret_access_key, seed.EXTERNAL_ID, seed.READER.access_key_id):
        assert secret not in html_of(page)


def test_the_page_shows_each_step_of_the_last_test(
    alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    run_connection_test(aws_prod, alice)
    words = text_of(sign_in(alice).get(address(aws_prod)))
    assert "by alice@acme.example" in words
    for step in ("Check what was entered passed", "Sign in to AWS passed", "Assume the role skipped"):
        assert step in words
    assert "Not needed: no Role ARN is set." in words
    assert "List secrets passed" in words
    assert "no variable refers to a secret yet" in words
    assert f"Account {seed.ACCOUNT_ID}" in words
    assert f"Identity {seed.READER.arn}" in words


def test_the_page_shows_what_to_do_about_a_failure(
    alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    sandbox.detach_policy()
    run_connection_test(aws_prod, alice)
    words = text_of(sign_in(alice).get(address(aws_prod)))
    assert "List secrets failed" in words
    assert "This credential may not list secrets (secretsmanager:ListSecrets)" in words
    assert "The policy is not attached, or the keys belong to another IAM user." in words
    assert "Attach CrewAISecretsManagerRead to the IAM user" in words


def test_the_first_step_that_failed_is_open_and_every_other_folded(
    acme: Organization, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    credential = store_credential(acme, alice, "aws-scoped", seed.SCOPED_READER)
    test = run_connection_test(credential, alice, seed.DATABASE.name)
    assert [step["step"] for step in test.steps if step["state"] == "failed"] == ["list", "describe", "read"]
    open_, folded = steps_that_unfold(sign_in(alice).get(address(credential)))
    assert [words.split(" failed ")[0] for words in open_] == ["List secrets"]
    assert "Whose job it is: The permissions policy of the IAM user or the role" in open_[0]
    assert [words[:9] for words in folded] == ["Sign in t", "Describe ", "Read a se"]


def test_a_success_is_all_folded_with_its_request_ids_inside(
    alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    run_connection_test(aws_prod, alice, seed.OPENAI_KEY.name)
    open_, folded = steps_that_unfold(sign_in(alice).get(address(aws_prod)))
    assert open_ == []
    assert len(folded) == 5
    assert all(re.search(r"\d ms .*Request ID [0-9a-f-]{36}", words) for words in folded)


def test_without_a_failure_the_step_that_carries_an_advice_is_open(
    acme: Organization, alice: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    credential = store_credential(acme, alice, region=seed.EMPTY_REGION)
    run_connection_test(credential, alice)
    open_, _folded = steps_that_unfold(sign_in(alice).get(address(credential)))
    assert ["No secrets found in us-west-2" in words for words in open_] == [True]


def test_the_page_names_the_variables_that_are_read_with_the_credential(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    assert "No environment variable refers to this credential yet." in text_of(sign_in(alice).get(address(aws_prod)))
    store_reference(acme, "BY_NAME", "crewai/openai-api-key", aws_prod)
    store_reference(acme, "BY_DEFAULT", "database-credentials#password")
    words = text_of(sign_in(alice).get(address(aws_prod)))
    assert "2 variables" in words
    assert "BY_NAME" in words
    assert "BY_DEFAULT" in words
    assert "The test reads “database-credentials”" in words


def test_only_somebody_who_manages_may_name_the_secret_to_read(
    alice: User, carol: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    assert "Secret to read in the test" in text_of(sign_in(alice).get(address(aws_prod)))
    page = sign_in(carol).get(address(aws_prod))
    assert page.status_code == 200
    assert "Secret to read in the test" not in text_of(page)
    for name in ("credential_edit", "credential_delete", "credential_make_default"):
        assert reverse(name, args=[aws_prod.organization.uuid, aws_prod.uuid]) not in html_of(page)


def test_a_credential_that_cannot_be_opened_has_its_page_all_the_same(
    alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    damage(aws_prod, "secrets")
    assert "aws-prod" in text_of(sign_in(alice).get(address(aws_prod)))


def test_who_may_not_read_credentials_sees_none(
    bob: User, mallory: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    assert sign_in(bob).get(address(aws_prod)).status_code == 403
    assert sign_in(mallory).get(address(aws_prod)).status_code == 404


def test_names_are_shown_as_text_and_never_as_markup(acme: Organization, alice: User, sign_in: SignIn) -> None:
    credential = store_credential(acme, alice, "<img src=x>&'\"")
    for url in (address(credential), reverse("credential_list", args=[acme.uuid])):
        page = sign_in(alice).get(url)
        assert "<img src=x>" not in html_of(page)
        assert "<img src=x>&'\"" in text_of(page)
