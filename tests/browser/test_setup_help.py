"""The help beside the credential form: policies that say what is typed, and keys from the console's file."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from organizations.models import Organization, User
from sandbox import seed
from tests.browser.conftest import NARROW, WIDE, accessibility_problems
from tests.browser.test_keyboard import reach
from tests.builders import store_reference, store_role_credential

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Enter = Callable[..., Page]
KEY_ID, SECRET = seed.READER.access_key_id, seed.READER.secret_access_key
NEW = f"Access key ID,Secret access key\r\n{KEY_ID},{SECRET}\r\n"
OLD = (
    "User name,Password,Access key ID,Secret access key,Console login link\n"
    f"crewai-secrets-reader,,{KEY_ID},{SECRET},https://123456789012.signin.aws.amazon.com/console\n"
)


@pytest.fixture
def form_page(acme: Organization, alice: User, enter: Enter) -> Page:
    page = enter(alice)
    page.goto(f"/organizations/{acme.uuid}/settings/credentials/add/")
    return page


def policy(page: Page, name: str) -> Any:
    """The policy as it would be pasted."""
    return json.loads(page.locator(f"#{name} code").text_content() or "")


def external_id_in_trust(page: Page) -> str:
    found: str = policy(page, "trust-policy")["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"]
    return found


def field(page: Page, label: str) -> Any:
    return page.get_by_label(label, exact=True)


def a_file(content: str | bytes, name: str = "accessKeys.csv") -> FilePayload:
    return {"name": name, "mimeType": "text/csv", "buffer": content if isinstance(content, bytes) else content.encode()}


def drop(page: Page, target: str, *files: FilePayload) -> bool:
    """Drop files as a person would; returns whether the page took them, else the browser would open them instead."""
    data = [[file["name"], list(file["buffer"])] for file in files]
    taken: bool = page.locator(target).evaluate(
        """(target, files) => {
            const dataTransfer = new DataTransfer();
            files.forEach(([name, bytes]) => dataTransfer.items.add(new File([new Uint8Array(bytes)], name)));
            const send = (type) => target.dispatchEvent(
                new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
            return [send("dragover"), send("drop")].every((opened) => !opened);
        }""",
        data,
    )
    return taken


def test_a_generated_external_id_fills_the_field_and_can_be_read_in_the_trust_policy(
    form_page: Page, picture: Callable[[str], None]
) -> None:
    expect(form_page.locator("#trust-policy code")).to_be_hidden()
    form_page.get_by_role("button", name="Generate an External ID").click()
    first = field(form_page, "External ID").input_value()
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert external_id_in_trust(form_page) == first
    expect(form_page.locator("#trust-policy code")).to_be_visible()
    expect(form_page.get_by_text("A new External ID is filled in.")).to_be_visible()
    picture("generated-external-id")
    form_page.get_by_role("button", name="Generate an External ID").click()
    assert external_id_in_trust(form_page) == field(form_page, "External ID").input_value() != first


def test_the_policies_follow_what_is_typed_and_go_back_to_their_placeholders(form_page: Page) -> None:
    hostile = '"}]<img src=x onerror=alert(1)>'
    field(form_page, "External ID").fill(hostile)
    field(form_page, "Role ARN").fill(" arn:aws-cn:iam::123456789012:role/Reader ")
    assert external_id_in_trust(form_page) == hostile
    assert form_page.locator("#trust-policy img").count() == 0
    trusted = policy(form_page, "trust-policy")["Statement"][0]["Principal"]["AWS"]
    assert trusted == "arn:aws-cn:iam::ACCOUNT_ID:root"
    resource = policy(form_page, "assume-role-policy")["Statement"][0]["Resource"]
    assert resource == "arn:aws-cn:iam::123456789012:role/Reader"
    field(form_page, "External ID").fill("")
    field(form_page, "Role ARN").fill("")
    assert external_id_in_trust(form_page) == "EXTERNAL_ID"
    assert policy(form_page, "assume-role-policy")["Statement"][0]["Resource"] == "ROLE_ARN_FROM_ABOVE"
    assert policy(form_page, "trust-policy")["Statement"][0]["Principal"]["AWS"] == "arn:aws:iam::ACCOUNT_ID:root"


def test_a_policy_is_copied_as_it_stands(form_page: Page) -> None:
    form_page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    field(form_page, "Role ARN").fill(seed.ROLE_ARN)
    form_page.get_by_text("Policy that lets the user assume the role", exact=True).click()
    form_page.get_by_role("button", name="Copy: Policy that lets the user assume the role").click()
    expect(form_page.locator("#assume-role-policy").get_by_text("Copied")).to_be_visible()
    assert json.loads(form_page.evaluate("navigator.clipboard.readText()")) == seed.ASSUME_POLICY


def test_on_the_edit_page_generate_opens_the_stored_field_and_keeping_it_forgets_the_new_one(
    acme: Organization, alice: User, enter: Enter
) -> None:
    credential = store_role_credential(acme, alice)
    page = enter(alice)
    page.goto(f"/organizations/{acme.uuid}/settings/credentials/{credential.uuid}/edit/")
    assert policy(page, "assume-role-policy")["Statement"][0]["Resource"] == seed.ROLE_ARN
    assert external_id_in_trust(page) == "EXTERNAL_ID"
    page.get_by_role("button", name="Generate an External ID").click()
    assert external_id_in_trust(page) == page.get_by_label("New External ID").input_value() != ""
    page.locator("details.stored[open] summary").click()
    expect(page.locator("#trust-policy code")).to_contain_text('"EXTERNAL_ID"')
    expect(page.get_by_text("A new External ID is filled in.")).to_be_hidden()
    assert page.locator("[name='external_id']").input_value() == ""


@pytest.mark.parametrize(
    "content",
    [
        NEW,
        OLD,
        "\ufeff" + NEW,
        NEW.replace(",", ";"),
        "\ufeff" + OLD.replace(",", ";").replace("\n", "\r\n"),
        f'"Access key ID","Secret access key"\n"{KEY_ID}","{SECRET}"',
        f'User Name,Access Key Id,Secret Access Key\n"Reader, the ""first""",{KEY_ID},{SECRET}\n\n',
    ],
    ids=["new", "old", "bom", "semicolons", "old-excel", "quoted", "older-capitals"],
)
def test_a_key_file_fills_both_keys_and_shows_neither(form_page: Page, content: str) -> None:
    form_page.get_by_label("Fill from the key file of the AWS console").set_input_files(a_file(content))
    expect(form_page.locator("#key-file-answer")).to_contain_text("Both keys are filled in")
    expect(field(form_page, "Access Key ID")).to_have_value(KEY_ID)
    expect(field(form_page, "Secret Access Key")).to_have_value(SECRET)
    html = form_page.content()
    assert KEY_ID not in html
    assert SECRET not in html
    expect(form_page.get_by_label("Fill from the key file of the AWS console")).to_have_value("")


ROOT = f"AWSAccessKeyId={KEY_ID}\r\nAWSSecretKey={SECRET}\r\n"


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (a_file(ROOT, "rootkey.csv"), "keys of the root user"),
        (a_file(ROOT, "renamed.csv"), "keys of the root user"),
        (a_file(NEW, "rootkey (1).csv"), "keys of the root user"),
        (a_file(NEW + f"AKIARZPUZDIKBEXAMPLE,{SECRET}\r\n"), "more than one access key"),
        (a_file(""), "This file is empty"),
        (a_file("\ufeff\r\n"), "This file is empty"),
        (a_file("name,price\nchair,12\n"), "No access key was found"),
        (a_file(OLD.replace(f"{KEY_ID},{SECRET}", ",")), "No access key was found"),
        (a_file(NEW.replace(SECRET, "#NAME?")), "No access key was found"),
        (a_file(bytes(range(256))), "No access key was found"),
        (a_file(NEW + " " * 65_536), "larger than 64 KB"),
    ],
    ids=[
        "root",
        "root-renamed",
        "root-new-header",
        "several",
        "empty",
        "blank",
        "other",
        "without-keys",
        "damaged",
        "binary",
        "large",
    ],
)
def test_any_other_file_is_refused_with_the_reason_and_fills_nothing(
    form_page: Page, file: FilePayload, reason: str
) -> None:
    form_page.get_by_label("Fill from the key file of the AWS console").set_input_files(file)
    expect(form_page.locator("#key-file-answer")).to_contain_text(reason)
    expect(field(form_page, "Access Key ID")).to_have_value("")
    expect(field(form_page, "Secret Access Key")).to_have_value("")


@pytest.mark.parametrize("target", ["[data-key-file]", "aside.aside", "body"])
def test_a_key_file_may_be_dropped_anywhere_on_the_page(
    form_page: Page, target: str, picture: Callable[[str], None]
) -> None:
    assert drop(form_page, target, a_file(NEW))
    expect(form_page.locator("#key-file-answer")).to_contain_text("Both keys are filled in")
    expect(field(form_page, "Secret Access Key")).to_have_value(SECRET)
    picture("key-file-dropped")


def test_several_dropped_files_are_refused(form_page: Page) -> None:
    assert drop(form_page, "body", a_file(NEW), a_file(NEW, "accessKeys (1).csv"))
    expect(form_page.locator("#key-file-answer")).to_contain_text("more than one")
    expect(field(form_page, "Access Key ID")).to_have_value("")


def test_a_key_file_replaces_stored_keys_and_is_never_sent(acme: Organization, alice: User, enter: Enter) -> None:
    credential = store_role_credential(acme, alice)
    page = enter(alice)
    page.goto(f"/organizations/{acme.uuid}/settings/credentials/{credential.uuid}/edit/")
    page.get_by_label("Fill from the key file of the AWS console").set_input_files(a_file(NEW))
    expect(page.get_by_label("New Secret Access Key")).to_have_value(SECRET)
    with page.expect_request(lambda request: request.method == "POST") as sent:
        page.get_by_role("button", name="Save").click()
    body = sent.value.post_data or ""
    assert "secret_access_key=" in body
    assert "accessKeys.csv" not in body
    page.wait_for_url(re.compile(rf"{credential.uuid}/$"))
    credential.refresh_from_db()
    assert credential.config["access_key_id"] == KEY_ID
    assert credential.secrets.reveal()["secret_access_key"] == SECRET


def test_key_file_and_generate_are_reached_by_keyboard(form_page: Page) -> None:
    reach(form_page, "button", "Fill from the key file of the AWS console")
    # What Space opens from here is the browser's own window, not the page's.
    form_page.get_by_label("Fill from the key file of the AWS console").set_input_files(a_file(NEW))
    expect(field(form_page, "Access Key ID")).to_have_value(KEY_ID)
    reach(form_page, "button", "Generate an External ID")
    form_page.keyboard.press("Enter")
    expect(field(form_page, "External ID")).to_have_value(re.compile("^[0-9a-f]{32}$"))


def test_without_javascript_the_policies_can_be_read_and_nothing_else_is_offered(
    acme: Organization, alice: User, enter: Enter, open_page: Callable[..., Page]
) -> None:
    page = enter(alice, page=open_page(java_script_enabled=False))
    page.goto(f"/organizations/{acme.uuid}/settings/credentials/add/")
    page.get_by_text("Policy that reads secrets", exact=True).click()
    expect(page.locator("#read-policy code")).to_contain_text("secretsmanager:ListSecrets")
    expect(page.get_by_label("Fill from the key file of the AWS console")).to_be_hidden()
    expect(page.get_by_role("button", name="Generate an External ID")).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_opened_help_and_a_compared_policy_are_accessible_and_fit(
    acme: Organization,
    alice: User,
    enter: Enter,
    open_page: Callable[..., Page],
    keep: Callable[[Page, str], None],
    theme: str,
    size: dict[str, int],
) -> None:
    credential = store_role_credential(acme, alice)
    store_reference(acme, "DATABASE_PASSWORD", "database-credentials#password", credential)
    settings = f"/organizations/{acme.uuid}/settings/credentials"
    page = enter(alice, page=open_page(viewport=size, color_scheme=theme))
    page.goto(f"{settings}/add/")
    for summary in page.locator(".disclosure > summary").all():
        summary.click()
    field(page, "Role ARN").fill(seed.ROLE_ARN)
    page.get_by_label("Fill from the key file of the AWS console").set_input_files(a_file(ROOT))
    problems = look_at(page, keep, f"setup-help-{theme}-{size['width']}")
    page.goto(f"{settings}/{credential.uuid}/policy/")
    conditional = {
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"Bool": {"aws:ViaAWSService": "true"}},
    }
    existing = {**seed.SCOPED_POLICY, "Statement": [*seed.SCOPED_POLICY["Statement"], conditional]}
    page.get_by_label("Policy of the IAM user or role").fill(json.dumps(existing, indent=2))
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("Missing and wider")).to_be_in_viewport()
    problems += look_at(page, keep, f"policy-compared-{theme}-{size['width']}")
    assert problems == []


def look_at(page: Page, keep: Callable[[Page, str], None], name: str) -> list[str]:
    """Return what is wrong with a page as it stands."""
    keep(page, name)
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return accessibility_problems(page) + ([f"{width} px wider than the window"] if width > 0 else [])
