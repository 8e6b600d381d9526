// The operators of cdama_cuda_kernels.h as plain loops. cpu_kernels.c includes this once for each type: REAL is the
// type in memory, NUMBER(v) its value as float, ROUNDED(f) the nearest REAL, NAME(x) a name of its own.

static void NAME(rotary_heads)(const REAL *x, const int64_t *positions, const float *cosine, const float *sine, REAL *y,
                               size_t batch, size_t sequence, size_t heads, size_t size, int inverse) {
    size_t half = size / 2;
    for (size_t b = 0; b < batch; b++) {
        for (size_t s = 0; s < sequence; s++) {
            size_t position = (size_t)positions[b * sequence + s];
            for (size_t h = 0; h < heads; h++) {
                size_t merged = ((b * sequence + s) * heads + h) * size;
                size_t split = ((b * heads + h) * sequence + s) * size;
                const REAL *from = x + (inverse ? split : merged);
                REAL *to = y + (inverse ? merged : split);
                for (size_t k = 0; k < half; k++) {
                    float c = cosine[position * half + k], t = sine[position * half + k];
                    float first = NUMBER(from[k]), second = NUMBER(from[half + k]);
                    if (inverse) t = -t;
                    to[k] = ROUNDED(first * c - second * t);
                    to[half + k] = ROUNDED(second * c + first * t);
                }
            }
        }
    }
}

static void NAME(mask_softmax)(const REAL *scores, const REAL *mask, REAL *shares, float *row_numbers, size_t rows,
                               size_t keys, size_t queries, size_t rows_per_mask) {
    for (size_t row = 0; row < rows; row++) {
        const REAL *hidden = mask + (row / rows_per_mask * queries + row % queries) * keys;
        const REAL *from = scores + row * keys;
        float largest = -INFINITY, sum = 0;
        for (size_t k = 0; k < keys; k++) {
            row_numbers[k] = NUMBER(from[k]) + NUMBER(hidden[k]);
            largest = fmaxf(largest, row_numbers[k]);
        }
        if (largest == -INFINITY) largest = 0;
        for (size_t k = 0; k < keys; k++) {
            row_numbers[k] = expf(row_numbers[k] - largest);
            sum += row_numbers[k];
        }
        float factor = sum == 0 ? 0 : 1 / sum;
        for (size_t k = 0; k < keys; k++) shares[row * keys + k] = ROUNDED(row_numbers[k] * factor);
    }
}

static void NAME(softmax_grad)(const REAL *shares, const REAL *flowing, const float *sums, REAL *scores, size_t rows,
                               size_t keys) {
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = row * keys; i < (row + 1) * keys; i++) {
            scores[i] = ROUNDED(NUMBER(shares[i]) * (NUMBER(flowing[i]) - sums[row]));
        }
    }
}

static void NAME(sum_rows)(const REAL *x, const int64_t *indices, REAL *y, size_t rows, size_t count, size_t uses,
                           size_t width) {
    for (size_t row = 0; row < count; row++) {
        for (size_t i = 0; i < width; i++) {
            float sum = 0;
            for (size_t use = 0; use < uses; use++) {
                int64_t from = indices[row * uses + use];
                if (from >= 0 && (uint64_t)from < rows) sum += NUMBER(x[(size_t)from * width + i]);
            }
            y[row * width + i] = ROUNDED(sum);
        }
    }
}

static void NAME(row_dot)(const REAL *a, const REAL *b, float *sums, size_t batch, size_t sequence, size_t heads,
                          size_t size) {
    for (size_t row = 0; row < batch * sequence * heads; row++) {
        size_t token = row / heads;
        float sum = 0;
        for (size_t i = row * size; i < (row + 1) * size; i++) sum += NUMBER(a[i]) * NUMBER(b[i]);
        sums[(token / sequence * heads + row % heads) * sequence + token % sequence] = sum;
    }
}

static void NAME(rms_norm_grad)(const REAL *dy, const REAL *x, const REAL *scale, const float *r, const REAL *residual,
                                REAL *dx, size_t rows, size_t width) {
    for (size_t row = 0; row < rows; row++) {
        size_t start = row * width;
        float sum = 0;
        for (size_t i = 0; i < width; i++) sum += NUMBER(dy[start + i]) * NUMBER(scale[i]) * NUMBER(x[start + i]);
        float along = sum / (float)width * r[row] * r[row] * r[row];
        for (size_t i = 0; i < width; i++) {
            float own = r[row] * NUMBER(dy[start + i]) * NUMBER(scale[i]) - NUMBER(x[start + i]) * along;
            dx[start + i] = ROUNDED(residual == NULL ? own : own + NUMBER(residual[start + i]));
        }
    }
}

static void NAME(rms_norm_scale_grad)(const REAL *dy, const REAL *x, const float *r, REAL *dscale, size_t rows,
                                      size_t width) {
    for (size_t i = 0; i < width; i++) {
        float sum = 0;
        for (size_t row = 0; row < rows; row++) {
            sum += NUMBER(dy[row * width + i]) * (NUMBER(x[row * width + i]) * r[row]);
        }
        dscale[i] = ROUNDED(sum);
    }
}

static void NAME(swiglu)(const REAL *gate, const REAL *up, REAL *y, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float a = NUMBER(gate[i]);
        y[i] = ROUNDED(a / (1 + expf(-a)) * NUMBER(up[i]));
    }
}

static void NAME(swiglu_grad)(const REAL *dy, const REAL *gate, const REAL *up, REAL *dgate, REAL *dup, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float d = NUMBER(dy[i]), a = NUMBER(gate[i]), b = NUMBER(up[i]);
        float sigmoid = 1 / (1 + expf(-a)), swish = a * sigmoid;
        dgate[i] = ROUNDED(d * b * (sigmoid + swish * (1 - sigmoid)));
        dup[i] = ROUNDED(d * swish);
    }
}

static void NAME(likeliest)(const REAL *logits, int64_t *tokens, size_t rows, size_t vocabulary) {
    for (size_t row = 0; row < rows; row++) {
        const REAL *from = logits + row * vocabulary;
        float top = -INFINITY;
        tokens[row] = -1;
        for (size_t i = 0; i < vocabulary; i++) {
            float value = NUMBER(from[i]);
            if (value > top) {
                top = value;
                tokens[row] = (int64_t)i;
            }
        }
    }
}

static void NAME(token_logps)(const REAL *logits, const int64_t *targets, float *logps, float *normalizers, size_t rows,
                              size_t vocabulary) {
    for (size_t row = 0; row < rows; row++) {
        const REAL *from = logits + row * vocabulary;
        float largest = -INFINITY, sum = 0;
        for (size_t i = 0; i < vocabulary; i++) largest = fmaxf(largest, NUMBER(from[i]));
        for (size_t i = 0; i < vocabulary; i++) sum += expf(NUMBER(from[i]) - largest);
        normalizers[row] = largest + logf(sum);
        logps[row] = NUMBER(from[targets[row]]) - normalizers[row];
    }
}

static void NAME(token_logps_grad)(const REAL *logits, const int64_t *targets, const float *normalizers,
                                   const float *weights, REAL *dlogits, size_t rows, size_t vocabulary) {
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < vocabulary; i++) {
            size_t at = row * vocabulary + i;
            float hit = (int64_t)i == targets[row] ? 1 : 0;
            dlogits[at] = ROUNDED(weights[row] * (hit - expf(NUMBER(logits[at]) - normalizers[row])));
        }
    }
}
