// Copies through slots of host memory as an update on the host makes them, on late_driver.c: right numbers, and errors
// at every call that can fail.

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "cdama_cuda_driver.h"

enum { COUNT = 1000, PIECE = 64, PIECES = (COUNT + PIECE - 1) / PIECE, SLOTS = 4 };

#define REQUIRE(condition)                                                                   \
    if (!(condition)) {                                                                      \
        printf("line %d: %s is false (%s)\n", __LINE__, #condition, cdama_cuda_error());     \
        exit(1);                                                                             \
    }

typedef struct {
    cdama_cuda_transfers *transfers;
    cdama_cuda_host_memory in[SLOTS], out[SLOTS];
} pipeline;

static size_t length(int piece) { return piece == PIECES - 1 ? COUNT - piece * PIECE : PIECE; }

/// host -= gradient, and working = host.
static cdama_cuda_status update(pipeline *p, const float *gradient, float *working, float *host) {
    cdama_cuda_status status = cdama_cuda_begin_transfers(p->transfers);
    for (int i = 0; !status && i < SLOTS; i++)
        status = cdama_cuda_transfer_out(p->transfers, p->in[i].start, gradient + i * PIECE, 4 * length(i), i);
    for (int i = 0; !status && i < PIECES; i++) {
        int slot = i % SLOTS, next = i + SLOTS;
        if ((status = cdama_cuda_wait_for_transfer(p->transfers, slot)) ||
            (status = cdama_cuda_wait_for_transfer(p->transfers, SLOTS + slot)))
            break;
        const float *in = p->in[slot].start;
        float *out = p->out[slot].start;
        for (size_t j = 0; j < length(i); j++) out[j] = host[i * PIECE + j] -= in[j];
        status = cdama_cuda_transfer_in(p->transfers, working + i * PIECE, out, 4 * length(i), SLOTS + slot);
        if (!status && next < PIECES)
            status = cdama_cuda_transfer_out(p->transfers, p->in[slot].start, gradient + next * PIECE,
                                             4 * length(next), slot);
    }
    if (!status) return cdama_cuda_end_transfers(p->transfers);
    cdama_cuda_abandon_transfers(p->transfers);
    return status;
}

int main(void) {
    cdama_cuda_device *device;
    REQUIRE(!cdama_cuda_open(0, &device));
    void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    REQUIRE(driver);
    void (*fail)(int) = (void (*)(int))dlsym(driver, "late_driver_fail");
    void (*lock)(int) = (void (*)(int))dlsym(driver, "late_driver_lock");
    int (*live)(void) = (int (*)(void))dlsym(driver, "late_driver_live");
    int (*depth)(void) = (int (*)(void))dlsym(driver, "late_driver_depth");
    REQUIRE(fail && lock && live && depth);
    int before = live(), failures = 0;
    static float start[COUNT], host[COUNT], found[COUNT];
    for (int i = 0; i < COUNT; i++) start[i] = (float)i;
    for (int run = 0, is_done = 0; !is_done; run++) {
        // Without a failure, with and without memory that can be locked; then with one failure at each call.
        int calls = run < 2 ? -1 : run - 2;
        lock(run != 1);
        for (int i = 0; i < COUNT; i++) host[i] = 5 * (float)i;
        void *gradient, *working;
        REQUIRE(!cdama_cuda_allocate(device, sizeof start, &gradient));
        REQUIRE(!cdama_cuda_allocate(device, sizeof start, &working));
        pipeline p;
        fail(calls);
        cdama_cuda_status status = cdama_cuda_open_transfers(device, 2 * SLOTS, &p.transfers);
        REQUIRE(!status == (p.transfers != NULL));
        for (int i = 0; i < SLOTS; i++) {
            REQUIRE(!cdama_cuda_allocate_host(device, 4 * PIECE, &p.in[i]));
            REQUIRE(!cdama_cuda_allocate_host(device, 4 * PIECE, &p.out[i]));
            REQUIRE(p.in[i].is_locked == (run != 1) && p.out[i].is_locked == (run != 1));
        }
        for (int step = 1; !status && step <= 2; step++) {
            // The device's stream writes the gradient, and later reads the new values.
            if ((status = cdama_cuda_copy_in(device, gradient, start, sizeof start)) ||
                (status = update(&p, gradient, working, host)) ||
                (status = cdama_cuda_copy_out(device, found, working, sizeof found)))
                break;
            for (int i = 0; i < COUNT; i++) {
                REQUIRE(host[i] == (float)((5 - step) * i));
                REQUIRE(found[i] == host[i]);
            }
        }
        if (calls < 0) {
            REQUIRE(!status);
            REQUIRE(cdama_cuda_wait_for_transfer(p.transfers, 2 * SLOTS) == CDAMA_CUDA_FAILED);
        } else if (status) {
            REQUIRE(status == CDAMA_CUDA_FAILED);
            failures++;
        }
        is_done = calls >= 0 && !status;
        cdama_cuda_close_transfers(p.transfers);
        for (int i = 0; i < SLOTS; i++) {
            cdama_cuda_release_host(device, p.in[i]);
            cdama_cuda_release_host(device, p.out[i]);
        }
        fail(-1);
        REQUIRE(depth() == 0 && live() == before);
        cdama_cuda_release(device, gradient);
        cdama_cuda_release(device, working);
    }
    printf("%d failures\n", failures);
    return 0;
}
