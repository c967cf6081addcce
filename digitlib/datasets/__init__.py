"""Sources of digits in, whole tensors out: frames, labels, writers and pen strokes."""
