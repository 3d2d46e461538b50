"""Names of keras.applications, timm and torchvision, and what to use here instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

# Their option -> ours.
RENAMED = {
    "classes": "num_classes",
    "n_classes": "num_classes",
    "num_class": "num_classes",
    "global_pool": "pooling",
    "drop_rate": "dropout",
    "dropout_rate": "dropout",
    "drop_connect_rate": "drop_path_rate",
    "stochastic_depth_prob": "drop_path_rate",
    "act_layer": "activation",
    "norm_layer": "norm",
    "pretrained": "weights",
    "checkpoint_path": "weights",
    "img_size": "image_size",
    "input_size": "image_size",
    "lr": "learning_rate",
    "opt": "optimizer",
    "wd": "weight_decay",
}
PRETRAINED = (
    "a builder draws random weights; "
    'for pretrained weights use applications.load(name, weights="imagenet")'
)
SHAPE = "say input_shape=(height, width, channels)"
# Their option -> what to do if no option of ours corresponds to it.
HINTS = {
    "weights": PRETRAINED,
    "pretrained": PRETRAINED,
    "checkpoint_path": "to load a checkpoint use applications.load(name, weights=PATH)",
    "include_top": "for a model without its classifier say num_classes=0",
    "in_chans": SHAPE,
    "in_channels": SHAPE,
    "img_size": SHAPE,
    "image_size": SHAPE,
    "input_size": SHAPE,
    "input_tensor": f"{SHAPE}, and call the model on the tensor",
    "include_preprocessing": "say normalization=None for images that are normalised already",
    "include_rescaling": "say normalization=None for images that are normalised already",
    "replace_stride_with_dilation": "say output_stride=16 or output_stride=8",
    "features_only": "for the feature maps use zoo.features(model) in Python",
    "out_indices": "for the feature maps use zoo.features(model, levels) in Python",
}

# Their name -> what to use here.
NAMES = {
    "applications": "it is a package of its own: import applications",
    "tuning": "it is a package of its own: import tuning",
    "create_model": "use zoo.create(name, **options)",
    "get_model": "use zoo.create(name, **options)",
    "preprocess_input": "the models take pixels in [0, 255] and normalise them themselves",
    "decode_predictions": "use applications.classify(model, image), which names the classes",
    "list_pretrained": "use applications.list_weights(name)",
    "load_weights": "use applications.load_weights(model, path)",
    "finetune": "use applications.finetune",
    "evaluate": "use applications.evaluate",
    "classify": "use applications.classify",
    "search": "use tuning.search",
    "train": "use zoo.training.train",
    "Recipe": "use zoo.training.Recipe",
}


def unknown_option(
    owner: str, option: str, known: Iterable[str], flags: Mapping[str, str] | None = None
) -> str:
    """Return the error message for an unknown option.

    Args:
        owner: What lacks the option.
        option: The unknown name.
        known: The known names.
        flags: Option -> flag of the command line.

    Example:
        >>> unknown_option("resnet18", "include_top", ["num_classes"])
        "resnet18 has no option 'include_top'; for a model without its classifier say num_classes=0"
    """
    known, flags = list(dict.fromkeys(known)), flags or {}
    ours = RENAMED.get(option, "")
    close = difflib.get_close_matches(option, [*known, *flags], n=1)
    if ours in flags or ours in known:
        hint = f"say {flags.get(ours, ours)}"
    elif option in HINTS:
        hint = HINTS[option]
    elif close:
        hint = f"did you mean {flags.get(close[0]) or repr(close[0])}?"
    else:
        hint = f"the options are {', '.join(known)}"
    return f"{owner} has no option {option!r}; {hint}"


def unknown_name(module: str, name: str, models: Iterable[str] = ()) -> str:
    """Return the error message for an unknown attribute of a module.

    Args:
        module: The module's name.
        name: The attribute.
        models: Names of models, recognised in any spelling.

    Example:
        >>> print(unknown_name("zoo", "ResNet50", ["resnet50"]))
        module 'zoo' has no attribute 'ResNet50'; use zoo.create("resnet50")
    """
    plain = {model.replace("_", ""): model for model in models}
    model = plain.get(name.replace("_", "").lower())
    maker = "load" if module == "applications" else "create"
    hint = f'use {module}.{maker}("{model}")' if model else NAMES.get(name)
    return f"module {module!r} has no attribute {name!r}" + (f"; {hint}" if hint else "")
