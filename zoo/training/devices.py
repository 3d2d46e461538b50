"""What the accelerators can do, and what a run makes of it: memory growth, precision, XLA."""

from __future__ import annotations

import contextlib
from typing import Any, Literal

Accelerator = tuple[Literal["cpu", "gpu", "tpu"], float]  # kind, lowest CUDA compute capability


def require_tensorflow() -> None:
    """Raise RuntimeError if Keras runs on another backend: training is written for TensorFlow's."""
    import keras

    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise RuntimeError(
            f"training needs Keras's TensorFlow backend, and this is {backend}: set "
            "KERAS_BACKEND=tensorflow before Keras is imported"
        )


def setup_devices() -> list[str]:
    """Let GPU memory grow with need. Call it before anything else uses the GPUs.

    Without it TensorFlow takes all the memory of every GPU at once. Later calls change nothing.

    Returns:
        The devices' names, GPUs and TPUs before the CPU.

    Example:
        >>> setup_devices()[-1].startswith("CPU")
        True
    """
    import tensorflow as tf

    names = []
    for gpu in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError, ValueError):  # in use, or without the setting
            tf.config.experimental.set_memory_growth(gpu, True)
        names.append(f"GPU: {_details(gpu).get('device_name', gpu.name)}")
    names += [f"TPU: {tpu.name}" for tpu in tf.config.list_logical_devices("TPU")]
    return [*names, *(f"CPU: {cpu.name}" for cpu in tf.config.list_physical_devices("CPU"))]


def accelerator() -> Accelerator:
    """The kind of device that training runs on, and the weakest GPU's compute capability.

    Returns:
        ("cpu", 0.0), ("tpu", 0.0) or ("gpu", capability); 0.0 where a GPU does not report it.
    """
    import tensorflow as tf

    if tf.config.list_logical_devices("TPU"):
        return "tpu", 0.0
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "cpu", 0.0
    capabilities = (_details(gpu).get("compute_capability", (0, 0)) for gpu in gpus)
    return "gpu", min(major + minor / 10 for major, minor in capabilities)


def _details(gpu: Any) -> dict[str, Any]:
    import tensorflow as tf

    try:
        return tf.config.experimental.get_device_details(gpu)
    except (RuntimeError, ValueError):
        return {}


def precision_policy(
    mixed_precision: bool | str = "auto", device: Accelerator | None = None
) -> str:
    """The Keras dtype policy to build a model with.

    float16 has tensor cores from compute capability 7.0 on and needs loss scaling, which
    `compile` adds; bfloat16, from 8.0 on and on TPUs, needs none. A CPU is slower with either.

    Args:
        mixed_precision: "auto"; False for float32; True for the kind that suits the device, which
            is bfloat16 on a CPU; or a policy's name, which is returned.
        device: As `accelerator` gives it; None: this machine's.

    Returns:
        "float32", "mixed_float16" or "mixed_bfloat16", for `keras.config.set_dtype_policy`.

    Example:
        >>> precision_policy("auto", ("gpu", 7.5)), precision_policy("auto", ("cpu", 0.0))
        ('mixed_float16', 'float32')
    """
    if isinstance(mixed_precision, str) and mixed_precision != "auto":
        return mixed_precision
    if mixed_precision is False:
        return "float32"
    kind, capability = accelerator() if device is None else device
    if kind == "tpu" or (kind == "gpu" and capability >= 8):
        return "mixed_bfloat16"
    if kind == "gpu" and (capability >= 7 or mixed_precision is True):
        return "mixed_float16"
    return "mixed_bfloat16" if mixed_precision is True else "float32"


def uses_xla(jit_compile: bool | str = "auto", device: Accelerator | None = None) -> bool | str:
    """What to give to `compile` as `jit_compile`.

    Args:
        jit_compile: "auto", True or False.
        device: As `accelerator` gives it; None: this machine's.

    Returns:
        The argument, but for "auto" on a CPU, where XLA makes depthwise networks 6 times slower:
        False. On a GPU or TPU "auto" stays, by which Keras asks every layer.

    Example:
        >>> uses_xla("auto", ("cpu", 0.0)), uses_xla("auto", ("gpu", 8.0))
        (False, 'auto')
    """
    if jit_compile != "auto":
        return jit_compile
    kind, _ = accelerator() if device is None else device
    return False if kind == "cpu" else "auto"
