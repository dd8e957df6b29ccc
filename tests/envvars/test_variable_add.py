"""Adding an environment variable: three value sources, and everything that a key, value or reference cannot be."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from credentials.services import delete_credential
from envvars.forms import MOST_BOXES, MOST_NAMES, VariableForm
from envvars.models import Automation, EnvironmentVariable
from envvars.references import MOST_BYTES, Reference
from envvars.services.variables import add_variable
from organizations.access import Access, FeatureAccess, Level
from organizations.models import AuditEvent, Organization, User
from tests.builders import store_automation, store_credential, store_direct
from tests.pages import errors_beside, html_of, options_of, text_of, toasts_of, value_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
DEFAULT = "provider_default:aws"
ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-gH4jKl"


def address(organization: Organization) -> str:
    return reverse("variable_add", args=[organization.uuid])


def form(**changes: Any) -> dict[str, Any]:
    return {"key": "API_KEY", "source": "direct", "value": "made-up-value", "secret_name": "", **changes}


def stored() -> EnvironmentVariable:
    return EnvironmentVariable.objects.get()


def test_the_sources_are_the_direct_value_the_default_and_each_credential(
    acme: Organization, umbrella: Organization, alice: User, mallory: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    other = store_credential(acme, alice, "aws-other")
    store_credential(umbrella, mallory, "theirs")
    named = [f"credential:{credential.uuid}" for credential in (other, aws_prod)]
    assert options_of(sign_in(alice).get(address(acme)), "source") == ["direct", DEFAULT, *named]


def test_a_direct_value_is_stored_sealed_and_never_shown(acme: Organization, bob: User, sign_in: SignIn) -> None:
    response = sign_in(bob).post(address(acme), form(), follow=True)
    assert toasts_of(response)[0].title == "Variable API_KEY was created."
    assert "made-up-value" not in html_of(response)
    assert (stored().key, stored().source, stored().created_by) == ("API_KEY", "direct", bob)
    assert stored().value.reveal() == "made-up-value"
    event = AuditEvent.objects.get(action="variable:created")
    assert (event.actor, event.target_label, event.details) == (bob, "API_KEY", {})


def test_a_variable_may_use_the_provider_s_default(
    acme: Organization, alice: User, crew: Automation, sign_in: SignIn
) -> None:
    posted = form(source=DEFAULT, value="", secret_name=" database-credentials#password ", automations=[crew.slug])
    assert sign_in(alice).post(address(acme), posted).status_code == 302
    variable = stored()
    assert (variable.source, variable.provider, variable.credential) == ("provider_default", "aws", None)
    assert (variable.references, variable.value) == ((Reference("database-credentials", "password"),), None)
    assert list(variable.automations.all()) == [crew]


def test_a_variable_may_name_a_credential(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    posted = form(source=f"credential:{aws_prod.uuid}", value="", secret_name="crewai/openai-api-key")
    assert sign_in(alice).post(address(acme), posted).status_code == 302
    assert (stored().source, stored().credential, stored().reference) == (
        "credential",
        aws_prod,
        "crewai/openai-api-key",
    )


def test_a_value_that_was_typed_is_dropped_when_another_source_is_chosen(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    sign_in(alice).post(address(acme), form(source=DEFAULT, secret_name="database-credentials"))
    assert stored().value is None


@pytest.mark.parametrize("key", ["A", "_a", "_a1", "lower_case", "A" * 200, " API_KEY ", "API_KEY\n", "API_KEY\r\n\t"])
def test_keys_of_letters_digits_and_underscores_are_accepted(
    key: str, acme: Organization, alice: User, sign_in: SignIn
) -> None:
    assert sign_in(alice).post(address(acme), form(key=key)).status_code == 302
    assert stored().key == key.strip()


@pytest.mark.parametrize(
    "key",
    [
        "",
        "1ST",
        "A-B",
        "A B",
        "A\nB",
        "A=B",
        "A$B",
        "A.B",
        "KEY\u0661",  # an Arabic digit
        "\u0410PI_KEY",  # a Cyrillic A
        "AP\u0406_KEY",  # a Ukrainian I
        "\uff21PI",  # a full-width A
        "API_KEY\u200b",
        "A\0B",
        "KÉY",
        "A" * 201,
    ],
)
def test_anything_else_is_no_key(key: str, acme: Organization, alice: User, sign_in: SignIn) -> None:
    response = sign_in(alice).post(address(acme), form(key=key))
    assert response.status_code == 422
    assert errors_beside(response, "key")
    assert not EnvironmentVariable.objects.exists()


def test_a_key_is_used_once_in_an_organization(
    acme: Organization, umbrella: Organization, alice: User, mallory: User, sign_in: SignIn
) -> None:
    store_direct(acme, "API_KEY", "x")
    response = sign_in(alice).post(address(acme), form())
    assert response.status_code == 422
    assert "The organization has a variable with this key." in errors_beside(response, "key")
    assert sign_in(mallory).post(address(umbrella), form()).status_code == 302


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("  blanks stay \t", "  blanks stay \t"),
        ("lone\rreturn", "lone\rreturn"),
        ("e\u0301 is not composed", "e\u0301 is not composed"),
        (" ", " "),
        ("🔑", "🔑"),
    ],
)
def test_a_value_is_kept_as_typed_but_for_the_browser_s_line_breaks(
    typed: str, kept: str, acme: Organization, alice: User, sign_in: SignIn
) -> None:
    assert sign_in(alice).post(address(acme), form(value=typed)).status_code == 302
    assert stored().value.reveal() == kept


@pytest.mark.parametrize("value", ["\0", "a\0b", "x" * (MOST_BYTES + 1), "é" * (MOST_BYTES // 2 + 1), ""])
def test_a_value_that_no_environment_can_hold_is_refused(
    value: str, acme: Organization, alice: User, sign_in: SignIn
) -> None:
    response = sign_in(alice).post(address(acme), form(value=value))
    assert response.status_code == 422
    assert errors_beside(response, "value")
    assert value_of(response, "key") == "API_KEY"
    assert not EnvironmentVariable.objects.exists()


def test_the_largest_value_is_stored(acme: Organization, alice: User, sign_in: SignIn) -> None:
    assert sign_in(alice).post(address(acme), form(value="x" * MOST_BYTES)).status_code == 302
    assert len(stored().value.reveal()) == MOST_BYTES


@pytest.mark.parametrize("field", ["key", "value", "secret_name", "automations"])
def test_a_lone_surrogate_is_refused_wherever_it_comes_from(field: str, acme: Organization, alice: User) -> None:
    """A browser's bytes cannot carry one; another caller of the form could."""
    manages = FeatureAccess(Level.MANAGE)
    posted = form(**{field: ["\ud800"] if field == "automations" else "a\ud800"})
    if field == "secret_name":
        posted |= {"source": DEFAULT}
    checked = VariableForm(posted, alice.memberships.get(), Access(manages, manages, manages))
    assert not checked.is_valid()
    assert list(checked.errors) == [field]


def test_bytes_that_are_no_utf_8_are_no_crash(acme: Organization, alice: User, sign_in: SignIn) -> None:
    body = b"key=API_KEY&source=direct&value=%ED%A0%80%FF&secret_name="
    response = sign_in(alice).post(address(acme), body, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 302
    assert "\ufffd" in stored().value.reveal()


@pytest.mark.parametrize(
    ("reference", "error"),
    [
        ("", "Name the secret to read."),
        ("#key", "Name the secret to read."),
        ("#", "Name the secret to read."),
        ("database-credentials#", "Name the JSON key after “#”"),
        ("two words", "A secret's name has letters"),
        ("semi;colon", "A secret's name has letters"),
        ("\u043f\u0430\u0440\u043e\u043b\u044c", "A secret's name has letters"),
        ("name\nbreak", "cannot be seen"),
        ("name#k\u200bey", "cannot be seen"),
        ("name#k\0ey", "cannot be seen"),
        ("name#" + "k" * 513, "512 characters at most"),
        ("n" * 2049, "at most 2048 characters"),
    ],
)
def test_what_is_no_reference_is_said_beside_the_secret_name(
    reference: str, error: str, acme: Organization, alice: User, sign_in: SignIn
) -> None:
    response = sign_in(alice).post(address(acme), form(source=DEFAULT, value="", secret_name=reference))
    assert response.status_code == 422
    assert error in errors_beside(response, "secret_name")
    assert not EnvironmentVariable.objects.exists()


@pytest.mark.parametrize(
    ("reference", "name", "key"),
    [
        ("crewai/openai-api-key", "crewai/openai-api-key", ""),
        ("name#a#b", "name", "a#b"),
        ("name#a#", "name", "a#"),
        ("name#with blank", "name", "with blank"),
        ("name#ключ", "name", "ключ"),
        ("name#" + "k" * 512, "name", "k" * 512),
        (f"{ARN}#password", ARN, "password"),
    ],
)
def test_names_and_keys_are_split_at_the_first_hash(
    reference: str, name: str, key: str, acme: Organization, alice: User, sign_in: SignIn
) -> None:
    assert sign_in(alice).post(address(acme), form(source=DEFAULT, secret_name=reference)).status_code == 302
    assert stored().references == (Reference(name, key),)
    edit = reverse("variable_edit", args=[acme.uuid, stored().uuid])
    assert value_of(sign_in(alice).get(edit), "secret_name") == reference


def test_an_error_in_the_field_of_the_other_source_does_not_matter(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    """The page hides that field, so nobody could see what is wrong."""
    assert sign_in(alice).post(address(acme), form(secret_name="b\u200bad")).status_code == 302
    posted = form(key="SECOND", source=DEFAULT, value="\0", secret_name="database-credentials")
    assert sign_in(alice).post(address(acme), posted).status_code == 302


def test_after_an_error_the_value_is_not_written_back(acme: Organization, alice: User, sign_in: SignIn) -> None:
    response = sign_in(alice).post(address(acme), form(key="1ST"))
    assert response.status_code == 422
    assert "made-up-value" not in html_of(response)
    assert value_of(response, "key") == "1ST"


@pytest.mark.parametrize("source", ["", "gopher", "credential:", "credential:x", "provider_default:gopher", "direct:x"])
def test_an_unknown_source_is_refused(source: str, acme: Organization, alice: User, sign_in: SignIn) -> None:
    response = sign_in(alice).post(address(acme), form(source=source, secret_name="name"))
    assert response.status_code == 422
    assert errors_beside(response, "source")


def test_another_organization_s_credential_is_refused(
    acme: Organization, umbrella: Organization, alice: User, mallory: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    store_credential(umbrella, mallory, "theirs")
    posted = form(source=f"credential:{aws_prod.uuid}", secret_name="database-credentials")
    response = sign_in(mallory).post(address(umbrella), posted)
    assert response.status_code == 422
    assert errors_beside(response, "source")
    assert "aws-prod" not in html_of(response)
    assert not EnvironmentVariable.objects.exists()


def test_another_organization_s_automation_is_refused(
    umbrella: Organization, mallory: User, crew: Automation, sign_in: SignIn
) -> None:
    response = sign_in(mallory).post(address(umbrella), form(automations=[crew.slug]))
    assert response.status_code == 422
    assert "There is no “invoice-crew” in this organization." in text_of(response)
    assert not EnvironmentVariable.objects.exists()


def test_who_may_not_see_credentials_cannot_choose_one(
    acme: Organization, bob: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    page = sign_in(bob).get(address(acme))
    assert "aws-prod" not in html_of(page)
    assert options_of(page, "source") == ["direct"]
    for source in (DEFAULT, f"credential:{aws_prod.uuid}"):
        response = sign_in(bob).post(address(acme), form(source=source, secret_name="database-credentials"))
        assert response.status_code == 422
    assert not EnvironmentVariable.objects.exists()


def test_a_credential_deleted_meanwhile_is_said_beside_the_source(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted_first(*arguments: Any, **values: Any) -> EnvironmentVariable:
        delete_credential(aws_prod, alice)
        return add_variable(*arguments, **values)

    monkeypatch.setattr("envvars.services.variables.add_variable", deleted_first)
    posted = form(source=f"credential:{aws_prod.uuid}", secret_name="database-credentials")
    response = sign_in(alice).post(address(acme), posted)
    assert response.status_code == 422
    assert "deleted meanwhile" in errors_beside(response, "source")


def test_an_automation_deleted_meanwhile_is_left_out(
    acme: Organization, alice: User, crew: Automation, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted_first(*arguments: Any, **values: Any) -> EnvironmentVariable:
        crew.delete()
        return add_variable(*arguments, **values)

    monkeypatch.setattr("envvars.services.variables.add_variable", deleted_first)
    assert sign_in(alice).post(address(acme), form(automations=[crew.slug])).status_code == 302
    assert not stored().automations.exists()


def test_many_automations_are_typed_instead_of_ticked(acme: Organization, alice: User, sign_in: SignIn) -> None:
    Automation.objects.bulk_create(
        Automation(organization=acme, name=f"Crew {number}", slug=f"crew-{number}") for number in range(MOST_BOXES + 1)
    )
    client = sign_in(alice)
    assert '<textarea name="automations"' in html_of(client.get(address(acme)))
    response = client.post(address(acme), form(automations="crew-1, crew-2\r\n\r\ncrew-3  crew-200 ,"))
    assert response.status_code == 302
    assert set(stored().automations.values_list("slug", flat=True)) == {"crew-1", "crew-2", "crew-3", "crew-200"}
    edit = client.get(reverse("variable_edit", args=[acme.uuid, stored().uuid]))
    assert "crew-1\ncrew-2\ncrew-200\ncrew-3" in html_of(edit)


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("crew-1 crew-x", "There is no “crew-x” in this organization."),
        ("crew-1 " + "n" * 300, "One of these is no name of ours."),
        ("crew-1 a\0b", "One of these is no name of ours."),
        ("n " * (MOST_NAMES + 1), "Name 5,000 at most."),
    ],
)
def test_a_name_that_is_unknown_is_told(
    typed: str, error: str, acme: Organization, alice: User, sign_in: SignIn
) -> None:
    Automation.objects.bulk_create(
        Automation(organization=acme, name=f"Crew {number}", slug=f"crew-{number}") for number in range(MOST_BOXES + 1)
    )
    response = sign_in(alice).post(address(acme), form(automations=typed))
    assert response.status_code == 422
    assert error in errors_beside(response, "automations")


def test_few_automations_are_boxes_to_tick(acme: Organization, alice: User, crew: Automation, sign_in: SignIn) -> None:
    store_automation(acme, "Other crew", "other-crew")
    page = html_of(sign_in(alice).get(address(acme)))
    assert 'value="invoice-crew"' in page
    assert 'value="other-crew"' in page
    assert '<textarea name="automations"' not in page


def test_who_may_not_manage_variables_cannot_add_one(
    acme: Organization, dora: User, carol: User, mallory: User, sign_in: SignIn
) -> None:
    for method in ("get", "post"):
        people = (dora, carol, mallory)
        statuses = [getattr(sign_in(user), method)(address(acme), form()).status_code for user in people]
        assert statuses == [403, 403, 404]
    assert not EnvironmentVariable.objects.exists()


URL = "postgres://${database-credentials#username}:${database-credentials#password|url}@${crewai/host}/app"


def test_a_template_is_kept_as_it_was_typed_and_indexed_by_its_secrets(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    assert sign_in(alice).post(address(acme), form(source=DEFAULT, secret_name=URL)).status_code == 302
    assert stored().reference == URL
    rows = stored().secret_references.order_by("position")
    assert [str(row) for row in rows] == [
        "database-credentials#username",
        "database-credentials#password",
        "crewai/host",
    ]
    edit = reverse("variable_edit", args=[acme.uuid, stored().uuid])
    assert value_of(sign_in(alice).get(edit), "secret_name") == URL


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a ${", "has no “}” after it"),
        ("a $${b}", "A template needs a reference"),
        ("a ${}", "${}: Name the secret to read."),
        ("a ${two words}", "${two words}: A secret's name has letters"),
        ("a ${b#}", "${b#}: Name the JSON key after “#”"),
        ("a ${b|upper}", "after “|” only “url” can stand"),
        ("a ${b#c|d|url}", "holds no “{”, “}” or “|”"),
        ("a ${b#{c}}", "holds no “{”, “}” or “|”"),
        ("${b}" * 21, "20 references at most"),
    ],
)
def test_each_part_of_a_template_that_is_wrong_is_named(
    text: str, error: str, acme: Organization, alice: User, sign_in: SignIn
) -> None:
    response = sign_in(alice).post(address(acme), form(source=DEFAULT, value="", secret_name=text))
    assert response.status_code == 422
    assert error in errors_beside(response, "secret_name")
    assert value_of(response, "secret_name") == text
    assert not EnvironmentVariable.objects.exists()


def test_the_version_can_be_the_previous_one_and_nothing_else(acme: Organization, alice: User, sign_in: SignIn) -> None:
    posted = form(source=DEFAULT, secret_name="database-credentials", version_stage="AWSPENDING")
    response = sign_in(alice).post(address(acme), posted)
    assert errors_beside(response, "version_stage")
    posted["version_stage"] = "AWSPREVIOUS"
    assert sign_in(alice).post(address(acme), posted).status_code == 302
    assert stored().references == (Reference("database-credentials", "", "AWSPREVIOUS"),)
    assert stored().secret_references.get().version_stage == "AWSPREVIOUS"


def test_an_arn_of_another_region_than_the_chosen_credential_s_is_refused(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    source, elsewhere = f"credential:{aws_prod.uuid}", ARN.replace("us-east-1", "eu-west-1")
    response = sign_in(alice).post(address(acme), form(source=source, secret_name=f"{elsewhere}#key"))
    assert "This ARN is of another region than us-east-1" in errors_beside(response, "secret_name")
    assert sign_in(alice).post(address(acme), form(source=source, secret_name=f"{ARN}#key")).status_code == 302
