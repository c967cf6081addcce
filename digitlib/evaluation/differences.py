"""Functions that moved to :mod:`digitlib.evaluation.metrics`."""

from digitlib.evaluation.metrics import grouped_difference, in_points, is_significant

__all__ = ["grouped_difference", "in_points", "is_significant"]
