"""The clock moves on: the generation of a later clock, made from an earlier one and sharing what did not change."""

from segdex.reclock.advance import reclocked as reclocked
