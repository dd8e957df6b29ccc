"""What may be entered for AWS Secrets Manager, and what each mistake is told."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credentials.providers.aws.form import AwsSettingsForm

from .conftest import CONFIG, ROLE_ARN, SECRET_ACCESS_KEY

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
OTHER_KEY_ID = "AKIAI44QH7DHBEXAMPLE"
EXTERNAL_ID = "canary-external-id"
ENTERED = {"region": "us-east-1", "access_key_id": KEY_ID, "secret_access_key": SECRET_ACCESS_KEY}
STORED = {"secret_access_key": SECRET_ACCESS_KEY, "external_id": EXTERNAL_ID}


def new(**entered: str) -> AwsSettingsForm:
    return AwsSettingsForm({**ENTERED, **entered})


def change(stored: Mapping[str, str] = STORED, role_arn: str = ROLE_ARN, **entered: str) -> AwsSettingsForm:
    """The form to change a credential that has a role; blank secrets unless entered."""
    data = {"region": "us-east-1", "access_key_id": KEY_ID, "role_arn": role_arn, **entered}
    return AwsSettingsForm(data, stored=stored, initial={**CONFIG, "role_arn": ROLE_ARN})


def mistakes(form: AwsSettingsForm) -> dict[str, list[str | None]]:
    return {name: [error.code for error in errors.as_data()] for name, errors in form.errors.items()}


def test_static_keys_are_stored_as_config_and_secret() -> None:
    form = new()
    assert form.is_valid()
    assert form.settings({}) == (
        {"region": "us-east-1", "access_key_id": KEY_ID, "role_arn": ""},
        {"secret_access_key": SECRET_ACCESS_KEY},
    )


def test_a_role_with_its_external_id_is_stored_too() -> None:
    form = new(role_arn=ROLE_ARN, external_id=EXTERNAL_ID)
    assert form.is_valid()
    assert form.settings({}) == (
        {"region": "us-east-1", "access_key_id": KEY_ID, "role_arn": ROLE_ARN},
        {"secret_access_key": SECRET_ACCESS_KEY, "external_id": EXTERNAL_ID},
    )


def test_the_fields_are_labelled_as_in_the_guide() -> None:
    labels = [str(field.label) for name, field in new().fields.items()]
    assert labels == ["Region", "Access Key ID", "Secret Access Key", "Role ARN", "External ID"]


@pytest.mark.parametrize("name", ["region", "access_key_id", "secret_access_key"])
def test_what_aws_needs_is_required(name: str) -> None:
    assert mistakes(new(**{name: "  \n"})) == {name: ["required"]}


@pytest.mark.parametrize(
    ("entered", "code"),
    [
        ("us-east-1", "us-east-1"),
        (" EU-Central-1\n", "eu-central-1"),
        ("Frankfurt", "eu-central-1"),
        ("us east (n. virginia)", "us-east-1"),
        ("\u200bus-west-2\u200b", "us-west-2"),
    ],
)
def test_a_region_may_be_entered_as_code_or_name(entered: str, code: str) -> None:
    form = new(region=entered)
    assert form.is_valid()
    assert form.cleaned_data["region"] == code


@pytest.mark.parametrize("entered", ["us-esat-1", "localhost", "evil.example", "169.254.169.254", "x@evil", "central"])
def test_what_is_not_a_region_is_refused(entered: str) -> None:
    assert mistakes(new(region=entered)) == {"region": ["unknown"]}


@pytest.mark.parametrize(
    ("entered", "code"),
    [
        ("ASIAIOSFODNN7EXAMPLE", "asia"),
        ("AIDAIOSFODNN7EXAMPLE", "aida"),
        ("AROAIOSFODNN7EXAMPLE", "aroa"),
        ("akiaiosfodnn7example", "lower_case"),
        (SECRET_ACCESS_KEY, "swapped"),
        ("AKIAIOSFODNN7EXAMPL", "form"),
        ("AKIAIOSFODNN7EXAMPLEX", "form"),
        ("AKIAIOSFODNN0EXAMPLE", "form"),
        ("AKIAIOSFODNN7EXAMPL\u0415", "form"),  # a Cyrillic letter that looks like E
        ("crewai-secrets-reader", "form"),
    ],
)
def test_each_wrong_access_key_id_is_told_what_it_is(entered: str, code: str) -> None:
    assert mistakes(new(access_key_id=entered)) == {"access_key_id": [code]}


@pytest.mark.parametrize(
    ("entered", "code"),
    [
        (SECRET_ACCESS_KEY[:-1], "length"),
        (SECRET_ACCESS_KEY + "x", "length"),
        (SECRET_ACCESS_KEY[:-1] + "*", "form"),
        (KEY_ID, "swapped"),
    ],
)
def test_each_wrong_secret_access_key_is_told_what_is_wrong(entered: str, code: str) -> None:
    assert mistakes(new(secret_access_key=entered)) == {"secret_access_key": [code]}


def test_both_keys_swapped_are_told_so() -> None:
    form = new(access_key_id=SECRET_ACCESS_KEY, secret_access_key=KEY_ID)
    assert mistakes(form) == {"access_key_id": ["swapped"], "secret_access_key": ["swapped"]}


@pytest.mark.parametrize(
    ("entered", "code"),
    [
        ("arn:aws:iam::123456789012:user/crewai-secrets-reader", "user"),
        ("arn:aws:iam::123456789012:instance-profile/Reader", "instance-profile"),
        ("arn:aws:iam::123456789012:policy/CrewAISecretsManagerRead", "policy"),
        ("arn:aws:sts::123456789012:assumed-role/Reader/session", "assumed-role"),
        ("arn:aws:iam::123456789012:root", "form"),
        ("arn:aws:iam::12345678901:role/Reader", "form"),
        ("arn:aws:iam::1234567890123:role/Reader", "form"),
        ("arn:aws:iam::\u0661\u0662\u0663456789012:role/Reader", "form"),  # Arabic digits
        ("arn:aws:iam::123456789012:role/", "form"),
        (f"arn:aws:iam::123456789012:role/{'x' * 65}", "form"),
        ("CrewAISecretsManagerRole", "form"),
        ("http://127.0.0.1/", "form"),
    ],
)
def test_each_wrong_role_arn_is_told_what_it_is(entered: str, code: str) -> None:
    assert mistakes(new(role_arn=entered)) == {"role_arn": [code]}


@pytest.mark.parametrize(
    "arn",
    [
        ROLE_ARN,
        "arn:aws:iam::123456789012:role/a/path/Role+=,.@-_1",
        "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Reader_0123456789abcdef",
    ],
)
def test_a_role_with_or_without_a_path_is_accepted(arn: str) -> None:
    assert mistakes(new(role_arn=arn)) == {}


@pytest.mark.parametrize(
    ("region", "role"),
    [
        ("us-east-1", "arn:aws-cn:iam::123456789012:role/Reader"),
        ("cn-north-1", "arn:aws:iam::123456789012:role/Reader"),
        ("us-gov-west-1", "arn:aws:iam::123456789012:role/Reader"),
    ],
)
def test_a_role_in_another_part_of_aws_than_the_region_is_refused(region: str, role: str) -> None:
    assert mistakes(new(region=region, role_arn=role)) == {"role_arn": ["partition"]}


def test_a_role_in_the_regions_own_part_of_aws_is_accepted() -> None:
    assert mistakes(new(region="cn-north-1", role_arn="arn:aws-cn:iam::123456789012:role/Reader")) == {}


@pytest.mark.parametrize("entered", ["x", "x" * 1225, "two words", "caf\u00e9", "semi;colon"])
def test_a_malformed_external_id_is_refused(entered: str) -> None:
    assert mistakes(new(role_arn=ROLE_ARN, external_id=entered)) == {"external_id": ["form"]}


def test_an_external_id_needs_a_role() -> None:
    assert mistakes(new(external_id=EXTERNAL_ID)) == {"external_id": ["without_role"]}


@pytest.mark.parametrize("disguise", ["{} ", "\t{}\r\n", "\ufeff{}", "{}\u200b", "\u00a0{}"])
def test_what_comes_along_when_a_value_is_copied_is_removed(disguise: str) -> None:
    entered = {**ENTERED, "role_arn": ROLE_ARN, "external_id": EXTERNAL_ID}
    form = AwsSettingsForm({name: disguise.format(value) for name, value in entered.items()})
    assert form.is_valid()
    assert form.cleaned_data == entered


def test_a_key_that_was_wrapped_over_two_lines_is_put_together() -> None:
    form = new(secret_access_key=f"{SECRET_ACCESS_KEY[:20]}\r\n  {SECRET_ACCESS_KEY[20:]}")
    assert form.is_valid()
    assert form.cleaned_data["secret_access_key"] == SECRET_ACCESS_KEY


def test_blank_secrets_keep_what_is_stored() -> None:
    form = change(region="eu-west-1")
    assert form.is_valid()
    config, secrets = form.settings(STORED)
    assert config["region"] == "eu-west-1"
    assert secrets == STORED


def test_an_entered_secret_replaces_the_stored_one() -> None:
    form = change(secret_access_key="n" * 40, external_id="another-id")
    assert form.is_valid()
    assert form.settings(STORED)[1] == {"secret_access_key": "n" * 40, "external_id": "another-id"}


def test_another_access_key_id_needs_its_own_secret() -> None:
    assert mistakes(change(access_key_id=OTHER_KEY_ID)) == {"secret_access_key": ["pair"]}
    assert mistakes(change(access_key_id=OTHER_KEY_ID, secret_access_key="n" * 40)) == {}


def test_a_stored_secret_that_is_gone_must_be_entered() -> None:
    assert mistakes(change(stored={})) == {"secret_access_key": ["required"]}


def test_clearing_the_role_drops_its_external_id() -> None:
    form = change(role_arn="")
    assert form.is_valid()
    assert form.settings(STORED)[1] == {"secret_access_key": SECRET_ACCESS_KEY}


def test_a_stored_external_id_can_be_removed() -> None:
    form = change(remove_external_id="on")
    assert form.is_valid()
    config, secrets = form.settings(STORED)
    assert config == {"region": "us-east-1", "access_key_id": KEY_ID, "role_arn": ROLE_ARN}
    assert secrets == {"secret_access_key": SECRET_ACCESS_KEY}


def test_removing_is_offered_only_where_an_external_id_is_stored() -> None:
    assert "remove_external_id" in change().fields
    assert "remove_external_id" not in change(stored={"secret_access_key": "x"}).fields
    assert "remove_external_id" not in new().fields


def test_entering_and_removing_an_external_id_contradict_each_other() -> None:
    assert mistakes(change(external_id="another-id", remove_external_id="on")) == {"external_id": ["contradiction"]}


def test_a_stored_external_id_is_not_sent_along_with_another_role() -> None:
    other = "arn:aws:iam::999999999999:role/Stranger"
    assert mistakes(change(role_arn=other)) == {"external_id": ["other_role"]}
    assert mistakes(change(role_arn=other, external_id="another-id")) == {}
    assert mistakes(change(role_arn=other, remove_external_id="on")) == {}


@pytest.mark.parametrize("field", ["region", "access_key_id", "role_arn", "secret_access_key", "external_id"])
def test_no_error_and_no_secret_field_repeats_a_secret(field: str) -> None:
    secrets = {"secret_access_key": SECRET_ACCESS_KEY, "external_id": EXTERNAL_ID}
    form = new(**{**secrets, field: f"{SECRET_ACCESS_KEY} {EXTERNAL_ID}"})
    assert form.errors
    assert SECRET_ACCESS_KEY not in str(form.errors)
    assert EXTERNAL_ID not in str(form.errors)
    for name in AwsSettingsForm.secret_fields:
        assert SECRET_ACCESS_KEY not in str(form[name])
        assert EXTERNAL_ID not in str(form[name])


@pytest.mark.parametrize("name", sorted(AwsSettingsForm.secret_fields))
def test_secret_inputs_are_hidden_from_password_managers_and_spelling_services(name: str) -> None:
    html = str(new()[name])
    attributes = ('type="password"', 'autocomplete="new-password"', 'spellcheck="false"', "data-1p-ignore")
    assert all(attribute in html for attribute in attributes)
    assert "value=" not in html


def test_the_region_is_chosen_from_a_list_with_names() -> None:
    form = new()
    assert 'list="region-options"' in str(form["region"])
    assert ("eu-central-1", "Europe (Frankfurt)") in form.region_options


@given(st.fixed_dictionaries({name: st.text(max_size=60) for name in (*ENTERED, "role_arn", "external_id")}))
def test_nothing_that_can_be_typed_breaks_the_form(entered: dict[str, Any]) -> None:
    form = AwsSettingsForm(entered)
    if form.is_valid():
        assert form.cleaned_data["region"] in dict(form.region_options)
