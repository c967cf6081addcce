"""Numbers and notebooks in, figures, metrics, tables and the model card out."""
