"""Adaptive β in a numpy training loop.

    pip install ./bindings/python && python examples/python/adaptive_beta.py

The "model" computes the margins of 64 preference pairs from a shared weight vector. The loop is that of any trainer:
log-probabilities in, gradients with respect to them out, the model's own backward pass, an update, and ``commit``.
"""

import numpy as np

import libdama

rng = np.random.default_rng(0)
PAIRS, FEATURES, BATCH = 64, 8, 16

# log π(y) = features · weights + reference: linear, so its gradient is the features.
chosen_features = rng.normal(0, 1, (PAIRS, FEATURES)) + 0.3
rejected_features = rng.normal(0, 1, (PAIRS, FEATURES))
reference_chosen, reference_rejected = rng.normal(-60, 10, (2, PAIRS))
# Hardness in the range of `libdama.hardness`, and α_D from it.
delta = np.clip(rng.normal(0.1, 0.3, PAIRS), -1, 1)
alpha_data = libdama.alpha_data(delta)

weights = np.zeros(FEATURES)
controller = libdama.AdaptiveBeta(preset="paper", beta=0.1, keep=12)
print("step    loss  α_M     R̄       β (min … max)      accuracy  masked")
for step in range(60):
    rows = rng.choice(PAIRS, BATCH, replace=False)
    out = controller.step(
        reference_chosen[rows] + chosen_features[rows] @ weights,
        reference_rejected[rows] + rejected_features[rows] @ weights,
        reference_chosen[rows],
        reference_rejected[rows],
        alpha_data[rows],
    )
    gradient = out.grad_chosen @ chosen_features[rows] + out.grad_rejected @ rejected_features[rows]
    weights -= 20 * gradient
    controller.commit()
    if step % 10 == 9:
        print(
            f"{step + 1:4d}  {out.loss:.4f}  {out.alpha_model:.4f}  {controller.running_mean:.4f}  "
            f"{out.beta.min():.4f} … {out.beta.max():.4f}  {out.accuracy:8.3f}  {np.flatnonzero(~out.mask)}"
        )

# A checkpoint is a few hundred bytes.
state = controller.state()
assert libdama.AdaptiveBeta.from_state(state).state() == state
margins = (chosen_features - rejected_features) @ weights
print(f"{np.mean(margins > 0):.0%} of all pairs have the chosen response ahead; state: {len(state)} bytes")
