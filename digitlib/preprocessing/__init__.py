"""A picture or pen strokes in, the 28x28 frame out, with every step in between."""
