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

/// Starts anew. `portable` non-zero keeps to plain C, which tests need; 0 takes the processor's SHA instructions where
/// it has them.
void cdama_sha256_init(cdama_sha256 *context, int portable);

/// Takes in `count` more bytes.
void cdama_sha256_update(cdama_sha256 *context, const void *bytes, size_t count);

/// Writes the digest of everything taken in. The context is of no use afterwards.
void cdama_sha256_final(cdama_sha256 *context, uint8_t digest[32]);

#endif
