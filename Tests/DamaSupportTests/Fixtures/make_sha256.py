"""Writes sha256.json: digests of the bytes i·7 mod 251 at lengths around every edge, by Python's hashlib."""
import hashlib
import json
import pathlib

lengths = list(range(0, 200)) + [255, 256, 257, 1000, 4096, 65537, 1_000_000]
digests = {n: hashlib.sha256(bytes(i * 7 % 251 for i in range(n))).hexdigest() for n in lengths}
target = pathlib.Path(__file__).with_name("sha256.json")
target.write_text(json.dumps([{"length": n, "digest": d} for n, d in digests.items()], indent=0) + "\n")
