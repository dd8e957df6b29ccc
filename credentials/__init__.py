"""Secret provider credentials, and the providers that open vaults with them."""
