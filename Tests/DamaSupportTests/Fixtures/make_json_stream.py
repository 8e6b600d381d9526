"""Writes json_stream.json: random JSON texts, damaged ones among them, and what Python's json makes of them.

make_json_stream.py, without arguments. Each entry has the text's bytes in base64 and, where Python reads it, its value.
"""

import base64
import json
import random
from pathlib import Path

random.seed(15)
SPACE = ["", "", "", " ", "\n", "\t \r\n"]
PIECES = ["a", "é", "世", "😀", "/", "\\/", "\\\"", "\\\\", "\\n", "\\u00e9", "\\ud83d\\ude00", "\\u0000", "{", "]", ",", "\x7f"]
NUMBERS = ["0", "-0", "7", "-12", "1.5", "-0.25", "1e3", "2E-3", "6.02e+23", "12345678901234567890", "1e400", "NaN", "-Infinity"]


def space():
    return random.choice(SPACE)


def string():
    return '"' + "".join(random.choice(PIECES) for _ in range(random.randrange(6))) + '"'


def value(depth):
    kind = random.randrange(7 if depth else 4)
    if kind == 0:
        return random.choice(["true", "false", "null"])
    if kind == 1:
        return random.choice(NUMBERS)
    if kind < 4:
        return string()
    items = [value(depth - 1) for _ in range(random.randrange(4))]
    if kind == 4:
        items = [string() + space() + ":" + space() + item for item in items]
    inside = (space() + "," + space()).join(items)
    return ("{%s}" if kind == 4 else "[%s]") % (space() + inside + space())


def damaged(text):
    at = random.randrange(len(text))
    kind = random.randrange(4)
    if kind == 0:
        return text[:at]
    if kind == 1:
        return text[:at] + text[at + 1 :]
    new = random.choice([b'"', b",", b"[", b"}", b"\\", b"0", b"-", b".", b"e", b"\x01", b"\xff", b"\xc3", b"\xed\xa0\x80", b" "])
    return text[:at] + new + text[at + kind - 2 :]


entries = []
for number in range(360):
    data = (space() + value(5) + space()).encode()
    if number % 2:
        data = damaged(data)
    entry = {"base64": base64.b64encode(data).decode()}
    try:
        # As text: from bytes, json would guess UTF-16 and pass half surrogates.
        entry["value"] = json.dumps(json.loads(data.decode()), ensure_ascii=False)
    except ValueError:
        pass
    entries.append(entry)
print(sum("value" in entry for entry in entries), "of", len(entries), "are read")
text = "[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n"
(Path(__file__).parent / "json_stream.json").write_text(text)
