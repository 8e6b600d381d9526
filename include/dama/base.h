/*
 * Conventions, version, errors, stopping and lists of strings. Every other header includes this one.
 *
 * The conventions hold for every declaration of libdama. The comment of a declaration states only exceptions to them.
 *
 * Errors. A function that can fail returns dama_status. On failure it has written no out parameter, and nothing needs
 * to be freed. dama_error_message() says in one line what is wrong and what would be right. Every such function returns
 * DAMA_INVALID_ARGUMENT for NULL where NULL is not allowed, and for a wrong struct_size.
 *
 * Pointers. A pointer may be NULL only where its comment says so. dama_T_free(NULL) and dama_T_init(NULL) do nothing.
 * The caller keeps ownership of the memory that it passes. The library keeps no pointer to it after the call.
 *
 * Handles. The caller owns a handle that a function writes through `T **out`, and frees it with dama_T_free(). A
 * pointer to const that a function returns, or that a field of a result holds, belongs to the handle that it comes
 * from, and is valid as long as that handle.
 *
 * Threads. Functions may be called from any thread. Two concurrent calls must not use the same handle, and must not
 * write memory that the other one reads or writes. A type's comment says where its handle may be shared. No call may
 * use a handle while another call frees it. Callbacks run on the thread of the call.
 *
 * fork() without exec(). If the library was in use before, the child cannot use it: functions that return a status
 * return DAMA_UNSUPPORTED, freeing does nothing and returns at once, and exit() ends the child.
 *
 * Strings are UTF-8 and end in NUL. Invalid bytes are read as U+FFFD.
 *
 * Arrays are contiguous and row-major; [n, m] means n rows of m elements. The count follows the array; arrays with the
 * same count stand together before it. In a struct the count follows one array, or precedes several arrays with the
 * same count. An array that receives results has a capacity in elements in place of a count; DAMA_SHAPE_MISMATCH is
 * returned if it is too small. It has no capacity where its comment gives its size by other parameters, such as the
 * scores [count] of `count` sentences. Where the caller cannot know the number of results, NULL with capacity 0 asks
 * for that number only.
 *
 * Booleans are int32_t in parameters, fields and results. The library reads any value but 0 as true, and writes 1 or 0.
 * An array of booleans has elements of uint8_t.
 *
 * Missing values. 0 or NULL means that an optional value is missing. Where 0 is a valid value, −1 has this meaning for
 * an integer, DAMA_REST for a size_t, and NaN for a real number. The same numbers mean "no value" in a result.
 *
 * Structs that begin with struct_size may grow at their end from one version to the next. Call dama_T_init() first: it
 * sets every field, and struct_size to the size in the header that the caller was compiled with. It is a macro over
 * dama_T_init_sized(); a binding that does not compile this header passes the size of its own struct to that function.
 * The library reads and writes struct_size bytes and no more. A field that the caller's struct lacks has the value that
 * dama_T_init() sets. A field that the library does not know must be 0 on input, otherwise the call returns
 * DAMA_UNSUPPORTED; on output it becomes 0. dama_T_init() cannot fail: for an argument that it does not know, it sets
 * struct_size to 0, which every call rejects.
 *
 * Structs without struct_size never grow. An input struct starts as zeros (`dama_image image = {0};`, in C++ `{}`) or
 * with its dama_T_init(). An output struct needs no initialisation.
 *
 * Options. The comment of a field ends with the default that dama_T_options_init() sets ("Rows computed together;
 * 32."), or the comment of that macro lists the defaults. All other defaults are 0 or NULL. 0 selects another value
 * ("0: one for each processor") only where the comment says so. If a later version adds a field, 0 keeps the earlier
 * behaviour. Where a function accepts NULL for its options, all options have their defaults.
 *
 * Results. dama_T_init() sets all other fields of a struct for results to 0. In an [in,out] struct the library reads
 * struct_size and writes the rest.
 *
 * Parameters have this order: the handle that is created; the handle that is used; inputs; options; results; a
 * dama_cancellation.
 *
 * Properties of a handle. dama_T_describe() fills a dama_T_facts; dama_T_get_options() returns the options in use. For
 * a handle that holds several elements, dama_T_count() returns their number and dama_T_at() one of them, counted from
 * 0.
 *
 * Callbacks take the caller's `user` pointer last. A callback that returns a status other than DAMA_OK stops the call,
 * which returns the same status. A number that is no dama_status counts as DAMA_CANCELLED.
 *
 * Stopping. Calls that run a model, wait for another process or read a dataset take a dama_cancellation, or NULL, as
 * their last parameter. Every such call may return DAMA_CANCELLED; its comment does not repeat it.
 *
 * The library never prints, exits, installs a signal handler or changes the locale.
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
/** The version of the ABI. It is raised if programs built with an older header would no longer run. */
#define DAMA_ABI_VERSION 1

typedef enum dama_status {
    DAMA_OK = 0,
    /** An argument is not valid: NULL, NaN, a number outside its range, an unknown option. */
    DAMA_INVALID_ARGUMENT = 1,
    /** Sizes disagree, or a buffer is too small for the result. */
    DAMA_SHAPE_MISMATCH = 2,
    /** A file cannot be read or written. */
    DAMA_IO = 3,
    /** The contents of a model, tokenizer, image or other file are wrong. */
    DAMA_MODEL = 4,
    /** The request is valid, but this build or this ONNX Runtime does not support it. */
    DAMA_UNSUPPORTED = 5,
    /**
     * An input exceeds its limit, or the system has no memory for a size that the caller or a file determines (arrays,
     * texts, pixels, caches, weights, batches). These sizes are checked before anything is allocated. Small allocations
     * are not checked: if they fail, or if the system grants more memory than it has, the process may be ended.
     */
    DAMA_OUT_OF_MEMORY = 6,
    /** A defect in the library. */
    DAMA_INTERNAL = 7,
    /** A callback or a dama_cancellation stopped the call. */
    DAMA_CANCELLED = 8
} dama_status;

/** Returns the DAMA_ABI_VERSION that the library was built with. */
DAMA_API uint32_t dama_abi_version(void);

/** Returns the library's version, "MAJOR.MINOR.PATCH", in static storage. */
DAMA_API const char *dama_version_string(void);

/**
 * Returns the message of the calling thread's last failing call, in one line. It is never NULL, and valid until that
 * thread's next failing call. Programs should check the status: the text is for people and may change between versions.
 */
DAMA_API const char *dama_error_message(void);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Stopping long calls                                                                                              */
/* ---------------------------------------------------------------------------------------------------------------- */

/**
 * Lets one thread stop the calls of another. A call that uses a cancelled dama_cancellation stops at the next operator
 * of a model, at the next image, or within 50 ms while it waits for another process, and returns DAMA_CANCELLED. A
 * stopped call has no effect, unless its comment says otherwise. A call made after the cancellation does not start.
 *
 * All functions may be called from any thread at any time, but not from a signal handler. Call dama_cancellation_free()
 * only when no call uses the handle any more.
 */
typedef struct dama_cancellation dama_cancellation;

/**
 * Creates a cancellation.
 *
 * @param[out] out
 * @return DAMA_OK; DAMA_INVALID_ARGUMENT for NULL.
 */
DAMA_API DAMA_NODISCARD dama_status dama_cancellation_create(dama_cancellation **out);

/** Frees a cancellation. */
DAMA_API void dama_cancellation_free(dama_cancellation *cancellation);

/** Stops all calls that use the cancellation, now and later. Returns at once. NULL is ignored. */
DAMA_API void dama_cancellation_cancel(dama_cancellation *cancellation);

/** Returns 1 after dama_cancellation_cancel(); 0 before, and for NULL. */
DAMA_API int32_t dama_cancellation_is_cancelled(const dama_cancellation *cancellation);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Lists of strings                                                                                                 */
/* ---------------------------------------------------------------------------------------------------------------- */

/** A list of strings that a function returned. It never changes; all threads may use it at the same time. */
typedef struct dama_strings dama_strings;

/** Returns the number of strings; 0 for NULL. */
DAMA_API size_t dama_strings_count(const dama_strings *strings);

/** Returns the string at index, UTF-8, valid until dama_strings_free(); NULL beyond the end. */
DAMA_API const char *dama_strings_at(const dama_strings *strings, size_t index);

/** Frees a list. */
DAMA_API void dama_strings_free(dama_strings *strings);

#ifdef __cplusplus
}
#endif

#endif /* DAMA_BASE_H */
