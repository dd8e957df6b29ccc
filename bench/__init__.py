"""Measurements beside the bound of the same work in the same run: `make bench`."""
