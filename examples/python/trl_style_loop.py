"""Adaptive β inside a torch training loop of the usual kind: concatenated pairs, summed log-probabilities, AdamW.

    .deps/torch/bin/python examples/python/trl_style_loop.py

torch runs the model, its forward and its backward pass. libdama takes the log-probabilities of the batch and returns
the gradients of the loss with respect to them; torch's backward pass starts from these. A masked pair has gradient 0.
"""

import torch

import libdama

VOCABULARY, WIDTH, LENGTH, PAIRS, BATCH = 50, 32, 12, 128, 16

torch.manual_seed(0)


class TinyModel(torch.nn.Module):
    """A recurrent language model, small enough to train here in seconds."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCABULARY, WIDTH)
        self.cell = torch.nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.head = torch.nn.Linear(WIDTH, VOCABULARY)

    def log_probabilities(self, tokens, mask):
        """log π(y | x) of each row, summed over the response's tokens, [rows]."""
        logits = self.head(self.cell(self.embedding(tokens[:, :-1]))[0])
        per_token = logits.log_softmax(-1).gather(2, tokens[:, 1:, None])[..., 0]
        return (per_token * mask[:, 1:]).sum(1)


def synthetic_pairs():
    """Prompts of four tokens; chosen responses continue by counting up, rejected ones are random."""
    prompt = torch.randint(VOCABULARY, (PAIRS, 4))
    steps = torch.arange(1, LENGTH - 3)
    chosen = (prompt[:, -1:] + steps) % VOCABULARY
    rejected = torch.randint(VOCABULARY, (PAIRS, LENGTH - 4))
    mask = torch.zeros(PAIRS, LENGTH)
    mask[:, 4:] = 1
    return torch.cat([prompt, chosen], 1), torch.cat([prompt, rejected], 1), mask


def main():
    policy = TinyModel()
    chosen, rejected, mask = synthetic_pairs()
    with torch.no_grad():  # The frozen reference is the policy before training, computed once.
        reference_chosen = policy.log_probabilities(chosen, mask)
        reference_rejected = policy.log_probabilities(rejected, mask)
    alpha_data = libdama.alpha_data(torch.randn(PAIRS) * 0.3)

    optimizer = torch.optim.AdamW(policy.parameters(), lr=3e-3, weight_decay=0)
    controller = libdama.AdaptiveBeta(preset="paper", beta=0.1, keep=12)
    for step in range(60):
        rows = torch.randperm(PAIRS)[:BATCH]
        both = policy.log_probabilities(torch.cat([chosen[rows], rejected[rows]]), torch.cat([mask[rows]] * 2))
        policy_chosen, policy_rejected = both.chunk(2)
        out = controller.step(
            policy_chosen, policy_rejected, reference_chosen[rows], reference_rejected[rows], alpha_data[rows.numpy()]
        )
        optimizer.zero_grad()
        gradient = torch.cat([torch.from_numpy(out.grad_chosen), torch.from_numpy(out.grad_rejected)])
        both.backward(gradient.to(both.dtype))
        if torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0).isfinite():
            optimizer.step()
            controller.commit()  # A skipped update is not committed: R̄ does not change.
        if step % 10 == 0 or step == 59:
            print(f"step {step:2d}: {out}, R̄ {controller.running_mean:.4f}")
    assert out.accuracy > 0.9, "the policy should prefer the chosen responses by now"


if __name__ == "__main__":
    main()
