"""Photographs in, class names out."""
