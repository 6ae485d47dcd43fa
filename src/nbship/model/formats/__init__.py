"""How a fitted estimator is stored: one module a format."""
