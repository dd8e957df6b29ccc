"""Before a used credential is changed: what would break is shown, and breaking it takes its name, typed."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from credentials import confirming, impact
from credentials.models import ConnectionTest, Credential
from credentials.providers.aws.provider import AwsSecretsManager
from credentials.services import MovedError, change_credential, make_default
from credentials.testing import PER_MINUTE
from credentials.usage import state_of
from organizations.access import Feature, Level, set_levels
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import damage, restrict_to, store_credential, store_reference
from tests.pages import errors_beside, html_of, text_of, toasts_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
CHANGED_MEANWHILE = "This credential was changed meanwhile, and nothing was stored. Check it, and save again."
VALUES = (seed.OPENAI_KEY.value, seed.PAYMENTS_KEY.value, "made-up-database-password")


def edit_of(credential: Credential) -> str:
    return reverse("credential_edit", args=[credential.organization.uuid, credential.uuid])


def make_default_of(credential: Credential) -> str:
    return reverse("credential_make_default", args=[credential.organization.uuid, credential.uuid])


def form(credential: Credential, **changes: str) -> dict[str, str]:
    default = {"is_default": "on"} if credential.is_default else {}
    config = {name: str(value) for name, value in credential.config.items()}
    return {"name": credential.name, "secret_access_key": "", "external_id": "", **config, **default, **changes}


def keys_of(user: seed.User) -> dict[str, str]:
    return {"access_key_id": user.access_key_id, "secret_access_key": user.secret_access_key}


def waiting_in(page: Any) -> str:
    """The sealed change of a preview."""
    found = re.search(r'name="change" value="([^"]+)"', html_of(page))
    assert found, text_of(page)
    return found[1]


def answer(client: Client, address: str, page: Any, name: str = "", **more: str) -> Any:
    """What a person sends from the preview."""
    return client.post(address, {"change": waiting_in(page), "confirmed_name": name, **more}, follow=True)


@pytest.fixture
def used(acme: Organization, aws_prod: Credential, sandbox: Sandbox) -> Credential:
    """The default credential, which two variables name and a third relies on."""
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, aws_prod)
    store_reference(acme, "DATABASE_PASSWORD", f"{seed.DATABASE.name}#password", aws_prod)
    store_reference(acme, "PAYMENTS_KEY", seed.PAYMENTS_KEY.name)
    return aws_prod


def broken_by_region(sandbox: Sandbox) -> dict[str, str]:
    for secret in (seed.OPENAI_KEY, seed.DATABASE):
        sandbox.put_secret(secret.name, secret.value, seed.EMPTY_REGION)
    return {"region": seed.EMPTY_REGION}


def broken_by_keys(sandbox: Sandbox) -> dict[str, str]:
    return keys_of(seed.NO_KMS)


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        (broken_by_region, "Secret not found"),
        (broken_by_keys, "kms:Decrypt"),
    ],
)
def test_one_of_three_that_would_break_is_named_with_the_reason_and_nothing_is_stored(
    changes: Callable[[Sandbox], Mapping[str, str]],
    title: str,
    alice: User,
    used: Credential,
    sandbox: Sandbox,
    sign_in: SignIn,
) -> None:
    page = sign_in(alice).post(edit_of(used), form(used, **changes(sandbox)))
    words = text_of(page)
    assert page.status_code == 200
    assert "2 of 3 variables work after this change. 1 would break, 2 work" in words
    row = words[words.index(f"PAYMENTS_KEY {seed.PAYMENTS_KEY.name} would break") :]
    assert title in row[: row.index("works")]
    assert f"API_KEY {seed.OPENAI_KEY.name} works" in words
    assert f"DATABASE_PASSWORD {seed.DATABASE.name}#password works" in words
    stored = Credential.objects.get()
    assert (stored.config, stored.version) == (used.config, 1)
    assert not any(value in html_of(page) for value in VALUES)


def test_a_role_that_may_read_less_breaks_the_rest(
    alice: User, used: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    sandbox.put_user_policy(seed.READ_POLICY)
    sandbox.set_policy(seed.SCOPED_POLICY)  # which the role has
    changed = form(used, role_arn=seed.ROLE_ARN, external_id=seed.EXTERNAL_ID)
    words = text_of(sign_in(alice).post(edit_of(used), changed))
    assert "2 of 3 variables work after this change. 1 would break, 2 work" in words
    assert f"DATABASE_PASSWORD {seed.DATABASE.name}#password would break" in words


def test_a_role_that_refuses_breaks_all_of_them(alice: User, used: Credential, sign_in: SignIn) -> None:
    wrong = form(used, role_arn=seed.ROLE_ARN, external_id="another-external-id")
    words = text_of(sign_in(alice).post(edit_of(used), wrong))
    assert "0 of 3 variables work after this change. 3 would break" in words
    assert f"Identity {seed.READER.arn} → {seed.ROLE_ARN}" in words
    assert "Account" not in words.split("Identity")[0].split("3 would break")[1]


def test_a_role_that_works_is_saved_in_one_step(alice: User, used: Credential, sign_in: SignIn) -> None:
    right = form(used, role_arn=seed.ROLE_ARN, external_id=seed.EXTERNAL_ID)
    page = sign_in(alice).post(edit_of(used), right, follow=True)
    (toast,) = toasts_of(page)
    assert toast.title == "Credential “aws-prod” was saved."
    assert toast.detail == "3 of 3 variables work after this change."
    assert Credential.objects.get().config["role_arn"] == seed.ROLE_ARN


def test_breaking_it_takes_the_name_typed_exactly(
    alice: User, used: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    page = client.post(edit_of(used), form(used, **keys_of(seed.NO_KMS)))
    assert "Type aws-prod to confirm." in text_of(page)
    refused = answer(client, edit_of(used), page, "aws-prot")
    assert refused.status_code == 422
    assert "This is not the name." in errors_beside(refused, "confirmed_name")
    assert "1 would break" in text_of(refused)
    assert Credential.objects.get().version == 1
    saved = answer(client, edit_of(used), refused, "aws-prod")
    assert "Credential “aws-prod” was saved." in text_of(saved)
    stored = Credential.objects.get()
    assert stored.config["access_key_id"] == seed.NO_KMS.access_key_id
    assert stored.secrets.reveal() == {"secret_access_key": seed.NO_KMS.secret_access_key}
    event = AuditEvent.objects.get(action="credential:changed")
    assert event.details == {"fields": ["access_key_id", "secret_access_key"]}


def test_what_was_typed_is_on_no_page_and_in_no_row(
    alice: User, used: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    page = sign_in(alice).post(edit_of(used), form(used, **keys_of(seed.NO_KMS)))
    assert seed.NO_KMS.secret_access_key not in html_of(page)
    for event in AuditEvent.objects.all():
        assert seed.NO_KMS.secret_access_key not in str(event.details)
    assert not any(seed.NO_KMS.secret_access_key in str(test.steps) for test in ConnectionTest.objects.all())


def test_the_waiting_change_opens_for_the_same_person_at_the_same_place_only(
    acme: Organization, alice: User, bob: User, used: Credential, sign_in: SignIn
) -> None:
    other = store_credential(acme, alice, "aws-other")
    page = sign_in(alice).post(edit_of(used), form(used, **keys_of(seed.NO_KMS)))
    set_levels(bob.memberships.get().role, {Feature.SECRET_PROVIDERS: Level.MANAGE})
    for user, credential in ((bob, used), (alice, other)):
        response = answer(sign_in(user), edit_of(credential), page, credential.name)
        assert response.status_code == 422
        assert "Nothing was changed" in text_of(response)
    assert {one.version for one in Credential.objects.all()} == {1}


def test_after_ten_minutes_the_waiting_change_is_gone(
    alice: User, used: Credential, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sign_in(alice)
    monkeypatch.setattr(confirming, "WAITS", -1)
    page = client.post(edit_of(used), form(used, **keys_of(seed.NO_KMS)))
    response = answer(client, edit_of(used), page, "aws-prod")
    assert "the preview is older than ten minutes" in text_of(response)
    assert Credential.objects.get().version == 1


def test_an_old_preview_of_the_default_or_a_deletion_does_nothing_by_itself(
    acme: Organization, alice: User, used: Credential, sign_in: SignIn
) -> None:
    other = store_credential(acme, alice, "aws-other")
    deletion = reverse("credential_delete", args=[acme.uuid, other.uuid])
    for address in (make_default_of(other), deletion):
        sign_in(alice).post(address, {"change": "made-up", "confirmed_name": "aws-other"})
    assert list(Credential.objects.filter(is_default=True)) == [used]
    assert Credential.objects.count() == 2


def test_a_change_of_the_name_asks_nobody(alice: User, used: Credential, sandbox: Sandbox, sign_in: SignIn) -> None:
    response = sign_in(alice).post(edit_of(used), form(used, name="aws-renamed"))
    assert response.status_code == 302
    assert sandbox.calls == []
    assert not AuditEvent.objects.filter(action="credential:preview_started").exists()


def test_an_unused_credential_is_saved_without_a_call(
    acme: Organization, alice: User, used: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    other = store_credential(acme, alice, "aws-other")
    assert sign_in(alice).post(edit_of(other), form(other, region="eu-west-1")).status_code == 302
    assert sandbox.calls == []


def test_what_has_no_value_now_either_is_no_break(
    acme: Organization, alice: User, used: Credential, sign_in: SignIn
) -> None:
    store_reference(acme, "MISTYPED", f"{seed.DATABASE.name}#pasword", used)
    right = form(used, role_arn=seed.ROLE_ARN, external_id=seed.EXTERNAL_ID)
    page = sign_in(alice).post(edit_of(used), right, follow=True)
    assert toasts_of(page)[0].detail == "3 of 4 variables work after this change."


def test_mending_a_credential_that_cannot_be_opened_is_one_step(alice: User, used: Credential, sign_in: SignIn) -> None:
    damage(used, "secrets")
    typed = form(used, secret_access_key=seed.READER.secret_access_key)
    page = sign_in(alice).post(edit_of(used), typed, follow=True)
    assert toasts_of(page)[0].detail == "3 of 3 variables work after this change."


def test_unchecking_the_default_names_what_relies_on_it(alice: User, used: Credential, sign_in: SignIn) -> None:
    client = sign_in(alice)
    page = client.post(edit_of(used), form(used, is_default=""))
    words = text_of(page)
    assert "0 of 1 variable works after this change." in words
    assert f"PAYMENTS_KEY {seed.PAYMENTS_KEY.name} would break" in words
    assert "API_KEY" not in words
    answer(client, edit_of(used), page, "aws-prod")
    assert not Credential.objects.get().is_default


def test_a_variable_that_says_a_version_is_tried_with_that_version(
    acme: Organization, alice: User, used: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    store_reference(acme, "BEFORE", seed.OPENAI_KEY.name, used, version_stage="AWSPREVIOUS")
    sandbox.put_secret(seed.OPENAI_KEY.name, "made-up-newer")
    for secret in seed.SECRETS:
        sandbox.put_secret(secret.name, secret.value, seed.EMPTY_REGION)
    words = text_of(sign_in(alice).post(edit_of(used), form(used, region=seed.EMPTY_REGION)))
    assert "3 of 4 variables work after this change." in words
    assert f"BEFORE {seed.OPENAI_KEY.name} would break" in words


# --- Another account ------------------------------------------------------------------------------------------------
@pytest.fixture
def two_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader's twin has the same secrets in another account."""
    accounts = {seed.READER.access_key_id: "111111111111", seed.ROLE_ONLY.access_key_id: "222222222222"}

    def identify(provider: AwsSecretsManager) -> Mapping[str, str]:
        account = accounts[provider.config["access_key_id"]]
        return {"account": account, "arn": f"arn:aws:iam::{account}:user/reader"}

    monkeypatch.setattr(AwsSecretsManager, "identify", identify)


def test_another_account_is_asked_about_even_if_everything_works(
    alice: User, used: Credential, sandbox: Sandbox, two_accounts: None, sign_in: SignIn
) -> None:
    sandbox.attach_policy(seed.ROLE_ONLY)
    client = sign_in(alice)
    page = client.post(edit_of(used), form(used, **keys_of(seed.ROLE_ONLY)))
    words = text_of(page)
    assert "3 of 3 variables work after this change." in words
    assert "Account 111111111111 → 222222222222" in words
    assert "to confirm." not in words
    assert Credential.objects.get().version == 1
    assert "was saved" in text_of(answer(client, edit_of(used), page))
    assert Credential.objects.get().version == 2


# --- The default ----------------------------------------------------------------------------------------------------
def test_making_another_one_the_default_is_tried_with_what_relies_on_it(
    acme: Organization, alice: User, used: Credential, sign_in: SignIn
) -> None:
    other = store_credential(acme, alice, "aws-no-kms", seed.NO_KMS)
    client = sign_in(alice)
    page = client.post(make_default_of(other))
    words = text_of(page)
    assert "Make aws-no-kms the default?" in words
    assert "0 of 1 variable works after this change." in words
    assert "API_KEY" not in words
    assert list(Credential.objects.filter(is_default=True)) == [used]
    done = answer(client, make_default_of(other), page, "aws-no-kms")
    assert "“aws-no-kms” is now the default credential" in text_of(done)
    assert list(Credential.objects.filter(is_default=True)) == [other]


def test_a_default_with_which_everything_works_is_one_step(
    acme: Organization, alice: User, used: Credential, sign_in: SignIn
) -> None:
    other = store_credential(acme, alice, "aws-stage")
    page = sign_in(alice).post(make_default_of(other), follow=True)
    assert toasts_of(page)[0].detail == "1 of 1 variable works after this change."


def test_a_new_credential_that_takes_the_default_is_tried_before_it_is_stored(
    acme: Organization, alice: User, used: Credential, sign_in: SignIn
) -> None:
    client, address = sign_in(alice), reverse("credential_add", args=[acme.uuid])
    typed = {"name": "aws-new", "provider": "aws", "region": seed.REGION, **keys_of(seed.NO_KMS), "is_default": "on"}
    page = client.post(address, typed)
    assert "Create aws-new as the default?" in text_of(page)
    assert "0 of 1 variable works" in text_of(page)
    assert Credential.objects.count() == 1
    assert "“aws-new” was created" in text_of(answer(client, address, page, "aws-new"))
    created = Credential.objects.get(is_default=True)
    assert (created.name, created.secrets.reveal()["secret_access_key"]) == ("aws-new", seed.NO_KMS.secret_access_key)


# --- What cannot be known -------------------------------------------------------------------------------------------
def test_a_cloud_that_cannot_be_reached_counts_as_not_checked_and_takes_the_name(
    alice: User, used: Credential, settings: Any, sign_in: SignIn
) -> None:
    settings.AWS_SANDBOX_URL = "http://127.0.0.1:9"
    client = sign_in(alice)
    page = client.post(edit_of(used), form(used, region="eu-west-1"))
    assert "3 could not be checked" in text_of(page)
    assert answer(client, edit_of(used), page).status_code == 422
    assert answer(client, edit_of(used), page, "aws-prod").status_code == 200
    assert Credential.objects.get().config["region"] == "eu-west-1"


def test_beyond_its_bounds_a_preview_says_how_many_it_left_out(
    alice: User, used: Credential, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(impact, "MOST_SECRETS", 2)
    right = form(used, role_arn=seed.ROLE_ARN, external_id=seed.EXTERNAL_ID)
    words = text_of(sign_in(alice).post(edit_of(used), right))
    assert "2 of 3 variables work after this change. 2 work 1 more was not checked" in words
    assert "Type aws-prod to confirm." in words


def test_the_limit_of_connection_tests_holds_and_nothing_typed_is_lost(
    alice: User, used: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    for _test in range(PER_MINUTE):
        ConnectionTest.objects.create(organization=used.organization, provider="aws", ok=True)
    client = sign_in(alice)
    page = client.post(edit_of(used), form(used, **keys_of(seed.NO_KMS)))
    assert page.status_code == 429
    assert int(page["Retry-After"]) > 50
    assert "Too many connection tests at once: nothing could be checked." in text_of(page)
    assert sandbox.calls == []
    ConnectionTest.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    checked = answer(client, edit_of(used), page, again="1")
    assert "1 would break, 2 work" in text_of(checked)
    assert Credential.objects.get().version == 1
    answer(client, edit_of(used), checked, "aws-prod")
    assert Credential.objects.get().config["access_key_id"] == seed.NO_KMS.access_key_id


def test_a_preview_is_audited_before_the_first_call_and_after_the_last(
    alice: User, used: Credential, sandbox: Sandbox, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], int]] = []
    read_all = impact._read_all

    def watched(chosen: Any) -> Any:
        actions = AuditEvent.objects.filter(action__contains="preview").values_list("action", flat=True)
        seen.append((list(actions), len(connection.savepoint_ids)))
        return read_all(chosen)

    monkeypatch.setattr(impact, "_read_all", watched)
    sign_in(alice).post(edit_of(used), form(used, **keys_of(seed.NO_KMS)))
    started, ended = AuditEvent.objects.filter(target_uuid=used.uuid, action__contains="preview").order_by("id")
    assert (started.action, started.details) == ("credential:preview_started", {"provider": "aws"})
    assert (ended.action, ended.details) == ("credential:previewed", {"result": "failed", "failure": "kms_denied"})
    assert seen == [(["credential:preview_started"], 0)]  # and no transaction is open but the test's own
    assert ConnectionTest.objects.get().credential is None


# --- Something else changes meanwhile -------------------------------------------------------------------------------
def test_a_default_that_moved_meanwhile_is_shown_before_anything_is_stored(
    acme: Organization, alice: User, used: Credential, sign_in: SignIn
) -> None:
    other, third = store_credential(acme, alice, "aws-no-kms", seed.NO_KMS), store_credential(acme, alice, "aws-third")
    client = sign_in(alice)
    page = client.post(make_default_of(other))
    make_default(third, alice)
    shown = answer(client, make_default_of(other), page, "aws-no-kms")
    assert shown.status_code == 422
    assert "Nothing was changed: something else was" in text_of(shown)
    assert list(Credential.objects.filter(is_default=True)) == [third]
    answer(client, make_default_of(other), shown, "aws-no-kms")
    assert list(Credential.objects.filter(is_default=True)) == [other]


def replace_keys(credential: Credential, by: User) -> dict[str, str]:
    """Give a credential other keys, as somebody else would; return the secret part that is stored then."""
    secrets = {"secret_access_key": seed.NO_KMS.secret_access_key}
    config = credential.config | {"access_key_id": seed.NO_KMS.access_key_id}
    change_credential(credential, by, name=credential.name, config=config, secrets=secrets, is_default=True)
    return secrets


def test_keys_that_were_replaced_while_a_change_waited_are_not_brought_back(
    alice: User, used: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    page = client.post(edit_of(used), form(used, **broken_by_region(sandbox)))
    replaced = replace_keys(used, alice)
    response = answer(client, edit_of(used), page, "aws-prod")
    assert response.status_code == 422
    assert [toast.title for toast in toasts_of(response)] == [CHANGED_MEANWHILE]
    assert 'name="change"' not in html_of(response)
    assert Credential.objects.get().secrets.reveal() == replaced


def test_keys_that_were_replaced_while_a_change_was_tried_are_not_brought_back(
    alice: User, used: Credential, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced: list[dict[str, str]] = []

    def replaced_first(*arguments: Any) -> impact.Preview:
        replaced.append(replace_keys(used, alice))
        return impact.preview_of(*arguments)

    monkeypatch.setattr(confirming, "preview_of", replaced_first)
    response = sign_in(alice).post(edit_of(used), form(used, name="aws-renamed"))
    assert response.status_code == 422
    assert CHANGED_MEANWHILE in text_of(response)
    stored = Credential.objects.get()
    assert (stored.name, stored.secrets.reveal()) == ("aws-prod", replaced[0])


def test_a_variable_that_came_meanwhile_is_shown_before_anything_is_stored(
    acme: Organization, alice: User, used: Credential, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    page = client.post(edit_of(used), form(used, **keys_of(seed.NO_KMS)))
    store_reference(acme, "LATE", seed.PAYMENTS_KEY.name, used)
    shown = answer(client, edit_of(used), page, "aws-prod")
    assert shown.status_code == 422
    assert "2 would break, 2 work" in text_of(shown)
    assert Credential.objects.get().version == 1


def test_a_change_that_was_saved_is_not_saved_twice(alice: User, used: Credential, sign_in: SignIn) -> None:
    client = sign_in(alice)
    page = client.post(edit_of(used), form(used, **keys_of(seed.NO_KMS)))
    answer(client, edit_of(used), page, "aws-prod")
    answer(client, edit_of(used), page, "aws-prod")
    assert Credential.objects.get().version == 2


def test_the_service_looks_again_inside_its_transaction(acme: Organization, alice: User, used: Credential) -> None:
    state = state_of(acme, "aws", used)
    store_reference(acme, "LATE", seed.PAYMENTS_KEY.name)
    values: dict[str, Any] = {"name": "late", "config": used.config, "secrets": {}, "is_default": True}
    with pytest.raises(MovedError):
        change_credential(used, alice, expected=state, **values)
    assert Credential.objects.get().name == "aws-prod"


def test_a_name_that_was_taken_meanwhile_is_refused(
    acme: Organization, alice: User, used: Credential, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    page = client.post(edit_of(used), form(used, name="aws-other", **keys_of(seed.NO_KMS)))
    store_credential(acme, alice, "aws-other")
    response = answer(client, edit_of(used), page, "aws-prod")
    assert "Another credential of this organization has this name." in text_of(response)
    assert Credential.objects.get(pk=used.pk).name == "aws-prod"


def test_a_default_that_was_restricted_meanwhile_stays_out_of_reach(
    acme: Organization, alice: User, bob: User, used: Credential, sign_in: SignIn
) -> None:
    set_levels(bob.memberships.get().role, {Feature.SECRET_PROVIDERS: Level.MANAGE})
    other = store_credential(acme, alice, "aws-no-kms", seed.NO_KMS)
    client = sign_in(bob)
    page = client.post(edit_of(other), form(other, is_default="on"))
    restrict_to(used, alice.memberships.get())
    response = answer(client, edit_of(other), page, "aws-no-kms")
    assert "only somebody who manages that one can replace it" in text_of(response)
    assert list(Credential.objects.filter(is_default=True)) == [used]


# --- Who sees what --------------------------------------------------------------------------------------------------
def test_variables_that_are_hidden_are_numbers(
    acme: Organization, alice: User, bob: User, used: Credential, sign_in: SignIn
) -> None:
    set_levels(bob.memberships.get().role, {Feature.SECRET_PROVIDERS: Level.MANAGE})
    hidden = acme.variables.get(key="PAYMENTS_KEY")
    restrict_to(hidden, alice.memberships.get())
    page = sign_in(bob).post(edit_of(used), form(used, **keys_of(seed.NO_KMS)))
    words = text_of(page)
    assert "2 of 3 variables work after this change. 1 would break, 2 work" in words
    assert "Hidden from you: 1 would break." in words
    assert "PAYMENTS_KEY" not in html_of(page)
    assert seed.PAYMENTS_KEY.name not in html_of(page)


def test_who_may_not_see_variables_is_told_numbers_only(
    alice: User, carol: User, used: Credential, sign_in: SignIn
) -> None:
    set_levels(carol.memberships.get().role, {Feature.SECRET_PROVIDERS: Level.MANAGE})
    page = sign_in(carol).post(edit_of(used), form(used, **keys_of(seed.NO_KMS)))
    assert "Hidden from you: 1 would break, 2 work." in text_of(page)
    assert "API_KEY" not in html_of(page)


def test_the_preview_costs_the_same_queries_however_many_variables_there_are(
    acme: Organization, alice: User, used: Credential, sign_in: SignIn, django_assert_max_num_queries: Any
) -> None:
    client = sign_in(alice)
    typed = form(used, **keys_of(seed.NO_KMS))
    with django_assert_max_num_queries(60) as first:
        client.post(edit_of(used), typed)
    for number in range(40):
        store_reference(acme, f"MORE_{number}", seed.OPENAI_KEY.name, used)
    with django_assert_max_num_queries(len(first)):
        client.post(edit_of(used), typed)
