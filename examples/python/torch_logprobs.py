"""Summed log-probabilities of responses in torch, without arrays of the logits' size: an autograd function over libdama.

    .deps/torch/bin/python examples/python/torch_logprobs.py

`log_softmax` followed by `gather` keeps three arrays as large as the logits. Here the forward pass keeps one number for
each token, and the backward pass writes the gradient into the memory of the logits.
"""

import torch

from libdama import kernels


class TokenLogProbs(torch.autograd.Function):
    """log π(label) of float32 CPU logits [..., vocabulary]; the backward pass consumes the logits."""

    @staticmethod
    def forward(ctx, logits, labels):
        found = kernels.token_logprobs(logits, labels)
        ctx.save_for_backward(logits, labels, torch.from_numpy(found.normalizers))
        return torch.from_numpy(found.values)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, weights):
        logits, labels, normalizers = ctx.saved_tensors
        # Nothing else may use the logits after this. That holds for a language model's head.
        gradient = kernels.token_logprobs_backward(logits, labels, normalizers, weights, in_place=True)
        return torch.from_numpy(gradient), None


def main():
    torch.manual_seed(0)
    hidden = torch.randn(2, 12, 64)
    head = torch.nn.Linear(64, 5000)
    labels = torch.randint(5000, (2, 12))
    labels[:, :4] = kernels.IGNORED_LABEL  # the prompt

    # The logits of position t predict token t + 1.
    logps = TokenLogProbs.apply(head(hidden[:, :-1]).contiguous(), labels[:, 1:].contiguous())
    logps.sum(1).mul(torch.tensor([1.0, -1.0])).sum().backward()
    gradient = head.weight.grad.clone()

    head.zero_grad()
    shifted = labels[:, 1:]
    usual = head(hidden[:, :-1]).log_softmax(-1).gather(2, shifted.clamp(min=0)[..., None])[..., 0]
    usual = usual * (shifted != kernels.IGNORED_LABEL)
    usual.sum(1).mul(torch.tensor([1.0, -1.0])).sum().backward()
    torch.testing.assert_close(logps, usual, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradient, head.weight.grad, rtol=1e-4, atol=1e-6)
    print("log-probabilities", [round(x, 4) for x in logps.sum(1).tolist()], "equal to torch's, and the gradients too")


if __name__ == "__main__":
    main()
