"""Tenants, people, roles, what each may do, and the audit log."""
