// The fused operators as custom operators of ONNX Runtime.

#include "include/cdama_operators.h"

#include <onnxruntime/onnxruntime_c_api.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/cdama_cuda_kernels.h"
#include "support.h"

enum { MOST_INPUTS = 5, MOST_OUTPUTS = 2, MOST_AXES = 8, API = 21 };

typedef struct {
    void *data;
    int64_t shape[MOST_AXES];
    size_t axes;
    int64_t count;
} tensor;

/// A call of an operator.
typedef struct {
    const cdama_kernels *kernels;
    void *stream;
    int type;
    int64_t heads, inverse;
    tensor in[MOST_INPUTS], out[MOST_OUTPUTS];
} call;

/// `inputs` and `outputs` have a letter for each tensor: R the operator's own type (float, float16 or bfloat16), F float,
/// I int64, and r as R but optional.
typedef struct {
    const char *name, *inputs, *outputs;
    /// Checks the inputs and gives the outputs their shapes.
    const char *(*shape)(call *c);
    const char *(*compute)(call *c);
    /// The pairs of an input and an output that may share memory.
    size_t (*in_place)(int **input, int **output);
} operator;

// MARK: Shapes

static int64_t last(const tensor *t) {
    return t->axes == 0 ? 1 : t->shape[t->axes - 1];
}
static int64_t rows(const tensor *t) {
    return last(t) == 0 ? 0 : t->count / last(t);
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
    int64_t size = c->inverse ? last(x) : x->axes == 3 && c->heads > 0 ? last(x) / c->heads : 0;
    int fits = cosine->axes == 2 && same_shape(cosine, &c->in[3]) && 2 * last(cosine) == size;
    if (c->inverse) fits = fits && x->axes == 4 && x->shape[1] == c->heads;
    else fits = fits && x->axes == 3 && size * c->heads == last(x);
    int64_t length = !fits ? 0 : c->inverse ? x->shape[2] : x->shape[1];
    if (!fits || c->in[1].count != x->shape[0] * length || cosine->shape[0] < 1) {
        return cdama_cuda_fail("RotaryHeads: the shapes of the input, the positions and the tables do not fit "
                               "%lld heads", (long long)c->heads);
    }
    if (c->inverse) set_shape(&c->out[0], 3, x->shape[0], length, c->heads * size, 0);
    else set_shape(&c->out[0], 4, x->shape[0], c->heads, length, size);
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

static const char *shape_row_dot(call *c) {
    const tensor *a = &c->in[0];
    if (a->axes != 3 || !same_shape(a, &c->in[1]) || c->heads < 1 || last(a) % c->heads != 0) {
        return cdama_cuda_fail("RowDot: the inputs are not both [batch, sequence, %lld heads]", (long long)c->heads);
    }
    set_shape(&c->out[0], 3, a->shape[0], c->heads, a->shape[1], 0);
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
            return cdama_cuda_fail("TokenLogProbabilitiesGrad: input %d is not one number for each row of the logits", i);
        }
    }
    copy_shape(&c->out[0], &c->in[0]);
    return NULL;
}

// MARK: Computing

static const char *compute_rotary(call *c) {
    const tensor *merged = c->inverse ? &c->out[0] : &c->in[0], *table = &c->in[2];
    return c->kernels->rotary_heads(c->stream, c->type, c->in[0].data, c->in[1].data, table->data, c->in[3].data,
                                    c->out[0].data, (size_t)merged->shape[0], (size_t)merged->shape[1],
                                    (size_t)c->heads, (size_t)last(table) * 2, (size_t)table->shape[0],
                                    (int)c->inverse);
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

static const char *compute_row_dot(call *c) {
    const tensor *a = &c->in[0];
    return c->kernels->row_dot(c->stream, c->type, a->data, c->in[1].data, c->out[0].data, (size_t)a->shape[0],
                               (size_t)a->shape[1], (size_t)c->heads, (size_t)(last(a) / c->heads));
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
static size_t none_in_place(int **input, int **output) {
    *input = *output = NULL;
    return 0;
}
static void release_pairs(int *input, int *output) {
    free(input);
    free(output);
}

// The rows of RmsNormGrad on the CPU are read twice, so it has no pair.
static const operator operators[] = {
    {"RotaryHeads", "RIFF", "R", shape_rotary, compute_rotary, none_in_place},
    {"MaskSoftmax", "RR", "R", shape_mask_softmax, compute_mask_softmax, first_in_place},
    {"SoftmaxGrad", "RRF", "R", shape_softmax_grad, compute_softmax_grad, second_in_place},
    {"RowDot", "RR", "F", shape_row_dot, compute_row_dot, none_in_place},
    {"RmsNormGrad", "RRRFr", "R", shape_norm_grad, compute_norm_grad, none_in_place},
    {"RmsNormScaleGrad", "RRF", "R", shape_norm_scale_grad, compute_norm_scale_grad, none_in_place},
    {"SwiGLU", "RR", "R", shape_swiglu, compute_swiglu, first_in_place},
    {"SwiGLUGrad", "RRR", "RR", shape_swiglu_grad, compute_swiglu_grad, first_in_place},
    {"TokenLogProbabilities", "RI", "FF", shape_logps, compute_logps, none_in_place},
    {"TokenLogProbabilitiesGrad", "RIFF", "R", shape_logps_grad, compute_logps_grad, first_in_place},
};
enum { OPERATORS = sizeof operators / sizeof *operators, TYPES = 3, PROVIDERS = 2 };

// MARK: ONNX Runtime's side

typedef struct {
    OrtCustomOp op;
    const operator *kind;
    int type, is_cuda;
    char name[64];
} variant;

typedef struct {
    const variant *variant;
    int64_t heads, inverse;
} kernel;

static const OrtApi *api;
static atomic_int device_everywhere = 0;

void cdama_operators_use_device_kernels(int use) {
    atomic_store(&device_everywhere, use);
}

static const variant *variant_of(const OrtCustomOp *op) {
    return (const variant *)op;
}

static OrtStatus *describe(const OrtValue *value, tensor *t) {
    OrtTensorTypeAndShapeInfo *info = NULL;
    OrtStatus *status = api->GetTensorTypeAndShape(value, &info);
    if (status != NULL) return status;
    status = api->GetDimensionsCount(info, &t->axes);
    if (status == NULL && t->axes > MOST_AXES) {
        status = api->CreateStatus(ORT_INVALID_ARGUMENT, "a fused operator got a tensor of more than 8 axes");
    }
    if (status == NULL) status = api->GetDimensions(info, t->shape, t->axes);
    api->ReleaseTensorTypeAndShapeInfo(info);
    t->count = 1;
    for (size_t i = 0; status == NULL && i < t->axes; i++) t->count *= t->shape[i];
    if (status == NULL) status = api->GetTensorMutableData((OrtValue *)value, &t->data);
    return status;
}

static OrtStatus *ORT_API_CALL compute(void *state, OrtKernelContext *context) {
    const kernel *k = state;
    const variant *v = k->variant;
    int on_device = v->is_cuda || atomic_load(&device_everywhere);
    call c = {.kernels = on_device ? &cdama_cuda_kernels : &cdama_cpu_kernels,
              .type = v->type, .heads = k->heads, .inverse = k->inverse};
    OrtStatus *status = NULL;
    if (v->is_cuda) status = api->KernelContext_GetGPUComputeStream(context, &c.stream);
    size_t given = 0;
    if (status == NULL) status = api->KernelContext_GetInputCount(context, &given);
    for (size_t i = 0; status == NULL && i < given && v->kind->inputs[i] != '\0'; i++) {
        const OrtValue *value = NULL;
        status = api->KernelContext_GetInput(context, i, &value);
        if (status == NULL && value != NULL) status = describe(value, &c.in[i]);
    }
    if (status != NULL) return status;
    const char *error = v->kind->shape(&c);
    if (error != NULL) return api->CreateStatus(ORT_INVALID_ARGUMENT, error);
    for (size_t i = 0; v->kind->outputs[i] != '\0'; i++) {
        OrtValue *value = NULL;
        status = api->KernelContext_GetOutput(context, i, c.out[i].shape, c.out[i].axes, &value);
        if (status == NULL) status = api->GetTensorMutableData(value, &c.out[i].data);
        if (status != NULL) return status;
    }
    error = v->kind->compute(&c);
    return error == NULL ? NULL : api->CreateStatus(ORT_FAIL, error);
}

/// A whole number among the node's attributes; 0 if it is missing.
static int64_t attribute(const OrtKernelInfo *info, const char *name) {
    int64_t value = 0;
    OrtStatus *status = api->KernelInfoGetAttribute_int64(info, name, &value);
    if (status == NULL) return value;
    api->ReleaseStatus(status);
    return 0;
}

static OrtStatus *ORT_API_CALL create(const OrtCustomOp *op, const OrtApi *given, const OrtKernelInfo *info,
                                      void **state) {
    kernel *k = malloc(sizeof *k);
    if (k == NULL) return given->CreateStatus(ORT_FAIL, "no memory for a fused operator");
    *k = (kernel){variant_of(op), attribute(info, "heads"), attribute(info, "inverse")};
    *state = k;
    return NULL;
}
static void ORT_API_CALL destroy(void *state) {
    free(state);
}
static const char *ORT_API_CALL name(const OrtCustomOp *op) {
    return variant_of(op)->name;
}
static const char *ORT_API_CALL provider(const OrtCustomOp *op) {
    return variant_of(op)->is_cuda ? "CUDAExecutionProvider" : "CPUExecutionProvider";
}
static ONNXTensorElementDataType element(const OrtCustomOp *op, char letter) {
    switch (letter) {
    case 'F': return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
    case 'I': return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
    default: return (ONNXTensorElementDataType)variant_of(op)->type;
    }
}
static ONNXTensorElementDataType ORT_API_CALL input_type(const OrtCustomOp *op, size_t i) {
    return element(op, variant_of(op)->kind->inputs[i]);
}
static ONNXTensorElementDataType ORT_API_CALL output_type(const OrtCustomOp *op, size_t i) {
    return element(op, variant_of(op)->kind->outputs[i]);
}
static size_t ORT_API_CALL input_count(const OrtCustomOp *op) {
    return strlen(variant_of(op)->kind->inputs);
}
static size_t ORT_API_CALL output_count(const OrtCustomOp *op) {
    return strlen(variant_of(op)->kind->outputs);
}
static OrtCustomOpInputOutputCharacteristic ORT_API_CALL input_need(const OrtCustomOp *op, size_t i) {
    return variant_of(op)->kind->inputs[i] == 'r' ? INPUT_OUTPUT_OPTIONAL : INPUT_OUTPUT_REQUIRED;
}
static OrtCustomOpInputOutputCharacteristic ORT_API_CALL output_need(const OrtCustomOp *op, size_t i) {
    (void)op, (void)i;
    return INPUT_OUTPUT_REQUIRED;
}
static OrtMemType ORT_API_CALL memory(const OrtCustomOp *op, size_t i) {
    (void)op, (void)i;
    return OrtMemTypeDefault;
}
static int ORT_API_CALL one(const OrtCustomOp *op) {
    (void)op;
    return 1;
}
static int ORT_API_CALL newest(const OrtCustomOp *op) {
    (void)op;
    return INT32_MAX;
}

void *cdama_operators_create(const void *given, void **result) {
    static variant variants[OPERATORS][TYPES][PROVIDERS];
    static const struct {
        int type;
        const char *suffix;
    } types[TYPES] = {{CDAMA_FLOAT32, ""}, {CDAMA_FLOAT16, "_f16"}, {CDAMA_BFLOAT16, "_bf16"}};
    api = given;
    OrtCustomOpDomain *domain = NULL;
    OrtStatus *status = api->CreateCustomOpDomain("dama", &domain);
    for (int o = 0; status == NULL && o < OPERATORS; o++) {
        for (int t = 0; t < TYPES; t++) {
            for (int p = 0; status == NULL && p < PROVIDERS; p++) {
                variant *v = &variants[o][t][p];
                v->kind = &operators[o];
                v->type = types[t].type;
                v->is_cuda = p;
                snprintf(v->name, sizeof v->name, "%s%s", operators[o].name, types[t].suffix);
                v->op = (OrtCustomOp){
                    .version = API, .GetName = name, .GetExecutionProviderType = provider,
                    .GetInputType = input_type, .GetInputTypeCount = input_count,
                    .GetOutputType = output_type, .GetOutputTypeCount = output_count,
                    .KernelDestroy = destroy, .GetInputCharacteristic = input_need,
                    .GetOutputCharacteristic = output_need, .GetInputMemoryType = memory,
                    .GetVariadicInputMinArity = one, .GetVariadicInputHomogeneity = one,
                    .GetVariadicOutputMinArity = one, .GetVariadicOutputHomogeneity = one,
                    .CreateKernelV2 = create, .KernelComputeV2 = compute,
                    .GetStartVersion = one, .GetEndVersion = newest,
                    .GetMayInplace = operators[o].in_place, .ReleaseMayInplace = release_pairs,
                    .GetAliasMap = none_in_place, .ReleaseAliasMap = release_pairs,
                };
                status = api->CustomOpDomain_Add(domain, &v->op);
            }
        }
    }
    *result = domain;
    return status;
}
