"""Random rules over random schemas and data; `python -m tests.language` is the long run."""

from __future__ import annotations

import pytest

from tests.language.proof import prove


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.compiled) for part in range(1, 8))])
def test_random_rules(part: int) -> None:
    for seed in range(part * 10, part * 10 + 10):
        prove(seed)
