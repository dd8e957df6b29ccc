"""The catalogue of failures: complete, short, and told apart."""

import re

import pytest
from django.utils.functional import Promise

from credentials.providers.failures import FAILURES, MAY_BE_PROPAGATION, FailureCode, Owner, explain

#: The guide's table of symptoms, row by row, as the codes that stand for each.
GUIDE = {
    "AccessDenied on ListSecrets": {FailureCode.LIST_DENIED},
    "AccessDenied on kms:Decrypt": {FailureCode.KMS_DENIED},
    "InvalidClientTokenId": {FailureCode.ACCESS_KEY_ID_UNKNOWN},
    "SignatureDoesNotMatch": {FailureCode.SECRET_ACCESS_KEY_WRONG},
    "RegionDisabledException": {FailureCode.STS_NOT_ACTIVE},
    "no secrets found": {FailureCode.NO_SECRETS_IN_REGION},
    "AccessDenied on sts:AssumeRole": {FailureCode.ROLE_NOT_ASSUMED},
    "passes, then fails": {FailureCode.JUST_CREATED},
}


@pytest.mark.parametrize("code", FailureCode)
def test_every_code_is_explained_in_words_that_can_be_translated(code: FailureCode) -> None:
    failure = FAILURES[code]
    assert all(isinstance(text, Promise) for text in (failure.title, failure.cause, *failure.steps))
    assert failure.steps
    assert str(failure.owner.label)


@pytest.mark.parametrize("code", FailureCode)
def test_a_title_is_one_short_sentence_for_a_toast(code: FailureCode) -> None:
    title = str(explain(code).title)
    assert len(title) <= 90
    assert not title.endswith(".")
    assert not re.search(r"[.!?] [A-Z]", title)


@pytest.mark.parametrize("code", FailureCode)
def test_each_step_reads_well_alone_because_a_toast_shows_only_the_first(code: FailureCode) -> None:
    for step in map(str, explain(code, {"region": "eu-south-1"}).steps):
        assert step.endswith(".")
        assert step[0].isupper()


@pytest.mark.parametrize("code", FailureCode)
def test_facts_are_filled_in_or_worded(code: FailureCode) -> None:
    failure = explain(code, {"region": "eu-south-1"})
    for text in (failure.title, failure.cause, *failure.steps):
        assert "%(" not in str(text)


def test_a_known_fact_appears_in_the_words() -> None:
    title = explain(FailureCode.REGION_NOT_ENABLED, {"region": "eu-south-1"}).title
    assert title == "This account has not enabled eu-south-1"


def test_a_sentence_reads_well_without_its_fact() -> None:
    assert explain(FailureCode.REGION_NOT_ENABLED).title == "This account has not enabled the region"
    assert explain(FailureCode.SECRET_WITHOUT_VALUE).title == "The secret has no value yet"
    assert explain(FailureCode.SECRET_WITHOUT_VALUE, {"secret_name": "db"}).title == "db has no value yet"


def test_a_percent_sign_in_a_fact_is_only_text() -> None:
    assert "100%(region)s" in str(explain(FailureCode.SECRET_NOT_FOUND, {"secret_name": "100%(region)s"}).title)


def test_no_two_failures_have_the_same_title() -> None:
    titles = [str(failure.title) for failure in FAILURES.values()]
    assert len(set(titles)) == len(titles)


def test_every_row_of_the_guides_table_is_told_apart() -> None:
    rows = [frozenset(codes) for codes in GUIDE.values()]
    assert len(set(rows)) == len(rows)
    assert all(code in FAILURES for codes in rows for code in codes)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (FailureCode.NO_CREDENTIAL, "no credential found"),
        (FailureCode.SECRET_NOT_FOUND, "secret not found"),
        (FailureCode.KEY_MISSING, "json key not found"),
        (FailureCode.NO_SECRETS_IN_REGION, "no secrets found"),
        (FailureCode.LIST_DENIED, "secretsmanager:listsecrets"),
        (FailureCode.KMS_DENIED, "kms:decrypt"),
        (FailureCode.ROLE_NOT_ASSUMED, "sts:assumerole"),
        (FailureCode.STS_NOT_ACTIVE, "regiondisabledexception"),
    ],
)
def test_the_guides_words_are_found_in_ours(code: FailureCode, words: str) -> None:
    failure = explain(code)
    assert words in f"{failure.title} {failure.cause}".lower()


def test_every_owner_is_somebodys_job() -> None:
    assert {failure.owner for failure in FAILURES.values()} == set(Owner)


def test_only_refusals_by_iam_are_put_down_to_propagation() -> None:
    network = {FailureCode.DNS_FAILED, FailureCode.TIMED_OUT, FailureCode.SECRET_ACCESS_KEY_WRONG}
    assert not network & MAY_BE_PROPAGATION
