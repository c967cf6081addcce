"""Whole numbers: pictures or pen strokes in, a :class:`reading.Reading` out. Nothing else in the
package needs this folder, except ``Recognizer.read``, the wide pad and the command ``numbers``."""
