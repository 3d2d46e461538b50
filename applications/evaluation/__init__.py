"""How good a model is, and at what: metrics, calibration, pictures, probes."""
