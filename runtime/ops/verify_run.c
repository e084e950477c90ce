/* runtime/ops/verify_run.c: puts a conformance case on a device, runs one kernel on it and brings all memory back.
 *
 * Calls the kernel through the backend interface, without a plan: what is tested is the kernel alone.
 */
#include "verify_run.h"
#include "device_internal.h"
#include "op_internal.h"

#include <stdlib.h>
#include <string.h>

/* Images share one buffer at multiples of this, the strictest alignment of a binding that backends ask for. */
enum { IMAGE_ALIGNMENT_BYTES = 256 };

/* The buffers of one case on one device, by owner slot. */
typedef struct placement {
    auxo_buffer *buffers[AUXO_OP_SLOTS_MAX];
    uint64_t base_bytes[AUXO_OP_SLOTS_MAX];
} placement;

void auxo__case_result_deinit(auxo__case_result *result)
{
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX; slot++)
        free(result->bytes[slot]);
    memset(result, 0, sizeof *result);
}

static void displace(const auxo__case *tested, placement *placed)
{
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX; slot++) {
        bool shared = tested->one_buffer && slot > 0 && placed->buffers[slot] == placed->buffers[0];
        if (!shared)
            auxo_buffer_destroy(placed->buffers[slot]);
    }
}

/* One buffer for all images (slot 0 then always has one), or one buffer each. */
static auxo_status place(const auxo__case *tested, auxo_device *device, placement *placed, auxo_error *error)
{
    uint64_t total_bytes = 0;
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX; slot++) {
        placed->base_bytes[slot] = tested->one_buffer ? total_bytes : 0;
        uint64_t size_bytes = tested->images[slot].size_bytes;
        total_bytes += (size_bytes + IMAGE_ALIGNMENT_BYTES - 1) / IMAGE_ALIGNMENT_BYTES * IMAGE_ALIGNMENT_BYTES;
    }
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX; slot++) {
        if (!tested->images[slot].bytes)
            continue;
        if (tested->one_buffer && slot > 0) {
            placed->buffers[slot] = placed->buffers[0];
            continue;
        }
        uint64_t size_bytes = tested->one_buffer ? total_bytes : tested->images[slot].size_bytes;
        auxo_status status = auxo_buffer_create(device, size_bytes, &placed->buffers[slot], error);
        if (status != AUXO_OK)
            return status;
    }
    return AUXO_OK;
}

static auxo_status upload(const auxo__case *tested, auxo_queue *queue, const placement *placed, auxo_op *op,
                          auxo_error *error)
{
    *op = tested->op;
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX; slot++) {
        const auxo__image *image = &tested->images[slot];
        if (auxo_tensor_is_present(&op->tensors[slot])) {
            op->tensors[slot].buffer = placed->buffers[image->owner];
            op->tensors[slot].offset_bytes += placed->base_bytes[image->owner];
        }
        if (!image->bytes)
            continue;
        auxo_status status = auxo_buffer_write(queue, placed->buffers[slot], placed->base_bytes[slot], image->bytes,
                                               image->size_bytes, error);
        if (status != AUXO_OK)
            return status;
    }
    return AUXO_OK;
}

static auxo_status download(const auxo__case *tested, auxo_queue *queue, const placement *placed,
                            auxo__case_result *result, auxo_error *error)
{
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX; slot++) {
        const auxo__image *image = &tested->images[slot];
        if (!image->bytes)
            continue;
        result->bytes[slot] = malloc(image->size_bytes);
        if (!result->bytes[slot])
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no host memory for %llu bytes of results",
                                  (unsigned long long)image->size_bytes);
        auxo_status status = auxo_buffer_read(queue, placed->buffers[slot], placed->base_bytes[slot],
                                              result->bytes[slot], image->size_bytes, error);
        if (status != AUXO_OK)
            return status;
    }
    return AUXO_OK;
}

static auxo_status prepare(auxo_device *device, const auxo_kernel *kernel, const auxo_op *op, const int32_t *parameters,
                           void **state, auxo_error *error)
{
    int32_t values[AUXO_TUNABLES_MAX] = {0};
    for (size_t i = 0; i < kernel->tunable_count; i++)
        values[i] = parameters ? parameters[i] : kernel->tunables[i].initial;
    *state = NULL;
    auxo_status status = auxo__device_usable(device, error);
    if (status == AUXO_OK && kernel->prepare)
        status = auxo__device_note(device, kernel->prepare(device->handle, op, values, state, error), error);
    return status;
}

static auxo_status execute(auxo_queue *queue, const auxo_kernel *kernel, const auxo_op *op, const int32_t *parameters,
                           auxo_error *error)
{
    auxo_device *device = queue->device;
    void *state = NULL;
    auxo_status status = prepare(device, kernel, op, parameters, &state, error);
    if (status != AUXO_OK)
        return status;
    queue->busy = true;
    status = auxo__device_note(device, kernel->enqueue(queue->handle, op, state, error), error);
    auxo_error waiting = {0};
    auxo_status waited = auxo_queue_wait(queue, &waiting);
    if (kernel->release)
        kernel->release(device->handle, state);
    if (status == AUXO_OK && waited != AUXO_OK)
        return auxo_error_set(error, waited, "%s", waiting.message);
    return status;
}

/* The op of a case in the buffers of `placed`, checked, and whether the kernel takes it. */
static auxo_status offer(const auxo__case *tested, auxo_queue *queue, const auxo_kernel *kernel, placement *placed,
                         auxo_op *op, bool *supported, auxo_error *error)
{
    auxo_status status = place(tested, queue->device, placed, error);
    if (status == AUXO_OK)
        status = upload(tested, queue, placed, op, error);
    if (status == AUXO_OK)
        status = auxo_op_check(op, error);
    *supported = status == AUXO_OK && auxo__kernel_takes(queue->device, kernel, op);
    return status;
}

auxo_status auxo__case_run(const auxo__case *tested, auxo_queue *queue, const auxo_kernel *kernel,
                           const int32_t *parameters, bool *supported, auxo__case_result *result, auxo_error *error)
{
    placement placed = {{NULL}, {0}};
    auxo_op op;
    auxo_status status = offer(tested, queue, kernel, &placed, &op, supported, error);
    if (*supported)
        status = execute(queue, kernel, &op, parameters, error);
    if (status == AUXO_OK && *supported)
        status = download(tested, queue, &placed, result, error);
    displace(tested, &placed);
    return status;
}

auxo_status auxo__case_prepare(const auxo__case *tested, auxo_queue *queue, const auxo_kernel *kernel, bool *supported,
                               auxo_error *error)
{
    placement placed = {{NULL}, {0}};
    auxo_op op;
    void *state = NULL;
    auxo_status status = offer(tested, queue, kernel, &placed, &op, supported, error);
    if (*supported)
        status = prepare(queue->device, kernel, &op, NULL, &state, error);
    if (*supported && status == AUXO_OK && kernel->release)
        kernel->release(queue->device->handle, state);
    displace(tested, &placed);
    return status;
}

void auxo__case_expectation_deinit(auxo__case_expectation *expectation)
{
    auxo__case_result_deinit(&expectation->values);
    auxo__case_result_deinit(&expectation->magnitudes);
}

/* The first variant of the oracle that takes the case. */
static auxo_status run_reference(const auxo__case *tested, auxo_queue *queue, auxo__case_result *result,
                                 auxo_error *error)
{
    auxo_kernel_list kernels = auxo__device_kernels(queue->device, tested->op.kind);
    for (size_t i = 0; i < kernels.count; i++) {
        bool supported = false;
        auxo_status status = auxo__case_run(tested, queue, &kernels.variants[i], NULL, &supported, result, error);
        if (supported || status != AUXO_OK)
            return status;
    }
    return auxo_error_set(error, AUXO_UNSUPPORTED, "%s: the reference has no kernel for \"%s\"",
                          auxo_op_noun(tested->op.kind), tested->text);
}

auxo_status auxo__case_expect(auxo_op_kind kind, size_t index, uint64_t seed, auxo_queue *reference_queue,
                              auxo__case_expectation *expectation, auxo_error *error)
{
    memset(expectation, 0, sizeof *expectation);
    auxo__case built;
    auxo_status status = auxo__case_init(&built, kind, index, seed, error);
    if (status == AUXO_OK)
        status = run_reference(&built, reference_queue, &expectation->values, error);
    if (status == AUXO_OK && auxo__op_suite(kind)->wants_magnitude) {
        auxo__case_make_absolute(&built);
        status = run_reference(&built, reference_queue, &expectation->magnitudes, error);
    }
    auxo__case_deinit(&built);
    if (status != AUXO_OK)
        auxo__case_expectation_deinit(expectation);
    return status;
}
