"""The HTTP interface for automations: what they show, what they get, and the document that describes it."""
