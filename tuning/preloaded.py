"""What the server of processes imports once for all of them, before it forks the first."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras_tuner  # noqa: F401

import zoo.callbacks
import zoo.data
import zoo.training  # noqa: F401
