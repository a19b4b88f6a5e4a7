/* NVML's ABI without a driver: what nvidia-ml-py calls of libnvidia-ml.so.1, for the tests.
 *
 * Environment, read at every call: FAKE_NVML_INIT (what nvmlInitWithFlags returns), FAKE_NVML_GPUS (how many),
 * FAKE_NVML_UNSUPPORTED (names of queries that answer "not supported", separated by blanks), FAKE_NVML_LOST (index
 * of a GPU that is lost), FAKE_NVML_PID (a process that uses the first GPU), FAKE_NVML_HANG (seconds). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, LOST = 15 };

typedef struct { unsigned int index; } *device_t;
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int gpu, memory; } utilization_t;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gpu_instance, compute_instance; } process_t;

static int started;
static struct { unsigned int index; } devices[16];

static int number(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text && *text ? atoi(text) : otherwise;
}

static int check(const char *query, device_t device) {
    const char *unsupported = getenv("FAKE_NVML_UNSUPPORTED");
    if (!started) return UNINITIALIZED;
    if (device && (int)device->index == number("FAKE_NVML_LOST", -1)) return LOST;
    if (unsupported && strstr(unsupported, query)) return NOT_SUPPORTED;
    return OK;
}

int nvmlInitWithFlags(unsigned int flags) {
    int code = number("FAKE_NVML_INIT", OK);
    (void)flags;
    sleep(number("FAKE_NVML_HANG", 0));
    started = code == OK;
    return code;
}

int nvmlShutdown(void) {
    int code = started ? OK : UNINITIALIZED;
    started = 0;
    return code;
}

const char *nvmlErrorString(int code) {
    (void)code;
    return "said by the fake driver";
}

int nvmlDeviceGetCount_v2(unsigned int *count) {
    *count = number("FAKE_NVML_GPUS", 0);
    return check("count", NULL);
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, device_t *device) {
    if (index >= (unsigned int)number("FAKE_NVML_GPUS", 0)) return INVALID;
    devices[index].index = index;
    *device = (device_t)&devices[index];
    return check("handle", *device);
}

int nvmlDeviceGetName(device_t device, char *name, unsigned int length) {
    snprintf(name, length, "NVIDIA Fake %u", device->index);
    return check("name", device);
}

int nvmlDeviceGetUUID(device_t device, char *uuid, unsigned int length) {
    snprintf(uuid, length, "GPU-00000000-0000-0000-0000-%012u", device->index);
    return check("uuid", device);
}

int nvmlDeviceGetMemoryInfo(device_t device, memory_t *memory) {
    memory->total = 150754820096ULL;
    memory->used = 1073741824ULL * (device->index + 1);
    memory->free = memory->total - memory->used;
    return check("memory", device);
}

int nvmlDeviceGetUtilizationRates(device_t device, utilization_t *rates) {
    rates->gpu = 37 + device->index;
    rates->memory = 5;
    return check("utilisation", device);
}

int nvmlDeviceGetTemperature(device_t device, int sensor, unsigned int *degrees) {
    *degrees = sensor == 0 ? 41 + device->index : 0;
    return check("temperature", device);
}

int nvmlDeviceGetPowerUsage(device_t device, unsigned int *milliwatts) {
    *milliwatts = 123456;
    return check("power", device);
}

static int list(device_t device, unsigned int *count, process_t *processes, int offset) {
    unsigned int have = device->index == 0 && number("FAKE_NVML_PID", 0) ? 1 : 0;
    int code = check("processes", device);
    if (code != OK) return code;
    if (*count < have) {
        *count = have;
        return TOO_SMALL;
    }
    *count = have;
    if (have) {
        processes[0].pid = number("FAKE_NVML_PID", 0) + offset;
        processes[0].used = offset ? ~0ULL : 536870912ULL;
    }
    return OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(device_t device, unsigned int *count, process_t *processes) {
    return list(device, count, processes, 0);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(device_t device, unsigned int *count, process_t *processes) {
    return list(device, count, processes, 4000000);
}

int nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int length) {
    if (pid < 4000000) return NOT_FOUND;
    snprintf(name, length, "/opt/elsewhere/render");
    return OK;
}
