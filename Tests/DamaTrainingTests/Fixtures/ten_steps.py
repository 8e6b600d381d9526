"""Ten steps of DAMA in plain PyTorch, written from the equations of the paper, with its equation numbers."""

import torch

BETA, KEEP, MOMENTUM, KAPPA = 0.5, 4, 0.9, 0.25
RATE, DECAY, CLIP = 2e-3, 0.01, 1.0


def run(batches, logp, reference_logp, named):
    """Trains the parameters ``named`` in place, one step for each batch.

    ``logp(pair)`` and ``reference_logp(pair)`` are the sums of the log-probabilities of both responses. Returns the numbers
    of every step, and the first step's gradients.
    """
    groups = [
        {"params": [p for p in named.values() if p.ndim > 1], "weight_decay": DECAY},
        {"params": [p for p in named.values() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=RATE, betas=(0.9, 0.999), eps=1e-8)

    mean, steps, gradients = 0.0, [], {}
    for number, batch in enumerate(batches):
        margins = []
        for pair in batch:
            with torch.no_grad():
                reference_chosen, reference_rejected = reference_logp(pair)
            chosen, rejected = logp(pair)
            margins.append((chosen - reference_chosen) - (rejected - reference_rejected))
        h = torch.stack(margins)
        gaps = (BETA * h.detach()).double()  # Eq. (9)
        normalised = gaps / mean if mean >= max(1e-6, KAPPA * gaps.abs().mean().item()) else gaps  # Eq. (10), guarded
        distance = (normalised - mean) ** 2
        kept = sorted(sorted(range(len(batch)), key=lambda i: (distance[i].item(), i))[:KEEP])  # Eq. (11)
        batch_gap = normalised[kept].mean().item()  # Eq. (12)
        alpha_model = (torch.sigmoid(torch.tensor(batch_gap)) / torch.sigmoid(torch.tensor(mean))).item()  # Eq. (13)
        beta = torch.tensor([BETA * pair["alpha_data"] * alpha_model for pair in batch], dtype=torch.float32)  # (16, 17)
        mask = torch.zeros(len(batch))
        mask[kept] = 1
        loss = -(mask * torch.nn.functional.logsigmoid(beta * h)).sum() / KEEP  # Eq. (3)
        optimizer.zero_grad()
        loss.backward()
        if number == 0:
            gradients = {name: p.grad.clone() for name, p in named.items()}
        norm = torch.nn.utils.clip_grad_norm_(named.values(), CLIP).item()
        optimizer.step()
        mean = MOMENTUM * mean + (1 - MOMENTUM) * batch_gap  # Eq. (15)
        steps.append(
            {
                "loss": loss.item(),
                "alpha_model": alpha_model,
                "kept": kept,
                "running_mean": mean,
                "gradient_norm": norm,
                "margins": h.tolist(),
            }
        )
    return steps, gradients
