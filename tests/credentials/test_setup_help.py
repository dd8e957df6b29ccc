"""The policies beside the form of a credential, as the server writes them."""

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from organizations.models import Organization, User
from sandbox import seed
from tests.builders import store_role_credential
from tests.pages import html_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def policies_of(response: Any) -> dict[str, Any]:
    """Each policy of the page by the id of its part."""
    found = re.findall(r'<details[^>]*id="([\w-]+-policy)".*?<code>(.*?)</code>', html_of(response), re.DOTALL)
    return {name: json.loads(unescape(text)) for name, text in found}


def test_a_fresh_page_holds_the_guides_policies_with_placeholders(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    shown = policies_of(sign_in(alice).get(reverse("credential_add", args=[acme.uuid])))
    assert shown["read-policy"] == seed.READ_POLICY
    assert shown["assume-role-policy"]["Statement"][0]["Resource"] == "ROLE_ARN_FROM_ABOVE"
    trust = shown["trust-policy"]["Statement"][0]
    assert trust["Principal"] == {"AWS": "arn:aws:iam::ACCOUNT_ID:root"}
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": "EXTERNAL_ID"}}


def test_a_refused_form_keeps_the_role_and_never_the_external_id(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    role = " arn:aws-cn:iam::123456789012:role/Reader\n"
    sent = {"provider": "aws", "role_arn": role, "external_id": seed.EXTERNAL_ID}
    response = sign_in(alice).post(reverse("credential_add", args=[acme.uuid]), sent)
    assert response.status_code == 422
    shown = policies_of(response)
    assert shown["assume-role-policy"]["Statement"][0]["Resource"] == role.strip()
    assert shown["trust-policy"]["Statement"][0]["Principal"] == {"AWS": "arn:aws-cn:iam::ACCOUNT_ID:root"}
    assert seed.EXTERNAL_ID not in html_of(response)


def test_what_was_typed_as_role_stays_text(acme: Organization, alice: User, sign_in: SignIn) -> None:
    hostile = '"</code><script>alert(1)</script>'
    response = sign_in(alice).post(
        reverse("credential_add", args=[acme.uuid]), {"provider": "aws", "role_arn": hostile}
    )
    assert policies_of(response)["assume-role-policy"]["Statement"][0]["Resource"] == hostile
    assert "<script>alert" not in html_of(response)


def test_the_edit_page_has_the_stored_role_and_not_the_stored_external_id(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    credential = store_role_credential(acme, alice)
    response = sign_in(alice).get(reverse("credential_edit", args=[acme.uuid, credential.uuid]))
    shown = policies_of(response)
    assert shown["assume-role-policy"] == seed.ASSUME_POLICY
    assert shown["trust-policy"]["Statement"][0]["Condition"] == {"StringEquals": {"sts:ExternalId": "EXTERNAL_ID"}}
    assert seed.EXTERNAL_ID not in html_of(response)


def test_the_key_file_has_no_name_and_so_is_never_sent(acme: Organization, alice: User, sign_in: SignIn) -> None:
    html = html_of(sign_in(alice).get(reverse("credential_add", args=[acme.uuid])))
    (chooser,) = re.findall(r'<input[^>]*type="file"[^>]*>', html)
    assert " name=" not in chooser
    assert "multipart" not in html
