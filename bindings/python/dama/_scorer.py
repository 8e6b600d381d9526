"""CLIP scores of images and sentences, Eq. (4) of the paper."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy as np
from numpy.typing import NDArray

from . import _abi
from ._errors import InvalidArgument
from ._native import check, choices
from ._runtime import open_with

#: A file's path, the bytes of a JPEG or PNG file, or uint8 pixels [H, W, 3].
Image = Union[str, os.PathLike, bytes, bytearray, memoryview, NDArray[np.uint8]]

_LONG_TEXTS = choices(_abi.dama_long_texts, "DAMA_LONG_TEXTS_")


_HANDLE = ctypes.c_void_p


class Scorer:
    """A CLIP model, opened from a Hugging Face directory: images and sentences to logits and embeddings.

    ``model_dir`` holds config.json, safetensors, tokenizer.json and preprocessor_config.json; or text_model.onnx and
    vision_model.onnx in place of the safetensors. One scorer may be used from several threads at once; ctypes releases
    the interpreter's lock meanwhile. Not for use in a child made by ``fork`` (multiprocessing's default on Linux before
    Python 3.14): start workers with ``spawn``.

    ``threads``
        Threads of inference, 0 for one a processor. The first model of a process sizes the pool that all share.
    ``max_image_pixels``
        Larger images are refused before they are decoded; the default is Pillow's limit.
    ``provider``
        ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    ``long_texts``
        ``"refuse"`` or ``"cut"`` texts of more tokens than the model takes.
    ``logit_scale``
        exp(logit_scale), for models in ONNX files, which do not hold it (100, OpenAI's, where it is not given).
    ``ignore_orientation``, ``drop_alpha``
        Image files are turned as their EXIF data say, and what is transparent is put on white, as transformers does;
        these leave them as they are stored, as the original LLaVA trainer does.
    ``onnxruntime``
        The file libonnxruntime.so.*. Without it: ``$DAMA_ONNXRUNTIME``, the one in an installed ``onnxruntime`` or
        ``onnxruntime-gpu`` wheel, or the loader's.
    """

    def __init__(
        self,
        model_dir: Union[str, os.PathLike[str]],
        *,
        threads: int = 0,
        max_image_pixels: Optional[int] = None,
        provider: str = "cpu",
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
        open_with(options, threads, provider, max_image_pixels, onnxruntime)
        options.long_texts = _LONG_TEXTS[long_texts]
        options.logit_scale = 0.0 if logit_scale is None else logit_scale
        options.ignore_orientation = bool(ignore_orientation)
        options.drop_alpha = bool(drop_alpha)
        check(_abi.dama_scorer_create(self._handle, os.fsencode(model_dir), options))
        dimension, scale = ctypes.c_size_t(), ctypes.c_float()
        check(_abi.dama_scorer_info(self._handle, ctypes.byref(dimension), ctypes.byref(scale)))
        #: Numbers in one embedding.
        self.dimension: int = dimension.value
        #: exp(logit_scale) of the model.
        self.logit_scale: float = scale.value

    def __del__(self, free: Any = _abi.dama_scorer_free) -> None:
        handle = getattr(self, "_handle", None)
        if handle:
            free(handle)
            self._handle = _HANDLE()

    def score(self, image: Image, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Γ(I, S), Eq. (4), of the image and each sentence: logit scale times cosine. float32 [n]."""
        texts = _texts(sentences)
        keep: list[Any] = []
        scores = np.empty(len(texts), np.float32)
        check(_abi.dama_scorer_score(self._handle, _image(image, keep), texts, len(texts), scores.ctypes.data))
        return scores

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Embeddings of the images, scaled to unit norm. float32 [n, dimension]."""
        keep: list[Any] = []
        array = (_abi.dama_image * len(images))(*[_image(image, keep) for image in images])
        embeddings = np.empty((len(images), self.dimension), np.float32)
        check(_abi.dama_scorer_embed_images(self._handle, array, len(images), embeddings.ctypes.data, embeddings.size))
        return embeddings

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embeddings of the texts, scaled to unit norm. float32 [n, dimension]."""
        array = _texts(texts)
        embeddings = np.empty((len(array), self.dimension), np.float32)
        check(_abi.dama_scorer_embed_texts(self._handle, array, len(array), embeddings.ctypes.data, embeddings.size))
        return embeddings


def _texts(texts: Sequence[str]) -> Any:
    if isinstance(texts, (str, bytes)):
        raise InvalidArgument("a list of sentences is needed, not one string")
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    for text in encoded:
        if b"\0" in text:
            raise InvalidArgument(f"{text[:80]!r} holds a NUL character, which a sentence cannot have")
    return (ctypes.c_char_p * len(encoded))(*encoded)


def _image(image: Image, keep: list[Any]) -> _abi.dama_image:
    """The C struct; what it points at is put into ``keep``."""
    result = _abi.dama_image()
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
            f"an image is {type(image).__name__}; expected a path, the bytes of a file or a uint8 array [H, W, 3]"
        )
    return result
