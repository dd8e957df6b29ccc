"""Environment variables, automations, references to secrets, their resolution and delivery."""
