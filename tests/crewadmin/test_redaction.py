"""crewadmin.redaction: what a Secret shows, and what an error report tells."""

import copy
import io
import json
import logging
import pickle
import string
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from django.contrib.auth.decorators import login_not_required
from django.core import mail
from django.core.serializers.json import DjangoJSONEncoder
from django.db import OperationalError
from django.http import HttpRequest
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.urls import include, path
from django.views.debug import ExceptionReporter

from credentials.testing import run_connection_test
from crewadmin.redaction import MASK, MaskedFormatter, MaskedReport, MaskEverything, Secret
from crewadmin.settings import BASE_DIR, LOGGING
from envvars.models import Automation
from envvars.resolving import resolve
from organizations.models import Organization, User
from sandbox import seed
from sandbox.aws import Sandbox

from .conftest import CANARY, new_variable


# --- Secret ---------------------------------------------------------------------------------------------------------
@dataclass
class Holder:
    secret: Secret[Any]


PRINTERS: dict[str, Callable[[Secret[Any]], object]] = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "f-string": lambda secret: f"{secret} {secret!r} {secret!s:>40}",
    "format": lambda secret: format(secret, "^30"),
    "str.format": "{}".format,
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - an old way of printing is the point
    "string.Template": lambda secret: string.Template("$secret").substitute(secret=secret),
    "Django template": lambda secret: Template("{{ secret }}{{ secret|pprint }}").render(Context({"secret": secret})),
    "json with default": lambda secret: json.dumps({"secret": secret}, default=str),
    "dataclass": lambda secret: (repr(Holder(secret)), asdict(Holder(secret))),
    "pickle": pickle.dumps,
    "copy": copy.copy,
    "deepcopy": lambda secret: copy.deepcopy({"secret": [secret]}),
    "exception": lambda secret: ValueError("refused", secret),
    "dir": lambda secret: [str(getattr(type(secret), name)) for name in dir(secret)],
}


@pytest.mark.parametrize("value", [CANARY, {"key": CANARY}], ids=["text", "object"])
@pytest.mark.parametrize("printer", PRINTERS)
def test_no_way_of_printing_shows_a_secret(printer: str, value: object) -> None:
    printed = PRINTERS[printer](Secret(value))
    assert CANARY not in f"{printed!r} {printed!s}"


@pytest.mark.parametrize("encoder", [json.JSONEncoder, DjangoJSONEncoder])
def test_json_refuses_a_secret(encoder: type[json.JSONEncoder]) -> None:
    with pytest.raises(TypeError) as caught:
        json.dumps({"secret": Secret(CANARY)}, cls=encoder)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("act", [list, tuple, dict, "".join, lambda secret: "x" in secret, vars, len, bytes])
def test_a_secret_is_no_container(act: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError):
        act(Secret(CANARY))


def test_only_reveal_gives_the_value() -> None:
    assert Secret(CANARY).reveal() == CANARY


def test_equal_values_are_different_secrets() -> None:
    one = Secret(CANARY)
    assert one != Secret(CANARY)
    assert one != CANARY


def test_a_pickled_secret_has_no_value_any_more() -> None:
    loaded = pickle.loads(pickle.dumps(Secret(CANARY)))  # noqa: S301 - ours
    assert str(loaded) == MASK
    with pytest.raises(ValueError, match="pickled"):
        loaded.reveal()


def test_a_copied_secret_is_the_same_one() -> None:
    one = Secret(CANARY)
    assert copy.copy(one) is copy.deepcopy(one) is one


# --- Error reports --------------------------------------------------------------------------------------------------
@login_not_required
def failing(request: HttpRequest) -> NoReturn:
    """Hold the posted secret in every kind of variable, and break."""
    secret_access_key = request.POST["secret_access_key"]
    harmless_name = [secret_access_key, {"key": secret_access_key}]
    _break(harmless_name, text=f"value {secret_access_key}")


def _break(values: list[object], text: str) -> NoReturn:
    raise RuntimeError("It broke.") from KeyError("inner")


urlpatterns = [path("failing/", failing), path("", include("crewadmin.urls"))]


@pytest.fixture
def broken(settings: Any) -> Client:
    """A browser on a site with a page that breaks, whose administrators get mail."""
    settings.ROOT_URLCONF = __name__
    settings.ADMINS = [("ops@acme.example", "ops@acme.example")]
    client = Client(raise_request_exception=False)
    client.cookies["innocent"] = CANARY
    return client


def post_canary(client: Client) -> Any:
    return client.post(
        f"/failing/?token={CANARY}",
        {"secret_access_key": CANARY, "name": CANARY},
        headers={"authorization": CANARY, "x-innocent": CANARY, "referer": f"http://testserver/{CANARY}"},
        DATABASE_URL=f"postgres://crewadmin:{CANARY}@database/crewadmin",
    )


def test_an_error_mail_names_what_was_posted_and_shows_none_of_it(broken: Client, db: None) -> None:
    response = post_canary(broken)
    assert response.status_code == 500
    assert CANARY not in response.text
    [message] = mail.outbox
    text = message.message().as_string()
    assert "secret_access_key" in text
    assert "It broke." in text
    assert "/failing/" in text
    assert "token" in text
    assert CANARY not in text


def test_the_debug_page_shows_no_value_either(broken: Client, db: None, settings: Any) -> None:
    settings.DEBUG = True
    response = post_canary(broken)
    assert response.status_code == 500
    assert "harmless_name" in response.text
    assert "It broke." in response.text
    assert CANARY not in response.text


@pytest.mark.parametrize("render", ["get_traceback_html", "get_traceback_text"])
def test_a_report_of_any_kind_shows_no_value(rf: RequestFactory, settings: Any, render: str) -> None:
    settings.CACHES = {"default": {"BACKEND": "x", "LOCATION": f"redis://user:{CANARY}@cache/0"}}
    request = rf.post("/failing/", {"secret_access_key": CANARY})
    with pytest.raises(RuntimeError) as caught:
        failing(request)
    report = getattr(ExceptionReporter(request, caught.type, caught.value, caught.tb, is_email=True), render)()
    assert "It broke." in report
    assert CANARY not in report


@pytest.mark.parametrize("render", ["get_traceback_html", "get_traceback_text"])
def test_a_report_without_a_request_shows_no_value(rf: RequestFactory, render: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        failing(rf.post("/failing/", {"secret_access_key": CANARY}))
    report = getattr(ExceptionReporter(None, caught.type, caught.value, caught.tb), render)()
    assert "It broke." in report
    assert CANARY not in report


def broken_in_a_row() -> NoReturn:
    """Raise an error that quotes a canary, because of another, with a note."""
    error = RuntimeError(f"Found {CANARY}.")
    error.add_note(CANARY)
    raise error from KeyError(CANARY)


@pytest.mark.parametrize("render", ["get_traceback_html", "get_traceback_text"])
def test_a_report_names_exceptions_and_repeats_none_of_their_texts(rf: RequestFactory, render: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        broken_in_a_row()
    report = getattr(MaskedReport(rf.get("/"), caught.type, caught.value, caught.tb, is_email=True), render)()
    assert "RuntimeError" in report
    assert "KeyError" in report
    assert "broken_in_a_row" in report
    assert CANARY not in report


def test_a_report_says_why_a_database_cannot_be_reached() -> None:
    error = OperationalError("connection refused")
    assert "connection refused" in MaskedReport(None, OperationalError, error, None).get_traceback_text()


def test_the_filter_is_the_sites_own(settings: Any) -> None:
    name = settings.DEFAULT_EXCEPTION_REPORTER_FILTER
    assert name == f"{MaskEverything.__module__}.{MaskEverything.__name__}"


# --- Logs -----------------------------------------------------------------------------------------------------------
PINNED = ("boto3", "botocore", "botocore.auth", "s3transfer", "urllib3", "django.db.backends")


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All that is logged while the root logger is at DEBUG."""
    with caplog.at_level(logging.DEBUG):
        yield caplog


@pytest.mark.parametrize("name", PINNED)
def test_loggers_that_print_secrets_stay_quiet_at_debug(everything_logged: pytest.LogCaptureFixture, name: str) -> None:
    assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    logging.getLogger(name).debug(CANARY)
    assert CANARY not in everything_logged.text


def test_the_pins_do_not_depend_on_the_log_level() -> None:
    assert {LOGGING["loggers"][name]["level"] for name in PINNED if name != "botocore.auth"} == {"WARNING"}


def test_a_test_and_a_delivery_at_debug_log_no_secret(
    everything_logged: pytest.LogCaptureFixture,
    sandbox: Sandbox,
    aws_prod: Any,
    acme: Organization,
    alice: User,
) -> None:
    automation = Automation.objects.create(organization=acme, name="Crew", slug="crew")
    automation.variables.add(new_variable(acme, alice, "DIRECT"))
    everything_logged.clear()
    assert run_connection_test(aws_prod, alice, seed.OPENAI_KEY.name).ok
    assert resolve(automation).values["DIRECT"].reveal() == CANARY
    for secret in (CANARY, seed.READER.secret_access_key, seed.OPENAI_KEY.value):
        assert secret not in everything_logged.text


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the site's own console handler writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    formatter = LOGGING["formatters"]["line"]
    handler.setFormatter(MaskedFormatter(formatter["format"]))
    logging.getLogger("any").addHandler(handler)
    yield stream
    logging.getLogger("any").removeHandler(handler)


def test_a_log_line_names_exceptions_and_repeats_none_of_their_texts(written: io.StringIO) -> None:
    try:
        broken_in_a_row()
    except RuntimeError:
        logging.getLogger("any").exception("It broke")
    assert "It broke" in written.getvalue()
    assert "builtins.RuntimeError" in written.getvalue()
    assert "builtins.KeyError" in written.getvalue()
    assert "in broken_in_a_row" in written.getvalue()
    assert CANARY not in written.getvalue()


def test_a_failed_task_is_named_without_what_it_said(written: io.StringIO) -> None:
    """Celery puts the text of the exception into the line itself."""
    context = {"name": "retest", "exc": repr(CANARY), "args": CANARY}
    try:
        broken_in_a_row()
    except RuntimeError:
        logging.getLogger("any").exception("Task %(name)s%(args)s raised: %(exc)s", context)
    assert "Task retest" in written.getvalue()
    assert CANARY not in written.getvalue()


def test_the_site_logs_through_it() -> None:
    assert LOGGING["formatters"]["line"]["()"] == f"{MaskedFormatter.__module__}.{MaskedFormatter.__name__}"
    assert LOGGING["handlers"]["console"]["formatter"] == "line"


# --- Templates ------------------------------------------------------------------------------------------------------
def test_no_template_reveals_a_secret() -> None:
    templates = list(Path(BASE_DIR, "templates").rglob("*.html"))
    assert len(templates) > 20
    assert [str(template) for template in templates if ".reveal" in template.read_text()] == []
