#include "cdama_image.h"

void cdama_blend_on_white(uint8_t *rgb, const uint8_t *rgba, size_t count) {
    for (size_t i = 0; i < count; i++, rgb += 3, rgba += 4) {
        // 7 more bits than a byte, every division rounded.
        uint32_t ink = (uint32_t)rgba[3] << 7, white = (255u << 7) - ink;
        for (int c = 0; c < 3; c++) {
            uint32_t sum = rgba[c] * ink + 255u * white + (0x80u << 7);
            rgb[c] = rgba[3] == 0 ? 255 : (uint8_t)((((sum >> 8) + sum) >> 8) >> 7);
        }
    }
}
