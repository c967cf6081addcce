"""Predictions in, numbers out: accuracy, calibration, robustness, speed."""
