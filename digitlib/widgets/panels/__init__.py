"""Panels below the pad, each a module with its style sheet."""
