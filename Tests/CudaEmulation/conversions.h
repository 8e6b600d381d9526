// The conversions of common.cuh on the host.

static float number(float v) {
    return v;
}
static float number(float16 v) {
    float f;
    cdama_float_from_half(&f, &v, 1);
    return f;
}
static float number(bfloat16 v) {
    float f;
    cdama_float_from_bfloat16(&f, &v, 1);
    return f;
}
static void assign(float &to, float v) {
    to = v;
}
static void assign(float16 &to, float v) {
    cdama_float_to_half(&to, &v, 1);
}
static void assign(bfloat16 &to, float v) {
    cdama_float_to_bfloat16(&to, &v, 1);
}
static float infinity() {
    return __builtin_inff();
}
static float not_a_number() {
    return __builtin_nanf("");
}
