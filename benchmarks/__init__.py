"""Comparisons with the floor and with peers: `python -m benchmarks [NAME…]`. They report ratios, and assert nothing."""
