"""Conversion tables, one file a family: whose module becomes which layer."""
