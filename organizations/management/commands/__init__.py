"""Commands of operators; each module is a command of its name."""
