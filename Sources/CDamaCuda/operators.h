#ifndef CDAMA_OPERATORS_TABLE_H
#define CDAMA_OPERATORS_TABLE_H

// The fused operators, apart from the runtime that calls them: operators.c. operators_runtime.c registers them.

#include <stddef.h>
#include <stdint.h>

#include "include/cdama_cuda_kernels.h"

enum { MOST_INPUTS = 8, MOST_OUTPUTS = 3, MOST_AXES = 8 };

typedef struct {
    void *data;
    int64_t shape[MOST_AXES];
    size_t axes;
    int64_t count;
} tensor;

/// A node's attributes; 0 for those that it lacks.
typedef struct {
    int64_t heads, inverse, transposes_a, transposes_b, activation, window;
    float scale, epsilon;
} numbers;

/// A call of an operator.
typedef struct {
    const cdama_kernels *kernels;
    void *stream;
    int type;
    numbers given;
    tensor in[MOST_INPUTS], out[MOST_OUTPUTS];
} call;

/// `inputs` and `outputs` have a letter for each tensor: R the operator's own type (float, float16 or bfloat16),
/// F float, I int64, and r, f and i as R, F and I but optional.
typedef struct {
    const char *name, *inputs, *outputs;
    /// Checks the inputs and gives the outputs their shapes.
    const char *(*shape)(call *c);
    const char *(*compute)(call *c);
    /// The pairs of an input and an output that may share memory, in arrays that cdama_release_pairs() frees.
    size_t (*in_place)(int **input, int **output);
} operator;

enum { CDAMA_OPERATORS = 23 };
extern const operator cdama_operators[CDAMA_OPERATORS];

size_t cdama_no_pairs(int **input, int **output);
void cdama_release_pairs(int *input, int *output);

#endif
