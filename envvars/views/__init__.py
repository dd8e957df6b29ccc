"""Pages of environment variables and automations; a module for each noun."""
