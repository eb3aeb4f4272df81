"""The package ``jsonschema``, without grammars of addresses that no schema here names.

They take seconds to build in each process that imports it.
"""

import sys

NAME = "rfc3987_syntax"

if NAME not in sys.modules:
    sys.modules[NAME] = None  # as if it were not installed
    import jsonschema

    del sys.modules[NAME]
else:
    import jsonschema

__all__ = ["jsonschema"]
