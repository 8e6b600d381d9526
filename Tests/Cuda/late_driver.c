// libcuda.so.1 on the host, for transfers.c: streams that do nothing until something waits for them. What is then done
// is bound by events alone, and streams that nobody waits for come last.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int result;
typedef unsigned long long address;

enum { LOST = 999, MOST_STREAMS = 4096, MOST_RECORDS = 4096 };
enum kind { COPY, CLEAR, FREE, RECORD, WAIT };

// Events are not freed: a stream may still hold work that refers to one that is destroyed.
struct event {
    size_t records;
    char done[MOST_RECORDS];
};
struct work {
    enum kind kind;
    void *to;
    const void *from;
    size_t bytes;
    struct event *event;
    size_t record;
    struct work *later;
};
struct stream {
    struct work *first, *last;
};

static struct stream *streams[MOST_STREAMS];
static int stream_count;
static int context_depth, live_objects;
static int calls_left = -1, locks = 1;

// MARK: For the test

/// The call after the next `calls` that can fail does so, and all later ones; negative for none.
void late_driver_fail(int calls) { calls_left = calls; }
void late_driver_lock(int possible) { locks = possible; }
int late_driver_live(void) { return live_objects; }
int late_driver_depth(void) { return context_depth; }

// MARK: Streams

#define MAY_FAIL                   \
    if (calls_left == 0) return LOST; \
    if (calls_left > 0) calls_left--

static result push(struct stream *stream, struct work work) {
    struct work *added = malloc(sizeof *added);
    *added = work;
    added->later = NULL;
    *(stream->last ? &stream->last->later : &stream->first) = added;
    stream->last = added;
    return 0;
}

static int advance(struct stream *stream) {
    struct work *work = stream->first;
    if (!work || (work->kind == WAIT && work->record && !work->event->done[work->record])) return 0;
    if (work->kind == COPY) memcpy(work->to, work->from, work->bytes);
    if (work->kind == CLEAR) memset(work->to, 0, work->bytes);
    if (work->kind == FREE) free(work->to);
    if (work->kind == RECORD) work->event->done[work->record] = 1;
    stream->first = work->later;
    if (!stream->first) stream->last = NULL;
    free(work);
    return 1;
}

/// Works until the record is made, or without an event until the stream is empty; the stream first.
static void work_until(struct stream *stream, struct event *event, size_t record) {
    while (event ? record && !event->done[record] : stream->first != NULL) {
        int progress = stream ? advance(stream) : 0;
        for (int i = stream_count - 1; i >= 0 && !progress; i--) progress = streams[i] ? advance(streams[i]) : 0;
        if (!progress) {
            fprintf(stderr, "streams wait for each other\n");
            abort();
        }
    }
}

result cuStreamCreate(void **stream, unsigned flags) {
    MAY_FAIL;
    if (stream_count == MOST_STREAMS) return LOST;
    *stream = streams[stream_count++] = calloc(1, sizeof(struct stream));
    live_objects++;
    return 0;
}
result cuStreamDestroy_v2(struct stream *stream) {
    if (stream->first) {
        fprintf(stderr, "a stream is destroyed at work\n");
        abort();
    }
    for (int i = 0; i < stream_count; i++) {
        if (streams[i] == stream) streams[i] = NULL;
    }
    free(stream);
    live_objects--;
    return 0;
}
result cuStreamSynchronize(struct stream *stream) {
    work_until(stream, NULL, 0);
    MAY_FAIL;
    return 0;
}
result cuStreamWaitEvent(struct stream *stream, struct event *event, unsigned flags) {
    MAY_FAIL;
    return push(stream, (struct work){.kind = WAIT, .event = event, .record = event->records});
}
result cuEventCreate(void **event, unsigned flags) {
    MAY_FAIL;
    *event = calloc(1, sizeof(struct event));
    live_objects++;
    return 0;
}
result cuEventDestroy_v2(struct event *event) {
    live_objects--;
    return 0;
}
result cuEventRecord(struct event *event, struct stream *stream) {
    MAY_FAIL;
    if (event->records + 1 == MOST_RECORDS) return LOST;
    return push(stream, (struct work){.kind = RECORD, .event = event, .record = ++event->records});
}
result cuEventSynchronize(struct event *event) {
    MAY_FAIL;
    work_until(NULL, event, event->records);
    return 0;
}

// MARK: Memory

static void *host(address from) { return (void *)(uintptr_t)from; }

result cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) {
    if (!locks) return 2;
    *memory = malloc(bytes);
    live_objects++;
    return 0;
}
result cuMemFreeHost(void *memory) {
    free(memory);
    live_objects--;
    return 0;
}
result cuMemAllocFromPoolAsync(address *memory, size_t bytes, void *pool, void *stream) {
    *memory = (uintptr_t)malloc(bytes);
    return 0;
}
result cuMemFreeAsync(address memory, struct stream *stream) {
    return push(stream, (struct work){.kind = FREE, .to = host(memory)});
}
result cuMemcpyHtoDAsync_v2(address to, const void *from, size_t bytes, struct stream *stream) {
    MAY_FAIL;
    return push(stream, (struct work){.kind = COPY, .to = host(to), .from = from, .bytes = bytes});
}
result cuMemcpyDtoHAsync_v2(void *to, address from, size_t bytes, struct stream *stream) {
    MAY_FAIL;
    return push(stream, (struct work){.kind = COPY, .to = to, .from = host(from), .bytes = bytes});
}
result cuMemcpyDtoDAsync_v2(address to, address from, size_t bytes, struct stream *stream) {
    return push(stream, (struct work){.kind = COPY, .to = host(to), .from = host(from), .bytes = bytes});
}
result cuMemsetD8Async(address to, unsigned char value, size_t bytes, struct stream *stream) {
    return push(stream, (struct work){.kind = CLEAR, .to = host(to), .bytes = bytes});
}

// MARK: The rest of what a driver has

static result set(int *value, int to) {
    *value = to;
    return 0;
}
static result name(const char **text, const char *to) {
    *text = to;
    return 0;
}

result cuInit(unsigned flags) { return 0; }
result cuDriverGetVersion(int *version) { return set(version, 13000); }
result cuGetErrorString(result code, const char **text) { return name(text, "the device is lost"); }
result cuGetErrorName(result code, const char **text) { return name(text, "CUDA_ERROR_UNKNOWN"); }
result cuDeviceGetCount(int *count) { return set(count, 1); }
result cuDeviceGet(int *device, int ordinal) { return set(device, ordinal); }
result cuDeviceGetName(char *text, int length, int device) { return snprintf(text, (size_t)length, "late") < 0; }
result cuDeviceGetAttribute(int *value, int attribute, int device) { return set(value, 1); }
result cuDevicePrimaryCtxRetain(void **context, int device) { return *context = &stream_count, 0; }
result cuCtxPushCurrent_v2(void *context) { return context_depth++, 0; }
result cuCtxPopCurrent_v2(void **context) { return context_depth--, 0; }
result cuCtxGetCurrent(void **context) { return *context = NULL, 0; }
result cuCtxGetDevice(int *device) { return set(device, 0); }
result cuMemPoolCreate(void **pool, const void *properties) { return *pool = &stream_count, 0; }
result cuMemPoolSetAttribute(void *pool, int attribute, void *value) { return 0; }
result cuMemPoolGetAttribute(void *pool, int attribute, uint64_t *value) { return *value = 0, 0; }
result cuMemPoolTrimTo(void *pool, size_t bytes) { return 0; }
result cuMemGetInfo_v2(size_t *available, size_t *total) { return *available = *total = 1 << 30, 0; }
result cuModuleLoadData(void **module, const void *image) { return LOST; }
result cuModuleGetFunction(void **function, void *module, const char *text) { return LOST; }
result cuFuncSetAttribute(void *function, int attribute, int value) { return LOST; }
result cuLaunchKernel(void) { return LOST; }
