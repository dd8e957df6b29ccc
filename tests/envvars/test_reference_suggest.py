"""What is offered while a reference is typed: names of secrets, keys behind `#`, or why there is nothing to offer."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from credentials import listing
from credentials.listing import PER_MINUTE
from credentials.models import ConnectionTest, Credential
from credentials.providers.aws.limits import Limits
from credentials.providers.aws.provider import AwsSecretsManager
from credentials.providers.base import ListedSecret
from credentials.services import change_credential, make_default
from envvars.models import EnvironmentVariable
from organizations.models import AuditEvent, Membership, Organization, User
from organizations.sharing import Grant
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import damage, restrict_to, store_credential, store_reference
from tests.credentials.providers.aws.wire import Request, Wire, json_error
from tests.pages import html_of, text_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
HTMX = {"hx-request": "true"}
DEFAULT = "provider_default:aws"
NO_LIST = seed.policy(
    {
        "Effect": "Allow",
        "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
        "Resource": "*",
    }
)
NO_READ = seed.policy({"Effect": "Allow", "Action": "secretsmanager:ListSecrets", "Resource": "*"})
ALL = ["crewai/openai-api-key", "crewai/payments-key", "database-credentials"]
KEYS = ["options", "password", "port", "username", "options.pool", "options.sslmode", "options.pool.size"]


class Typist:
    """Somebody with the caret at `|` in the field of a new variable, or of a stored one."""

    def __init__(self, client: Client, organization: Organization, variable: EnvironmentVariable | None = None) -> None:
        self.client = client
        given = [organization.uuid, *([variable.uuid] if variable else [])]
        self.address = reverse("variable_edit_suggest" if variable else "variable_add_suggest", args=given)

    def asks(self, text: str, source: str = DEFAULT, **more: str) -> Any:
        before, _caret, after = text.partition("|")
        data = {"source": source, "before": before, "after": after, **more}
        return self.client.post(self.address, data, headers=HTMX)


def offered(response: Any) -> list[str]:
    return [unescape(one) for one in re.findall(r'<span class="mono break">(.*?)</span>', html_of(response))]


def filled(response: Any) -> list[str]:
    """What the field holds after each option, with the caret at `|`."""
    found = re.findall(r'data-before="([^"]*)"\s+data-after="([^"]*)"', html_of(response))
    return [unescape(f"{before}|{after}") for before, after in found]


def named(credential: Credential) -> str:
    return f"credential:{credential.uuid}"


def actions(sandbox: Sandbox) -> list[str]:
    return [call.action for call in sandbox.calls]


@pytest.fixture
def typist(acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn) -> Typist:
    """Alice, adding a variable."""
    return Typist(sign_in(alice), acme)


@pytest.fixture
def answering(typist: Typist, settings: Any) -> Iterator[Callable[[bytes], None]]:
    """Return a function that puts a server in AWS's place, which always answers the same."""
    wires: list[Wire] = []

    def start(answer: bytes) -> None:
        def always(request: Request, connection: socket.socket) -> bytes:
            return answer

        wires.append(Wire(always).__enter__())
        settings.AWS_SANDBOX_URL = wires[-1].url

    yield start
    for wire in wires:
        wire.__exit__()


# --- Names ----------------------------------------------------------------------------------------------------------
def test_names_are_those_that_begin_as_typed_by_the_provider_s_own_filter(typist: Typist, sandbox: Sandbox) -> None:
    assert offered(typist.asks("")) == ALL
    assert text_of(typist.asks("")).endswith("3 secrets")
    assert offered(typist.asks("crewai/|")) == ALL[:2]
    assert filled(typist.asks("crewai/o|")) == ["crewai/openai-api-key|"]


def test_what_stands_behind_the_name_stays(typist: Typist) -> None:
    assert filled(typist.asks("data|base#password")) == ["database-credentials|#password"]


def test_nothing_found_says_that_capital_letters_count(typist: Typist) -> None:
    response = typist.asks("Data|")
    assert (response.status_code, offered(response)) == (200, [])
    assert "No secret begins with “Data”. Capital letters count." in text_of(response)


def test_a_region_without_secrets_is_named(typist: Typist, acme: Organization, alice: User) -> None:
    empty = store_credential(acme, alice, "aws-empty", region=seed.EMPTY_REGION)
    assert "No secrets found in us-west-2" in text_of(typist.asks("", named(empty)))


def test_of_thousands_twenty_are_shown_and_the_way_to_the_others(typist: Typist, sandbox: Sandbox) -> None:
    for number in range(45):
        sandbox.put_secret(f"many/{number:04}", "x")
    response = typist.asks("many/|")
    assert len(offered(response)) == 20
    assert "The first 20 secrets. Type more of the name." in text_of(response)
    assert offered(typist.asks("many/004|")) == [f"many/{number:04}" for number in range(40, 45)]


def test_deletion_and_rotation_are_marked(typist: Typist, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.delete_secret("database-credentials")
    assert "pending deletion" in text_of(typist.asks("data|"))
    moment = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    listed = (ListedSecret("rotated", "never shown", rotates_at=moment),)
    monkeypatch.setattr(AwsSecretsManager, "list_names", lambda provider, prefix: listed)
    text = text_of(typist.asks("rot|"))
    assert "rotates 2030-01-02 03:04 UTC" in text
    assert "never shown" not in text


def test_what_no_name_can_be_is_not_asked(typist: Typist, sandbox: Sandbox) -> None:
    assert "letters, digits and" in text_of(typist.asks("two words|"))
    assert "An ARN is taken as it is typed" in text_of(typist.asks(f"arn:aws:secretsmanager:{seed.REGION}:1|"))
    assert sandbox.calls == []


@pytest.mark.parametrize("source", ["", "direct", "provider_default:gcp", "credential:", "credential:nonsense"])
def test_a_source_that_opens_no_vault_asks_none(typist: Typist, sandbox: Sandbox, source: str) -> None:
    response = typist.asks("data|", source)
    assert response.status_code == (200 if source == "direct" else 422)
    assert offered(response) == []
    assert sandbox.calls == []


# --- Names that cannot be had ---------------------------------------------------------------------------------------
def test_without_the_right_to_list_the_name_is_typed(typist: Typist, sandbox: Sandbox) -> None:
    sandbox.set_policy(NO_LIST)
    response = typist.asks("data|")
    assert response.status_code == 200
    assert text_of(response) == "This credential may not list secrets. Type the name; Check says if it is there."


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("ThrottlingException", "AWS asks to slow down"),
        ("ExpiredTokenException", "The temporary sign-in has expired"),
        ("InternalServiceError", "AWS has a problem at the moment"),
        ("SomethingNew", "AWS refused, for a reason this application does not know"),
    ],
)
def test_a_refusal_is_told_in_words_of_the_catalogue(
    typist: Typist, answering: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch, code: str, says: str
) -> None:
    monkeypatch.setattr(AwsSecretsManager, "limits", Limits(total=2))  # of which throttling uses all
    answering(json_error(code, "canary-text-of-aws"))
    response = typist.asks("data|")
    assert (response.status_code, offered(response)) == (200, [])
    assert text_of(response).startswith(says)
    assert "canary" not in html_of(response)


def test_a_vault_that_cannot_be_reached_is_named(typist: Typist, settings: Any) -> None:
    settings.AWS_SANDBOX_URL = "http://127.0.0.1:9"
    assert "The connection to AWS was refused" in text_of(typist.asks("data|"))


def test_keys_that_are_wrong_are_named(typist: Typist, sandbox: Sandbox) -> None:
    sandbox.deactivate_key()
    assert "AWS does not know this access key ID" in text_of(typist.asks("data|"))


def test_a_provider_without_default_says_so(typist: Typist, aws_prod: Credential, sandbox: Sandbox) -> None:
    Credential.objects.update(is_default=False)
    assert text_of(typist.asks("data|")).startswith("No credential found")
    assert sandbox.calls == []


def test_a_credential_that_cannot_be_opened_says_so(typist: Typist, aws_prod: Credential) -> None:
    damage(aws_prod, "secrets")
    assert "What is stored here cannot be opened" in text_of(typist.asks("data|"))


# --- Whose names ----------------------------------------------------------------------------------------------------
def test_the_credential_that_is_asked_is_the_one_that_is_chosen(
    typist: Typist, acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox
) -> None:
    other = store_credential(acme, alice, "aws-empty", region=seed.EMPTY_REGION)
    assert offered(typist.asks("data|", named(aws_prod))) == ALL[2:]
    assert offered(typist.asks("data|", named(other))) == []
    make_default(other, alice)
    assert offered(typist.asks("data|", DEFAULT)) == []


def test_a_foreign_credential_answers_as_one_that_does_not_exist(
    typist: Typist, umbrella: Organization, mallory: User, sandbox: Sandbox
) -> None:
    theirs = store_credential(umbrella, mallory, "theirs")
    foreign, missing = (typist.asks("data|", f"credential:{uuid}") for uuid in (theirs.uuid, uuid4()))
    assert (foreign.status_code, foreign.content) == (missing.status_code, missing.content)
    assert foreign.status_code == 422
    assert sandbox.calls == []


def test_a_restricted_credential_is_asked_only_for_who_may_use_it(
    acme: Organization, alice_: Membership, erin: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    typing = Typist(sign_in(erin), acme)
    assert offered(typing.asks("data|")) == ALL[2:]
    restrict_to(aws_prod, alice_, {erin: [Grant.READ]})
    sandbox.calls.clear()
    for source in (DEFAULT, named(aws_prod)):
        response = typing.asks("data|", source)
        assert (response.status_code, offered(response)) == (422, [])
    assert sandbox.calls == []
    restrict_to(aws_prod, alice_, {erin: [Grant.USE]})
    assert offered(typing.asks("data|")) == ALL[2:]


def test_a_source_that_only_stays_as_it_is_shows_nothing_of_its_vault(
    acme: Organization, bob: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    variable = store_reference(acme, "PASSWORD", "database-credentials#password")
    assert Typist(sign_in(bob), acme).asks("data|").status_code == 422  # no choice of Bob's at all
    for text in ("data|", "database-credentials#|"):
        response = Typist(sign_in(bob), acme, variable).asks(text)
        assert text_of(response) == "Only who may use this credential sees its secrets. Type the name."
    assert sandbox.calls == []


def test_only_who_may_save_the_variable_may_ask(
    acme: Organization, carol: User, dora: User, mallory: User, aws_prod: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    variable = store_reference(acme, "PASSWORD", "database-credentials#password")
    for one in (None, variable):
        codes = [Typist(sign_in(user), acme, one).asks("d|").status_code for user in (carol, dora, mallory)]
        assert codes == [403, 403, 404]
    assert sandbox.calls == []


# --- What is remembered ---------------------------------------------------------------------------------------------
def test_typing_on_makes_no_second_call(typist: Typist, sandbox: Sandbox) -> None:
    for text in ("", "d|", "data|", "data|", "x|"):
        typist.asks(text)
    assert actions(sandbox) == ["ListSecrets"]
    assert offered(typist.asks("crewai/p|")) == ["crewai/payments-key"]
    assert actions(sandbox) == ["ListSecrets"]


def test_a_list_that_was_cut_is_no_answer_for_a_longer_beginning(typist: Typist, sandbox: Sandbox) -> None:
    for number in range(25):
        sandbox.put_secret(f"many/{number:02}", "x")
    for text in ("many/|", "many/|", "many/2|", "many/24|"):
        typist.asks(text)
    assert actions(sandbox) == ["ListSecrets"] * 2


def test_another_person_another_credential_and_another_version_are_asked_anew(
    typist: Typist,
    acme: Organization,
    alice: User,
    erin: User,
    aws_prod: Credential,
    sandbox: Sandbox,
    sign_in: SignIn,
) -> None:
    other = store_credential(acme, alice, "aws-other")
    typist.asks("data|")
    Typist(sign_in(erin), acme).asks("data|")
    assert actions(sandbox) == ["ListSecrets"] * 2
    typist.asks("data|", named(other))
    assert actions(sandbox) == ["ListSecrets"] * 3
    change_credential(
        aws_prod,
        alice,
        name="aws-prod",
        config=aws_prod.config | {"region": seed.EMPTY_REGION},
        secrets=aws_prod.secrets.reveal(),
        is_default=True,
    )
    assert offered(typist.asks("data|")) == []
    assert actions(sandbox) == ["ListSecrets"] * 4


def test_a_refusal_is_not_asked_for_again_with_every_letter(typist: Typist, sandbox: Sandbox) -> None:
    sandbox.set_policy(NO_LIST)
    for text in ("d|", "da|", "dat|"):
        assert "may not list" in text_of(typist.asks(text))
    assert actions(sandbox) == ["ListSecrets"]


def test_no_value_and_no_description_is_kept(typist: Typist, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    storing = LocMemCache.set

    def watched(cache: LocMemCache, key: str, value: Any, *rest: Any, **more: Any) -> None:
        kept.append((key, value))
        storing(cache, key, value, *rest, **more)

    monkeypatch.setattr(LocMemCache, "set", watched)
    listed = (ListedSecret("database-credentials", "canary-description"),)
    monkeypatch.setattr(AwsSecretsManager, "list_names", lambda provider, prefix: listed)
    typist.asks("data|")
    typist.asks("database-credentials#|")
    stored = repr(kept)
    assert "database-credentials" in stored
    assert "options.sslmode" in stored
    assert "canary-description" not in stored
    assert json.loads(seed.DATABASE.value)["password"] not in stored


# --- How often ------------------------------------------------------------------------------------------------------
def test_a_person_who_asks_too_often_is_told_how_long_to_wait(
    typist: Typist, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crewadmin.limits.time", lambda: 1_800_000_015.0)
    monkeypatch.setattr(listing, "PER_MINUTE", 2)
    for text in ("a|", "b|", "b|"):
        assert typist.asks(text).status_code == 200
    response = typist.asks("c|")
    assert (response.status_code, response["Retry-After"]) == (429, "45")
    assert "try again in 45 seconds" in text_of(response)
    assert len(sandbox.calls) == 2
    assert not ConnectionTest.objects.exists()  # a limit of their own
    assert PER_MINUTE >= 40


def test_lists_of_slow_vaults_leave_threads_for_pages(
    typist: Typist, sandbox: Sandbox, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_PATIENCE", 0.01)
    held = [listing._slots.acquire(blocking=False) for _place in range(settings.CONNECTION_TESTS_AT_ONCE // 2)]
    try:
        assert all(held)
        assert not listing._slots.acquire(blocking=False)
        response = typist.asks("data|")
        assert (response.status_code, response["Retry-After"]) == (429, "5")
        assert sandbox.calls == []
    finally:
        for _place in held:
            listing._slots.release()
    assert offered(typist.asks("data|")) == ALL[2:]


def test_what_is_known_costs_the_same_few_queries(
    typist: Typist, acme: Organization, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    typist.asks("data|")
    with django_assert_num_queries(6):
        typist.asks("data|")
    for number in range(5):
        store_credential(acme, alice, f"aws-{number}")
    with django_assert_num_queries(6):
        typist.asks("data|")


# --- Keys -----------------------------------------------------------------------------------------------------------
def test_behind_the_hash_the_keys_are_offered_and_read_once(typist: Typist, sandbox: Sandbox) -> None:
    assert offered(typist.asks("database-credentials#|")) == KEYS
    assert filled(typist.asks("database-credentials#PASS|word")) == ["database-credentials#password|"]
    assert offered(typist.asks("database-credentials#options.p|")) == ["options.pool", "options.pool.size"]
    assert "No key begins with “x”." in text_of(typist.asks("database-credentials#x|"))
    assert actions(sandbox) == ["GetSecretValue"]


def test_reading_keys_is_audited_and_counts_as_a_check(typist: Typist, alice: User, aws_prod: Credential) -> None:
    typist.asks("database-credentials#|")
    event = AuditEvent.objects.get(action="reference:check_started")
    assert (event.actor, event.target_uuid) == (alice, aws_prod.uuid)
    assert event.details == {"provider": "aws", "secrets": ["database-credentials"]}
    assert AuditEvent.objects.get(action="reference:checked").details == {"result": "passed"}
    assert ConnectionTest.objects.get().credential is None


def test_too_many_reads_are_refused_with_the_time_to_wait(typist: Typist, sandbox: Sandbox) -> None:
    for number in range(10):
        sandbox.put_secret(f"many/{number}", "{}")
        assert typist.asks(f"many/{number}#|").status_code == 200
    response = typist.asks("database-credentials#|")
    assert response.status_code == 429
    assert 55 <= int(response["Retry-After"]) <= 60
    assert "database-credentials" not in {call.secret_id for call in sandbox.calls}


def test_keys_of_another_person_credential_or_stage_are_read_anew(
    typist: Typist, acme: Organization, alice: User, erin: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    sandbox.put_secret("database-credentials", '{"new": 1}')
    assert offered(typist.asks("database-credentials#|")) == ["new"]
    assert offered(typist.asks("database-credentials#|", version_stage="AWSPREVIOUS")) == KEYS
    Typist(sign_in(erin), acme).asks("database-credentials#|")
    typist.asks("database-credentials#|", named(store_credential(acme, alice)))
    assert actions(sandbox) == ["GetSecretValue"] * 4


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (b"\x00\x01", "holds binary data"),
        ("plain", "is not JSON, so it has no keys"),
        ("[1]", "is JSON, but not a set of keys and values"),
        ("{}", "This secret has no keys."),
    ],
)
def test_a_secret_without_keys_says_why(typist: Typist, sandbox: Sandbox, value: str | bytes, says: str) -> None:
    sandbox.put_secret("odd", value)
    response = typist.asks("odd#|")
    assert (response.status_code, offered(response)) == (200, [])
    assert says in text_of(response)
    typist.asks("odd#x|")
    assert actions(sandbox) == ["GetSecretValue"]


def test_a_secret_that_cannot_be_read_says_why(typist: Typist, sandbox: Sandbox) -> None:
    assert "Secret not found: none" in text_of(typist.asks("none#|"))
    sandbox.set_policy(NO_READ)
    assert "may not read database-credentials" in text_of(typist.asks("database-credentials#|"))
    assert "Name the secret before “#”." in text_of(typist.asks("#|"))


# --- Templates ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("postgres://${data|", ["postgres://${database-credentials|"]),
        ("postgres://${data|}@host", ["postgres://${database-credentials|}@host"]),
        ("a ${x#y} ${data|base#port} z", ["a ${x#y} ${database-credentials|#port} z"]),
        ("${database-credentials#us|", ["${database-credentials#username}|"]),
        ("${database-credentials#us|}@", ["${database-credentials#username|}@"]),
        ("${database-credentials#us|ername|url}@", ["${database-credentials#username||url}@"]),
        ("${database-credentials#us| ${x}", ["${database-credentials#username}|${x}"]),
    ],
)
def test_the_part_under_the_caret_is_completed(typist: Typist, text: str, after: list[str]) -> None:
    assert filled(typist.asks(text)) == after


@pytest.mark.parametrize("text", ["${data}|", "data| ${x}", "$${data|", "${data|base|url|}"])
def test_outside_the_parts_of_a_template_nothing_is_offered(typist: Typist, sandbox: Sandbox, text: str) -> None:
    before, _caret, after = text.rpartition("|") if text.count("|") == 3 else text.partition("|")
    response = typist.client.post(typist.address, {"source": DEFAULT, "before": before, "after": after}, headers=HTMX)
    assert (response.status_code, text_of(response)) == (200, "")
    assert sandbox.calls == []


def test_a_key_that_would_end_its_part_is_not_offered_in_a_template(typist: Typist, sandbox: Sandbox) -> None:
    sandbox.put_secret("odd", json.dumps({"a|b": 1, "a}b": 1, "ab": 1}))
    assert offered(typist.asks("odd#a|")) == ["ab", "a|b", "a}b"]
    assert offered(typist.asks("${odd#a|")) == ["ab"]
