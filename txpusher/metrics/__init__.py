"""Prometheus metrics: counters fed by occurrences, and the page that shows them."""
