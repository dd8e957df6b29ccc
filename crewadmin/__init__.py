"""The Django project: settings, URLs, sealing of secrets, redaction, checks, middleware, template tags."""
