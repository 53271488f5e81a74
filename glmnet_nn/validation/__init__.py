"""Is a model calibrated, and does it separate? Tables for model validation, and displays."""
