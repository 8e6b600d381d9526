#ifndef CDAMA_CUDA_DRIVER_H
#define CDAMA_CUDA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

/**
 * A CUDA device through the driver, `libcuda.so.1`, which is opened at run time: nothing of CUDA is linked.
 *
 * All work of this library on a device goes through one stream, in order, the runs of ONNX Runtime's sessions included;
 * only the copies of cdama_cuda_transfers have streams of their own, which wait for it and for which it waits. Its
 * memory comes from one pool, whose allocations and releases are ordered by that stream. The stream is a blocking one:
 * copies on the default stream wait for it, and it waits for them.
 *
 * A device stays open until the process ends. Functions may be called by several threads.
 */
typedef struct cdama_cuda_device cdama_cuda_device;

typedef enum {
    CDAMA_CUDA_OK = 0,
    /** The driver or the device is missing, or too old. */
    CDAMA_CUDA_UNAVAILABLE = 1,
    CDAMA_CUDA_OUT_OF_MEMORY = 2,
    /** Any other error, among them a lost device. */
    CDAMA_CUDA_FAILED = 3,
} cdama_cuda_status;

/** What went wrong in the calling thread's last call that failed: one line. */
const char *cdama_cuda_error(void);

/** The newest version of CUDA that the driver runs, 13000 for 13.0; 0 without a driver that starts. */
int cdama_cuda_driver_version(void);

/** The path by which the loader opened the library that holds an address; NULL if it is in none. */
const char *cdama_library_of(const void *address);

/** Opens device `ordinal`, from 0; a second call returns the same device. */
cdama_cuda_status cdama_cuda_open(int ordinal, cdama_cuda_device **device);

/** The stream, a CUstream. */
void *cdama_cuda_stream(const cdama_cuda_device *device);

/** Makes the device's primary context current in this thread until cdama_cuda_leave(). */
cdama_cuda_status cdama_cuda_enter(cdama_cuda_device *device);
void cdama_cuda_leave(cdama_cuda_device *device);

/** Memory of the device, aligned to 256 bytes; undefined contents. */
cdama_cuda_status cdama_cuda_allocate(cdama_cuda_device *device, size_t bytes, void **memory);
/** Releases memory once the work that the stream already has is done. NULL is ignored. */
void cdama_cuda_release(cdama_cuda_device *device, void *memory);

/** Copies from host memory; returns when the source may be reused. */
cdama_cuda_status cdama_cuda_copy_in(cdama_cuda_device *device, void *to, const void *from, size_t bytes);
/** Copies to host memory after all earlier work; returns when the target is complete. */
cdama_cuda_status cdama_cuda_copy_out(cdama_cuda_device *device, void *to, const void *from, size_t bytes);
/** Copies within the device, in the stream's order. */
cdama_cuda_status cdama_cuda_copy(cdama_cuda_device *device, void *to, const void *from, size_t bytes);
/** Sets bytes to 0, in the stream's order. */
cdama_cuda_status cdama_cuda_clear(cdama_cuda_device *device, void *memory, size_t bytes);

/** Memory of the host for copies to and from a device. */
typedef struct {
    void *start;
    /** Whether it is page-locked, so that the device reads and writes it at the speed of its connection. */
    int is_locked;
} cdama_cuda_host_memory;

/** Page-locked memory, or ordinary memory if the system locks no more; undefined contents. */
cdama_cuda_status cdama_cuda_allocate_host(cdama_cuda_device *device, size_t bytes, cdama_cuda_host_memory *memory);
void cdama_cuda_release_host(cdama_cuda_device *device, cdama_cuda_host_memory memory);

/**
 * Copies between the host and a device that go on while both work: those to the device on one stream, those from it on
 * another. A ticket, a number below that of the opening, stands for the last copy that was started with it.
 *
 * Copies that start after cdama_cuda_begin_transfers() wait for the work that the device's stream had then, and work
 * that this stream gets after cdama_cuda_end_transfers() waits for all copies. Not for use by two threads at once.
 */
typedef struct cdama_cuda_transfers cdama_cuda_transfers;

cdama_cuda_status cdama_cuda_open_transfers(cdama_cuda_device *device, int tickets, cdama_cuda_transfers **transfers);
/** Waits for all copies first. NULL is ignored. */
void cdama_cuda_close_transfers(cdama_cuda_transfers *transfers);

cdama_cuda_status cdama_cuda_begin_transfers(cdama_cuda_transfers *transfers);
cdama_cuda_status cdama_cuda_end_transfers(cdama_cuda_transfers *transfers);

/** Starts a copy; the memory of both sides stays as it is until the ticket's wait returns. */
cdama_cuda_status cdama_cuda_transfer_in(cdama_cuda_transfers *transfers, void *to, const void *from, size_t bytes,
                                         int ticket);
cdama_cuda_status cdama_cuda_transfer_out(cdama_cuda_transfers *transfers, void *to, const void *from, size_t bytes,
                                          int ticket);

/** Waits until the last copy with a ticket is done; returns at once if there was none. */
cdama_cuda_status cdama_cuda_wait_for_transfer(cdama_cuda_transfers *transfers, int ticket);

/** Waits until no copy goes on, whatever became of them. */
void cdama_cuda_abandon_transfers(cdama_cuda_transfers *transfers);

typedef struct {
    /** Bytes of the device, and bytes that no process uses. */
    uint64_t total, available;
    /** Bytes of the pool that are in use, and the most that were in use at once since the last reset. */
    uint64_t used, used_peak;
    /** Bytes that the pool holds, in use or not. */
    uint64_t reserved;
} cdama_cuda_memory;

/** Describes the memory; `resets` starts a new measurement of the peak. */
cdama_cuda_status cdama_cuda_describe_memory(cdama_cuda_device *device, int resets, cdama_cuda_memory *memory);

#endif
