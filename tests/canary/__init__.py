"""Secrets of every class are planted, everything is asked of the site, and nothing of them may show up anywhere."""
