"""Settings > Secret Provider Credentials > Add Credential."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from organizations.models import AuditEvent, Organization, User
from sandbox import seed

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def form(**changes: str) -> dict[str, str]:
    return {
        "name": "aws-prod",
        "provider": "aws",
        "region": "us-east-1",
        "access_key_id": seed.READER.access_key_id,
        "secret_access_key": seed.READER.secret_access_key,
        "role_arn": "",
        "external_id": "",
    } | changes


def test_an_owner_creates_a_credential_and_it_is_stored_sealed(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    response = sign_in(alice).post(reverse("credential_add", args=[acme.uuid]), form(is_default="on"), follow=True)
    assert response.redirect_chain[-1][0] == reverse("credential_list", args=[acme.uuid])
    assert "(default)" in response.content.decode()
    credential = Credential.objects.get()
    assert credential.config == {"region": "us-east-1", "access_key_id": seed.READER.access_key_id, "role_arn": ""}
    assert credential.secrets.reveal() == {"secret_access_key": seed.READER.secret_access_key}
    assert AuditEvent.objects.filter(action="credential:created", actor=alice).exists()
