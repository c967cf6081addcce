"""Frames in, predictions out: networks, their weights and the recognizer."""
