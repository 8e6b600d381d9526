"""CLIP scores of images and sentences, Eq. (4) of the paper."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Optional, TypeVar, Union

import numpy as np
from numpy.typing import NDArray

from . import _abi
from ._cancellation import Cancellation, run_stoppable
from ._errors import DamaError, InvalidArgument, error_for
from ._native import check, choices
from ._pillow import is_pillow, pillow_pixels
from ._reopen import reduced, remembers
from ._repr import described, model_facts
from ._runtime import open_with
from ._splitter import Splitter
from ._text import _c_string, string_list

#: The path or the bytes of a JPEG, PNG, WebP, GIF or BMP file, uint8 pixels [H, W, 3], or a Pillow image.
Image = Union[str, os.PathLike, bytes, bytearray, memoryview, NDArray[np.uint8], Any]

_LONG_TEXTS = choices(_abi.dama_long_texts, "DAMA_LONG_TEXTS_")
_DELTA_SOURCES = choices(_abi.dama_delta_source, "DAMA_DELTA_FROM_")
_HANDLE = ctypes.c_void_p
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class SubSentence:
    """A part of a response, scored by itself."""

    text: str
    #: Γ(I, S), Eq. (4).
    score: float
    #: The probability among the sub-sentences of both responses, Eq. (5).
    probability: float


@dataclass(frozen=True)
class PairHardness:
    """The hardness of one pair; ``float()`` returns δ."""

    #: δ of Eq. (6), in [−1, 1]; or the ratio of the sums of scores.
    delta: float
    chosen: list[SubSentence]
    rejected: list[SubSentence]
    #: ``Split.flags`` of the responses.
    chosen_flags: list[str]
    rejected_flags: list[str]

    def __float__(self) -> float:
        return self.delta


class Scorer:
    """A CLIP or SigLIP model, opened from a Hugging Face directory. Computes logits and embeddings of images and
    sentences.

    ``model_dir`` contains config.json, safetensors, tokenizer.json and preprocessor_config.json; text_model.onnx and
    vision_model.onnx may replace the safetensors. Several threads may use one scorer at the same time; ctypes releases
    the interpreter's lock during a call. It cannot be used in a child that ``fork`` created (multiprocessing's default
    on Linux before Python 3.14): start workers with ``spawn``. It pickles by path and options; a process opens the model
    once for all pickles of it.

    ``threads``
        Threads of inference; 0: one for each processor. All models share the thread pool of the first model.
    ``max_image_pixels``
        Larger images are rejected before they are decoded; the default is Pillow's limit.
    ``provider``
        ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    ``precision``
        What the model computes in: ``"float32"``, ``"bfloat16"`` or ``"float16"``. Default: ``"auto"``, float32 on the
        CPU and bfloat16 on CUDA. The CPU has no bfloat16; a model in ONNX files takes ``"auto"`` only.
    ``long_texts``
        What happens to texts with more tokens than the model takes: ``"refuse"`` raises an error, ``"cut"`` cuts them.
    ``logit_scale``
        exp(logit_scale) for models in ONNX files, which do not contain it. Default: 100, the scale of OpenAI's models.
    ``ignore_orientation``, ``drop_alpha``
        Ignore the EXIF orientation; drop the alpha channel. Otherwise the orientation is applied, and the image is
        composed over white, as transformers does. The original LLaVA trainer does neither.
    ``onnxruntime``
        The file libonnxruntime.so.*. Default: ``$DAMA_ONNXRUNTIME``, the file in an installed ``onnxruntime`` or
        ``onnxruntime-gpu`` wheel, or the loader's.
    """

    @remembers
    def __init__(
        self,
        model_dir: Union[str, os.PathLike[str]],
        *,
        threads: int = 0,
        max_image_pixels: Optional[int] = None,
        provider: str = "cpu",
        precision: str = "auto",
        long_texts: str = "refuse",
        logit_scale: Optional[float] = None,
        ignore_orientation: bool = False,
        drop_alpha: bool = False,
        onnxruntime: Optional[Union[str, os.PathLike[str]]] = None,
    ) -> None:
        self._handle = _HANDLE()
        if long_texts not in _LONG_TEXTS:
            raise InvalidArgument(f"long_texts is {long_texts!r}; it must be one of {', '.join(_LONG_TEXTS)}")
        options = _abi.dama_scorer_options()
        _abi.dama_scorer_options_init(options)
        open_with(options, threads, provider, precision, max_image_pixels, onnxruntime)
        options.long_texts = _LONG_TEXTS[long_texts]
        options.logit_scale = 0.0 if logit_scale is None else logit_scale
        options.ignore_orientation = bool(ignore_orientation)
        options.drop_alpha = bool(drop_alpha)
        check(_abi.dama_scorer_create(self._handle, os.fsencode(model_dir), options))
        facts = _abi.dama_scorer_facts()
        _abi.dama_scorer_facts_init(facts)
        check(_abi.dama_scorer_describe(self._handle, facts))
        #: The number of elements of an embedding.
        self.dimension: int = facts.dimension
        #: The most tokens of a sentence, start and end included.
        self.max_tokens: int = facts.max_tokens
        #: exp(logit_scale) of the model.
        self.logit_scale: float = facts.logit_scale

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return reduced(self)

    def __repr__(self) -> str:
        return described(self, lambda: {**model_facts(self), "dimension": self.dimension,
                                        "max_tokens": self.max_tokens, "logit_scale": self.logit_scale})  # fmt: skip

    def __del__(self, free: Any = _abi.dama_scorer_free) -> None:
        handle = getattr(self, "_handle", None)
        if handle:
            free(handle)
            self._handle = _HANDLE()

    def score(
        self, image: Image, sentences: Sequence[str], *, cancellation: Optional[Cancellation] = None
    ) -> NDArray[np.float32]:
        """Γ(I, S), Eq. (4), of the image and each sentence: logit scale times cosine. float32 [n].

        Ctrl-C stops this and the other calls of a scorer, and so does ``cancellation`` from another thread, which
        raises ``Cancelled``.
        """
        texts = _texts(sentences)
        keep: list[Any] = []
        picture = _image(image, keep)
        scores = np.empty(len(texts), np.float32)
        run_stoppable(
            lambda token: _abi.dama_scorer_score(
                self._handle, picture, texts, len(texts), scores.ctypes.data, token
            ),
            cancellation,
        )
        return scores

    def hardness(
        self,
        image: Image,
        chosen: str,
        rejected: str,
        *,
        delta: str = "probabilities",
        splitter: Optional[Splitter] = None,
        cancellation: Optional[Cancellation] = None,
    ) -> PairHardness:
        """δ of one pair, Eqs. (4) to (6), and its sub-sentences. The image is encoded once.

        ``splitter`` splits the responses into sub-sentences within ``max_tokens``; default: the built-in rules.
        ``delta`` is computed from ``"probabilities"``, or from ``"scores"`` as in Table 2. Raises ``InvalidArgument``
        for a response without words.
        """
        options = _hardness_options(delta, splitter)
        keep: list[Any] = []
        picture = _image(image, keep)
        texts = [_c_string(chosen, "chosen"), _c_string(rejected, "rejected")]
        pair, value = _HANDLE(), ctypes.c_double()
        try:
            run_stoppable(
                lambda token: _abi.dama_scorer_hardness(
                    pair, self._handle, picture, *texts, options, ctypes.byref(value), token
                ),
                cancellation,
            )
            return _pair_hardness(pair, value.value)
        finally:
            _abi.dama_scored_pair_free(pair)

    def hardness_batch(
        self,
        pairs: Sequence[tuple[Image, str, str]],
        *,
        delta: str = "probabilities",
        splitter: Optional[Splitter] = None,
        cancellation: Optional[Cancellation] = None,
    ) -> list[Union[PairHardness, DamaError]]:
        """δ of many pairs (image, chosen, rejected), Eqs. (4) to (6), with their sub-sentences.

        Images are decoded and responses are split on several threads, and the model runs on several images and on all
        different sub-sentences at once, as in :func:`score_dataset` without a cache. A bad pair, such as one with a
        damaged image, has its exception in the list instead of being raised. The other arguments are those of
        :meth:`hardness`.
        """
        return self._batch(pairs, _pair_hardness, delta, splitter, cancellation)

    def deltas(
        self,
        pairs: Sequence[tuple[Image, str, str]],
        *,
        delta: str = "probabilities",
        splitter: Optional[Splitter] = None,
        cancellation: Optional[Cancellation] = None,
    ) -> list[Union[float, DamaError]]:
        """δ alone of many pairs (image, chosen, rejected); otherwise as :meth:`hardness_batch`."""
        return self._batch(pairs, lambda _, value: value, delta, splitter, cancellation)

    def _batch(
        self,
        pairs: Sequence[tuple[Image, str, str]],
        result: Callable[[Any, float], _Result],
        delta: str,
        splitter: Optional[Splitter],
        cancellation: Optional[Cancellation],
    ) -> list[Union[_Result, DamaError]]:
        options = _hardness_options(delta, splitter)
        keep: list[Any] = []
        array = (_abi.dama_response_pair * len(pairs))()
        for index, (image, chosen, rejected) in enumerate(pairs):
            picture = _image(image, keep)
            keep.append(picture)
            array[index].image = ctypes.pointer(picture)
            array[index].chosen = _c_string(chosen, f"pair {index}: chosen")
            array[index].rejected = _c_string(rejected, f"pair {index}: rejected")
        found, outcome = _HANDLE(), _abi.dama_pair_outcome()
        try:
            run_stoppable(
                lambda token: _abi.dama_scorer_hardness_batch(
                    found, self._handle, array, len(pairs), options, token
                ),
                cancellation,
            )
            results: list[Union[_Result, DamaError]] = []
            for index in range(_abi.dama_scored_pairs_count(found)):
                check(_abi.dama_scored_pairs_at(found, index, outcome))
                if outcome.status:
                    results.append(error_for(outcome.status, outcome.message.decode("utf-8", "replace")))
                else:
                    results.append(result(outcome.pair, outcome.delta))
            return results
        finally:
            _abi.dama_scored_pairs_free(found)

    def embed_images(
        self, images: Sequence[Image], *, cancellation: Optional[Cancellation] = None
    ) -> NDArray[np.float32]:
        """Embeddings of the images, scaled to unit norm. float32 [n, dimension]."""
        keep: list[Any] = []
        array = (_abi.dama_image * len(images))(*[_image(image, keep) for image in images])
        return self._embeddings(_abi.dama_scorer_embed_images, array, cancellation)

    def embed_texts(
        self, texts: Sequence[str], *, cancellation: Optional[Cancellation] = None
    ) -> NDArray[np.float32]:
        """Embeddings of the texts, scaled to unit norm. float32 [n, dimension]."""
        return self._embeddings(_abi.dama_scorer_embed_texts, _texts(texts), cancellation)

    def _embeddings(self, function: Any, array: Any, cancellation: Optional[Cancellation]) -> NDArray[np.float32]:
        embeddings = np.empty((len(array), self.dimension), np.float32)
        run_stoppable(
            lambda token: function(
                self._handle, array, len(array), embeddings.ctypes.data, embeddings.size, token
            ),
            cancellation,
        )
        return embeddings


def _hardness_options(delta: str, splitter: Optional[Splitter]) -> _abi.dama_hardness_options:
    if delta not in _DELTA_SOURCES:
        raise InvalidArgument(f"delta is {delta!r}; expected one of {', '.join(map(repr, _DELTA_SOURCES))}")
    options = _abi.dama_hardness_options()
    _abi.dama_hardness_options_init(options)
    options.delta_source = _DELTA_SOURCES[delta]
    if splitter is not None:
        options.splitter = splitter._handle
    return options


def _pair_hardness(pair: Any, delta: float) -> PairHardness:
    sentences = [_sub_sentences(pair, response) for response in _abi.dama_response]
    flags = [string_list(_abi.dama_scored_pair_flags(pair, response)) for response in _abi.dama_response]
    return PairHardness(delta, sentences[0], sentences[1], flags[0], flags[1])


def _sub_sentences(pair: ctypes.c_void_p, response: _abi.dama_response) -> list[SubSentence]:
    it = _abi.dama_scored_sentence()
    found = []
    for index in range(_abi.dama_scored_pair_count(pair, response)):
        check(_abi.dama_scored_pair_at(pair, response, index, it))
        found.append(SubSentence(it.text.decode("utf-8"), it.score, it.probability))
    return found


def _texts(texts: Sequence[str]) -> Any:
    if isinstance(texts, (str, bytes)):
        raise InvalidArgument("sentences must be a list of strings, not one string")
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    for text in encoded:
        if b"\0" in text:
            raise InvalidArgument(f"{text[:80]!r} contains a NUL character; a sentence must not contain NUL")
    return (ctypes.c_char_p * len(encoded))(*encoded)


def _image(image: Image, keep: list[Any]) -> _abi.dama_image:
    """The C struct; the objects that it points to are appended to ``keep``."""
    result = _abi.dama_image()
    if is_pillow(image):
        image = pillow_pixels(image)
    if isinstance(image, (str, os.PathLike)):
        result.path = os.fsencode(image)
    elif isinstance(image, (bytes, bytearray, memoryview)):
        data = np.frombuffer(image, np.uint8)
        keep.append(data)
        result.bytes, result.size = data.ctypes.data, data.size
    elif isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InvalidArgument(f"an image array is {image.dtype} {list(image.shape)}; expected uint8 [H, W, 3]")
        pixels = np.ascontiguousarray(image)
        keep.append(pixels)
        result.rgb, result.height, result.width = pixels.ctypes.data, image.shape[0], image.shape[1]
    else:
        raise InvalidArgument(
            f"an image is {type(image).__name__}; expected a path, the bytes of a file, a uint8 array "
            "[H, W, 3] or a Pillow image"
        )
    return result
