"""Drawn images, whose labels are exact: shapes, and scenes of several."""
