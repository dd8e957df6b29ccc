"""Settings > Connection problems: the catalogue, its search, and the box that explains a pasted error text."""

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credentials.catalogue import catalogue_of
from credentials.providers.aws.pasted import MAX_TEXT
from credentials.providers.failures import FAILURES, FailureCode, Owner
from organizations.models import AuditEvent, Organization, User
from tests.builders import store_credential
from tests.pages import errors_beside, html_of, text_of, words_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]

USER = "arn:aws:iam::123456789012:user/made-up-reader"
DENIED = (
    "An error occurred (AccessDeniedException) when calling the ListSecrets operation: "
    f"User: {USER} is not authorized to perform: secretsmanager:ListSecrets on resource: * "
    "because no identity-based policy allows the secretsmanager:ListSecrets action"
)
#: The rows of the guide's table, left column as it is printed, and the title of the answer.
GUIDE = {
    "`AccessDenied` on `secretsmanager:ListSecrets`": (
        "This credential may not list secrets (secretsmanager:ListSecrets)"
    ),
    "`AccessDenied` on `kms:Decrypt`": "The secret is encrypted with a key this credential may not use (kms:Decrypt)",
    "`InvalidClientTokenId` / `SignatureDoesNotMatch`": "AWS does not know this access key ID",
    "`RegionDisabledException` / no secrets found": ("Signing in through [region] is switched off in this account"),
    "`AccessDenied` on `sts:AssumeRole` (AssumeRole only)": "The role could not be assumed (sts:AssumeRole)",
    "Test passes immediately after creating the IAM user, but fails next time": (
        "AWS may not know new IAM credentials everywhere yet"
    ),
}


def address(organization: Organization, name: str = "failure_catalogue") -> str:
    return reverse(name, args=[organization.uuid])


def explained(client: Client, organization: Organization, text: str) -> Any:
    return client.post(address(organization, "failure_explain"), {"text": text})


def anchors(response: Any) -> list[str]:
    """The codes of the problems on the page, in its order."""
    return re.findall(r'<article class="problem" id="(\w+)"', html_of(response))


def answer_in(response: Any) -> str:
    """The words of the answer to a pasted text; empty if there is none."""
    found = re.search(r'id="answer"[^>]*>(.*?)<form', html_of(response), re.DOTALL)
    return words_of(found[1]) if found else ""


@pytest.fixture
def client(acme: Organization, carol: User, sign_in: SignIn) -> Client:
    """Somebody who may read credentials and nothing else."""
    return sign_in(carol)


# --- Who ------------------------------------------------------------------------------------------------------------
def test_whoever_may_read_credentials_finds_it_in_the_navigation(acme: Organization, client: Client) -> None:
    page = html_of(client.get(reverse("credential_list", args=[acme.uuid])))
    assert f'href="{address(acme)}"' in page
    assert client.get(address(acme)).status_code == 200


def test_somebody_without_the_level_is_refused(acme: Organization, bob: User, sign_in: SignIn) -> None:
    stranger = sign_in(bob)
    assert stranger.get(address(acme)).status_code == 403
    assert explained(stranger, acme, DENIED).status_code == 403
    page = html_of(stranger.get(reverse("variable_list", args=[acme.uuid])))
    assert address(acme) not in page


def test_to_another_organization_the_page_does_not_exist(acme: Organization, mallory: User, sign_in: SignIn) -> None:
    assert sign_in(mallory).get(address(acme)).status_code == 404
    assert explained(sign_in(mallory), acme, DENIED).status_code == 404


def test_a_paste_from_another_site_is_refused(acme: Organization, carol: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(carol)
    assert explained(client, acme, DENIED).status_code == 403


# --- The catalogue --------------------------------------------------------------------------------------------------
def test_every_code_stands_on_the_page_once_as_an_anchor(acme: Organization, client: Client) -> None:
    page = client.get(address(acme))
    assert sorted(anchors(page)) == sorted(FailureCode)
    ids = re.findall(r'\bid="([^"]+)"', html_of(page))
    assert len(ids) == len(set(ids))


def test_a_problem_shows_its_title_cause_and_steps_below_whose_job_it_is(acme: Organization, client: Client) -> None:
    _before, _found, page = text_of(client.get(address(acme), {"q": "kms_denied"})).partition("Show all")
    failure = FAILURES[FailureCode.KMS_DENIED]
    parts = [failure.owner.label, failure.title, "kms_denied", failure.cause, *failure.steps]
    places = [page.index(str(part)) for part in parts]
    assert places == sorted(places)


def test_problems_are_grouped_by_owner_from_here_to_aws() -> None:
    groups = catalogue_of().groups
    assert [group.owner for group in groups] == list(Owner)
    for group in groups:
        assert {problem.failure.owner for problem in group.problems} == {group.owner}


def test_facts_that_differ_from_case_to_case_read_as_blanks(acme: Organization, client: Client) -> None:
    page = text_of(client.get(address(acme)))
    assert "This account has not enabled [region]" in page
    assert "[secret] has no value yet" in page
    assert "A policy explicitly denies this action" in page
    assert "%(" not in page
    assert "region the region" not in page.casefold()


# --- Search ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("kms_denied", FailureCode.KMS_DENIED),
        ("  KMS_Denied ", FailureCode.KMS_DENIED),
        ("permissions boundary", FailureCode.DENIED_BY_BOUNDARY),
        ("chrony", FailureCode.CLOCK_SKEW),
        ("mfa", FailureCode.ROLE_NOT_ASSUMED),
        ("console suspended", FailureCode.ACCOUNT_NOT_READY),
    ],
    ids=["code", "case and blanks", "title", "step", "capital letters", "cause and step"],
)
def test_a_search_finds_a_problem_by_any_of_its_texts(
    acme: Organization, client: Client, query: str, code: FailureCode
) -> None:
    assert anchors(client.get(address(acme), {"q": query})) == [code]


def test_all_words_must_occur(acme: Organization, client: Client) -> None:
    kms = anchors(client.get(address(acme), {"q": "kms"}))
    deletion = anchors(client.get(address(acme), {"q": "deletion"}))
    both = anchors(client.get(address(acme), {"q": "deletion kms"}))
    assert set(both) == set(kms) & set(deletion)
    assert 0 < len(both) < min(len(kms), len(deletion))


def test_a_search_says_how_many_it_found_and_leads_back_to_all(acme: Organization, client: Client) -> None:
    page = client.get(address(acme), {"q": "kms"})
    assert f"{len(anchors(page))} problems with “kms”." in text_of(page)
    assert f'href="{address(acme)}">Show all' in html_of(page)
    assert "1 problem with “kms_denied”." in text_of(client.get(address(acme), {"q": "kms_denied"}))


def test_a_search_without_a_match_says_so(acme: Organization, client: Client) -> None:
    page = client.get(address(acme), {"q": "no such problem anywhere"})
    assert anchors(page) == []
    assert "Nothing matches" in text_of(page)


@pytest.mark.parametrize("query", ['"><script>alert(1)</script>', "\0", "%(region)s", "x" * 100_000, "\ud800"])
def test_hostile_searches_are_only_words(acme: Organization, client: Client, query: str) -> None:
    page = client.get(address(acme), {"q": query.encode("utf-8", "surrogatepass")})
    assert page.status_code == 200
    assert "<script>alert" not in html_of(page)
    assert "x" * 201 not in html_of(page)


# --- A pasted text --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", GUIDE, ids=lambda text: re.sub(r"\W+", "-", text).strip("-"))
def test_each_row_of_the_guide_is_explained(acme: Organization, client: Client, text: str) -> None:
    page = explained(client, acme, text)
    assert page.status_code == 200
    assert answer_in(page).startswith(f"AWS error: {GUIDE[text]} ")


def test_an_answer_has_cause_steps_owner_facts_and_the_way_to_its_entry(acme: Organization, client: Client) -> None:
    page = explained(client, acme, DENIED)
    failure = FAILURES[FailureCode.LIST_DENIED]
    answer = answer_in(page)
    for words in (failure.cause, *failure.steps, failure.owner.label, "Account 123456789012"):
        assert str(words) in answer
    for words in ("Action secretsmanager:ListSecrets", "Operation ListSecrets", "Policy identity-based"):
        assert words in answer
    assert 'href="#list_denied"' in html_of(page)
    assert sorted(anchors(page)) == sorted(FailureCode)


def test_a_region_that_the_text_names_is_filled_in(acme: Organization, client: Client) -> None:
    text = 'Read timeout on endpoint URL: "https://secretsmanager.eu-west-1.amazonaws.com/"'
    answer = answer_in(explained(client, acme, text))
    assert "AWS has trouble in eu-west-1" in answer
    assert "Region eu-west-1" in answer
    assert "[region]" not in answer


def test_a_text_that_is_not_known_is_called_that(acme: Organization, client: Client) -> None:
    answer = answer_in(explained(client, acme, "The coffee machine is out of beans."))
    assert "This text is none of the AWS errors known here" in answer
    assert "AWS error:" not in answer
    assert "Whose job it is" not in answer


HOSTILE = [
    "<script>alert('canary')</script>",
    f"{DENIED} <script>alert('canary')</script>",
    f"{DENIED} \"><img src=x onerror=alert('canary')>",
    f"AWS_SECRET_ACCESS_KEY=canary/EXAMPLE/EXAMPLE/EXAMPLE/EXAMPLE12 {DENIED}",
    DENIED.replace("ListSecrets operation", "Canary operation").replace("made-up-reader", "canary"),
    "An error occurred (canary) when calling the canary operation: not authorized to perform: secretsmanager:Canary",
    "</textarea>canary</section>{{ canary }}{% canary %}%(canary)s",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_pasted_text_comes_back_or_is_kept(
    acme: Organization, client: Client, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    caplog.set_level(logging.DEBUG)
    events = AuditEvent.objects.count()
    with CaptureQueriesContext(connection) as queries:
        page = explained(client, acme, text)
    assert page.status_code == 200
    assert "canary" not in html_of(page).casefold()
    assert "made-up-reader" not in html_of(page)
    assert "canary" not in caplog.text.casefold()
    assert {query["sql"].split()[0] for query in queries} == {"SELECT"}
    assert AuditEvent.objects.count() == events
    assert "no-store" in page["Cache-Control"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "Paste the error text first."),
        (" \n\t ", "Paste the error text first."),
        (f"{'canary ' * MAX_TEXT} {DENIED}", f"Paste less: at most {MAX_TEXT} characters"),
        (f"canary\0{DENIED}", "Null characters are not allowed."),
    ],
    ids=["empty", "blanks", "too long", "null"],
)
def test_an_invalid_text_is_refused_beside_the_field_and_not_shown_again(
    acme: Organization, client: Client, text: str, error: str
) -> None:
    page = explained(client, acme, text)
    assert page.status_code == 422
    assert errors_beside(page, "text").startswith(error)
    assert 'aria-invalid="true"' in html_of(page)
    assert "canary" not in html_of(page)
    assert answer_in(page) == ""


def test_a_text_of_the_greatest_length_is_explained_by_its_end(acme: Organization, client: Client) -> None:
    text = DENIED.rjust(MAX_TEXT, ".")
    assert "AWS error: This credential may not list secrets" in answer_in(explained(client, acme, text))
    assert explained(client, acme, f".{text}").status_code == 422


def test_the_box_does_not_cut_what_is_pasted_and_says_what_happens_to_it(acme: Organization, client: Client) -> None:
    page = client.get(address(acme))
    assert "maxlength" not in html_of(page)
    assert "it is neither stored, logged nor shown again" in text_of(page)


def test_the_address_of_an_answer_leads_to_the_catalogue_with_its_search(acme: Organization, client: Client) -> None:
    answer = client.get(address(acme, "failure_explain"))
    assert (answer.status_code, answer["Location"]) == (302, address(acme))
    answer = client.get(address(acme, "failure_explain"), {"q": "kms key"})
    assert answer["Location"] == f"{address(acme)}?q=kms+key"


# --- Cost -----------------------------------------------------------------------------------------------------------
def test_the_page_takes_the_same_queries_whatever_is_stored_searched_or_pasted(
    acme: Organization, alice: User, client: Client
) -> None:
    def queries(call: Callable[[], Any]) -> int:
        with CaptureQueriesContext(connection) as found:
            call()
        return len(found)

    before = queries(lambda: client.get(address(acme)))
    for number in range(5):
        store_credential(acme, alice, f"aws-{number}")
    assert queries(lambda: client.get(address(acme))) == before
    assert queries(lambda: client.get(address(acme), {"q": "kms"})) == before
    assert queries(lambda: explained(client, acme, DENIED)) == before
    assert before <= 5
