"""A random forest over the trials of a search, judged out of bag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

TREES, REPEATS = 200, 10
PARTS, FEWER_TREES, FEWER_REPEATS = 10, 40, 3  # of the jackknife


class Forest:
    """A forest fitted to columns x (trials, choices) and scores y (trials,).

    Attributes:
        trees: Its trees.
        unseen: (trees, trials): whether a tree was not fitted to a trial.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, seed: int, trees: int = TREES) -> None:
        import numpy as np
        from sklearn.ensemble import RandomForestRegressor

        self.model = RandomForestRegressor(trees, random_state=seed, n_jobs=1).fit(x, y)
        self.trees = self.model.estimators_
        self.unseen = np.ones((trees, len(y)), bool)
        for row, samples in zip(self.unseen, self.model.estimators_samples_, strict=True):
            row[samples] = False

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the prediction of each tree for each row of x: (trees, rows)."""
        import numpy as np

        return np.stack([tree.tree_.predict(x)[:, 0] for tree in self.trees])

    def r2(self, _: Any, x: np.ndarray, y: np.ndarray) -> float:
        """Return R^2 of the out-of-bag predictions, as a scorer of scikit-learn.

        x has all trials; its columns may be shuffled.
        """
        import numpy as np

        votes = self.unseen.sum(0)
        total = np.where(self.unseen, self.predict(np.asarray(x, np.float32)), 0).sum(0)
        seen = votes > 0
        rest = y[seen] - total[seen] / votes[seen]
        return float(1 - (rest**2).sum() / ((y[seen] - y[seen].mean()) ** 2).sum())

    def importances(
        self, x: np.ndarray, y: np.ndarray, seed: int, repeats: int = REPEATS
    ) -> np.ndarray:
        """Return half the loss of out-of-bag R^2 when a column is shuffled: (choices,).

        A shuffled column counts its variance twice: once missing, once as noise.
        """
        from sklearn.inspection import permutation_importance

        found = permutation_importance(
            self.model, x, y, scoring=self.r2, n_repeats=repeats, random_state=seed, n_jobs=1
        )
        return found.importances_mean / 2


def jackknife(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Standard error of the importances over trials, (choices,): a tenth is left out at a time."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(y))
    parts = np.array_split(order, min(PARTS, len(y)))
    found = []
    for part in parts:
        kept = np.setdiff1d(order, part)
        if np.ptp(y[kept]) > 0:
            forest = Forest(x[kept], y[kept], seed, FEWER_TREES)
            found.append(forest.importances(x[kept], y[kept], seed, FEWER_REPEATS))
    if len(found) < 2:
        return np.zeros(x.shape[1])
    return np.sqrt((len(found) - 1) * np.var(found, axis=0))
