"""libdama.torch against torch's own operations in float64, on one process and over ranks with gloo."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

import libdama
from libdama.torch import AdaptiveBeta, gather_pairs, plan, preference_loss, token_logprobs


def batch(count=16, seed=0, dtype=torch.float64):
    """Log-probabilities of a batch and α_D; the policy's have gradients."""
    torch.manual_seed(seed)
    reference = torch.randn(2, count, dtype=torch.float64) * 5 - 60
    policy = (reference + torch.randn(2, count)).to(dtype).requires_grad_()
    return policy, reference, torch.rand(count, dtype=torch.float64) * 0.4 + 0.8


def formula(policy, reference, alpha, keep, beta=0.1):
    """The first step of the preset paper, Eqs. (9) to (17): R̄ is 0."""
    h = (policy[0] - reference[0]) - (policy[1] - reference[1])
    gaps = beta * h.detach()
    kept = torch.sort(gaps**2, stable=True).indices[:keep]
    scale = beta * alpha * torch.sigmoid(gaps[kept].mean()) / 0.5
    return -torch.nn.functional.logsigmoid(scale * h)[kept].mean(), kept


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-15), (torch.float32, 1e-8), (torch.bfloat16, 1e-4)])
def test_preference_loss(dtype, tolerance):
    policy, reference, alpha = batch(dtype=dtype)
    loss, step = preference_loss(policy[0], policy[1], *reference, alpha, controller=AdaptiveBeta(keep=12))
    (3 * loss).backward()
    exact = policy.detach().double().requires_grad_()
    expected, kept = formula(exact, reference, alpha, 12)
    (3 * expected).backward()
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-7 if dtype != torch.float64 else 1e-14)
    assert policy.grad.dtype == dtype
    # Gradients are of the size of 0.01; only their last rounding, to the input's type, differs.
    torch.testing.assert_close(policy.grad.double(), exact.grad, rtol=0, atol=tolerance)
    assert sorted(kept.tolist()) == np.flatnonzero(step.mask).tolist() and step.kept == 12
    assert step.loss == pytest.approx(expected.item(), rel=1e-14)


def test_lengths_and_the_commit():
    policy, reference, alpha = batch()
    lengths = torch.arange(1, 17), torch.arange(17, 1, -1)
    controller = AdaptiveBeta("dpo", beta=0.5, loss="ipo")
    loss, _ = preference_loss(policy[0], policy[1], *reference, controller=controller, chosen_lengths=lengths[0],
                              rejected_lengths=lengths[1])  # fmt: skip
    h = (policy[0] - reference[0]) / lengths[0] - (policy[1] - reference[1]) / lengths[1]
    assert loss.item() == pytest.approx(((h - 1) ** 2).mean().item(), rel=1e-12)
    assert controller.steps == 0
    controller.commit()
    assert controller.steps == 1


def test_what_a_loss_refuses():
    policy, reference, alpha = batch()
    rest = dict(controller=AdaptiveBeta())
    for change, error, text in [
        (lambda: (policy[0], policy[1], reference[0].bfloat16(), reference[1], alpha), ValueError, "is bfloat16"),
        (lambda: (policy[0], policy[1], *reference, alpha.half()), ValueError, "alpha is float16"),
        (lambda: ([1.0] * 16, policy[1], *reference), ValueError, "chosen must be a floating-point tensor"),
        (lambda: (policy[0].long(), policy[1], *reference), ValueError, "chosen must be a floating-point tensor"),
        (lambda: (policy[0], policy[1][:3], *reference), ValueError, r"policy_rejected has shape \(3,\)"),
        (lambda: (policy[0], policy[1], *reference, -alpha), ValueError, "alpha_data of pair 0"),
        (lambda: (policy[0] * math.nan, policy[1], *reference), ValueError, "finite"),
    ]:
        with pytest.raises(error, match=text) as caught:
            preference_loss(*change(), **rest)
        assert isinstance(caught.value, libdama.DamaError)


def as_rows(policy, reference, alpha):
    return policy[0], policy[1], *reference, alpha


@pytest.mark.parametrize("sizes", [[2] * 8, [16], [5, 1, 10], [3, 13]])
@pytest.mark.parametrize("preset", ["paper", "released"])
def test_plan_is_the_whole_batch(sizes, preset):
    """The parts' losses and gradients add up to those of the batch, however it is cut."""
    policy, reference, alpha = batch()
    one, parts = AdaptiveBeta(preset, keep=0.5, batch=16), AdaptiveBeta(preset, keep=0.5, batch=16)
    loss, step = preference_loss(policy[0], policy[1], *reference, alpha, controller=one)
    loss.backward()
    expected, policy.grad = policy.grad, None
    pieces = list(zip(*(column.split(sizes) for column in as_rows(policy, reference, alpha))))
    calls = []
    plans = plan(parts, lambda piece: calls.append(torch.is_grad_enabled()) or piece, pieces)
    assert calls == [False] * len(sizes)
    total = 0
    for micro, piece in zip(plans, pieces):
        assert micro.skip == (not micro.mask.any())
        if not micro.skip:
            found = micro.loss(piece[0], piece[1])
            found.backward(retain_graph=True)
            total += found.item()
    assert total == pytest.approx(loss.item(), rel=1e-12)
    torch.testing.assert_close(policy.grad, expected, rtol=0, atol=1e-15)
    assert np.concatenate([micro.mask for micro in plans]).tolist() == step.mask.tolist()
    # Without the masked pairs: the same sum, and the same gradients of those that are left.
    policy.grad = None
    for micro, piece in zip(plans, pieces):
        if micro.mask.any():
            rows = torch.from_numpy(micro.mask)
            micro.kept().loss(piece[0][rows], piece[1][rows]).backward(retain_graph=True)
    torch.testing.assert_close(policy.grad, expected, rtol=0, atol=1e-15)
    assert sum(micro.kept().part for micro in plans) == pytest.approx(loss.item(), rel=1e-12)
    parts.commit(), one.commit()
    assert parts.state() == one.state()
    with pytest.raises(ValueError, match=f"the first pass had \\({sizes[0]},\\)"):
        plans[0].loss(torch.zeros(17), torch.zeros(17))


def test_plan_replays_dropout():
    torch.manual_seed(3)
    layer, inputs = torch.nn.Dropout(0.5), [torch.randn(2, 64) for _ in range(4)]

    def forward(x):
        return layer(x).sum(1).double(), x.sum(1).double(), torch.zeros(2), torch.zeros(2)

    firsts = []
    plans = plan(AdaptiveBeta("dpo"), lambda x: firsts.append(forward(x)) or firsts[-1], inputs)
    for micro in reversed(plans):
        with micro.replay():
            again = forward(inputs[micro.index])
        assert torch.equal(again[0], firsts[micro.index][0])
    assert not torch.equal(forward(inputs[0])[0], firsts[0][0])


def test_what_a_plan_refuses():
    pieces = [tuple(c[:2] for c in as_rows(*batch())), tuple(c[2:4] for c in as_rows(*batch()))]
    controller = AdaptiveBeta("dpo", batch=16)
    for change, text in [
        (lambda p: (p[0],), "forward returned 1 values"),
        (lambda p: (*p[:4], p[4] if p is pieces[0] else None), "micro-batch 1 has no alpha, another one has"),
        (lambda p: (*p[:3], p[3][:1], p[4]), r"reference_rejected of micro-batch 0 has shape \(1,\)"),
        (lambda p: (*p[:3], p[3].half(), p[4]), "reference_rejected is float16"),
        (lambda p: p, "the step has 4 pairs; a global batch of this controller has 16"),
    ]:
        with pytest.raises(libdama.DamaError, match=text):
            plan(controller, change, pieces)
    with pytest.raises(libdama.DamaError, match="there is no micro-batch"):
        plan(controller, lambda p: p, [])
    assert controller.steps == 0


def test_gather_pairs_of_one_process():
    columns = dict(a=torch.arange(5.0), b=None, c=torch.arange(5) * 0.1)
    found = gather_pairs(columns, [1, 0, 1, 0, 2])
    assert found.columns["a"].tolist() == [1, 3, 0, 2, 4] and set(found.columns) == {"a", "c"}
    assert found.rows.tolist() == [2, 0, 3, 1, 4] and found.keys.tolist() == [0, 0, 1, 1, 2] and len(found) == 5
    for bad, key, text in [
        ({}, 0, "columns is empty"),
        (dict(a=torch.zeros(2), b=torch.zeros(3)), 0, r"b has shape \(3,\)"),
        (dict(a=torch.zeros(2, 2)), 0, r"a has shape \(2, 2\)"),
        (dict(a=torch.zeros(2)), [0], r"key has shape \(1,\)"),
        (dict(a=torch.zeros(2)), [0.0, 1.0], "key must be integers"),
    ]:
        with pytest.raises(libdama.DamaError, match=text):
            gather_pairs(bad, key)


RANKS = """
    import json, sys
    import torch, torch.distributed as dist
    import libdama
    from libdama.torch import AdaptiveBeta, gather_pairs, plan, preference_loss
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    found = {}

    # Uneven counts: rank 0 has 3 pairs, rank 1 none, rank 2 has 2. Values tell rank and row, and need all of float64.
    mine = [3, 0, 2][rank]
    values = torch.tensor([rank + 0.1 * row + 1e-15 for row in range(mine)], dtype=torch.float64)
    got = gather_pairs(dict(v=values), [[0, 1, 1], [], [0, 1]][rank])
    found["uneven"] = [got.columns["v"].tolist(), got.rows.tolist(), got.keys.tolist(), got.ranks.tolist()]

    # 18 pairs in micro-batches of 2, dealt in turn, against one process.
    torch.manual_seed(0)
    reference = torch.randn(2, 18).double() * 5 - 60
    whole = (reference + torch.randn(2, 18)).requires_grad_()
    alpha = torch.rand(18).double() + 0.5
    pieces = [tuple(c[i:i + 2] for c in (whole[0], whole[1], *reference, alpha)) for i in range(0, 18, 2)]
    local = pieces[rank::world]
    controller = AdaptiveBeta("paper", keep=9, batch=18)
    plans = plan(controller, lambda p: p, local)
    for micro, piece in zip(plans, local):
        if not micro.skip:
            micro.loss(piece[0], piece[1]).backward(retain_graph=True)
    dist.all_reduce(whole.grad)
    found["gradient"] = (whole.grad / world).tolist()
    found["parts"] = [p.part for p in plans]
    found["skips"] = [p.skip for p in plans]
    found["masked"] = [not p.mask.any() for p in plans]
    controller.commit()
    found["state"] = controller.state().hex()

    whole.grad = None
    columns = [torch.cat(c) for c in zip(*local)]
    keys = [i for i in range(len(local)) for _ in range(2)]
    loss, step = preference_loss(*columns, controller=AdaptiveBeta("paper", keep=9), key=keys)
    loss.backward()
    dist.all_reduce(whole.grad)
    found["one_call"] = [loss.item(), (whole.grad / world).tolist(), step.slice_loss]

    def message(call):
        try:
            call()
        except libdama.DamaError as error:
            return str(error)

    shape = torch.zeros(2, 2) if rank == 1 else torch.zeros(2)
    found["bad"] = message(lambda: gather_pairs(dict(v=shape), 0))
    more = dict(v=torch.zeros(2), w=torch.zeros(2)) if rank == 2 else dict(v=torch.zeros(2))
    found["columns"] = message(lambda: gather_pairs(more, 0))
    found["none"] = message(lambda: plan(AdaptiveBeta(), lambda p: p, local if rank else []))
    fewer = local[:-1] if rank == 1 else local
    found["fewer"] = message(lambda: plan(AdaptiveBeta("dpo", batch=18), lambda p: p, fewer))
    gathered = [None] * world
    dist.all_gather_object(gathered, found)
    if rank == 0:
        json.dump(gathered, open(sys.argv[1], "w"))
    dist.destroy_process_group()
"""


def test_three_ranks_are_one_process(tmp_path):
    script, result = tmp_path / "ranks.py", tmp_path / "result.json"
    script.write_text(textwrap.dedent(RANKS))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=3", script, result],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(result.read_text())

    tiny = 1e-15
    order = [0 + tiny, 2 + tiny, 0.1 + tiny, 0.2 + tiny, 2.1 + tiny]
    values, _, keys, ranks = found[0]["uneven"]
    assert values == [0 + tiny, 2 + 0.1 * 0 + tiny, 0.1 + tiny, 0.2 + tiny, 2 + 0.1 * 1 + tiny]
    assert values == pytest.approx(order) and keys == [0, 0, 1, 1, 1] and ranks == [0, 2, 0, 0, 2]
    assert [part["uneven"][1] for part in found] == [[0, 2, 3], [], [1, 4]]

    torch.manual_seed(0)
    reference = torch.randn(2, 18).double() * 5 - 60
    whole = (reference + torch.randn(2, 18)).requires_grad_()
    alpha = torch.rand(18).double() + 0.5
    expected, _ = formula(whole, reference, alpha, 9)
    expected.backward()
    one = AdaptiveBeta("paper", keep=9, batch=18)
    one.step(*whole.detach(), *reference, alpha)
    one.commit()
    for part in found:
        np.testing.assert_allclose(part["gradient"], whole.grad, rtol=0, atol=1e-15)
        np.testing.assert_allclose(part["one_call"][1], whole.grad, rtol=0, atol=1e-15)
        assert part["one_call"][0] == pytest.approx(expected.item(), rel=1e-6)  # The loss is float32.
        assert bytes.fromhex(part["state"]) == one.state()
    assert sum(sum(part["parts"]) for part in found) == pytest.approx(expected.item(), rel=1e-12)
    assert sum(part["one_call"][2] for part in found) == pytest.approx(expected.item(), rel=1e-12)

    skips = {sum(part["skips"]) for part in found}
    assert len(skips) == 1, "every rank leaves out the same number"
    assert skips == {min(sum(part["masked"]) for part in found)}
    assert all(masked for part in found for masked, skip in zip(part["masked"], part["skips"]) if skip)

    assert "v has shape (2, 2)" in found[1]["bad"] and "rank 1 has bad pairs" in found[0]["bad"]
    assert "rank 2 has 2 columns, this rank 1" in found[0]["columns"]
    assert "there is no micro-batch" in found[0]["none"] and "rank 0 has bad pairs" in found[2]["none"]
    assert all("16 pairs; a global batch of this controller has 18" in part["fewer"] for part in found)


@pytest.mark.parametrize("consume", [False, True])
@pytest.mark.parametrize(
    "dtype, tolerance", [(torch.float32, 3e-6), (torch.float64, 1e-14), (torch.bfloat16, 3e-6), (torch.float16, 3e-6)]
)
def test_token_logprobs(dtype, tolerance, consume):
    torch.manual_seed(0)
    source = (torch.randn(3, 7, 501, dtype=torch.float64) * 4).to(dtype).requires_grad_()
    labels = torch.randint(501, (3, 7))
    labels[0, :3] = -100
    weights = torch.randn(3, 7, dtype=torch.float64)
    logits = source * 1
    found = token_logprobs(logits, labels, consume=consume)
    found.backward(weights.to(found.dtype))
    exact = source.detach().double().requires_grad_()
    expected = exact.log_softmax(-1).gather(2, labels.clamp(min=0)[..., None])[..., 0] * (labels != -100)
    expected.backward(weights)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=tolerance)
    # The gradient is rounded once, to the logits' type.
    torch.testing.assert_close(source.grad, exact.grad.to(dtype), rtol=2 * torch.finfo(dtype).eps, atol=tolerance)
    if consume and dtype == torch.float32:
        torch.testing.assert_close(logits, source.grad, rtol=0, atol=0, msg="the gradient is in the logits' memory")


def test_token_logprobs_as_an_operator(monkeypatch):
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 50, requires_grad=True), torch.tensor([1, 2, -100, 49, 0, 7])
    torch.library.opcheck(torch.ops.libdama.token_logprobs.default, (logits, labels))
    compiled = torch.compile(lambda x, y: token_logprobs(x * 2, y).sum(), backend="aot_eager", fullgraph=True)
    compiled(logits, labels).backward()
    gradient, logits.grad = logits.grad, None
    token_logprobs(logits * 2, labels).sum().backward()
    torch.testing.assert_close(gradient, logits.grad)

    # Strided logits, and parts of rows as other devices take them.
    strided = torch.randn(50, 6).t().requires_grad_()
    whole = token_logprobs(strided.double(), labels)
    from libdama.torch import _logprobs

    monkeypatch.setattr(_logprobs, "_PART", 101)
    torch.testing.assert_close(token_logprobs(strided.double(), labels), whole, rtol=0, atol=1e-15)
    torch.testing.assert_close(token_logprobs(strided, labels).double(), whole, rtol=0, atol=3e-6)


def test_what_token_logprobs_refuses():
    logits = torch.randn(2, 9, requires_grad=True)
    for call, text in [
        (lambda: token_logprobs(logits.long(), torch.zeros(2, dtype=torch.int64)), "floating-point"),
        (lambda: token_logprobs(logits, torch.zeros(2)), "integers"),
        (lambda: token_logprobs(logits, torch.zeros(3, dtype=torch.int64)), "each row needs one label"),
        (lambda: token_logprobs(logits, torch.tensor([0, 9])), "9"),
        (lambda: token_logprobs(logits.double(), torch.tensor([0, 9])), "a label is 9"),
    ]:
        with pytest.raises(libdama.DamaError, match=text):
            call()
    found = token_logprobs(logits * 1, torch.tensor([0, 1]), consume=True).sum()
    found.backward(retain_graph=True)
    with pytest.raises(libdama.DamaError, match="consumed"):
        found.backward()


def test_the_state_goes_through_torch_save(tmp_path):
    controller = AdaptiveBeta("released", seed=5, batch=16, last_batch="rescale")
    arguments = as_rows(*batch())
    controller.step(*arguments)
    controller.commit()
    torch.save(dict(controller=controller.state_dict()), tmp_path / "state.pt")
    again = AdaptiveBeta("released", seed=5, batch=16, last_batch="rescale")
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True)["controller"])
    assert again.step(*arguments).mask.tolist() == controller.step(*arguments).mask.tolist()
    assert again.state() == controller.state() and again.steps == 1


FORK = """
    import os, sys
    import torch
    import libdama
    from libdama.torch import AdaptiveBeta, plan, preference_loss, token_logprobs

    rows = [torch.randn(4, requires_grad=True) for _ in range(2)]
    controller = AdaptiveBeta("dpo")
    preference_loss(*rows, torch.zeros(4), torch.zeros(4), controller=controller)
    logits = torch.randn(4, 9, requires_grad=True)
    child = os.fork()
    if child == 0:
        for call in (lambda: preference_loss(*rows, torch.zeros(4), torch.zeros(4), controller=controller),
                     lambda: plan(controller, lambda batch: batch, [(*rows, torch.zeros(4), torch.zeros(4))]),
                     lambda: token_logprobs(logits, torch.arange(4)), controller.state_dict):
            try:
                call()
                os._exit(7)
            except libdama.DamaError as error:
                assert "forked" in str(error), error
        os._exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
    controller.commit()
"""


def test_a_forked_child_is_told_so():
    """As a worker of a loader would be that is started after the controller's first use."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(FORK)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
