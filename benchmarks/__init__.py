"""Comparisons with the floor and with peers: `python -m benchmarks [NAME…]`. They print ratios and assert nothing."""
