"""Names that moved to :mod:`digitlib.evaluation.metrics`; remove when all imports have moved."""

from digitlib.evaluation.metrics import (
    grouped_difference,
    in_points,
    is_significant,
    welch_interval,
)

__all__ = ["grouped_difference", "in_points", "is_significant", "welch_interval"]
