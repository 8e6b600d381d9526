#ifndef CDAMA_SHA256_H
#define CDAMA_SHA256_H

#include <stddef.h>
#include <stdint.h>

/// A SHA-256 (FIPS 180-4) in progress. Plain data: copying it forks the computation.
typedef struct cdama_sha256 {
    uint32_t state[8];
    uint64_t length;
    uint8_t pending[64];
    int portable;
} cdama_sha256;

/// Initialises the context. A non-zero `portable` selects plain C, which tests need; 0 selects the processor's SHA
/// instructions if it has them.
void cdama_sha256_init(cdama_sha256 *context, int portable);

/// Adds `count` bytes.
void cdama_sha256_update(cdama_sha256 *context, const void *bytes, size_t count);

/// Writes the digest of all bytes so far. The context must not be used afterwards.
void cdama_sha256_final(cdama_sha256 *context, uint8_t digest[32]);

#endif
