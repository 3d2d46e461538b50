"""What the server of processes imports once for all of them, before it forks the first."""

from zoo.common.quiet import quiet

with quiet():
    import keras_tuner  # noqa: F401

    import zoo.callbacks
    import zoo.data
    import zoo.training  # noqa: F401
