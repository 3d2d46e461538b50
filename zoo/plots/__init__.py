"""Figures of training."""

from zoo.plots.curves import *  # noqa: F403
