// What the fused operators accept, return and compute.

#include "operators.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"

// MARK: Shapes

static int64_t last(const tensor *t) {
    return t->axes == 0 ? 1 : t->shape[t->axes - 1];
}
static int64_t rows(const tensor *t) {
    return last(t) == 0 ? 0 : t->count / last(t);
}
/// As rows(), also for matrices without columns.
static int64_t rows_of(const tensor *t) {
    int64_t count = 1;
    for (size_t i = 0; i + 1 < t->axes; i++) count *= t->shape[i];
    return count;
}
static int64_t tiles_of(int64_t count) {
    return (count + CDAMA_ATTENTION_TILE - 1) / CDAMA_ATTENTION_TILE;
}
static int same_shape(const tensor *a, const tensor *b) {
    return a->axes == b->axes && memcmp(a->shape, b->shape, a->axes * sizeof *a->shape) == 0;
}
static void copy_shape(tensor *to, const tensor *from) {
    to->axes = from->axes;
    memcpy(to->shape, from->shape, sizeof to->shape);
}
static void set_shape(tensor *to, size_t axes, int64_t a, int64_t b, int64_t c, int64_t d) {
    to->axes = axes;
    const int64_t shape[4] = {a, b, c, d};
    memcpy(to->shape, shape, sizeof shape);
}

static const char *shape_rotary(call *c) {
    const tensor *x = &c->in[0], *cosine = &c->in[2];
    int64_t size = c->given.inverse ? last(x) : x->axes == 3 && c->given.heads > 0 ? last(x) / c->given.heads : 0;
    int fits = cosine->axes == 2 && same_shape(cosine, &c->in[3]) && 2 * last(cosine) == size;
    if (c->given.inverse) fits = fits && x->axes == 4 && x->shape[1] == c->given.heads;
    else fits = fits && x->axes == 3 && size * c->given.heads == last(x);
    int64_t length = !fits ? 0 : c->given.inverse ? x->shape[2] : x->shape[1];
    if (!fits || c->in[1].count != x->shape[0] * length || cosine->shape[0] < 1) {
        return cdama_cuda_fail("RotaryHeads: the shapes of the input, the positions and the tables do not fit "
                               "%lld heads", (long long)c->given.heads);
    }
    if (c->given.inverse) set_shape(&c->out[0], 3, x->shape[0], length, c->given.heads * size, 0);
    else set_shape(&c->out[0], 4, x->shape[0], c->given.heads, length, size);
    return NULL;
}

static const char *shape_mask_softmax(call *c) {
    const tensor *scores = &c->in[0], *mask = &c->in[1];
    int fits = scores->axes >= 2 && mask->axes == 4 && mask->shape[1] == 1 && last(mask) == last(scores) &&
               (mask->shape[0] == 1 || mask->shape[0] == scores->shape[0]) &&
               (mask->shape[2] > 0 ? rows(scores) % (mask->shape[2] * mask->shape[0]) == 0 : rows(scores) == 0);
    if (!fits) return cdama_cuda_fail("MaskSoftmax: the mask is not [batch or 1, 1, queries, keys] of the scores");
    copy_shape(&c->out[0], scores);
    return NULL;
}

static const char *shape_softmax_grad(call *c) {
    if (!same_shape(&c->in[0], &c->in[1]) || c->in[2].count != rows(&c->in[0])) {
        return cdama_cuda_fail("SoftmaxGrad: the shapes of the shares, their gradient and the sums do not fit");
    }
    copy_shape(&c->out[0], &c->in[0]);
    return NULL;
}

static const char *shape_mask_tiles(call *c) {
    const tensor *mask = &c->in[0];
    if (mask->axes != 4 || mask->shape[1] != 1) return cdama_cuda_fail("MaskTiles: the mask is not [masks, 1, queries, keys]");
    set_shape(&c->out[0], 3, mask->shape[0], tiles_of(mask->shape[2]), tiles_of(mask->shape[3]), 0);
    return NULL;
}

/// Whether q, k, v and, at `place`, a mask and its tiles, if there are any, belong together; their shapes become the
/// call's. With the attribute "heads" queries and keys are merged.
static int fits_attention(const call *c, int place, cdama_attention *shape) {
    const tensor *q = &c->in[0], *k = &c->in[1], *v = &c->in[2], *mask = &c->in[place], *kinds = mask + 1;
    int merged = c->given.heads > 0, axes = merged ? 3 : 4;
    if (q->axes != (size_t)axes || k->axes != (size_t)axes || v->axes != 3) return 0;
    int64_t heads = merged ? c->given.heads : q->shape[1], size = merged ? last(q) / heads : last(q);
    int64_t batch = q->shape[0], sequence = q->shape[axes - 2], most = INT32_MAX;
    int64_t key_heads = !merged ? k->shape[1] : size > 0 ? last(k) / size : 0, masks = mask->axes == 0 ? 0 : mask->shape[0];
    if (batch > most || heads > most || sequence > most || size > most || key_heads < 1 || heads % key_heads != 0) return 0;
    *shape = (cdama_attention){(int32_t)batch, (int32_t)heads, (int32_t)key_heads, (int32_t)sequence, (int32_t)size,
                               (int32_t)masks, merged, c->given.scale};
    int64_t width = key_heads * size;
    int fits = k->shape[0] == batch && k->shape[axes - 2] == sequence && last(k) == (merged ? width : size) &&
               (!merged || last(q) == heads * size) && v->shape[0] == batch && v->shape[1] == sequence && last(v) == width;
    if (mask->axes == 0) return fits && kinds->axes == 0;
    return fits && mask->axes == 4 && kinds->axes == 3 && (masks == 1 || masks == batch) && mask->shape[1] == 1 &&
           mask->shape[2] == sequence && mask->shape[3] == sequence && kinds->shape[0] == masks &&
           kinds->shape[1] == tiles_of(sequence) && kinds->shape[2] == tiles_of(sequence);
}

/// Where the mask is among the inputs of FlashAttention and of FlashAttentionGrad.
enum { MASK = 3, MASK_OF_GRAD = 6 };

static const char *shape_attention(call *c) {
    cdama_attention s;
    if (!fits_attention(c, MASK, &s)) {
        return cdama_cuda_fail("FlashAttention: the shapes of queries, keys, values, mask and tiles do not fit");
    }
    set_shape(&c->out[0], 3, s.batch, s.sequence, (int64_t)s.heads * s.size, 0);
    set_shape(&c->out[1], 3, s.batch, s.heads, s.sequence, 0);
    return NULL;
}

static const char *shape_attention_grad(call *c) {
    cdama_attention s;
    int64_t rows_of_heads = 0;
    int fits = fits_attention(c, MASK_OF_GRAD, &s);
    if (fits) rows_of_heads = (int64_t)s.batch * s.heads * s.sequence;
    if (!fits || c->in[3].count != c->in[0].count || c->in[4].count != rows_of_heads || c->in[5].count != rows_of_heads) {
        return cdama_cuda_fail("FlashAttentionGrad: the shapes of queries, keys, values, gradient, mask and tiles do not "
                               "fit");
    }
    for (int i = 0; i < 3; i++) copy_shape(&c->out[i], &c->in[i]);
    return NULL;
}

static const char *shape_norm(call *c) {
    const tensor *x = &c->in[0];
    if (x->axes == 0 || c->in[1].count != last(x) || (c->in[2].axes != 0 && c->in[2].count != last(x))) {
        return cdama_cuda_fail("RmsNorm, LayerNorm: the shapes of the input, the scale and the bias do not fit");
    }
    for (int i = 0; i < 3; i++) copy_shape(&c->out[i], x);
    for (int i = 1; i < 3; i++) c->out[i].shape[x->axes - 1] = 1;
    return NULL;
}

static const char *shape_added_norm(call *c) {
    const tensor *x = &c->in[0];
    if (x->axes == 0 || !same_shape(x, &c->in[1]) || c->in[2].count != last(x)) {
        return cdama_cuda_fail("AddedRmsNorm: the shapes of the input, the residual and the scale do not fit");
    }
    for (int i = 0; i < 3; i++) copy_shape(&c->out[i], x);
    c->out[2].shape[x->axes - 1] = 1;
    return NULL;
}

static const char *shape_token_embeddings(call *c) {
    const tensor *table = &c->in[0], *tokens = &c->in[1], *features = &c->in[2];
    if (table->axes != 2 || features->axes != 2 || last(table) != last(features) || tokens->axes != 2 ||
        !same_shape(tokens, &c->in[3])) {
        return cdama_cuda_fail("TokenEmbeddings: the shapes of the table, the tokens and the features do not fit");
    }
    set_shape(&c->out[0], 3, tokens->shape[0], tokens->shape[1], last(table), 0);
    return NULL;
}

static const char *shape_packed_mask(call *c) {
    const tensor *segments = &c->in[0];
    if (segments->axes != 2 || !same_shape(segments, &c->in[1])) {
        return cdama_cuda_fail("PackedMask: segments and positions are not both [batch, sequence]");
    }
    set_shape(&c->out[0], 4, segments->shape[0], 1, last(segments), last(segments));
    return NULL;
}

static const char *shape_add_bias(call *c) {
    const tensor *x = &c->in[0], *residual = &c->in[2];
    if (c->in[1].count != last(x) || (residual->axes != 0 && !same_shape(x, residual))) {
        return cdama_cuda_fail("AddBias: the shapes of the input, the bias and the residual do not fit");
    }
    copy_shape(&c->out[0], x);
    return NULL;
}

static const char *shape_sum_rows(call *c) {
    if (c->in[0].axes != 2 || c->in[1].axes != 2) return cdama_cuda_fail("SumRows: rows and indices are not matrices");
    set_shape(&c->out[0], 2, c->in[1].shape[0], last(&c->in[0]), 0, 0);
    return NULL;
}

/// The product of inputs `a` and b after it. Only a matrix is transposed; the leading axes of a are rows.
static int fits_product(const call *c, const tensor *a, cdama_product *shape) {
    const tensor *b = a + 1;
    int ta = c->given.transposes_a != 0, tb = c->given.transposes_b != 0;
    if (a->axes < 2 || b->axes != 2 || (ta && a->axes != 2)) return 0;
    *shape = (cdama_product){(size_t)(ta ? a->shape[1] : rows_of(a)), (size_t)(ta ? a->shape[0] : last(a)),
                             (size_t)(tb ? b->shape[0] : b->shape[1]), ta, tb, c->given.scale};
    return shape->inner == (size_t)(tb ? b->shape[1] : b->shape[0]);
}

static const char *shape_added_product(call *c) {
    cdama_product s;
    const tensor *sum = &c->in[0];
    if (!fits_product(c, &c->in[1], &s) || sum->count != (int64_t)(s.rows * s.columns) || last(sum) != (int64_t)s.columns) {
        return cdama_cuda_fail("AddedProduct: the shapes of the sum and of the two matrices do not fit");
    }
    copy_shape(&c->out[0], sum);
    return NULL;
}

static const char *shape_weight_gradient(call *c) {
    cdama_product s;
    int fits = fits_product(c, &c->in[0], &s);
    if (!fits || (c->in[2].axes != 0 && c->in[2].count != (int64_t)(s.rows * s.columns))) {
        return cdama_cuda_fail("WeightGradient: the shapes of the two matrices and of the earlier gradient do not fit");
    }
    set_shape(&c->out[0], 2, (int64_t)s.rows, (int64_t)s.columns, 0, 0);
    return NULL;
}

static const char *shape_row_dot(call *c) {
    const tensor *a = &c->in[0];
    if (a->axes != 3 || !same_shape(a, &c->in[1]) || c->given.heads < 1 || last(a) % c->given.heads != 0) {
        return cdama_cuda_fail("RowDot: the inputs are not both [batch, sequence, %lld heads]", (long long)c->given.heads);
    }
    set_shape(&c->out[0], 3, a->shape[0], c->given.heads, a->shape[1], 0);
    return NULL;
}

static const char *shape_norm_grad(call *c) {
    const tensor *dy = &c->in[0], *residual = &c->in[4];
    if (!same_shape(dy, &c->in[1]) || c->in[2].count != last(dy) || c->in[3].count != rows(dy) ||
        (residual->data != NULL && !same_shape(dy, residual))) {
        return cdama_cuda_fail("RmsNormGrad: the shapes of the gradient, the input, the scale and 1/std do not fit");
    }
    copy_shape(&c->out[0], dy);
    return NULL;
}

static const char *shape_norm_scale_grad(call *c) {
    const tensor *dy = &c->in[0];
    if (!same_shape(dy, &c->in[1]) || c->in[2].count != rows(dy)) {
        return cdama_cuda_fail("RmsNormScaleGrad: the shapes of the gradient, the input and 1/std do not fit");
    }
    set_shape(&c->out[0], 1, last(dy), 0, 0, 0);
    return NULL;
}

static const char *shape_swiglu(call *c) {
    if (!same_shape(&c->in[0], &c->in[1])) return cdama_cuda_fail("SwiGLU: the inputs differ in shape");
    copy_shape(&c->out[0], &c->in[0]);
    return NULL;
}

static const char *shape_swiglu_grad(call *c) {
    if (!same_shape(&c->in[0], &c->in[1]) || !same_shape(&c->in[0], &c->in[2])) {
        return cdama_cuda_fail("SwiGLUGrad: the inputs differ in shape");
    }
    copy_shape(&c->out[0], &c->in[0]);
    copy_shape(&c->out[1], &c->in[0]);
    return NULL;
}

static const char *shape_likeliest(call *c) {
    if (c->in[0].axes != 2) return cdama_cuda_fail("Likeliest: the logits are not [rows, vocabulary]");
    set_shape(&c->out[0], 1, c->in[0].shape[0], 0, 0, 0);
    return NULL;
}

static const char *shape_logps(call *c) {
    if (c->in[0].axes != 2 || c->in[1].count != c->in[0].shape[0]) {
        return cdama_cuda_fail("TokenLogProbabilities: the targets are not one for each row of the logits");
    }
    set_shape(&c->out[0], 1, c->in[0].shape[0], 0, 0, 0);
    set_shape(&c->out[1], 1, c->in[0].shape[0], 0, 0, 0);
    return NULL;
}

static const char *shape_logps_grad(call *c) {
    for (int i = 1; i < 4; i++) {
        if (c->in[0].axes != 2 || c->in[i].count != c->in[0].shape[0]) {
            return cdama_cuda_fail("TokenLogProbabilitiesGrad: input %d is not a number for each row of logits", i);
        }
    }
    copy_shape(&c->out[0], &c->in[0]);
    return NULL;
}

// MARK: Computing

static const char *compute_rotary(call *c) {
    const tensor *merged = c->given.inverse ? &c->out[0] : &c->in[0], *table = &c->in[2];
    return c->kernels->rotary_heads(c->stream, c->type, c->in[0].data, c->in[1].data, table->data, c->in[3].data,
                                    c->out[0].data, (size_t)merged->shape[0], (size_t)merged->shape[1],
                                    (size_t)c->given.heads, (size_t)last(table) * 2, (size_t)table->shape[0],
                                    (int)c->given.inverse);
}

static const char *compute_mask_softmax(call *c) {
    size_t number = (size_t)rows(&c->in[0]);
    if (number == 0) return NULL;
    return c->kernels->mask_softmax(c->stream, c->type, c->in[0].data, c->in[1].data, c->out[0].data, number,
                                    (size_t)last(&c->in[0]), (size_t)c->in[1].shape[2],
                                    number / (size_t)c->in[1].shape[0]);
}

static const char *compute_softmax_grad(call *c) {
    return c->kernels->softmax_grad(c->stream, c->type, c->in[0].data, c->in[1].data, c->in[2].data, c->out[0].data,
                                    (size_t)rows(&c->in[0]), (size_t)last(&c->in[0]));
}

static const char *compute_mask_tiles(call *c) {
    const tensor *mask = &c->in[0];
    return c->kernels->mask_tiles(c->stream, c->type, mask->data, c->out[0].data, (size_t)mask->shape[0],
                                  (size_t)mask->shape[2], (size_t)mask->shape[3]);
}

static const char *compute_attention(call *c) {
    cdama_attention s;
    if (!fits_attention(c, MASK, &s) || c->in[0].count == 0) return NULL;
    return c->kernels->attention(c->stream, c->type, &s, c->in[0].data, c->in[1].data, c->in[2].data, c->in[MASK].data,
                                 c->in[MASK + 1].data, c->out[0].data, c->out[1].data);
}

static const char *compute_attention_grad(call *c) {
    cdama_attention s;
    if (!fits_attention(c, MASK_OF_GRAD, &s) || c->in[0].count == 0) return NULL;
    return c->kernels->attention_grad(c->stream, c->type, &s, c->in[0].data, c->in[1].data, c->in[2].data,
                                      c->in[MASK_OF_GRAD].data, c->in[MASK_OF_GRAD + 1].data, c->in[3].data,
                                      c->in[4].data, c->in[5].data, c->out[0].data, c->out[1].data, c->out[2].data);
}

static const char *compute_rms_norm(call *c) {
    const tensor *x = &c->in[0];
    return c->kernels->norm(c->stream, c->type, x->data, c->in[1].data, NULL, c->out[0].data, NULL, c->out[1].data,
                            (size_t)rows(x), (size_t)last(x), c->given.epsilon);
}

static const char *compute_layer_norm(call *c) {
    const tensor *x = &c->in[0];
    return c->kernels->norm(c->stream, c->type, x->data, c->in[1].data, c->in[2].data, c->out[0].data, c->out[1].data,
                            c->out[2].data, (size_t)rows(x), (size_t)last(x), c->given.epsilon);
}

static const char *compute_added_norm(call *c) {
    const tensor *x = &c->in[0];
    return c->kernels->added_norm(c->stream, c->type, x->data, c->in[1].data, c->in[2].data, c->out[0].data,
                                  c->out[1].data, c->out[2].data, (size_t)rows(x), (size_t)last(x), c->given.epsilon);
}

static const char *compute_token_embeddings(call *c) {
    const tensor *table = &c->in[0], *features = &c->in[2];
    return c->kernels->token_embeddings(c->stream, c->type, table->data, c->in[1].data, features->data, c->in[3].data,
                                        c->out[0].data, (size_t)table->shape[0], (size_t)features->shape[0],
                                        (size_t)c->in[1].count, (size_t)last(table));
}

static const char *compute_packed_mask(call *c) {
    const tensor *segments = &c->in[0];
    return c->kernels->packed_mask(c->stream, c->type, segments->data, c->in[1].data, c->out[0].data,
                                   (size_t)segments->shape[0], (size_t)last(segments), c->given.window, c->given.scale);
}

static const char *compute_add_bias(call *c) {
    const tensor *x = &c->in[0];
    return c->kernels->add_bias(c->stream, c->type, x->data, c->in[1].data, c->in[2].data, c->out[0].data,
                                (size_t)rows(x), (size_t)last(x), (cdama_activation)c->given.activation);
}

static const char *compute_sum_rows(call *c) {
    return c->kernels->sum_rows(c->stream, c->type, c->in[0].data, c->in[1].data, c->out[0].data,
                                (size_t)c->in[0].shape[0], (size_t)c->in[1].shape[0], (size_t)c->in[1].shape[1],
                                (size_t)last(&c->in[0]));
}

/// The product of a and b, added to `before` if there is one: in its memory, or in a copy.
static const char *add_product(call *c, const tensor *before, const tensor *a, int type) {
    cdama_product s;
    tensor *y = &c->out[0];
    if (!fits_product(c, a, &s)) return NULL;
    if (before->data != NULL && before->data != y->data) {
        const char *error = c->kernels->cast(c->stream, y->data, type, before->data, type, (size_t)y->count);
        if (error != NULL) return error;
    }
    return c->kernels->product(c->stream, c->type, &s, a->data, a[1].data, y->data, type, before->data != NULL);
}

static const char *compute_added_product(call *c) {
    c->out[0].count = c->in[0].count;
    return add_product(c, &c->in[0], &c->in[1], c->type);
}

static const char *compute_weight_gradient(call *c) {
    c->out[0].count = c->out[0].shape[0] * c->out[0].shape[1];
    return add_product(c, &c->in[2], &c->in[0], CDAMA_FLOAT32);
}

static const char *compute_row_dot(call *c) {
    const tensor *a = &c->in[0];
    return c->kernels->row_dot(c->stream, c->type, a->data, c->in[1].data, c->out[0].data, (size_t)a->shape[0],
                               (size_t)a->shape[1], (size_t)c->given.heads, (size_t)(last(a) / c->given.heads));
}

static const char *compute_norm_grad(call *c) {
    return c->kernels->rms_norm_grad(c->stream, c->type, c->in[0].data, c->in[1].data, c->in[2].data, c->in[3].data,
                                     c->in[4].data, c->out[0].data, (size_t)rows(&c->in[0]), (size_t)last(&c->in[0]));
}

static const char *compute_norm_scale_grad(call *c) {
    return c->kernels->rms_norm_scale_grad(c->stream, c->type, c->in[0].data, c->in[1].data, c->in[2].data,
                                           c->out[0].data, (size_t)rows(&c->in[0]), (size_t)last(&c->in[0]));
}

static const char *compute_swiglu(call *c) {
    return c->kernels->swiglu(c->stream, c->type, c->in[0].data, c->in[1].data, c->out[0].data,
                              (size_t)c->in[0].count);
}

static const char *compute_swiglu_grad(call *c) {
    return c->kernels->swiglu_grad(c->stream, c->type, c->in[0].data, c->in[1].data, c->in[2].data, c->out[0].data,
                                   c->out[1].data, (size_t)c->in[0].count);
}

static const char *compute_likeliest(call *c) {
    return c->kernels->likeliest(c->stream, c->type, c->in[0].data, c->out[0].data, (size_t)rows_of(&c->in[0]),
                                 (size_t)last(&c->in[0]));
}

static const char *compute_logps(call *c) {
    return c->kernels->token_logps(c->stream, c->type, c->in[0].data, c->in[1].data, c->out[0].data, c->out[1].data,
                                   (size_t)rows(&c->in[0]), (size_t)last(&c->in[0]));
}

static const char *compute_logps_grad(call *c) {
    return c->kernels->token_logps_grad(c->stream, c->type, c->in[0].data, c->in[1].data, c->in[2].data, c->in[3].data,
                                        c->out[0].data, (size_t)rows(&c->in[0]), (size_t)last(&c->in[0]));
}

// MARK: In place

static size_t pairs(size_t count, const int *from, const int *to, int **input, int **output) {
    *input = malloc(count * sizeof **input);
    *output = malloc(count * sizeof **output);
    if (*input == NULL || *output == NULL) {
        free(*input);
        free(*output);
        *input = *output = NULL;
        return 0;
    }
    memcpy(*input, from, count * sizeof *from);
    memcpy(*output, to, count * sizeof *to);
    return count;
}
static size_t first_in_place(int **input, int **output) {
    return pairs(1, (int[]){0}, (int[]){0}, input, output);
}
static size_t second_in_place(int **input, int **output) {
    return pairs(1, (int[]){1}, (int[]){0}, input, output);
}
static size_t either_in_place(int **input, int **output) {
    return pairs(2, (int[]){0, 1}, (int[]){0, 0}, input, output);
}
size_t cdama_no_pairs(int **input, int **output) {
    *input = *output = NULL;
    return 0;
}
void cdama_release_pairs(int *input, int *output) {
    free(input);
    free(output);
}

// The rows of RmsNormGrad on the CPU are read twice, so it has no pair.
const operator cdama_operators[CDAMA_OPERATORS] = {
    {"RotaryHeads", "RIFF", "R", shape_rotary, compute_rotary, cdama_no_pairs},
    {"MaskSoftmax", "RR", "R", shape_mask_softmax, compute_mask_softmax, first_in_place},
    {"SoftmaxGrad", "RRF", "R", shape_softmax_grad, compute_softmax_grad, second_in_place},
    {"MaskTiles", "R", "I", shape_mask_tiles, compute_mask_tiles, cdama_no_pairs},
    {"FlashAttention", "RRRri", "RF", shape_attention, compute_attention, cdama_no_pairs},
    {"FlashAttentionGrad", "RRRRFFri", "RRR", shape_attention_grad, compute_attention_grad, cdama_no_pairs},
    {"RmsNorm", "RR", "RF", shape_norm, compute_rms_norm, cdama_no_pairs},
    {"AddedRmsNorm", "RRR", "RRF", shape_added_norm, compute_added_norm, either_in_place},
    {"LayerNorm", "RRR", "RFF", shape_norm, compute_layer_norm, cdama_no_pairs},
    {"TokenEmbeddings", "RIRI", "R", shape_token_embeddings, compute_token_embeddings, cdama_no_pairs},
    {"PackedMask", "II", "R", shape_packed_mask, compute_packed_mask, cdama_no_pairs},
    {"AddBias", "RRr", "R", shape_add_bias, compute_add_bias, first_in_place},
    {"SumRows", "RI", "R", shape_sum_rows, compute_sum_rows, cdama_no_pairs},
    {"AddedProduct", "RRR", "R", shape_added_product, compute_added_product, first_in_place},
    {"WeightGradient", "RRf", "F", shape_weight_gradient, compute_weight_gradient, cdama_no_pairs},
    {"RowDot", "RR", "F", shape_row_dot, compute_row_dot, cdama_no_pairs},
    {"RmsNormGrad", "RRRFr", "R", shape_norm_grad, compute_norm_grad, cdama_no_pairs},
    {"RmsNormScaleGrad", "RRF", "R", shape_norm_scale_grad, compute_norm_scale_grad, cdama_no_pairs},
    {"SwiGLU", "RR", "R", shape_swiglu, compute_swiglu, first_in_place},
    {"SwiGLUGrad", "RRR", "RR", shape_swiglu_grad, compute_swiglu_grad, first_in_place},
    {"Likeliest", "R", "I", shape_likeliest, compute_likeliest, cdama_no_pairs},
    {"TokenLogProbabilities", "RI", "FF", shape_logps, compute_logps, cdama_no_pairs},
    {"TokenLogProbabilitiesGrad", "RIFF", "R", shape_logps_grad, compute_logps_grad, first_in_place},
};
