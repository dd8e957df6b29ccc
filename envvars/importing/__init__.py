"""Import and export of environment variables: CSV and JSON of our own schema, and .env files."""
