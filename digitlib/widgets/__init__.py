"""Pen movements in, a live prediction out: the drawing pad."""
