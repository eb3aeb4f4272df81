"""The morning after: what one night brought, as plain data for people and programs.

``data`` is the structure, ``night`` reads it out of the history, and every other module writes it
in one form.
"""
