"""Talks to a microcontroller's firmware over its line: what ``firmware/PROTOCOL.md`` specifies."""
