"""Everything is asked of the site: each address, each form filled in wrongly, each view made to break.

Each address is opened, and an empty form posted to it, by each of ASKING and by the owner; who may not open it posts
nothing there. The owner of another organization also asks there for each of Acme's objects. Other methods show nothing:
tests/isolation proves that they are refused. Forms are filled in by the owner, who sees the most, by a superuser and by
somebody who is not signed in. Each view breaks for somebody it lets in: a superuser in Django admin, elsewhere the
owner. Every command runs but `run`, which becomes another process.

Not covered: members to whom single objects were shared, what JavaScript makes of a page, and forms that are valid but
for those that `test_what_forms_store_is_shown_by_no_page` names.
"""

import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache, partial, wraps
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse
from django.views import debug as debug_page

from envvars.models import Automation
from organizations.access import Audience
from organizations.models import Organization, User
from sandbox import seed
from tests.credentials.test_impact import waiting_in
from tests.isolation.forms import read
from tests.isolation.stage import ACTORS, ask
from tests.isolation.test_matrix import ORGANIZATION_URLS, OTHER_URLS
from tests.organizations.conftest import Rows

from .conftest import TYPED
from .places import Places
from .search import Value

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
Planted = tuple[Rows, dict[str, Value]]


#: Those of the isolation matrix who ask here, beside Alice, who owns Acme and has a second factor.
ASKING = (
    "anonymous",
    "member",
    "read environment_variables",
    "read secret_providers",
    "owner elsewhere",
    "support, view only",
    "superuser",
)


@pytest.fixture
def people(
    alice: User, acme: Organization, umbrella: Organization, sign_in: SignIn, places: Places
) -> dict[str, Client]:
    """A browser for each of ASKING, and the owner's."""
    makers = {actor.name: actor.make for actor in ACTORS}
    made = {"owner": alice} | {name: makers[name](acme, umbrella) for name in ASKING}
    return {name: sign_in(user) if user else Client(raise_request_exception=False) for name, user in made.items()}


def addresses(acme: Organization, rows: Rows) -> Iterator[str]:
    """Yield every address of the site: with Acme and its rows where it names such."""
    yield from (url.of(acme.uuid, rows) for url in ORGANIZATION_URLS)
    yield from {url.anywhere(rows): url for url in OTHER_URLS}
    yield reverse("api_environment", args=[rows["automation"].uuid])


def visit(client: Client, address: str) -> int:
    """Open an address, and post to it where that was not refused; return the status of what was opened."""
    client.raise_request_exception = False
    page = ask(client, "GET", address)
    to_sign_in = page.headers.get("Location", "").startswith(("/account/login/", "/support/login/"))
    if page.status_code not in (403, 404) and not to_sign_in:
        ask(client, "POST", address)
    return int(page.status_code)


def test_no_request_shows_a_secret(
    people: dict[str, Client], acme: Organization, umbrella: Organization, planted: Planted, places: Places
) -> None:
    rows, secrets = planted
    for who, client in people.items():
        assert 200 in [visit(client, address) for address in addresses(acme, rows)], who
    for url in ORGANIZATION_URLS:
        if "uuid" in url.captures:
            assert visit(people["owner elsewhere"], url.of(umbrella.uuid, rows)) in (404, 405)
    token = f"{rows['token'].prefix}{secrets['service token']}"
    address = reverse("api_environment", args=[rows["automation"].uuid])
    delivered = Client().get(address, headers={"Authorization": f"Bearer {token}"})
    assert delivered.status_code == 200
    Client().get(address + "x", headers={"Authorization": f"Bearer {token}"})
    Client().get(reverse("invitation_open"), {"token": secrets["invitation"]}, follow=True)
    assert {("page", "api_environment", "vault value"), ("page", "api_environment", "direct value")} <= places.hits
    assert ("page", "api_environment", "deployed value") not in places.hits
    Automation.objects.filter(pk=rows["automation"].pk).update(resolves_at=Automation.ResolvesAt.DEPLOY)
    Client().get(address, headers={"Authorization": f"Bearer {token}"})
    assert ("page", "api_environment", "deployed value") in places.hits
    assert {"page", "header", "cookie", "session", "SQL", "log"} <= places.counts.keys()


def test_what_forms_store_is_shown_by_no_page(
    people: dict[str, Client], acme: Organization, planted: Planted, places: Places
) -> None:
    rows, secrets = planted
    typed, owner, nobody = TYPED["typed value"], people["owner"], people["anonymous"]
    credential = {
        "name": "typed",
        "provider": "aws",
        "region": seed.REGION,
        "access_key_id": seed.ROLE_ONLY.access_key_id,
        "secret_access_key": typed,
        "role_arn": seed.ROLE_ARN,
        "external_id": typed,
    }
    variable = {"key": "TYPED", "source": "direct", "value": typed, "automations": ["canary"]}
    of_acme = partial(_post, owner, acme)
    of_acme("credential_add", credential)
    preview = of_acme("credential_edit", credential | {"name": "again"}, rows["credential"], status=200)
    confirmed = {"change": waiting_in(preview), "confirmed_name": rows["credential"].name}
    of_acme("credential_edit", confirmed, rows["credential"])
    of_acme("credential_test", {"secret_name": "crewai/openai-api-key"}, rows["credential"])
    of_acme("credential_add_test", credential, status=200)
    of_acme("credential_check_trust", {}, rows["credential"])
    of_acme("variable_add", variable)
    of_acme("variable_edit", variable | {"key": "DIRECT"}, rows["variable"])
    of_acme("automation_check", {}, rows["automation"], status=200)
    of_acme("failure_explain", {"text": f"AccessDenied {typed}"}, status=200)
    assert nobody.post(reverse("account_login"), {"login": "alice@acme.example", "password": typed}).status_code == 200
    nobody.get(reverse("invitation_open"), {"token": secrets["invitation"]})
    new = {"name": "Ina", "password1": typed, "password2": typed}
    assert nobody.post(reverse("invitation_accept"), new).status_code == 302
    passwords = {"oldpassword": TYPED["password"], "password1": typed + "2", "password2": typed + "2"}
    assert owner.post(reverse("account_change_password"), passwords).status_code == 302
    for address in addresses(acme, rows):
        ask(owner, "GET", address)


def _post(client: Client, acme: Organization, name: str, posted: Any, row: Any = None, status: int = 302) -> Any:
    address = reverse(name, args=[acme.uuid, *([row.uuid] if row else [])])
    answer = client.post(address, posted)
    assert answer.status_code == status, (name, answer.status_code)
    if status == 302:
        client.get(answer.headers["Location"])
    return answer


#: What is typed or sent as a secret, beyond inputs that say so themselves.
SECRET_FIELDS = {"value", "external_id", "code", "credential"}


def test_no_form_shows_what_was_typed_as_a_secret(
    people: dict[str, Client], acme: Organization, planted: Planted, places: Places
) -> None:
    """As it stands with a secret in it, and made invalid: every other field emptied, or nonsense chosen."""
    rows, _secrets = planted
    filled, refused = set(), 0
    for client in (people["owner"], people["superuser"], people["anonymous"]):
        client.raise_request_exception = False
        for address in addresses(acme, rows):
            page = ask(client, "GET", address)
            if page.status_code != 200 or not page.headers["Content-Type"].startswith("text/html"):
                continue
            for form in read(page.content.decode())[0]:
                secret = {name: TYPED["typed value"] for name in form.values if name in form.secret | SECRET_FIELDS}
                if form.method != "post" or not secret:
                    continue
                filled |= secret.keys()
                target = urlsplit(form.action or address).path
                for others in (form.values, dict.fromkeys(form.values, ""), dict.fromkeys(form.values, "nonsense")):
                    for headers in ({}, {"HTTP_HX_REQUEST": "true"}):
                        refused += ask(client, "POST", target, {**others, **secret}, **headers).status_code == 422
    assert {"value", "secret_access_key", "external_id", "password", "password1"} <= filled
    assert refused > 10


FILES = {
    "variables.csv": "key,source,value\nIMPORTED,direct,{}\n1ST,direct,{}\nIMPORTED,direct,{}\n",
    "variables.json": '[{{"key": "IMPORTED", "source": "direct", "value": "{}"}}, {{"key": "{}", "nonsense": "{}"}}]',
    "credentials.csv": "name,region,access_key_id,secret_access_key,external_id\na,x,AKIA,{},{}\nb,,{},,\n",
    ".env": "IMPORTED={}\nOTHER='{}\n{}\n",
    "accessKeys.csv": "Access key ID,Secret access key\nAKIAMADEUPEXAMPLE000,{}\n{},{}\n",
    "credentials": "[default]\naws_access_key_id = AKIAMADEUPEXAMPLE000\naws_secret_access_key = {}\n{}\n{}\n",
    "broken.json": '[{{"key": "A", "value": "{}" "{}" {}',
    "nonsense.csv": "{},{},{}\n",
}


@pytest.mark.parametrize("name", FILES)
def test_no_import_shows_a_value(
    name: str, people: dict[str, Client], acme: Organization, places: Places, tmp_path: Any, capsys: Any
) -> None:
    text = FILES[name].format(*[TYPED["imported value"]] * 3)
    file = tmp_path / name
    file.write_text(text)
    file.chmod(0o600)
    for page in ("variable_import", "credential_import"):
        for conflict in ("fail", "update"):
            upload = io.BytesIO(text.encode())
            upload.name = name
            answer = people["owner"].post(
                reverse(page, args=[acme.uuid]), {"file": upload, "on_conflict": conflict, "name": "imported"}
            )
            assert answer.status_code in (200, 302, 422)
    for command in ("import_envvars", "import_credentials"):
        for options in ({}, {"apply": True}, {"json": True}):
            written = run(command, str(file), org="acme", **options)
            places.keep("output", written + "".join(capsys.readouterr()), command)


def run(command: str, *arguments: Any, **options: Any) -> str:
    """Run a command; return all that it wrote, and what it failed with."""
    written = io.StringIO()
    try:
        call_command(command, *arguments, stdout=written, stderr=written, **options)
    except (CommandError, SystemExit) as error:
        written.write(str(error))
    return written.getvalue()


@pytest.mark.django_db(transaction=True)
def test_no_command_shows_a_secret_but_the_one_that_delivers(planted: Planted, places: Places, capsys: Any) -> None:
    asked = {"resolve", "run", "import_envvars", "import_credentials"}  # imports: above
    for format in ("json", "dotenv", "shell"):
        places.keep("output", run("resolve", "acme/canary", format=format), "resolve")
    assert {("output", "resolve", "vault value"), ("output", "resolve", "direct value")} <= places.hits
    Automation.objects.filter(slug="canary").update(resolves_at=Automation.ResolvesAt.DEPLOY)
    for command, arguments, options in (
        ("explain", ("FROM_VAULT",), {"org": "acme", "automation": "canary"}),
        ("explain", ("DIRECT",), {"org": "acme", "json": True}),
        ("deploy", ("acme/canary",), {}),
        ("drift", ("acme/canary",), {"json": True}),
        ("export_envvars", (), {"org": "acme"}),
        ("export_credentials", (), {"org": "acme"}),
        ("test_connections", (), {}),
        ("test_connections", (), {"json": True, "stale": timedelta()}),
        ("verify_audit", (), {"json": True}),
        ("resolve", ("acme/nothing",), {}),
        ("create_organization", ("Acme",), {"owner": "alice@acme.example", "slug": "acme"}),
        ("check", (), {"deploy": True, "databases": ["default"]}),
    ):
        asked.add(command)
        places.keep("output", run(command, *arguments, **options) + "".join(capsys.readouterr()), command)
    assert places.counts["output"] > 20
    assert {name for name, app in get_commands().items() if app in ("organizations", "credentials", "envvars")} <= asked


@pytest.mark.parametrize("debug", [False, True], ids=["error mail", "debug page"])
def test_a_view_that_breaks_tells_nothing(
    debug: bool,
    people: dict[str, Client],
    acme: Organization,
    planted: Planted,
    places: Places,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each view does its work, and then raises an error with every secret in its text and in its variables."""
    rows, secrets = planted
    settings.ADMINS, settings.DEBUG = [("root", "root@example.com")], debug
    broken = 0
    for pattern in every_pattern():
        monkeypatch.setattr(pattern, "callback", breaking(pattern.callback, secrets))
    # Django reads the template of its page anew for each error, which would be a third of the time.
    monkeypatch.setattr(debug_page.DEBUG_ENGINE, "from_string", cache(debug_page.DEBUG_ENGINE.from_string))
    of_staff = {url.anywhere(rows) for url in OTHER_URLS if url.rule and url.rule.audience == Audience.STAFF}
    for address in addresses(acme, rows):
        client = people["superuser" if address in of_staff else "owner"]
        client.raise_request_exception = False
        for method in ("GET", "POST"):
            broken += ask(client, method, address).status_code == 500
    assert broken > len(ORGANIZATION_URLS)
    places.keep_mails()
    assert places.counts["mail"] > 100


def every_pattern(patterns: list[Any] | None = None) -> Iterator[URLPattern]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLPattern):
            yield pattern
        else:
            yield from every_pattern(pattern.url_patterns)


def breaking(view: Any, secrets: dict[str, Value]) -> Any:
    """Return the view with an error at its end."""

    @wraps(view)
    def broken(request: Any, *args: Any, **kwargs: Any) -> Any:
        everything = json.dumps(secrets, default=repr)
        view(request, *args, **kwargs)
        error = RuntimeError(f"The view broke: {everything}")
        error.add_note(everything)
        raise error from KeyError(everything)

    return broken
