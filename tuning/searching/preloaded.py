"""What the fork server imports once, before it forks the first trial's process."""

from zoo.common.quiet import quiet

with quiet():
    import keras_tuner  # noqa: F401

    import zoo.callbacks
    import zoo.data
    import zoo.training  # noqa: F401
