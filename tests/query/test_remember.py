"""What is remembered stays within its bytes, and the least recently used goes first."""

from __future__ import annotations

from segdex.query.remember import OVERHEAD, Remembered


def test_the_least_recently_used_goes_first() -> None:
    held: Remembered[bytes] = Remembered(100 + 2 * OVERHEAD, len)
    computed: list[str] = []

    def ask(text: str, size: int) -> bytes:
        return held.get(text, lambda: computed.append(text) or bytes(size))

    for text in ("a", "b", "a", "c", "a", "b"):
        assert ask(text, 40) == bytes(40)
    assert computed == ["a", "b", "c", "b"], "c made room by dropping b, since a was used after it"


def test_a_value_larger_than_everything_is_not_kept() -> None:
    held: Remembered[bytes] = Remembered(100 + 2 * OVERHEAD, len)
    assert held.get("small", lambda: b"1") == b"1"
    assert len(held.get("large", lambda: bytes(10_000))) == 10_000
    assert held.get("small", lambda: b"2") == b"1", "it did not push out the others"
