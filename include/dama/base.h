/*
 * What every other header stands on: the conventions, the version, errors, stopping, lists of strings.
 *
 * The conventions hold for every declaration of libdama. A declaration says only where it differs.
 *
 * Failures. A function that can fail returns dama_status. On failure no out parameter has been written and nothing
 * needs to be freed; dama_error_message() says in one line what was wrong and what would be right.
 * DAMA_INVALID_ARGUMENT is also the status for NULL where it is not allowed and for a wrong struct_size.
 *
 * Pointers. One may be NULL only where its comment says so. dama_T_free(NULL) and dama_T_init(NULL) do nothing. Memory
 * that the caller passes remains the caller's; the library keeps no pointer to it beyond the call.
 *
 * Handles. One that a function writes through `T **out` belongs to the caller, who gives it to dama_T_free(). What a
 * function returns as a pointer to const, or lends in a field, belongs to the handle that it came from, and lives as
 * long.
 *
 * Threads. Functions may be called from any thread. Two calls at the same time must not use the same handle, and must
 * not write memory that the other one reads or writes; where a handle may be shared, its type says so. No call may run
 * beside the one that frees its handle. Callbacks run on the thread of the call.
 *
 * After fork() without exec() a library that was in use before is not usable in the child: functions that return a
 * status return DAMA_UNSUPPORTED, freeing does nothing and returns at once, and exit() ends the child.
 *
 * Strings are UTF-8 and end in NUL; broken UTF-8 is read with U+FFFD in place of the broken bytes.
 *
 * Arrays are contiguous and row-major; [n, m] means n rows of m. A parameter that is an array has its count behind it;
 * arrays of the same count stand together before it. In a struct the count stands behind one array, or before several of
 * the same count. An array that results are written to has its capacity in elements instead of a count, and one that is
 * too small is DAMA_SHAPE_MISMATCH. It has no capacity where its comment gives its size by other parameters: one result
 * for each input, such as the scores [count] of `count` sentences. Where the caller cannot know how many results there
 * are, NULL with capacity 0 asks for their number alone.
 *
 * Booleans are int32_t, in parameters, fields and results: not 0 is true where they are read; 1 and 0 are written. Only
 * an array of them has elements of uint8_t.
 *
 * Not given. 0 or NULL means that an optional value is not given. Where 0 is a value of its own, -1 means so for an
 * integer (DAMA_REST for a size_t) and NaN for a real number. In a result the same numbers mean that there is no value.
 *
 * Structs that begin with struct_size may grow at their end from one version to the next. dama_T_init() sets every
 * field, and struct_size to the size in the header that the caller was compiled with: call it before anything else. It
 * is a macro over dama_T_init_sized(), which callers that do not compile this header give the size of their struct. The
 * library reads and writes struct_size bytes and no more. Fields that the caller's struct does not have are as
 * dama_T_init() sets them. Fields that the library does not have must be 0 where it reads them, or the call returns
 * DAMA_UNSUPPORTED; where it writes them they become 0. dama_T_init() itself cannot fail: where it is given what it
 * does not know, it sets struct_size to 0, which every call refuses.
 *
 * Structs without struct_size never grow. One that is read starts as zeros (`dama_image image = {0};`, in C++ `{}`) or
 * by its dama_T_init(); one that results are written to needs no preparation.
 *
 * Options. The comment of a field ends with the value that dama_T_options_init() sets ("Rows computed together; 32."),
 * or that macro's own comment names the values; what neither names is 0 or NULL. 0 stands for another value ("0: one
 * for each processor") only where the comment says so. A field that is added later keeps with 0 what held before it
 * came. Where a function takes NULL for its options, they are as dama_T_options_init() sets them.
 *
 * Results. dama_T_init() sets the other fields of a struct that results are written to, to 0. Of an [in,out] struct,
 * struct_size is read and the rest written.
 *
 * Parameters stand in this order: the handle that is made; the handle that is asked; inputs; options; results; a
 * dama_cancellation.
 *
 * Asking a handle. dama_T_describe() writes what there is to know about it into a dama_T_facts, and
 * dama_T_get_options() the options that it works with. The elements of a handle that holds several are counted by
 * dama_T_count() and read by dama_T_at(), with indices from 0.
 *
 * Callbacks take the caller's `user` last. A callback that returns another status than DAMA_OK stops the call, which
 * then returns the same status; a number that is no dama_status counts as DAMA_CANCELLED.
 *
 * Stopping. Calls that run a model, wait for another process or go through a dataset take a dama_cancellation, or NULL,
 * as their last parameter. DAMA_CANCELLED is a status of every such call; its comment does not repeat it.
 *
 * Nothing here prints, exits, installs a signal handler or changes the locale.
 */
#ifndef DAMA_BASE_H
#define DAMA_BASE_H

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
#define DAMA_VERSION_MINOR 2
#define DAMA_VERSION_PATCH 0
/** Raised whenever a program built against an older header would no longer run. */
#define DAMA_ABI_VERSION 1

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
    /**
     * An input larger than the limit set for it, or memory that the system does not give for a size that the caller or
     * a file chose: counts of arrays, lengths of texts, pixels, caches, weights, batches, checked before anything is
     * allocated. Not promised beyond that: where a process is short of even a little memory, or the system gives more
     * than it has, the process may be ended.
     */
    DAMA_OUT_OF_MEMORY = 6,
    /** A defect of the library. */
    DAMA_INTERNAL = 7,
    /** A callback or a dama_cancellation asked to stop. */
    DAMA_CANCELLED = 8
} dama_status;

/** The DAMA_ABI_VERSION that the library was built with. */
DAMA_API uint32_t dama_abi_version(void);

/** The library's version, "MAJOR.MINOR.PATCH". Static storage. */
DAMA_API const char *dama_version_string(void);

/**
 * What the calling thread's last failing call found wrong, in one line. Never NULL; valid until that thread's next
 * failing call. The status is the truth; this text is for people and may change between versions.
 */
DAMA_API const char *dama_error_message(void);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Stopping long calls                                                                                              */
/* ---------------------------------------------------------------------------------------------------------------- */

/**
 * Lets one thread stop what another does. Every call that has been given it stops at the next operator of a model, the
 * next image, or within 50 ms where it waits for another process, and returns DAMA_CANCELLED. Everything is then as if
 * the call had not been made, unless its comment says otherwise. A call that is given it later does not begin.
 *
 * All functions may be called from any thread at any time, but not from a signal handler; dama_cancellation_free() when
 * no call uses it any more.
 */
typedef struct dama_cancellation dama_cancellation;

/**
 * Makes a cancellation.
 *
 * @param[out] out
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_cancellation_create(dama_cancellation **out);

/** Frees a cancellation. */
DAMA_API void dama_cancellation_free(dama_cancellation *cancellation);

/** Stops the calls that have been given it, and every later one. Returns at once. NULL is ignored. */
DAMA_API void dama_cancellation_cancel(dama_cancellation *cancellation);

/** 1 once it has been cancelled; 0 before, and for NULL. */
DAMA_API int32_t dama_cancellation_is_cancelled(const dama_cancellation *cancellation);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Lists of strings                                                                                                 */
/* ---------------------------------------------------------------------------------------------------------------- */

/** A list of strings that a function gave back. It never changes and may be used from any number of threads. */
typedef struct dama_strings dama_strings;

/** How many there are; 0 for NULL. */
DAMA_API size_t dama_strings_count(const dama_strings *strings);

/** The string at index, UTF-8, valid until dama_strings_free(); NULL beyond the end. */
DAMA_API const char *dama_strings_at(const dama_strings *strings, size_t index);

/** Frees a list. */
DAMA_API void dama_strings_free(dama_strings *strings);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_BASE_H */
