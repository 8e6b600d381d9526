"""Sub-sentences from a program, or from a server with an OpenAI-compatible address.

    python splitter.py COMMAND                                          reads a response, writes a part on each line
    python splitter.py http://127.0.0.1:8000/v1/chat/completions MODEL  with the key in $DAMA_SPLITTER_KEY

example arguments: cat
"""

import os
import sys

import libdama

RESPONSE = "Two dogs run on a beach. A man rides a horse."


def main(*arguments: str) -> None:
    if len(arguments) == 1:
        splitter = libdama.Splitter.command(arguments[0], timeout=30)
    else:
        url, model = arguments
        splitter = libdama.Splitter.endpoint(url, model, api_key=os.environ.get("DAMA_SPLITTER_KEY"), timeout=30)
    # If an answer is not a valid split, the built-in rules split the response, and a flag says so.
    found = splitter.split(RESPONSE)
    print(*found.sub_sentences, sep="\n")
    print("flags:", found.flags)


if len(sys.argv) not in (2, 3):
    sys.exit(__doc__)
main(*sys.argv[1:])
