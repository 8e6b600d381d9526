"""Text from policies."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Optional, Union, overload

import numpy as np
from numpy.typing import NDArray

from . import _abi
from ._cancellation import Cancellation, run_stoppable
from ._conversation import Messages, conversation
from ._errors import InvalidArgument
from ._interrupt import Interrupt
from ._native import check, choices
from ._policy import PolicyModel, _positive, c_text, image_pointer
from ._runtime import unsigned
from ._scorer import Image

_HANDLE = ctypes.c_void_p
_OK, _CANCELLED = int(_abi.dama_status.DAMA_OK), int(_abi.dama_status.DAMA_CANCELLED)
_FINISH = {number: name for name, number in choices(_abi.dama_finish, "DAMA_FINISH_").items()}

#: When a beam search ends, as in transformers.
EarlyStopping = Union[bool, Literal["never"]]

#: Receives the prompt's index and a piece of its text; False stops all prompts.
Callback = Callable[[int, str], Optional[bool]]


@dataclass(frozen=True)
class Generated:
    """A generated text; ``str()`` returns it.

    ``text``
        The text without the end token and the stop string.
    ``tokens``
        The tokens without the end token. int32 [n].
    ``finish``
        "end" at an end token, "stop" at a stop string, "length" if max_tokens or the model's positions were
        reached.
    """

    text: str
    tokens: NDArray[np.int32]
    finish: str

    def __str__(self) -> str:
        return self.text


class Policy(PolicyModel):
    """A model (see docs/policies.md), opened from a Hugging Face directory: log-probabilities of responses, and text.

    ``model_dir`` contains config.json, safetensors and tokenizer.json, and preprocessor_config.json for LLaVA. The
    hub's ONNX layout may replace the safetensors (onnx/decoder_model_merged.onnx; for LLaVA also embed_tokens.onnx and
    vision_encoder.onnx). Several threads may use one policy at the same time; ctypes releases the interpreter's lock
    during a call. It cannot be used in a child that ``fork`` created. It pickles by path and options, as a ``Scorer``
    does.

    ``threads``
        Threads of inference; 0: one for each processor. All models share the thread pool of the first model.
    ``provider``
        ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    ``precision``
        What the model computes in: ``"float32"``, ``"bfloat16"`` or ``"float16"``. Default: ``"auto"``, float32 on the
        CPU and bfloat16 on CUDA. The CPU has no bfloat16; a model in ONNX files takes ``"auto"`` only.
    ``template``
        How a question becomes a prompt: a name of ``prompt_templates()``; a text with the placeholders
        ``{question}`` and ``{response}``, and optionally ``{image}``, ``{system}`` and ``{end}``; or the path of a
        ``.jinja`` file. Default: the chat template of the directory; it is an error if there is none.
    ``system``
        The system prompt, ``""`` for none. Default: the system prompt of the template.
    ``image_mode``
        ``"crop"`` crops the middle, as Hugging Face's processor does; ``"pad"`` pads the image to a square with the
        mean colour, as the original LLaVA trainer does. Default: ``"checkpoint"``, as the model's files say.
    ``template_date``
        The day that a template takes for today, such as ``"2026-01-31"``. Default: 2024-07-26, so that results do not
        depend on the day of the run.
    ``vision_tower``
        The directory of the vision tower, for a model in LLaVA's original layout. Default: ``mm_vision_tower`` of its
        config.json.
    ``max_length``, ``overlong``
        The most tokens of image, prompt and one response together (default: the number of the model's positions). A
        longer response is an ``"error"``, or its end is ``"cut"`` and the result says so.
    ``token_budget``
        The most tokens of one batch, including padding.
    ``share_prefix``
        Computes image and prompt once for both responses. Otherwise the numbers are the same within 1e-5.
    ``max_image_pixels``, ``ignore_orientation``, ``drop_alpha``, ``onnxruntime``
        As for ``Scorer``.

    An opened policy has ``vocabulary_size`` (logits for each token), ``hidden_size``, ``max_length`` (the most tokens
    of image, prompt and one response), ``image_tokens`` (of an image; 0 for a text-only model) and ``template``.
    """

    @overload
    def generate(
        self, prompt: str, image: Optional[Image] = ..., *,
        max_tokens: int = ..., temperature: float = ..., top_k: int = ..., top_p: float = ...,
        stop: Union[str, Sequence[str]] = ..., seed: int = ..., num_beams: int = ..., length_penalty: float = ...,
        early_stopping: EarlyStopping = ..., callback: Optional[Callback] = ...,
        cancellation: Optional[Cancellation] = ...,
    ) -> Generated: ...  # fmt: skip
    @overload
    def generate(
        self, prompt: Union[list[str], tuple[str, ...]], image: Union[None, Image, Sequence[Image]] = ..., *,
        max_tokens: int = ..., temperature: float = ..., top_k: int = ..., top_p: float = ...,
        stop: Union[str, Sequence[str]] = ..., seed: int = ..., num_beams: int = ..., length_penalty: float = ...,
        early_stopping: EarlyStopping = ..., callback: Optional[Callback] = ...,
        cancellation: Optional[Cancellation] = ...,
    ) -> list[Generated]: ...  # fmt: skip

    def generate(
        self,
        prompt: Union[str, list[str], tuple[str, ...]],
        image: Any = None,
        *,
        max_tokens: int = 256,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        stop: Union[str, Sequence[str]] = (),
        seed: int = 0,
        num_beams: int = 1,
        length_penalty: float = 1.0,
        early_stopping: EarlyStopping = False,
        callback: Optional[Callback] = None,
        cancellation: Optional[Cancellation] = None,
    ) -> Union[Generated, list[Generated]]:
        """Generates a text for one ``prompt``, or for a list of them in one batch. ``image`` is one image, or a list.

        One image is used for all prompts. A text has at most ``max_tokens`` tokens. ``temperature`` 0 takes the
        likeliest token. Otherwise ``top_k`` (0 for all) and ``top_p`` limit the tokens to choose from, and ``seed``
        determines the choice. A ``stop`` string ends a text and is not part of it. ``callback(index, text)`` receives
        each piece of text as soon as it is final. If it returns False, all prompts stop, which raises ``Cancelled``; an
        exception that it raises is raised here. Ctrl-C takes effect at once, or with a callback at the next piece of
        text. ``cancellation`` stops all prompts from another thread, which raises ``Cancelled``.

        ``num_beams`` above 1 is a beam search, equal to transformers' with ``do_sample=False``; it needs temperature 0.
        ``length_penalty`` and ``early_stopping`` (False, True or ``"never"``) are as there. A search has no text before
        it ends: ``callback(0, "")`` is called before each step, and once with the whole text of a prompt.
        """
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        images = list(image) if isinstance(image, (list, tuple)) else [image] * len(prompts)
        if len(images) != len(prompts):
            raise InvalidArgument(f"there are {len(prompts)} prompts and {len(images)} images; each prompt needs one")
        keep: list[Any] = []
        texts_in = [c_text(text, f"prompt {index}") for index, text in enumerate(prompts)]
        array = (_abi.dama_prompt * len(prompts))(
            *[_abi.dama_prompt(image_pointer(one, keep), text) for one, text in zip(images, texts_in)]
        )
        options = _options(
            max_tokens, temperature, top_k, top_p, stop, seed, num_beams, length_penalty, early_stopping
        )
        texts = self._texts(_abi.dama_policy_generate, array, options, callback, cancellation)
        return texts[0] if isinstance(prompt, str) else texts

    def chat(
        self,
        messages: Messages,
        images: Union[None, Image, Sequence[Image]] = None,
        *,
        max_tokens: int = 256,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        stop: Union[str, Sequence[str]] = (),
        seed: int = 0,
        num_beams: int = 1,
        length_penalty: float = 1.0,
        early_stopping: EarlyStopping = False,
        callback: Optional[Callback] = None,
        cancellation: Optional[Cancellation] = None,
    ) -> Generated:
        """Answers the last of the ``messages``, each with ``role`` and ``content``.

        ``images`` are in the order of their places: ``<image>`` in a text, or a part ``{"type": "image"}``. Without
        places all images come first. What the template refuses is an error. ``max_tokens``, ``temperature``, ``top_k``,
        ``top_p``, ``stop``, ``seed``, ``num_beams``, ``length_penalty``, ``early_stopping``, ``callback`` and
        ``cancellation`` are those of :meth:`generate`.
        """
        keep: list[Any] = []
        array = (_abi.dama_conversation * 1)(conversation(messages, images, None, "the conversation", keep))
        options = _options(
            max_tokens, temperature, top_k, top_p, stop, seed, num_beams, length_penalty, early_stopping
        )
        return self._texts(_abi.dama_policy_chat, array, options, callback, cancellation)[0]

    def _texts(
        self, function: Any, array: Any, options: _abi.dama_generation_options, callback: Optional[Callback],
        cancellation: Optional[Cancellation],
    ) -> list[Generated]:  # fmt: skip
        found = _HANDLE()

        def call(token: ctypes.c_void_p) -> int:
            status: int = function(found, self._handle, array, len(array), options, token)
            return status

        try:
            if callback is None:
                run_stoppable(call, cancellation)
            else:
                _run_with(callback, options, lambda: call(cancellation._handle if cancellation else _HANDLE()))
            return [_generated(found, index) for index in range(len(array))]
        finally:
            _abi.dama_texts_free(found)


def _options(
    max_tokens: int, temperature: float, top_k: int, top_p: float, stop: Union[str, Sequence[str]], seed: int,
    num_beams: int, length_penalty: float, early_stopping: EarlyStopping,
) -> _abi.dama_generation_options:  # fmt: skip
    options = _abi.dama_generation_options()
    _abi.dama_generation_options_init(options)
    options.max_tokens = _positive("max_tokens", max_tokens)
    options.temperature, options.top_p = temperature, top_p
    options.top_k = unsigned("top_k", top_k, 32)
    options.seed = unsigned("seed", seed, 64)
    stops = [c_text(text, "stop") for text in ([stop] if isinstance(stop, str) else stop)]
    options.stop = (ctypes.c_char_p * len(stops))(*stops)
    options.stop_count = len(stops)
    options.num_beams = _positive("num_beams", num_beams)
    options.length_penalty = length_penalty
    options.early_stopping = early_stopping_number(early_stopping)
    return options


def early_stopping_number(value: EarlyStopping) -> int:
    for known, number in ((False, "NO"), (True, "YES"), ("never", "NEVER")):
        if value == known:
            return int(_abi.dama_early_stopping[f"DAMA_EARLY_STOPPING_{number}"])
    raise InvalidArgument(f"early_stopping is {value!r}; expected False, True or 'never'")


def _run_with(callback: Callback, options: _abi.dama_generation_options, call: Callable[[], int]) -> None:
    """Runs ``call`` on this thread, so that ``callback`` receives the text there. Raises what the callback raises."""
    raised: list[BaseException] = []
    with Interrupt() as interrupt:

        def on_text(index: int, text: bytes, _: Any) -> int:
            try:
                go_on = callback(index, text.decode("utf-8", "replace")) is not False
                return _OK if go_on and not interrupt.seen else _CANCELLED
            except BaseException as error:
                raised.append(error)
                return _CANCELLED

        options.on_text = _abi.dama_text_callback(on_text)
        status = call()
    if raised:
        raise raised[0]
    if interrupt.seen:
        raise KeyboardInterrupt
    check(status)


def _generated(texts: ctypes.c_void_p, index: int) -> Generated:
    count, finish = ctypes.c_size_t(), ctypes.c_uint()
    check(_abi.dama_texts_tokens(texts, index, None, 0, ctypes.byref(count), ctypes.byref(finish)))
    tokens = np.empty(count.value, np.int32)
    check(
        _abi.dama_texts_tokens(
            texts, index, tokens.ctypes.data, tokens.size, ctypes.byref(count), ctypes.byref(finish)
        )
    )
    return Generated(_abi.dama_texts_at(texts, index).decode("utf-8", "replace"), tokens, _FINISH[finish.value])
