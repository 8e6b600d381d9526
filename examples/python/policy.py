"""Log-probabilities of a preference pair, and text, from a LLaVA model.

    pip install ./bindings/python onnxruntime
    python examples/python/policy.py MODEL_DIR IMAGE [PROMPT]

example arguments: models/shapes-llava examples/data/shapes/images/00000.jpg
"""

import sys

import libdama

model, image = sys.argv[1:3]
prompt = sys.argv[3] if len(sys.argv) > 3 else "What is in this image?"

policy = libdama.Policy(model, overlong="cut")
print(f"template {policy.template}, {policy.max_length} positions, {policy.image_tokens} of them for the image")

chosen, rejected = "The black circle at the top left is small.", "The red star at the centre is large."
pair = policy.logps(image, prompt, chosen, rejected)
for name, response in (("chosen", pair.chosen), ("rejected", pair.rejected)):
    print(f"{name:8} {response.sum:10.4f} over {response.count} tokens, {response.mean:.4f} each")

print(prompt)
found = policy.generate(
    prompt, image, max_tokens=64, stop=["\n\n"], callback=lambda _, text: print(text, end="", flush=True)
)
print(f"\n({len(found.tokens)} tokens, ended by {found.finish})")
