"""Adaptive β with gradient accumulation in PyTorch: the gaps of the whole batch before the first backward pass.

    pip install 'libdama[torch]' && python examples/python/torch_accumulation.py

A step of the controller for each micro-batch would be another method: K of 2 pairs is no filter, and R̄ would move
eight times an update. Here 16 pairs are 8 micro-batches of 2, and the result is that of one batch of 16.
"""

import torch

from libdama.torch import AdaptiveBeta, plan, token_logprobs

VOCABULARY, WIDTH, LENGTH, BATCH, MICRO = 50, 32, 12, 16, 2

torch.manual_seed(0)
embedding = torch.nn.Embedding(VOCABULARY, WIDTH)
cell = torch.nn.GRU(WIDTH, WIDTH, batch_first=True)
head = torch.nn.Linear(WIDTH, VOCABULARY)
model = torch.nn.ModuleList([embedding, cell, head])


def log_probabilities(tokens):
    """log π(y | x), summed over the response's tokens: those after the first four."""
    logits = head(cell(embedding(tokens[:, :-1]))[0])
    labels = tokens[:, 1:].clone()
    labels[:, :3] = -100
    return token_logprobs(logits, labels).sum(1)


def batch():
    """Chosen responses count up from the prompt, rejected ones are random."""
    prompt = torch.randint(VOCABULARY, (BATCH, 4))
    chosen = (prompt[:, -1:] + torch.arange(1, LENGTH - 3)) % VOCABULARY
    rejected = torch.randint(VOCABULARY, (BATCH, LENGTH - 4))
    return torch.cat([prompt, chosen], 1), torch.cat([prompt, rejected], 1), torch.rand(BATCH) * 0.4 + 0.8


def forward(piece):
    """What the step reads of a micro-batch: both log-probabilities, those of the reference, α_D."""
    chosen, rejected, alpha, reference_chosen, reference_rejected = piece
    return log_probabilities(chosen), log_probabilities(rejected), reference_chosen, reference_rejected, alpha


optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
controller = AdaptiveBeta("paper", beta=0.1, batch=BATCH)
first = [batch() for _ in range(8)]
with torch.no_grad():  # The reference is the model before training.
    data = [(*rows, log_probabilities(rows[0]), log_probabilities(rows[1])) for rows in first]
for step in range(40):
    pieces = list(zip(*(column.split(MICRO) for column in data[step % len(data)])))
    plans = plan(controller, forward, pieces)
    for micro, piece in zip(plans, pieces):
        if not micro.skip:  # All of its pairs are masked.
            micro.loss(*forward(piece)[:2]).backward()
    if torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).isfinite():
        optimizer.step()
        controller.commit()
    optimizer.zero_grad()
    if step % 8 == 7:
        left_out = sum(micro.skip for micro in plans)
        print(f"step {step + 1}: {plans[0].step}, R̄ {controller.running_mean:.4f}, {left_out} micro-batches left out")
assert plans[0].step.accuracy > 0.9, "the model should prefer the chosen responses by now"
