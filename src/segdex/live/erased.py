"""Whom an index must not know: of each erased customer a salted hash of the key, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets

import numpy as np
import pyarrow as pa

from segdex.values.column import Mask

SALT_BYTES = 16
HASH_BYTES = 16
_PIECE = 1 << 16
"""So many hashes are held at once."""


@dataclasses.dataclass(frozen=True, slots=True)
class Erased:
    """The erased customers of one index.

    Attributes:
        salt: 16 random bytes, without which a hash says nothing about a key.
        hashes: BLAKE2b of the key as text (7 and ``'7'`` are one key), keyed with the salt, 16 bytes each.
    """

    salt: bytes = dataclasses.field(default_factory=lambda: secrets.token_bytes(SALT_BYTES))
    hashes: frozenset[bytes] = frozenset()

    def hashed(self, keys: pa.Array) -> list[bytes]:
        """The hash of each key; null has none: empty."""
        texts = keys.cast(pa.large_string()).to_pylist()
        return [b"" if text is None else self._hash(text) for text in texts]

    def _hash(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode(), digest_size=HASH_BYTES, key=self.salt).digest()

    def among(self, keys: pa.Array) -> Mask:
        """Which of *keys* are those of erased customers."""
        found = np.zeros(len(keys), np.bool_)
        for start in range(0, len(keys) if self.hashes else 0, _PIECE):
            piece = self.hashed(keys.slice(start, _PIECE))
            found[start : start + len(piece)] = [each in self.hashes for each in piece]
        return found

    def with_keys(self, keys: pa.Array) -> Erased:
        """These, and the customers with *keys*."""
        return dataclasses.replace(self, hashes=self.hashes | (set(self.hashed(keys)) - {b""}))
