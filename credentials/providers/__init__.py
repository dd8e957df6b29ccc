"""The clouds whose vaults can be opened. A new provider is its package, one line here, its tests and its guide."""

from .aws.provider import AwsSecretsManager
from .base import Provider

__all__ = ["PROVIDERS", "Provider", "provider_class"]


def _registry(*providers: type[Provider]) -> dict[str, type[Provider]]:
    by_slug = {provider.slug: provider for provider in providers}
    if len(by_slug) != len(providers):
        raise ValueError(f"Two providers share a slug: {sorted(provider.slug for provider in providers)}")
    return by_slug


#: Slug -> provider, in the order in which they are offered.
PROVIDERS = _registry(AwsSecretsManager)


def provider_class(slug: str) -> type[Provider]:
    """Return the provider called `slug`. Raises KeyError for one that does not exist."""
    return PROVIDERS[slug]
