"""The way to a phone over the user's adb server: finding it, watching it, running programs on it.

The facts of the protocol are from AOSP's packages/modules/adb: OVERVIEW.TXT, SERVICES.TXT, SYNC.TXT
and shell_protocol.h.
"""
