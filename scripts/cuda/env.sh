# To be read by a shell: . FOLDER/env.sh. Names the libraries that the parts of scripts/pack-cuda brought, and those of
# CUDA, cuDNN and NVRTC that torch's packages brought.
_dama=$(cd "$(dirname "${BASH_SOURCE:-$0}")" && pwd)
_nvidia=$(python3 - <<'END'
import importlib.util
from pathlib import Path

spec = importlib.util.find_spec("nvidia")
roots = spec.submodule_search_locations or [] if spec else []
print(":".join(str(lib) for root in roots for lib in sorted(Path(root).glob("*/lib"))))
END
)
LD_LIBRARY_PATH=${_nvidia:+$_nvidia:}$_dama/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
DAMA_LIBRARY=$_dama/build/lib/libdama.so
DAMA_ONNXRUNTIME=$(ls "$_dama"/runtime/libonnxruntime.so.* 2>/dev/null | head -n 1)
# The compiler of the fused kernels.
DAMA_NVRTC=$(IFS=:; for _lib in $_nvidia; do ls "$_lib"/libnvrtc.so.* 2>/dev/null; done | head -n 1)
PYTHONPATH=$_dama/bindings/python${PYTHONPATH:+:$PYTHONPATH}
export LD_LIBRARY_PATH DAMA_LIBRARY DAMA_ONNXRUNTIME PYTHONPATH
if [ -n "$DAMA_NVRTC" ]; then export DAMA_NVRTC; else unset DAMA_NVRTC; fi
