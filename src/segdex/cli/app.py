"""The application that all commands belong to, and what they have in common."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Group, Parameter

import segdex

Json = Annotated[bool, Parameter(name="--json", help="One JSON value a line instead of text.")]

app = App(
    name="segdex",
    help="""Exact counts and members of customer segments.

A rule is one argument: put it in double quotes, its strings in single quotes.

```
segdex build schema.toml --out index/
segdex count index/ "orders_3m > 7 and country = 'IN'"
segdex members index/ "segment 'frequent'" --out frequent.csv --columns email,spend_1y
segdex apply index/ --stream orders new.parquet --source shop --offset 1041
```

Exit codes: 0 done, 1 the data or the index is at fault, 2 the call is at fault (its rule and schema included).
""",
    help_format="markdown",
    version=segdex.__version__,
    default_parameter=Parameter(negative=(), show_default=False),
    suppress_keyboard_interrupt=False,
)

CHANGING = Group("Changing an index", help="One writer at a time; readers need not stop.", sort_key=2)
"""The commands that open an index as its writer."""
