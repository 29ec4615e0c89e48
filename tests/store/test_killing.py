"""A few cycles of killing; `python -m tests.store.killing` runs a thousand."""

from __future__ import annotations

from pathlib import Path

from tests.store.killing import Journalled, cycles


class Forgetful(Journalled):
    """Loses what was appended last, as one would that acknowledges too early."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        if self.found > 1:
            self.found -= 2


def test_a_writer_killed_at_any_time_keeps_what_it_acknowledged(tmp_path):
    outcome = cycles(20, tmp_path / "subject", "tests.store.killing:Journalled")
    assert outcome.problems == []
    assert outcome.kills == 21
    assert outcome.acknowledged > 20


def test_the_killer_notices_what_is_lost(tmp_path):
    outcome = cycles(4, tmp_path / "subject", "tests.store.test_killing:Forgetful")
    assert any("were acknowledged" in problem for problem in outcome.problems)
