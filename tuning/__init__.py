"""Search over the choices that the models of `zoo` are made of, with KerasTuner.

    import tuning
    from tuning import space

    result = tuning.search(
        "resnet20", "digits", run_dir="runs/search",
        space=space.stride | space.pooling | space.dropout(max=0.5), max_trials=20,
    )
    print(result)

`HyperClassifier` is a `keras_tuner.HyperModel` for those who have a tuner of their own.
"""

from tuning.budget import Budget
from tuning.hypermodel import HyperClassifier
from tuning.results import SearchResult, Trial, read
from tuning.search import search

__all__ = ["Budget", "HyperClassifier", "SearchResult", "Trial", "read", "search"]
