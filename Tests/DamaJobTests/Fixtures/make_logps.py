"""Writes logps.json: `logps` fields as RLAIF-V's muffin_inference_logp.py and the authors' trainer compute them.

Run with numpy: python make_logps.py
get_batch_logps (RLAIF-V, muffin/eval/muffin_inference_logp.py) gathers the log-probability of the label at every position,
with label 0 outside the response. It sums and averages over the response, and also stores the list of *all* positions,
most of which belong to prompt and image.
"""
import json
import pathlib

import numpy as np

random = np.random.RandomState(5)
IGNORED = -100


def get_batch_logps(logits, labels):
    labels = labels[1:].copy()
    logits = logits[:-1]
    mask = labels != IGNORED
    labels[labels == IGNORED] = 0
    shifted = logits - logits.max(-1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    per_token = np.take_along_axis(logs, labels[:, None], -1)[:, 0].astype(np.float32)
    log_prob = np.float32((per_token * mask).sum())
    return per_token, log_prob, np.float32(log_prob / mask.sum()), int(mask.sum())


entries = []
for prompt, answers in [(635, (20, 14)), (0, (6, 3)), (40, (1, 200))]:
    fields, expected = [], []
    for answer in answers:
        length = prompt + answer + 1
        logits = random.randn(length, 60).astype(np.float32) * 2
        labels = random.randint(0, 60, length)
        labels[: prompt + 1] = IGNORED
        per_token, total, mean, count = get_batch_logps(logits, labels)
        fields += [float(total), float(mean), [round(float(v), 7) for v in per_token]]
        expected.append({"sum": float(total), "count": count, "tokens": prompt == 0})
    entries.append({"logps": json.dumps(fields), "expected": expected})
(pathlib.Path(__file__).parent / "logps.json").write_text(json.dumps(entries, indent=0) + "\n")
