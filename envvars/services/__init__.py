"""Decide and write: environment variables and automations; a module for each noun."""
