"""The notebooks are run; README.md and the model card are filled from their numbers."""
