"""Training targets: one-hot labels, label smoothing, mixup and CutMix as functions of the step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import tensorflow as tf


def mix(
    dataset: tf.data.Dataset,
    *,
    num_classes: int,
    mixup: float = 0.0,
    cutmix: float = 0.0,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
    seed: int = 0,
    first_step: int = 0,
) -> tf.data.Dataset:
    """Turn labels into targets, and mix every image with its neighbour in the batch.

    What happens to a batch depends on `seed` and its step alone, so a resumed run continues with
    the same draws. The weight of an image against its neighbour is drawn from Beta(alpha, alpha),
    one for each image; the targets are mixed with the same weight.

    Args:
        dataset: Batches of (images (B, H, W, C), whole-number labels (B,)).
        num_classes: Length of a target.
        mixup: alpha of mixup (Zhang et al. 2018), images added up; 0: off.
        cutmix: alpha of CutMix (Yun et al. 2019), a rectangle pasted in; 0: off. With both, each
            batch draws one of the two.
        label_smoothing: Share of each target spread over all classes, in [0, 1).
        class_weights: Weight of each class in the loss; a mixed image has the mean of its
            classes'.
        seed: A whole number from 0 to 2**31 - 1.
        first_step: The step of the first batch, counted from 0 over all epochs.

    Returns:
        Batches of (images float32 (B, H, W, C), targets float32 (B, num_classes)), as many; with
        class weights also float32 (B,), the weights of the images.

    Example:
        >>> import tensorflow as tf
        >>> batch = (tf.zeros((4, 8, 8, 1)), tf.constant([0, 1, 2, 0]))
        >>> images, targets = next(iter(mix(tf.data.Dataset.from_tensors(batch), num_classes=3)))
        >>> targets.numpy()[1].tolist()
        [0.0, 1.0, 0.0]
    """
    import tensorflow as tf

    weights = None if class_weights is None else tf.constant(class_weights, tf.float32)
    return mixed(
        dataset,
        lambda labels: tf.one_hot(labels, num_classes),
        mixup=mixup,
        cutmix=cutmix,
        smooth=lambda y: y * (1 - label_smoothing) + label_smoothing / num_classes,
        weigh=None if weights is None else lambda y: tf.linalg.matvec(y, weights),
        seed=seed,
        first_step=first_step,
    )


def mixed(
    dataset: tf.data.Dataset,
    encode: Callable[[Any], Any],
    *,
    mixup: float = 0.0,
    cutmix: float = 0.0,
    smooth: Callable[[Any], Any] = lambda targets: targets,
    weigh: Callable[[Any], Any] | None = None,
    seed: int = 0,
    first_step: int = 0,
) -> tf.data.Dataset:
    """Turn what a data set gives into targets, and mix every example with its neighbour.

    Args:
        dataset: Batches of (inputs, targets).
        encode: From targets to float32 targets (B, K), which can be mixed.
        mixup: As `mix` takes it.
        cutmix: Likewise.
        smooth: From mixed targets to those of the loss.
        weigh: From mixed targets to the weights (B,) of the examples.
        seed: As `mix` takes it.
        first_step: Likewise.

    Returns:
        Batches of (float32 inputs, targets), and weights if there are any.
    """
    import tensorflow as tf

    def both(step: Any, x: Any, y: Any) -> tuple[Any, Any]:
        if not mixup and not cutmix:
            return x, y
        key = tf.random.fold_in(tf.constant([seed, 0], tf.int64), step)
        coin, draw = tf.unstack(tf.random.split(key, 2))
        if mixup and cutmix:
            return tf.cond(
                tf.random.stateless_uniform((), coin) < 0.5,
                lambda: _mixup(x, y, mixup, draw),
                lambda: _cutmix(x, y, cutmix, draw),
            )
        return _mixup(x, y, mixup, draw) if mixup else _cutmix(x, y, cutmix, draw)

    def targets(step: Any, batch: tuple[Any, Any]) -> tuple[Any, ...]:
        x, y = both(step, tf.cast(batch[0], tf.float32), encode(batch[1]))
        return (x, smooth(y)) if weigh is None else (x, smooth(y), weigh(y))

    steps = dataset.enumerate(first_step)
    return steps.map(targets, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _beta(shape: Any, seed: Any, alpha: float) -> Any:
    """Draw from Beta(alpha, alpha), as a ratio of gammas; float64 keeps small alphas off 0 / 0."""
    import tensorflow as tf

    seeds = tf.unstack(tf.random.split(seed, 2))
    a, b = (tf.random.stateless_gamma(shape, s, alpha, dtype=tf.float64) for s in seeds)
    return tf.cast(tf.math.divide_no_nan(a, a + b), tf.float32)


def _mixup(x: Any, y: Any, alpha: float, seed: Any) -> tuple[Any, Any]:
    """Add images (B, H, W, C) and targets (B, K) to their neighbours', weights w and 1 - w."""
    import tensorflow as tf

    w = _beta((tf.shape(x)[0],), seed, alpha)[:, None]
    mixed = w[:, :, None, None] * x + (1 - w)[:, :, None, None] * tf.roll(x, 1, 0)
    return mixed, w * y + (1 - w) * tf.roll(y, 1, 0)


def _cutmix(x: Any, y: Any, alpha: float, seed: Any) -> tuple[Any, Any]:
    """Paste a rectangle of the neighbour; targets are weighted by the areas really covered."""
    import tensorflow as tf

    shape = tf.shape(x)
    batch, size = shape[0], shape[1:3]
    beta_seed, centre_seed = tf.unstack(tf.random.split(seed, 2))
    share = 1 - _beta((batch, 1), beta_seed, alpha)  # of the image that the rectangle would cover
    extent = tf.cast(size, tf.float32)
    centre = tf.random.stateless_uniform((batch, 2), centre_seed) * extent
    half = 0.5 * tf.sqrt(share) * extent  # (B, 2)
    low, high = tf.round(centre - half), tf.round(centre + half)  # pixels, may stick out
    at = [tf.range(extent[i])[None] for i in (0, 1)]
    rows, columns = ((at[i] >= low[:, i : i + 1]) & (at[i] < high[:, i : i + 1]) for i in (0, 1))
    inside = rows[:, :, None, None] & columns[:, None, :, None]  # (B, H), (B, W) -> (B, H, W, 1)
    w = 1 - tf.reduce_mean(tf.cast(inside, tf.float32), axis=(1, 2))  # (B, 1)
    return tf.where(inside, tf.roll(x, 1, 0), x), w * y + (1 - w) * tf.roll(y, 1, 0)
