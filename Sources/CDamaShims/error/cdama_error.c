#include "cdama_error.h"

#include <string.h>

static _Thread_local char message[2048];

void cdama_error_set(const char *text, size_t length) {
    if (length > sizeof message - 1) {
        length = sizeof message - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) {
            length--;
        }
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        message[i] = c < 0x20 ? ' ' : (char)c;
    }
    message[length] = '\0';
}

const char *cdama_error_get(void) {
    return message;
}
