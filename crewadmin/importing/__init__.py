"""What every import shares: limits, strict readers of files, findings, plans, and how a plan reads.

A file is read once, row by row; nothing here knows what a row means. Whatever is wrong becomes a `Finding`, which says
where it is and what to do, and never repeats what the file holds: a secret may stand in the wrong column.
"""
