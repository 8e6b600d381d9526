// Only the headers: the runtime is opened at run time (see DamaRuntime), never linked.
// `make bootstrap` installs them in /usr/include or /usr/local/include.
#include <onnxruntime/onnxruntime_c_api.h>
