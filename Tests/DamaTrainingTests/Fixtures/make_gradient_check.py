"""Prints the numbers of Sources/DamaTraining/GradientCheck.swift. Needs only numpy; run by hand.

A Llama decoder of two layers in double precision, forward only, and the derivative along a direction of each weight as a
central difference: no gradient rule is used.
"""

import numpy as np

HIDDEN, INNER, HEADS, KEY_HEADS, LAYERS, VOCABULARY = 16, 24, 2, 1, 2, 12
SIZE = HIDDEN // HEADS
PAIRS = [(12, (4, 4)), (9, (3, 5))]
LENGTH = max(prefix + sum(responses) for prefix, responses in PAIRS)


def numbers(number, shape, scale=1.0, offset=0.0):
    i = np.arange(np.prod(shape), dtype=np.float64)
    values = offset + scale * np.sin(number + 0.7 * i + 0.05 * i * i)
    return values.reshape(shape)


def single(x):
    """Rounded to fp32, as the library's values."""
    return x.astype(np.float32).astype(np.float64)


def weights():
    shapes = {}
    for layer in range(LAYERS):
        name = f"model.layers.{layer}"
        shapes[f"{name}.input_layernorm.weight"] = (HIDDEN,)
        shapes[f"{name}.self_attn.q_proj.weight"] = (HEADS * SIZE, HIDDEN)
        shapes[f"{name}.self_attn.k_proj.weight"] = (KEY_HEADS * SIZE, HIDDEN)
        shapes[f"{name}.self_attn.v_proj.weight"] = (KEY_HEADS * SIZE, HIDDEN)
        shapes[f"{name}.self_attn.o_proj.weight"] = (HIDDEN, HEADS * SIZE)
        shapes[f"{name}.post_attention_layernorm.weight"] = (HIDDEN,)
        shapes[f"{name}.mlp.gate_proj.weight"] = (INNER, HIDDEN)
        shapes[f"{name}.mlp.up_proj.weight"] = (INNER, HIDDEN)
        shapes[f"{name}.mlp.down_proj.weight"] = (HIDDEN, INNER)
    shapes["model.norm.weight"] = (HIDDEN,)
    shapes["lm_head.weight"] = (VOCABULARY, HIDDEN)
    return {
        name: single(numbers(k + 1, shape, 0.2, 1) if len(shape) == 1 else numbers(k + 1, shape, 0.4))
        for k, (name, shape) in enumerate(shapes.items())
    }


def norm(x, scale):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * scale


def rotate(x, positions):
    """[tokens, heads, size]; the halves of each head are the pairs."""
    angles = positions[:, None] * 10000.0 ** (-2 * np.arange(SIZE // 2) / SIZE)
    cos, sin = single(np.cos(angles))[:, None], single(np.sin(angles))[:, None]
    a, b = x[..., : SIZE // 2], x[..., SIZE // 2 :]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def value(embeddings, w, seed):
    logits = []
    for row, (prefix, responses) in enumerate(PAIRS):
        # The two responses as separate sequences, without packing or padding.
        start = prefix
        for count in responses:
            places = [*range(prefix), *range(start, start + count)]
            start += count
            x = embeddings[row, places]
            positions = np.arange(len(places), dtype=np.float64)
            hidden = np.triu(np.full((len(places), len(places)), -np.inf), 1)
            for layer in range(LAYERS):
                name = f"model.layers.{layer}"
                n = norm(x, w[f"{name}.input_layernorm.weight"])
                q = rotate((n @ w[f"{name}.self_attn.q_proj.weight"].T).reshape(-1, HEADS, SIZE), positions)
                k = rotate((n @ w[f"{name}.self_attn.k_proj.weight"].T).reshape(-1, KEY_HEADS, SIZE), positions)
                v = (n @ w[f"{name}.self_attn.v_proj.weight"].T).reshape(-1, KEY_HEADS, SIZE)
                heads = []
                for head in range(HEADS):
                    key = head * KEY_HEADS // HEADS
                    scores = q[:, head] @ k[:, key].T / np.sqrt(SIZE) + hidden
                    shares = np.exp(scores - scores.max(-1, keepdims=True))
                    heads.append(shares / shares.sum(-1, keepdims=True) @ v[:, key])
                x = x + np.concatenate(heads, -1) @ w[f"{name}.self_attn.o_proj.weight"].T
                n = norm(x, w[f"{name}.post_attention_layernorm.weight"])
                gate = n @ w[f"{name}.mlp.gate_proj.weight"].T
                up = n @ w[f"{name}.mlp.up_proj.weight"].T
                x = x + (gate / (1 + np.exp(-gate)) * up) @ w[f"{name}.mlp.down_proj.weight"].T
            logits.append(norm(x[prefix - 1 : -1], w["model.norm.weight"]) @ w["lm_head.weight"].T)
    return float((np.concatenate(logits) * seed).sum())


w = weights()
embeddings = single(numbers(100, (len(PAIRS), LENGTH, HIDDEN)))
rows = sum(sum(responses) for _, responses in PAIRS)
seed = single(numbers(101, (rows, VOCABULARY), 0.1))
step = 1e-5
slopes = []
for number, name in enumerate(["embeddings", *(name for name in w if name != "lm_head.weight")]):
    target = embeddings if name == "embeddings" else w[name]
    direction = numbers(200 + number, target.shape)
    ends = []
    for sign in (1, -1):
        moved = target + sign * step * direction
        ends.append(value(moved, w, seed) if name == "embeddings" else value(embeddings, {**w, name: moved}, seed))
    slopes.append((ends[0] - ends[1]) / (2 * step))
print(f"{value(embeddings, w, seed):.9g}")
print(", ".join(f"{slope:.7g}" for slope in slopes))
