"""Settings > Secret Provider Credentials > Add Credential."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from tests.builders import store_credential
from tests.pages import errors_beside, html_of, rows_of, text_of, toasts_of, value_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def address(organization: Organization) -> str:
    return reverse("credential_add", args=[organization.uuid])


def form(**changes: str) -> dict[str, str]:
    return {
        "name": "aws-prod",
        "provider": "aws",
        "region": "us-east-1",
        "access_key_id": seed.READER.access_key_id,
        "secret_access_key": seed.READER.secret_access_key,
        "role_arn": "",
        "external_id": "",
    } | changes


def test_an_owner_creates_a_credential_and_it_is_stored_sealed(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    response = sign_in(alice).post(address(acme), form(is_default="on"), follow=True)
    assert response.redirect_chain[-1][0] == reverse("credential_list", args=[acme.uuid])
    assert "(default)" in rows_of(response)[0]
    assert [(toast.level, toast.title) for toast in toasts_of(response)] == [
        ("success", "Credential “aws-prod” was created.")
    ]
    credential = Credential.objects.get()
    assert credential.config == {"region": "us-east-1", "access_key_id": seed.READER.access_key_id, "role_arn": ""}
    assert credential.secrets.reveal() == {"secret_access_key": seed.READER.secret_access_key}
    assert (credential.organization, credential.created_by, credential.version) == (acme, alice, 1)
    assert AuditEvent.objects.filter(action="credential:created", actor=alice).exists()


def test_a_credential_with_a_role_seals_the_external_id(acme: Organization, alice: User, sign_in: SignIn) -> None:
    sign_in(alice).post(address(acme), form(role_arn=seed.ROLE_ARN, external_id=seed.EXTERNAL_ID))
    credential = Credential.objects.get()
    assert credential.config["role_arn"] == seed.ROLE_ARN
    assert "external_id" not in credential.config
    assert credential.secrets.reveal()["external_id"] == seed.EXTERNAL_ID
    assert not credential.is_default


def test_what_came_along_when_values_were_copied_is_removed(acme: Organization, alice: User, sign_in: SignIn) -> None:
    padded = {name: f" \t{value}\r\n" if value else "" for name, value in form().items() if name != "provider"}
    padded |= {"role_arn": f"\u200b{seed.ROLE_ARN} ", "external_id": f" {seed.EXTERNAL_ID}\n", "region": " US-East-1 "}
    response = sign_in(alice).post(address(acme), form() | padded)
    assert response.status_code == 302
    credential = Credential.objects.get()
    assert credential.name == "aws-prod"
    assert credential.config == {
        "region": "us-east-1",
        "access_key_id": seed.READER.access_key_id,
        "role_arn": seed.ROLE_ARN,
    }
    assert credential.secrets.reveal() == {
        "secret_access_key": seed.READER.secret_access_key,
        "external_id": seed.EXTERNAL_ID,
    }


def test_the_fresh_page_says_what_the_guide_says(acme: Organization, alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice).get(address(acme))
    assert page.status_code == 200
    for words in (
        "Add Secret Provider Credential",
        "AWS Secrets Manager",
        "Region",
        "Access Key ID",
        "Secret Access Key",
        "Role ARN",
        "External ID",
        "Set as default credential for this provider",
        "Create",
    ):
        assert words in text_of(page)


@pytest.mark.parametrize(
    ("field", "entered", "error"),
    [
        ("name", "", "This field is required."),
        ("name", "aws\u202eprod", "cannot be seen"),
        ("name", "x" * 101, "at most 100 characters"),
        ("region", "", "This field is required."),
        ("region", "us-esat-1", "Choose a region from the list"),
        ("region", "evil.example", "Choose a region from the list"),
        ("access_key_id", "", "This field is required."),
        ("access_key_id", "AKIARZPUZDIKAEXAMPL", "20 characters"),
        ("access_key_id", "ASIARZPUZDIKAEXAMPLE", "temporary key"),
        ("access_key_id", "AIDARZPUZDIKAEXAMPLE", "unique ID of a user"),
        ("access_key_id", "akiarzpuzdikaexample", "capital letters"),
        ("access_key_id", seed.READER.secret_access_key, "looks like a secret access key"),
        ("secret_access_key", "", "This field is required."),
        ("secret_access_key", "MadeUp+TooShort", "40 characters; this has 15"),
        ("secret_access_key", "MadeUp!Reader!0001!opens!nothing!EXAMPLE", "only letters, digits, + and /"),
        ("secret_access_key", seed.READER.access_key_id, "looks like an access key ID"),
        ("role_arn", "CrewAISecretsManagerRole", "ARN looks like"),
        ("role_arn", "arn:aws:iam::123456789012:user/someone", "ARN of a user"),
        ("role_arn", "arn:aws:iam::123456789012:policy/some", "ARN of a policy"),
        ("role_arn", "arn:aws-cn:iam::123456789012:role/Reader", "different parts of AWS"),
        ("external_id", "made-up-id-without-a-role", "enter the Role ARN too"),
        ("external_id", "sp ace", "An External ID has"),
        ("provider", "gopher", "Select a valid choice"),
    ],
)
def test_what_cannot_be_right_is_said_beside_its_field_and_nothing_is_stored(
    field: str, entered: str, error: str, acme: Organization, alice: User, sign_in: SignIn
) -> None:
    posted = form(**{field: entered})
    events = AuditEvent.objects.count()
    response = sign_in(alice).post(address(acme), posted)
    assert response.status_code == 422
    assert error in errors_beside(response, field)
    assert [name for name in posted if errors_beside(response, name)] == [field]
    assert not Credential.objects.exists()
    assert AuditEvent.objects.count() == events


def test_after_an_error_only_the_secret_fields_are_empty(acme: Organization, alice: User, sign_in: SignIn) -> None:
    posted = form(region="nowhere", role_arn=seed.ROLE_ARN, external_id=seed.EXTERNAL_ID, is_default="on")
    response = sign_in(alice).post(address(acme), posted)
    for field in ("name", "region", "access_key_id", "role_arn"):
        assert value_of(response, field) == posted[field]
    assert value_of(response, "secret_access_key") is None
    assert value_of(response, "external_id") is None
    assert seed.READER.secret_access_key not in html_of(response)
    assert seed.EXTERNAL_ID not in html_of(response)
    assert re.search(r'<input[^>]*name="is_default"[^>]*\bchecked\b', html_of(response))


def test_a_secret_in_the_wrong_field_is_not_repeated_in_the_error(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    response = sign_in(alice).post(address(acme), form(secret_access_key="MadeUp+Reader/0001/opens/nothing/EXAM"))
    assert "MadeUp+Reader" not in html_of(response)


def test_all_errors_show_at_once(acme: Organization, alice: User, sign_in: SignIn) -> None:
    response = sign_in(alice).post(address(acme), {"provider": "aws"})
    wrong = [name for name in form() if errors_beside(response, name)]
    assert wrong == ["name", "region", "access_key_id", "secret_access_key"]


def test_a_name_is_used_once_in_an_organization(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    response = sign_in(alice).post(address(acme), form())
    assert response.status_code == 422
    assert "Another credential of this organization has this name." in errors_beside(response, "name")
    assert Credential.objects.count() == 1


def test_another_organization_may_use_the_same_name(
    umbrella: Organization, mallory: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    assert sign_in(mallory).post(address(umbrella), form(is_default="on")).status_code == 302
    assert Credential.objects.filter(name="aws-prod", is_default=True).count() == 2


def test_a_new_default_takes_the_mark_from_the_old_one(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    sign_in(alice).post(address(acme), form(name="aws-new", is_default="on"))
    assert [credential.name for credential in Credential.objects.filter(is_default=True)] == ["aws-new"]


def test_the_audit_log_names_the_provider_and_no_value(acme: Organization, alice: User, sign_in: SignIn) -> None:
    sign_in(alice).post(address(acme), form(is_default="on"))
    created, made_default = AuditEvent.objects.filter(action__startswith="credential").order_by("id")
    assert (created.action, created.details) == ("credential:created", {"provider": "aws"})
    assert (made_default.action, made_default.details) == ("credential:made_default", {"provider": "aws"})
    assert created.target_label == "aws-prod"


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_may_not_manage_credentials_cannot_add_one(
    method: str, acme: Organization, bob: User, carol: User, mallory: User, sign_in: SignIn
) -> None:
    statuses = [getattr(sign_in(user), method)(address(acme), form()).status_code for user in (bob, carol, mallory)]
    assert statuses == [403, 403, 404]
    assert not Credential.objects.exists()


def test_the_organization_is_never_taken_from_the_form(
    acme: Organization, umbrella: Organization, alice: User, sign_in: SignIn
) -> None:
    sign_in(alice).post(address(acme), form(organization=str(umbrella.pk), organization_id=str(umbrella.pk)))
    assert Credential.objects.get().organization == acme


def test_two_credentials_with_the_same_keys_are_fine(acme: Organization, alice: User, sign_in: SignIn) -> None:
    store_credential(acme, alice, "aws-first")
    assert sign_in(alice).post(address(acme), form()).status_code == 302
