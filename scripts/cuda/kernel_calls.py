"""Calls of the kernels of Sources/CDamaCuda from Python, on the host, in emulation or on the first device."""

import ctypes

import numpy as np

F32, F16, BF16 = 1, 10, 16
TYPES = {"f32": F32, "f16": F16, "bf16": BF16}
# Two roundings of the type, for operators that round their inputs' products once more than the definition does.
TOLERANCE = {F32: 4e-6, F16: 2e-3, BF16: 1.6e-2}
NAMES = (
    "adamw sum_of_squares accumulate add_rows fill cast rotary_heads mask_softmax softmax_grad mask_tiles "
    "attention attention_grad norm added_norm token_embeddings packed_mask add_bias sum_rows product row_dot "
    "rms_norm_grad rms_norm_scale_grad swiglu swiglu_grad likeliest token_logps token_logps_grad"
).split()
TILE = 64


class AdamW(ctypes.Structure):
    _fields_ = [(name, ctypes.c_float) for name in
                "keep beta1 one_minus_beta1 beta2 one_minus_beta2 step_size inverse_root_correction epsilon "
                "gradient_scale".split()]


class Attention(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in "batch heads key_heads sequence size masks is_merged".split()] + [
        ("scale", ctypes.c_float)]


class Product(ctypes.Structure):
    _fields_ = [("rows", ctypes.c_size_t), ("inner", ctypes.c_size_t), ("columns", ctypes.c_size_t),
                ("transposes_a", ctypes.c_int), ("transposes_b", ctypes.c_int), ("scale", ctypes.c_float)]


class Table(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in NAMES]


def rounded(values, kind):
    """`values` in the type, as its bytes and as float64."""
    values = np.asarray(values, np.float32)
    if kind == F32:
        return values, values.astype(np.float64)
    if kind == F16:
        half = values.astype(np.float16)
        return half, half.astype(np.float64)
    bits = values.view(np.uint32)
    bits = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return bits, unpacked(bits, BF16)


def unpacked(array, kind):
    if kind == BF16:
        return (array.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return array.astype(np.float64)


class Host:
    """Memory of the host, at a multiple of 16 bytes, or beside one."""

    def __init__(self, shift=0):
        self.shift = shift

    def put(self, array):
        raw = np.zeros(array.nbytes + 64, np.uint8)
        start = -raw.ctypes.data % 16 + self.shift * array.itemsize
        view = raw[start:start + array.nbytes].view(array.dtype)
        view[:] = array.ravel()
        return view, view.ctypes.data

    def get(self, buffer):
        return buffer.copy()

    def synchronize(self):
        pass


class Cuda:
    """Memory of the first device."""

    def __init__(self):
        self.lib = ctypes.CDLL("libcuda.so.1")
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuInit", 0)
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)

    def call(self, name, *arguments):
        code = getattr(self.lib, name)(*arguments)
        if code:
            raise SystemExit(f"{name}: CUDA error {code}")

    def put(self, array):
        array = np.ascontiguousarray(array)
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(16, array.nbytes)))
        self.call("cuMemcpyHtoD_v2", address, ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes))
        return (address, array.dtype, array.size), address.value

    def get(self, buffer):
        address, dtype, size = buffer
        array = np.empty(size, dtype)
        self.synchronize()
        self.call("cuMemcpyDtoH_v2", ctypes.c_void_p(array.ctypes.data), address, ctypes.c_size_t(array.nbytes))
        return array

    def free(self, buffer):
        self.call("cuMemFree_v2", buffer[0])

    def synchronize(self):
        self.call("cuCtxSynchronize")

    def time(self, run, times=20):
        """Microseconds of one run."""
        first, last, took = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_float()
        for event in (first, last):
            self.call("cuEventCreate", ctypes.byref(event), 0)
        for _ in range(3):
            run()
        self.call("cuEventRecord", first, None)
        for _ in range(times):
            run()
        self.call("cuEventRecord", last, None)
        self.synchronize()
        self.call("cuEventElapsedTime", ctypes.byref(took), first, last)
        return took.value / times * 1e3


class Same:
    """The array of an earlier argument."""

    def __init__(self, position):
        self.position = position


class Calls:
    """Runs kernels and compares what they write with what is expected."""

    def __init__(self, table, memory):
        self.memory = memory
        self.functions = {}
        for name in NAMES:
            prototype = ctypes.CFUNCTYPE(ctypes.c_char_p)
            self.functions[name] = ctypes.cast(getattr(table, name), prototype)
        self.failed = 0
        self.random = np.random.default_rng(7)

    def normal(self, shape, kind, scale=1.0):
        return rounded(self.random.standard_normal(shape) * scale, kind)

    def check(self, name, label, arguments, outputs, tolerance):
        """Runs a kernel. `arguments`: arrays, numbers, Same, or None for NULL. `outputs`: a list of (position, kind,
        expected); the array at that position is read back. Returns what was found there."""
        function, passed, buffers, size = self.functions[name], [], [], 0
        keep = {}
        for position, argument in enumerate(arguments):
            if isinstance(argument, np.ndarray):
                keep[position], address = self.memory.put(argument)
                size += argument.nbytes
                passed.append(ctypes.c_void_p(address))
            elif isinstance(argument, Same):
                passed.append(passed[argument.position])
            elif argument is None:
                passed.append(ctypes.c_void_p(None))
            elif isinstance(argument, float):
                passed.append(ctypes.c_float(argument))
            elif isinstance(argument, int):
                passed.append(ctypes.c_size_t(argument))
            else:
                passed.append(argument)
        error = function(None, *passed)
        if error is not None:
            raise SystemExit(f"{name} {label}: {error.decode()}")
        worst, results = 0.0, []
        for position, kind, expected in outputs:
            array = self.memory.get(keep[position])
            found = array.astype(np.float64) if array.dtype == np.float64 else unpacked(array, kind)
            results.append(found)
            expected = np.asarray(expected, np.float64).ravel()
            scale = max(np.abs(expected).max(initial=0), 1e-30)
            difference = np.abs(found - expected).max(initial=0) / scale
            worst = max(worst, difference if np.isfinite(found).all() else np.inf)
        line = f"{name:20} {label:34} error {worst:8.1e} of {tolerance:8.1e}"
        if isinstance(self.memory, Cuda):
            took = self.memory.time(lambda: function(None, *passed))
            line += f"  {took:9.1f} us {size / took / 1e3:7.0f} GB/s"
            for buffer in keep.values():
                self.memory.free(buffer)
        if not worst <= tolerance:
            self.failed += 1
            line += "  WRONG"
        print(line, flush=True)
        return results

    def label(self, kind, text):
        return f"{next(n for n, k in TYPES.items() if k == kind):4} {text}"
