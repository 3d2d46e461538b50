"""Search ResNet-20's strides, pooling and dropout on the digits: `python examples/tune_digits.py`.

A few minutes on two cores. Interrupt it whenever you like; run it again to continue.
"""

import tuning
from tuning import space

if __name__ == "__main__":
    result = tuning.search(
        "resnet20",
        "digits",
        run_dir="runs/tune-digits",
        space=space.stride | space.pooling | space.dropout(max=0.3),
        max_trials=20,
        max_epochs=5,
        budget=tuning.Budget(macs=10e6),
        workers=2,
        resume=True,
    )
    print(result)
