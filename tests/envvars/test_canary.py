"""The whole way of a secret, from the form to the process that receives it: it shows up nowhere in between."""

import io
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from envvars.models import Automation, Deployment, EnvironmentVariable, ServiceToken
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import store_automation, store_direct
from tests.canary.places import every_dump, every_row
from tests.pages import html_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
TOKEN = re.compile(r"crewadmin_[0-9a-f]{12}_[A-Za-z0-9_-]{43}")
DIRECT, MISTYPED = "made-up-canary-direct-value", "MadeUp+Mistyped/canary/opens/nothing/XXX"
CANARY_CREW: dict[str, Any] = {
    "name": "Canary crew",
    "slug": "canary",
    "variables": ["API_KEY", "DB_PASSWORD", "DIRECT"],
    "resolves_at": "kickoff",
}
ENTERED = {seed.ROLE_ONLY.secret_access_key, seed.EXTERNAL_ID, DIRECT, MISTYPED}
IN_VAULT = {seed.OPENAI_KEY.value, seed.DATABASE.value, "made-up-database-password", "made-up-rotated-canary"}


class Visitor:
    """A browser that remembers every page and header it got."""

    def __init__(self, client: Client, organization: Organization) -> None:
        self.client, self.organization = client, organization
        self.seen: list[str] = []

    def get(self, name: str, /, *arguments: Any, **parameters: str) -> Any:
        return self._keep(self.client.get(self._at(name, arguments), parameters))

    def post(self, name: str, /, *arguments: Any, status: int = 302, **posted: Any) -> Any:
        htmx = {"HX-Request": "true"} if posted.pop("htmx", False) else {}
        response = self._keep(self.client.post(self._at(name, arguments), posted, headers=htmx))
        assert response.status_code == status, name
        if status == 302:
            self._keep(self.client.get(response.headers["Location"]))
        return response

    def _at(self, name: str, arguments: tuple[Any, ...]) -> str:
        return reverse(name, args=[self.organization.uuid, *arguments])

    def _keep(self, response: Any) -> Any:
        self.seen.append(html_of(response) + str(response.headers) + str(response.cookies))
        return response


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The root logger at its most talkative, as an operator may set it while looking for a fault."""
    with caplog.at_level(logging.DEBUG):
        yield caplog


@pytest.fixture
def visitor(acme: Organization, alice: User, sandbox: Sandbox, sign_in: SignIn) -> Visitor:
    return Visitor(sign_in(alice), acme)


def enter_and_test_a_credential(visitor: Visitor, sandbox: Sandbox) -> Credential:
    form: dict[str, Any] = {
        "name": "aws-canary",
        "provider": "aws",
        "region": seed.REGION,
        "access_key_id": seed.ROLE_ONLY.access_key_id,
        "secret_access_key": seed.ROLE_ONLY.secret_access_key,
        "role_arn": seed.ROLE_ARN,
        "external_id": seed.EXTERNAL_ID,
        "is_default": "on",
    }
    visitor.post("credential_add", status=422, **form | {"region": "nowhere"})
    visitor.post("credential_add", **form)
    credential = Credential.objects.get()
    visitor.post("credential_test", credential.uuid, secret_name=seed.DATABASE.name)
    visitor.post("credential_test", credential.uuid, htmx=True, status=200)
    wrong = form | {"secret_access_key": MISTYPED, "external_id": seed.EXTERNAL_ID}
    visitor.post("credential_edit", credential.uuid, **wrong)
    visitor.post("credential_test", credential.uuid, secret_name="")
    visitor.post("credential_edit", credential.uuid, **form)
    return credential


def refer_to_secrets(visitor: Visitor) -> Automation:
    visitor.post("automation_add", name="Canary crew", slug="canary")
    automation = Automation.objects.get()
    common: dict[str, Any] = {"value": "", "automations": ["canary"]}
    direct: dict[str, Any] = {"source": "direct", "value": DIRECT, "automations": ["canary"]}
    visitor.post("variable_add", status=422, key="1ST", **direct)
    visitor.post("variable_add", key="DIRECT", **direct)
    for key, reference in (("API_KEY", seed.OPENAI_KEY.name), ("DB_PASSWORD", f"{seed.DATABASE.name}#password")):
        visitor.post("variable_add", key=key, source="provider_default:aws", secret_name=reference, **common)
    typed = {"source": "provider_default:aws", "before": f"{seed.DATABASE.name}#"}
    visitor.post("variable_add_suggest", status=200, htmx=True, **typed)
    template = f"${{{seed.OPENAI_KEY.name}}}${{{seed.DATABASE.name}#pasword}}"
    for htmx in (True, False):
        form = {"source": "provider_default:aws", "secret_name": template, "value": DIRECT}
        assert "Perhaps" in html_of(visitor.post("variable_add_check", status=200, htmx=htmx, **form))
    return automation


def look_at_every_page(visitor: Visitor, credential: Credential, automation: Automation) -> None:
    for name in ("credential_list", "variable_list", "automation_list", "credential_add", "variable_add"):
        visitor.get(name)
    for name in ("credential_detail", "credential_edit", "credential_delete"):
        visitor.get(name, credential.uuid)
    for name in ("automation_detail", "automation_edit", "automation_delete"):
        visitor.get(name, automation.uuid)
    for variable in EnvironmentVariable.objects.all():
        visitor.get("variable_edit", variable.uuid)
        visitor.get("variable_delete", variable.uuid)


def deploy_and_look(visitor: Visitor, automation: Automation) -> None:
    """Deploy twice, by two ways, look at what came of it, and have the automation start with it."""
    visitor.post("automation_edit", automation.uuid, **CANARY_CREW | {"resolves_at": "deploy"})
    visitor.post("automation_deploy", automation.uuid)
    call_command("deploy", "acme/canary", "--json")
    for name in ("automation_detail", "automation_history", "automation_compare"):
        visitor.get(name, automation.uuid)
    for deployment in Deployment.objects.all():
        visitor.get("deployment_detail", deployment.uuid)


def admin_page(model: Any, row: Any) -> Any:
    """The page that support staff have of a row."""
    client = Client()
    client.force_login(User.objects.create_superuser("support@example.com"))
    return client.get(reverse(f"admin:envvars_{model._meta.model_name}_change", args=[row.pk]))


def every_session() -> str:
    return "\n".join(str(session.get_decoded()) for session in Session.objects.all())


def test_no_secret_shows_up_on_its_whole_way(
    visitor: Visitor, sandbox: Sandbox, everything_logged: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    credential = enter_and_test_a_credential(visitor, sandbox)
    automation = refer_to_secrets(visitor)
    visitor.post("automation_check", automation.uuid, status=200)
    sandbox.put_secret(seed.OPENAI_KEY.name, "made-up-rotated-canary")
    look_at_every_page(visitor, credential, automation)
    delivered = io.StringIO()
    call_command("resolve", "acme/canary", "--format", "json", stdout=delivered)
    deploy_and_look(visitor, automation)
    call_command("resolve", "acme/canary", "--format", "json", stdout=delivered)
    complaints = io.StringIO()
    sandbox.delete_secret(seed.DATABASE.name)
    visitor.post("automation_deploy", automation.uuid, status=409)
    visitor.post("automation_edit", automation.uuid, **CANARY_CREW)
    with pytest.raises(CommandError):
        call_command("resolve", "acme/canary", stdout=complaints, stderr=complaints)

    for value in (DIRECT, "made-up-rotated-canary", "made-up-database-password"):
        assert value in delivered.getvalue(), "the values did travel"
    assert "Secret Provider Credentials" in "".join(visitor.seen)
    assert logging.getLogger("any.other").isEnabledFor(logging.DEBUG)
    captured = capsys.readouterr()
    places = {
        "pages": "\n".join(visitor.seen),
        "logs": everything_logged.text + str([record.args for record in everything_logged.records]),
        "standard output and error": captured.out + captured.err + complaints.getvalue(),
        "database": every_row(),
        "audit log": str(list(AuditEvent.objects.values())),
        "sessions": every_session(),
        "dumpdata": every_dump(),
        "cache": str(list(cache._cache.values())),  # type: ignore[attr-defined]  # of the one in process
    }
    assert all(places.values())
    found = [(place, value) for place, text in places.items() for value in ENTERED | IN_VAULT if value in text]
    assert [place for place, _value in found] == []


def test_a_service_token_shows_up_once_and_nowhere_else(
    visitor: Visitor, sandbox: Sandbox, everything_logged: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    automation = store_automation(visitor.organization, "Canary crew", "canary")
    store_direct(visitor.organization, "DIRECT", DIRECT, [automation])
    texts: list[str] = []
    posted = {"uuid": str(uuid4()), "name": "Cluster", "days": "30"}
    texts += TOKEN.findall(html_of(visitor.post("automation_token_add", automation.uuid, status=200, **posted)))
    rotation = {"uuid": str(uuid4()), "hours": "24"}
    token = ServiceToken.objects.get()
    texts += TOKEN.findall(html_of(visitor.post("token_rotate", token.uuid, status=200, **rotation)))
    assert len(texts) == 2
    shown, visitor.seen = visitor.seen, []
    for posted_again, name, row in ((posted, "automation_token_add", automation), (rotation, "token_rotate", token)):
        visitor.post(name, row.uuid, **posted_again)
    address = reverse("api_environment", args=[automation.uuid])
    answers = [Client().get(address, headers={"Authorization": f"Bearer {text}"}) for text in texts]
    answers += [Client().get(address + "x", headers={"Authorization": f"Bearer {text}"}) for text in texts]
    assert [answer.status_code for answer in answers] == [200, 200, 404, 404]
    assert DIRECT in html_of(answers[0])
    visitor.get("automation_detail", automation.uuid)
    for name in ("token_rotate", "token_revoke"):
        visitor.get(name, token.uuid)
    visitor.post("token_revoke", token.uuid)

    captured = capsys.readouterr()
    headers = "".join(str(answer.headers) + str(answer.cookies) for answer in answers)
    places = {
        "pages": "\n".join(visitor.seen),
        "headers": headers,
        "logs": everything_logged.text + str([record.args for record in everything_logged.records]),
        "standard output and error": f"{captured.out}{captured.err}.",
        "database": every_row(),
        "sessions": every_session(),
        "dumpdata": every_dump(),
        "the admin": html_of(admin_page(ServiceToken, token)),
    }
    assert all(places.values())
    secrets = {text.split("_", 2)[2] for text in texts} | {DIRECT}
    assert [place for place, text in places.items() if any(secret in text for secret in secrets)] == []
    assert all(any(secret in page for page in shown) for secret in secrets - {DIRECT})


def test_the_cloud_s_library_would_write_it_down_if_it_were_not_kept_quiet(
    acme: Organization, aws_prod: Credential, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor is the log of the test above clean because nothing was ever said."""
    with caplog.at_level(logging.DEBUG, logger="botocore"):
        assert aws_prod.open_provider().probe(seed.OPENAI_KEY.name).ok
    assert seed.OPENAI_KEY.value in caplog.text


def test_the_database_is_searched_where_values_would_be(acme: Organization) -> None:
    """What is not sealed is found, so the test above can fail."""
    Automation.objects.create(organization=acme, name=DIRECT, slug="canary")
    assert DIRECT in every_row()
    assert DIRECT in every_dump()
