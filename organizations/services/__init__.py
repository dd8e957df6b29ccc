"""Decide and write: organizations, members and roles; a module for each noun."""
