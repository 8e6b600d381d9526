#include "support.h"

#include <stdarg.h>
#include <stdio.h>

#include "include/cdama_cuda_kernels.h"

const char *cdama_cuda_fail(const char *format, ...) {
    static _Thread_local char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20) *c = ' ';
    }
    return text;
}

int cdama_type_index(int type) {
    switch (type) {
    case CDAMA_FLOAT32: return 0;
    case CDAMA_FLOAT16: return 1;
    case CDAMA_BFLOAT16: return 2;
    default: return -1;
    }
}

int cdama_type_size(int type) {
    return type == CDAMA_FLOAT32 ? 4 : 2;
}
