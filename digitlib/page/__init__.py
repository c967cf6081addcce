"""The pad as one HTML file that needs no Python: ``reports/pad.html``."""
