// The fused operators as custom operators of ONNX Runtime.

#include "include/cdama_operators.h"

#include <onnxruntime/onnxruntime_c_api.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operators.h"

enum { API = 21, TYPES = 3, PROVIDERS = 2 };

typedef struct {
    OrtCustomOp op;
    const operator *kind;
    int type, is_cuda;
    char name[64];
} variant;

typedef struct {
    const variant *variant;
    numbers given;
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
              .type = v->type, .given = k->given};
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

/// A number among the node's attributes; 0 if it is missing.
static float real_attribute(const OrtKernelInfo *info, const char *name) {
    float value = 0;
    OrtStatus *status = api->KernelInfoGetAttribute_float(info, name, &value);
    if (status == NULL) return value;
    api->ReleaseStatus(status);
    return 0;
}

static OrtStatus *ORT_API_CALL create(const OrtCustomOp *op, const OrtApi *given, const OrtKernelInfo *info,
                                      void **state) {
    kernel *k = malloc(sizeof *k);
    if (k == NULL) return given->CreateStatus(ORT_FAIL, "no memory for a fused operator");
    *k = (kernel){variant_of(op), {.heads = attribute(info, "heads"), .inverse = attribute(info, "inverse"),
                                   .transposes_a = attribute(info, "transA"),
                                   .transposes_b = attribute(info, "transB"),
                                   .activation = attribute(info, "activation"),
                                   .window = attribute(info, "window"), .scale = real_attribute(info, "scale"),
                                   .epsilon = real_attribute(info, "epsilon")}};
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
    case 'f':
    case 'F': return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
    case 'i':
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
    char letter = variant_of(op)->kind->inputs[i];
    return letter == 'r' || letter == 'f' || letter == 'i' ? INPUT_OUTPUT_OPTIONAL : INPUT_OUTPUT_REQUIRED;
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
    static variant variants[CDAMA_OPERATORS][TYPES][PROVIDERS];
    static const struct {
        int type;
        const char *suffix;
    } types[TYPES] = {{CDAMA_FLOAT32, ""}, {CDAMA_FLOAT16, "_f16"}, {CDAMA_BFLOAT16, "_bf16"}};
    api = given;
    OrtCustomOpDomain *domain = NULL;
    OrtStatus *status = api->CreateCustomOpDomain("dama", &domain);
    for (int o = 0; status == NULL && o < CDAMA_OPERATORS; o++) {
        for (int t = 0; t < TYPES; t++) {
            for (int p = 0; status == NULL && p < PROVIDERS; p++) {
                variant *v = &variants[o][t][p];
                v->kind = &cdama_operators[o];
                v->type = types[t].type;
                v->is_cuda = p;
                snprintf(v->name, sizeof v->name, "%s%s", cdama_operators[o].name, types[t].suffix);
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
                    .GetMayInplace = cdama_operators[o].in_place, .ReleaseMayInplace = cdama_release_pairs,
                    .GetAliasMap = cdama_no_pairs, .ReleaseAliasMap = cdama_release_pairs,
                };
                status = api->CustomOpDomain_Add(domain, &v->op);
            }
        }
    }
    *result = domain;
    return status;
}
