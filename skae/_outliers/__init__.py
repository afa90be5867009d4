"""Anomaly scores and thresholds, as functions of arrays."""
