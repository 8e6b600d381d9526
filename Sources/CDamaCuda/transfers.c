// Copies between page-locked memory of the host and a device, on streams of their own.

#include <stdlib.h>

#include "driver_device.h"

enum { HOST_PORTABLE = 1, STREAM_NON_BLOCKING = 1, EVENT_WITHOUT_TIME = 2, PAGE = 4096 };

struct cdama_cuda_transfers {
    cdama_cuda_device *device;
    CUstream in, out;
    /// Orders the streams against each other; reused, since a wait refers to the last record before it.
    CUevent order;
    /// Recorded behind the last copy of each ticket.
    int count;
    CUevent tickets[];
};

// MARK: Memory of the host

cdama_cuda_status cdama_cuda_allocate_host(cdama_cuda_device *device, size_t bytes, cdama_cuda_host_memory *memory) {
    cdama_cuda_status status = cdama_cuda_enter(device);
    if (status) return status;
    if (bytes == 0) bytes = 1;
    memory->start = NULL;
    memory->is_locked = device->driver->cuMemHostAlloc(&memory->start, bytes, HOST_PORTABLE) == 0;
    cdama_cuda_leave(device);
    if (memory->is_locked) return CDAMA_CUDA_OK;
    // The system limits how much memory can be locked. Copies of ordinary memory are right too, but slower.
    memory->start = NULL;
    if (posix_memalign(&memory->start, PAGE, bytes) == 0) return CDAMA_CUDA_OK;
    memory->start = NULL;
    return cdama_device_refused(CDAMA_CUDA_OUT_OF_MEMORY, "the host has no memory left for copies to the CUDA device");
}

void cdama_cuda_release_host(cdama_cuda_device *device, cdama_cuda_host_memory memory) {
    if (!memory.is_locked) {
        free(memory.start);
        return;
    }
    if (cdama_cuda_enter(device)) return;
    device->driver->cuMemFreeHost(memory.start);
    cdama_cuda_leave(device);
}

// MARK: Opening and closing

static CUresult open_streams(cdama_cuda_transfers *transfers, int count) {
    const cdama_driver *driver = transfers->device->driver;
    CUresult result;
    if ((result = driver->cuStreamCreate(&transfers->in, STREAM_NON_BLOCKING)) ||
        (result = driver->cuStreamCreate(&transfers->out, STREAM_NON_BLOCKING)) ||
        (result = driver->cuEventCreate(&transfers->order, EVENT_WITHOUT_TIME)))
        return result;
    for (; transfers->count < count; transfers->count++) {
        if ((result = driver->cuEventCreate(&transfers->tickets[transfers->count], EVENT_WITHOUT_TIME))) return result;
    }
    return 0;
}

static void close_streams(cdama_cuda_transfers *transfers) {
    const cdama_driver *driver = transfers->device->driver;
    for (int i = 0; i < transfers->count; i++) driver->cuEventDestroy_v2(transfers->tickets[i]);
    if (transfers->order) driver->cuEventDestroy_v2(transfers->order);
    if (transfers->out) driver->cuStreamDestroy_v2(transfers->out);
    if (transfers->in) driver->cuStreamDestroy_v2(transfers->in);
}

cdama_cuda_status cdama_cuda_open_transfers(cdama_cuda_device *device, int tickets, cdama_cuda_transfers **transfers) {
    *transfers = NULL;
    if (tickets < 1 || tickets > 1024) {
        return cdama_device_refused(CDAMA_CUDA_FAILED, "copies take 1 to 1024 tickets");
    }
    cdama_cuda_transfers *made = calloc(1, sizeof *made + (size_t)tickets * sizeof(CUevent));
    if (!made) return cdama_device_refused(CDAMA_CUDA_OUT_OF_MEMORY, "the host has no memory left");
    made->device = device;
    cdama_cuda_status status = cdama_cuda_enter(device);
    if (!status) {
        CUresult result = open_streams(made, tickets);
        if (result) close_streams(made);
        cdama_cuda_leave(device);
        if (result) status = cdama_device_failed(device->driver, result, "making streams for copies");
    }
    if (status) {
        free(made);
        return status;
    }
    *transfers = made;
    return CDAMA_CUDA_OK;
}

void cdama_cuda_close_transfers(cdama_cuda_transfers *transfers) {
    if (!transfers) return;
    cdama_cuda_abandon_transfers(transfers);
    // Without the context nothing can be destroyed; the driver is shutting down.
    if (!cdama_cuda_enter(transfers->device)) {
        close_streams(transfers);
        cdama_cuda_leave(transfers->device);
    }
    free(transfers);
}

// MARK: Copying

/// Makes later work of `behind` wait for the work that `ahead` has now.
static CUresult order(cdama_cuda_transfers *transfers, CUstream ahead, CUstream behind) {
    const cdama_driver *driver = transfers->device->driver;
    CUresult result = driver->cuEventRecord(transfers->order, ahead);
    return result ? result : driver->cuStreamWaitEvent(behind, transfers->order, 0);
}

#define IN_CONTEXT(what, call)                                     \
    cdama_cuda_device *device = transfers->device;                 \
    cdama_cuda_status status = cdama_cuda_enter(device);           \
    if (status) return status;                                     \
    CUresult result = call;                                        \
    cdama_cuda_leave(device);                                      \
    return result ? cdama_device_failed(device->driver, result, what) : CDAMA_CUDA_OK

static CUresult begin(cdama_cuda_transfers *transfers) {
    CUresult result = order(transfers, transfers->device->stream, transfers->in);
    return result ? result : order(transfers, transfers->device->stream, transfers->out);
}

cdama_cuda_status cdama_cuda_begin_transfers(cdama_cuda_transfers *transfers) {
    IN_CONTEXT("starting copies of the CUDA device", begin(transfers));
}

static CUresult end(cdama_cuda_transfers *transfers) {
    CUresult result = order(transfers, transfers->in, transfers->device->stream);
    return result ? result : order(transfers, transfers->out, transfers->device->stream);
}

cdama_cuda_status cdama_cuda_end_transfers(cdama_cuda_transfers *transfers) {
    IN_CONTEXT("ending copies of the CUDA device", end(transfers));
}

static CUresult transfer_in(cdama_cuda_transfers *transfers, void *to, const void *from, size_t bytes, int ticket) {
    const cdama_driver *driver = transfers->device->driver;
    CUresult result = bytes == 0 ? 0 : driver->cuMemcpyHtoDAsync_v2((CUdeviceptr)(uintptr_t)to, from, bytes,
                                                                    transfers->in);
    return result ? result : driver->cuEventRecord(transfers->tickets[ticket], transfers->in);
}

static CUresult transfer_out(cdama_cuda_transfers *transfers, void *to, const void *from, size_t bytes, int ticket) {
    const cdama_driver *driver = transfers->device->driver;
    CUresult result = bytes == 0 ? 0 : driver->cuMemcpyDtoHAsync_v2(to, (CUdeviceptr)(uintptr_t)from, bytes,
                                                                    transfers->out);
    return result ? result : driver->cuEventRecord(transfers->tickets[ticket], transfers->out);
}

#define CHECK_TICKET \
    if (ticket < 0 || ticket >= transfers->count) return cdama_device_refused(CDAMA_CUDA_FAILED, "no such ticket")

cdama_cuda_status cdama_cuda_transfer_in(cdama_cuda_transfers *transfers, void *to, const void *from, size_t bytes,
                                         int ticket) {
    CHECK_TICKET;
    IN_CONTEXT("copying to the CUDA device", transfer_in(transfers, to, from, bytes, ticket));
}

cdama_cuda_status cdama_cuda_transfer_out(cdama_cuda_transfers *transfers, void *to, const void *from, size_t bytes,
                                          int ticket) {
    CHECK_TICKET;
    IN_CONTEXT("copying from the CUDA device", transfer_out(transfers, to, from, bytes, ticket));
}

cdama_cuda_status cdama_cuda_wait_for_transfer(cdama_cuda_transfers *transfers, int ticket) {
    CHECK_TICKET;
    IN_CONTEXT("copying between the host and the CUDA device",
               device->driver->cuEventSynchronize(transfers->tickets[ticket]));
}

void cdama_cuda_abandon_transfers(cdama_cuda_transfers *transfers) {
    const cdama_driver *driver = transfers->device->driver;
    if (cdama_cuda_enter(transfers->device)) return;
    driver->cuStreamSynchronize(transfers->in);
    driver->cuStreamSynchronize(transfers->out);
    cdama_cuda_leave(transfers->device);
}
