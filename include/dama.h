/*
 * libdama: data- and model-aware preference alignment of multimodal language models.
 *
 * Method: "DAMA: Data- and Model-aware Alignment of Multi-modal LLMs" (ICML 2025, arXiv 2502.01943); equation numbers
 * below are the paper's.
 *
 * Conventions, for every function:
 *  - A function that can fail returns dama_status. On failure no out parameter has been written, nothing needs to be
 *    freed, and dama_error_message() says in one line what was wrong and what would be right.
 *  - A handle written through `T **out` belongs to the caller, who gives it to dama_T_free(). Freeing NULL is fine.
 *  - Strings are UTF-8 and end in NUL; broken UTF-8 is read with U+FFFD in place of the broken bytes.
 *  - Arrays are contiguous and row-major; [n, m] says n rows of m. Pointers may be NULL only where that is said.
 *  - Option structs begin with struct_size, set by dama_..._options_init(); fields are only ever added at the end.
 *  - Nothing here prints, exits, installs a signal handler or changes the locale.
 *  - Distinct handles may be used from distinct threads at the same time; what one handle allows is said at its type.
 *  - After fork() without exec() the library must not be used in the child.
 */
#ifndef DAMA_H
#define DAMA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define DAMA_API __attribute__((visibility("default")))
#define DAMA_NODISCARD __attribute__((warn_unused_result))
#else
#define DAMA_API
#define DAMA_NODISCARD
#endif

/* ---------------------------------------------------------------------------------------------------------------- */
/* Version and errors                                                                                               */
/* ---------------------------------------------------------------------------------------------------------------- */

#define DAMA_VERSION_MAJOR 0
#define DAMA_VERSION_MINOR 1
#define DAMA_VERSION_PATCH 0
/** Raised whenever a program built against an older header would no longer run. */
#define DAMA_ABI_VERSION 0

typedef enum dama_status {
    DAMA_OK = 0,
    /** A value that can never be right: NULL, NaN, a negative size, an unknown option. */
    DAMA_INVALID_ARGUMENT = 1,
    /** Sizes that do not fit each other, or a buffer too small for the result. */
    DAMA_SHAPE_MISMATCH = 2,
    /** A file that cannot be read or written. */
    DAMA_IO = 3,
    /** A model, tokenizer or image whose contents are wrong. */
    DAMA_MODEL = 4,
    /** Something sound that this build or this ONNX Runtime cannot do. */
    DAMA_UNSUPPORTED = 5,
    /** An allocation that failed, or an input larger than the limit set for it. */
    DAMA_OUT_OF_MEMORY = 6,
    /** A defect of the library. */
    DAMA_INTERNAL = 7,
    /** A callback asked to stop. */
    DAMA_CANCELLED = 8
} dama_status;

/** The DAMA_ABI_VERSION that the library was built with. Thread-safe. */
DAMA_API uint32_t dama_abi_version(void);

/** The library's version, "MAJOR.MINOR.PATCH". Static storage. Thread-safe. */
DAMA_API const char *dama_version_string(void);

/**
 * What the calling thread's last failing call found wrong, in one line. Never NULL; valid until that thread's next
 * failing call. The status is the truth; this text is for people and may change between versions.
 */
DAMA_API const char *dama_error_message(void);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Data hardness                                                                                                    */
/* ---------------------------------------------------------------------------------------------------------------- */

/**
 * Hardness of one pair from its CLIP scores: one softmax over all p + q scores, Eq. (5), then
 * delta = sum of the chosen probabilities − sum of the rejected ones, Eq. (6).
 *
 * @param[in]  chosen_scores    [p] CLIP logits (logit scale times cosine) of the chosen response's sub-sentences.
 * @param[in]  chosen_count     p ≥ 1.
 * @param[in]  rejected_scores  [q] the same for the rejected response.
 * @param[in]  rejected_count   q ≥ 1.
 * @param[out] delta            In [−1, 1]; large means easy to tell apart.
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL, an empty list or a score that is not finite.
 *
 * Thread-safe.
 */
DAMA_API DAMA_NODISCARD dama_status dama_hardness(const float *chosen_scores, size_t chosen_count,
                                                  const float *rejected_scores, size_t rejected_count,
                                                  double *delta);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_H */
