"""Hide TensorFlow's messages."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

RETRACING = "triggered tf.function retracing"  # every trained model must be traced
DEPRECATED = "is deprecated and will be removed"  # called by other packages


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide what TensorFlow prints about CPUs and missing GPUs.

    TF_CPP_MIN_LOG_LEVEL=0 or 1 in the environment shows it.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") < "2":
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


@contextlib.contextmanager
def unlogged(*texts: str) -> Iterator[None]:
    """Hide TensorFlow's log messages that contain one of the texts.

    Example:
        >>> with unlogged("of no use"):
        ...     logging.getLogger("tensorflow").warning("This warning is of no use.")
    """

    def is_wanted(record: logging.LogRecord) -> bool:
        return not any(text in record.getMessage() for text in texts)

    logger = logging.getLogger("tensorflow")
    logger.addFilter(is_wanted)
    try:
        yield
    finally:
        logger.removeFilter(is_wanted)
