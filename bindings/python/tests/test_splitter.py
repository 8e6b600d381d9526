import json
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import libdama

FIXTURES = Path(__file__).parents[3] / "Tests" / "DamaModelsTests" / "Fixtures"
RESPONSE = "Two dogs sleep. A cat sits."


@pytest.fixture
def server():
    """A server on the loopback interface: answers are (status, body), requests (headers, body)."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.server.requests.append((self.headers, body))
            status, text = self.server.answers.pop(0)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    it = HTTPServer(("127.0.0.1", 0), Handler)
    it.answers, it.requests = [], []
    thread = threading.Thread(target=it.serve_forever)
    thread.start()
    yield it
    it.shutdown()
    thread.join()
    it.server_close()


def test_built_in_rules():
    splitter = libdama.Splitter.built_in()
    assert splitter.split(RESPONSE) == (["Two dogs sleep.", "A cat sits."], [])
    tokenizer = libdama.Tokenizer(FIXTURES / "clip" / "legacy")
    text = "A small dog sleeps near the red house, and a cat sits on the roof."
    assert splitter.split(text, tokenizer, 8).sub_sentences == libdama.split(text, tokenizer, 8)
    assert len(splitter.split(text, tokenizer, 8).sub_sentences) > 1
    with pytest.raises(ValueError, match="needs a tokenizer"):
        splitter.split(text, token_limit=8)


def test_a_command_is_asked_once(tmp_path):
    command = f"echo >>{tmp_path}/asked; printf 'A cat sits.\\nTwo dogs sleep.\\n'"
    for _ in range(3):
        splitter = libdama.Splitter.command(command, cache=tmp_path / "answers.jsonl")
        assert splitter.split(RESPONSE) == libdama.Split(["A cat sits.", "Two dogs sleep."], [])
    assert (tmp_path / "asked").read_text() == "\n"


def test_a_bad_answer_is_replaced_and_flagged():
    splitter = libdama.Splitter.command("echo 'I cannot help with that request.'")
    assert splitter.split(RESPONSE) == (["Two dogs sleep.", "A cat sits."], ["splitter_fallback", "splitter_invented"])


def test_what_cannot_be(tmp_path):
    (tmp_path / "notes").write_text("my notes\n")
    llava = FIXTURES / "llava" / "default"
    for make, error, message in [
        (lambda: libdama.Splitter.command(""), ValueError, "command is empty"),
        (lambda: libdama.Splitter.command("cat", timeout=0), ValueError, "timeout is 0"),
        (lambda: libdama.Splitter.command("cat", concurrency=0), ValueError, "1 to 256"),
        (lambda: libdama.Splitter.command("cat", concurrency=-1), ValueError, "concurrency is -1"),
        (lambda: libdama.Splitter.command("cat", cache=tmp_path / "notes"), ValueError, "is not a cache"),
        (lambda: libdama.Splitter.endpoint("ftp://host/", "m"), ValueError, "http:// or https://"),
        (lambda: libdama.Splitter.endpoint("http://host/", "m", first_pause=-1), ValueError, "first_pause is -1"),
        (lambda: libdama.Splitter.command("exit 3").split(RESPONSE), OSError, "status 3"),
        (lambda: libdama.Splitter.command("sleep 60", timeout=0.2).split(RESPONSE), OSError, "longer than 0.2 s"),
        (lambda: libdama.Splitter.policy(libdama.Policy(llava)), NotImplementedError, "text-only"),
    ]:
        with pytest.raises(error, match=message):
            make()


def test_a_server(server):
    url = f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
    answer = json.dumps({"choices": [{"message": {"content": "1. Two dogs sleep.\n2. A cat sits."}}]})
    server.answers += [(503, "later"), (200, answer)]
    splitter = libdama.Splitter.endpoint(url, "small", api_key="sesame", first_pause=0)
    assert splitter.split(RESPONSE) == (["Two dogs sleep.", "A cat sits."], [])
    assert splitter.split(RESPONSE).flags == []
    assert len(server.requests) == 2
    headers, body = server.requests[1]
    assert headers["Authorization"] == "Bearer sesame"
    assert body["model"] == "small" and body["messages"][-1]["content"] == RESPONSE


def test_secrets_stay_secret(server):
    address = f"127.0.0.1:{server.server_port}/v1"
    server.answers.append((401, "no entry for hunter22 with topsecret"))
    splitter = libdama.Splitter.endpoint(f"http://me:hunter22@{address}?key=topsecret", "small", retries=0)
    with pytest.raises(OSError, match="status 401") as raised:
        splitter.split(RESPONSE)
    assert "hunter22" not in str(raised.value) and "topsecret" not in str(raised.value)


def test_a_language_model(tmp_path):
    """A model with random weights gives unusable answers. The fixture only needs more positions for the prompt."""
    model = tmp_path / "model"
    shutil.copytree(FIXTURES / "onnx" / "llama", model)
    configuration = json.loads((model / "config.json").read_text())
    (model / "config.json").unlink()
    (model / "config.json").write_text(json.dumps({**configuration, "max_position_embeddings": 4096}))
    splitter = libdama.Splitter.policy(libdama.Policy(model), cache=tmp_path / "answers.jsonl")
    found = splitter.split(RESPONSE)
    assert found.sub_sentences == ["Two dogs sleep.", "A cat sits."]
    assert found.flags[0] == "splitter_fallback" and len(found.flags) == 2
    assert json.loads((tmp_path / "answers.jsonl").read_text())["flags"] == found.flags


def test_another_thread_stops_it():
    token = libdama.Cancellation()
    start = time.monotonic()
    threading.Timer(0.1, token.cancel).start()
    with pytest.raises(libdama.Cancelled):
        libdama.Splitter.command("sleep 60").split(RESPONSE, cancellation=token)
    assert time.monotonic() - start < 20
    with pytest.raises(libdama.Cancelled):
        libdama.Splitter.command("cat").split(RESPONSE, cancellation=token)


def test_one_splitter_in_several_threads():
    splitter, results = libdama.Splitter.command("cat", concurrency=2), {}

    def work(number):
        for i in range(8):
            text = f"Dog {i} sleeps in house {number} today."
            results[text] = splitter.split(text)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 32 and all(found == ([text], []) for text, found in results.items())
