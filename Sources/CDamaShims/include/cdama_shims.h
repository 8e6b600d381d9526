// C functions that Swift cannot express. Names begin with cdama_, so that libdama.so exports none of them as dama_*.
#ifndef CDAMA_SHIMS_H
#define CDAMA_SHIMS_H

#include "cdama_environment.h"
#include "cdama_error.h"
#include "cdama_fork.h"
#include "cdama_http.h"
#include "cdama_path.h"
#include "cdama_float.h"
#include "cdama_float_control.h"
#include "cdama_image.h"
#include "cdama_inflate.h"
#include "cdama_kernels.h"
#include "cdama_sha256.h"
#include "cdama_threads.h"
#include "cdama_processors.h"

#endif
