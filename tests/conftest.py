"""What holds for every test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Times are never asserted: a busy machine must not fail a property, nor the drawing of its examples.
settings.register_profile("segdex", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("segdex")
