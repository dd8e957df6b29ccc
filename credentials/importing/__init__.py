"""Import and export of credentials: CSV and JSON of our own schema, the AWS console's key file, AWS's shared files."""
