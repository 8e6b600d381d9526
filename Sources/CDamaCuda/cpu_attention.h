// Attention of cdama_cuda_kernels.h as plain loops, for the types of cpu_kernels_typed.h.

static void NAME(mask_tiles)(const REAL *mask, int64_t *kinds, size_t masks, size_t queries, size_t keys) {
    const size_t tile = CDAMA_ATTENTION_TILE;
    for (size_t m = 0; m < masks; m++, mask += queries * keys) {
        for (size_t query = 0; query < queries; query += tile) {
            for (size_t key = 0; key < keys; key += tile) {
                int is_seen = 0, is_changed = key + tile > keys;
                for (size_t i = query; i < query + tile && i < queries; i++) {
                    for (size_t j = key; j < key + tile && j < keys; j++) {
                        float value = NUMBER(mask[i * keys + j]);
                        is_seen |= !(value <= CDAMA_HIDDEN);
                        is_changed |= value != 0;
                    }
                }
                *kinds++ = !is_seen ? CDAMA_HIDES_ALL : is_changed ? CDAMA_HIDES_SOME : CDAMA_HIDES_NONE;
            }
        }
    }
}

/// The parts of tensors that belong to a head of an item of the batch: pointers to their first rows, the places of these
/// in arrays, and the distances between rows. `out` stands for the result and its gradient.
typedef struct {
    const REAL *q, *k, *v, *mask;
    const int64_t *kinds;
    size_t row, q_at, k_at, v_at, out_at, q_stride, k_stride, v_stride, out_stride;
} NAME(head_parts);

/// The scores of a query with the keys of its head that no tile hides; the others are −∞.
static void NAME(scores)(const cdama_attention *c, const NAME(head_parts) *p, size_t query, float *to) {
    size_t s = (size_t)c->sequence, tiles = (s + CDAMA_ATTENTION_TILE - 1) / CDAMA_ATTENTION_TILE;
    const int64_t *kinds = p->kinds == NULL ? NULL : p->kinds + query / CDAMA_ATTENTION_TILE * tiles;
    for (size_t j = 0; j < s; j++) {
        to[j] = -INFINITY;
        if (kinds != NULL && kinds[j / CDAMA_ATTENTION_TILE] == CDAMA_HIDES_ALL) continue;
        float sum = 0;
        for (size_t i = 0; i < (size_t)c->size; i++) {
            sum += NUMBER(p->q[query * p->q_stride + i]) * NUMBER(p->k[j * p->k_stride + i]);
        }
        to[j] = sum * c->scale + (p->mask == NULL ? 0 : NUMBER(p->mask[query * s + j]));
    }
}

static NAME(head_parts) NAME(parts)(const cdama_attention *c, const REAL *q, const REAL *k, const REAL *v,
                                    const REAL *mask, const int64_t *kinds, size_t b, size_t h) {
    size_t s = (size_t)c->sequence, heads = (size_t)c->heads, key_heads = (size_t)c->key_heads;
    size_t size = (size_t)c->size, key_head = h / (heads / key_heads), own = c->masks <= 1 ? 0 : b;
    size_t tiles = (s + CDAMA_ATTENTION_TILE - 1) / CDAMA_ATTENTION_TILE, key_row = (b * key_heads + key_head) * s;
    NAME(head_parts) p = {.row = (b * heads + h) * s, .out_at = (b * s * heads + h) * size,
                          .v_at = (b * s * key_heads + key_head) * size, .out_stride = heads * size,
                          .v_stride = key_heads * size};
    p.q_at = c->is_merged ? p.out_at : p.row * size;
    p.k_at = c->is_merged ? p.v_at : key_row * size;
    p.q_stride = c->is_merged ? p.out_stride : size;
    p.k_stride = c->is_merged ? p.v_stride : size;
    p.q = q + p.q_at;
    p.k = k + p.k_at;
    p.v = v + p.v_at;
    p.mask = mask == NULL ? NULL : mask + own * s * s;
    p.kinds = kinds == NULL ? NULL : kinds + own * tiles * tiles;
    return p;
}

static void NAME(attention)(const cdama_attention *c, const REAL *q, const REAL *k, const REAL *v, const REAL *mask,
                            const int64_t *kinds, REAL *out, float *normalizers, float *numbers) {
    size_t s = (size_t)c->sequence, size = (size_t)c->size;
    float *shares = numbers, *sums = numbers + s;
    for (size_t b = 0; b < (size_t)c->batch; b++) {
        for (size_t h = 0; h < (size_t)c->heads; h++) {
            NAME(head_parts) p = NAME(parts)(c, q, k, v, mask, kinds, b, h);
            for (size_t i = 0; i < s; i++) {
                NAME(scores)(c, &p, i, shares);
                float largest = -INFINITY, total = 0;
                for (size_t j = 0; j < s; j++) largest = fmaxf(largest, shares[j]);
                float base = largest == -INFINITY ? 0 : largest;
                memset(sums, 0, size * sizeof *sums);
                for (size_t j = 0; j < s; j++) {
                    float share = expf(shares[j] - base);
                    if (share == 0) continue;
                    total += share;
                    for (size_t d = 0; d < size; d++) sums[d] += share * NUMBER(p.v[j * p.v_stride + d]);
                }
                for (size_t d = 0; d < size; d++) {
                    out[p.out_at + i * p.out_stride + d] = ROUNDED(total == 0 ? 0 : sums[d] / total);
                }
                normalizers[p.row + i] = largest + logf(total);
            }
        }
    }
}

static void NAME(attention_grad)(const cdama_attention *c, const REAL *q, const REAL *k, const REAL *v,
                                 const REAL *mask, const int64_t *kinds, const REAL *flowing, const float *normalizers,
                                 const float *dots, REAL *dq, REAL *dk, REAL *dv, float *numbers) {
    size_t s = (size_t)c->sequence, size = (size_t)c->size, heads = (size_t)c->heads, key_heads = (size_t)c->key_heads;
    float *shares = numbers, *sums = shares + s, *key_sums = sums + size, *value_sums = key_sums + s * size;
    for (size_t b = 0; b < (size_t)c->batch; b++) {
        for (size_t h = 0; h < heads; h++) {
            NAME(head_parts) p = NAME(parts)(c, q, k, v, mask, kinds, b, h);
            if (h % (heads / key_heads) == 0) memset(key_sums, 0, 2 * s * size * sizeof *key_sums);
            for (size_t i = 0; i < s; i++) {
                NAME(scores)(c, &p, i, shares);
                const REAL *gradient = flowing + p.out_at + i * p.out_stride;
                float normalizer = normalizers[p.row + i];
                memset(sums, 0, size * sizeof *sums);
                for (size_t j = 0; j < s; j++) {
                    float share = normalizer == -INFINITY ? 0 : expf(shares[j] - normalizer), along = 0;
                    if (share == 0) continue;
                    for (size_t d = 0; d < size; d++) {
                        float g = NUMBER(gradient[d]);
                        along += g * NUMBER(p.v[j * p.v_stride + d]);
                        value_sums[j * size + d] += share * g;
                    }
                    float score = share * (along - dots[p.row + i]);
                    for (size_t d = 0; d < size; d++) {
                        sums[d] += score * NUMBER(p.k[j * p.k_stride + d]);
                        key_sums[j * size + d] += score * NUMBER(p.q[i * p.q_stride + d]);
                    }
                }
                for (size_t d = 0; d < size; d++) dq[p.q_at + i * p.q_stride + d] = ROUNDED(sums[d] * c->scale);
            }
            if ((h + 1) % (heads / key_heads) != 0) continue;
            for (size_t i = 0; i < s * size; i++) {
                dk[p.k_at + i / size * p.k_stride + i % size] = ROUNDED(key_sums[i] * c->scale);
                dv[p.v_at + i / size * p.v_stride + i % size] = ROUNDED(value_sums[i]);
            }
        }
    }
}
