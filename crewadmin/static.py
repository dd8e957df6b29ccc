"""Static files under hashed names, compressed once at collectstatic."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # WhiteNoise is untyped
    """WhiteNoise's storage, forgiving about source maps that Bootstrap's files name but nobody serves."""

    manifest_strict = False
