"""Who gets in where, generated from the URLconf: every address, method, actor and object against the declared rules."""
