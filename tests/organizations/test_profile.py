"""A person's own page."""

from collections.abc import Callable

import pytest
from django.test import Client

from organizations.models import User
from tests.pages import errors_beside, html_of, toasts_of, value_of

SignIn = Callable[[User], Client]
PROFILE = "/account/profile/"


def test_a_person_sees_name_and_address(alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice).get(PROFILE)
    assert value_of(page, "name") == "Alice"
    assert 'value="alice@acme.example"' in html_of(page)


def test_the_name_is_changed_and_the_address_is_not(alice: User, sign_in: SignIn) -> None:
    sent = {"name": " Alice  B. ", "email": "mallory@umbrella.example", "is_staff": "on"}
    answer = sign_in(alice).post(PROFILE, sent, follow=True)
    assert [toast.title for toast in toasts_of(answer)] == ["Your profile was saved."]
    alice.refresh_from_db()
    assert (alice.name, alice.email, alice.is_staff) == ("Alice  B.", "alice@acme.example", False)


@pytest.mark.parametrize("name", ["x" * 151, "a\0b", "a\u202eb", "a\nb"])
def test_a_name_that_cannot_be_read_is_refused(alice: User, sign_in: SignIn, name: str) -> None:
    answer = sign_in(alice).post(PROFILE, {"name": name})
    assert answer.status_code == 422
    assert errors_beside(answer, "name")
    alice.refresh_from_db()
    assert alice.name == "Alice"


def test_a_visitor_is_sent_to_the_sign_in(db: None) -> None:
    assert Client().get(PROFILE)["Location"] == f"/account/login/?next={PROFILE}"


def test_somebody_without_a_password_sets_a_first_one(alice: User, sign_in: SignIn) -> None:
    alice.set_unusable_password()
    alice.save()
    client = sign_in(alice)
    assert client.get("/account/password/")["Location"] == "/account/password/set/"
    new = "another battery staple horse"
    assert client.get("/account/password/set/").status_code == 200
    client.post("/account/password/set/", {"password1": new, "password2": new})
    alice.refresh_from_db()
    assert alice.check_password(new)
