"""What keras.applications, timm and torchvision call things that have another name here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

PRETRAINED = 'for pretrained weights use applications.load(name, weights="imagenet")'

# An option of theirs: what to do here.
OPTIONS = {
    "weights": f"a builder draws random weights; {PRETRAINED}",
    "pretrained": f"a builder draws random weights; {PRETRAINED}",
    "checkpoint_path": "to load a checkpoint use applications.load(name, weights=PATH)",
    "include_top": "for a model without its classifier say num_classes=0",
    "classes": "say num_classes",
    "num_class": "say num_classes",
    "n_classes": "say num_classes",
    "in_chans": "say input_shape=(height, width, channels)",
    "in_channels": "say input_shape=(height, width, channels)",
    "input_tensor": "say input_shape=(height, width, channels), and call the model on the tensor",
    "input_size": "say input_shape=(height, width, channels)",
    "img_size": "say input_shape=(height, width, channels)",
    "image_size": "say input_shape=(height, width, channels)",
    "include_preprocessing": "say normalization=None for images that are normalised already",
    "include_rescaling": "say normalization=None for images that are normalised already",
    "global_pool": "say pooling",
    "drop_rate": "say dropout",
    "dropout_rate": "say dropout",
    "drop_connect_rate": "say drop_path_rate",
    "stochastic_depth_prob": "say drop_path_rate",
    "act_layer": 'say activation, such as activation="silu"',
    "norm_layer": 'say norm: "batch", "group", "layer", "instance" or "none"',
    "replace_stride_with_dilation": "say output_stride=16 or output_stride=8",
    "features_only": "for the feature maps use zoo.features(model)",
    "out_indices": "for the feature maps use zoo.features(model, levels)",
}

# A name of theirs: what it is here.
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


def unknown_option(owner: str, option: str, known: Iterable[str]) -> str:
    """The sentence about an option that there is not.

    Args:
        owner: What does not have it.
        option: Its name.
        known: The names that there are.

    Example:
        >>> unknown_option("resnet18", "include_top", ["num_classes"])
        "resnet18 has no option 'include_top'; for a model without its classifier say num_classes=0"
    """
    known = list(dict.fromkeys(known))
    close = difflib.get_close_matches(option, known, n=1)
    if option in OPTIONS:
        hint = OPTIONS[option]
    elif close:
        hint = f"did you mean {close[0]!r}?"
    else:
        hint = f"the options are {', '.join(known)}"
    return f"{owner} has no option {option!r}; {hint}"


def unknown_name(module: str, name: str, models: Iterable[str] = ()) -> str:
    """The sentence about an attribute that a module does not have.

    Args:
        module: The module's name.
        name: The attribute.
        models: Names of models; one is recognised in any spelling.

    Example:
        >>> unknown_name("zoo", "ResNet50", ["resnet50"])
        'module \'zoo\' has no attribute \'ResNet50\'; use zoo.create("resnet50")'
    """
    plain = {model.replace("_", ""): model for model in models}
    model = plain.get(name.replace("_", "").lower())
    maker = "load" if module == "applications" else "create"
    hint = f'use {module}.{maker}("{model}")' if model else NAMES.get(name)
    return f"module {module!r} has no attribute {name!r}" + (f"; {hint}" if hint else "")
