"""Decide and write: people, who belong to no organization in particular."""

from ..models import User


def change_profile(user: User, *, name: str) -> None:
    """Change what a person is called. It belongs to no organization, and audit events carry the address."""
    user.name = name
    user.save(update_fields=["name"])
