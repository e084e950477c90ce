/* loss_scale.c: dynamic loss scaling of f16 (Micikevicius et al. 2018), on the device.
 *
 * The gradient of the loss is multiplied by the scale before it is rounded to f16 (auxo_forward.loss_scale), so the
 * gradients of weights, which are f32, are too. After the backward pass the largest of them says whether one is not
 * finite; the op loss_scale decides on the scale and the step, gradients are divided by the scale, and the update looks
 * at SKIP. Nothing is read back in between; the host looks at the state after each chunk of steps. Of several devices
 * the first decides, by the sum of all gradients, in which what is not finite stays so; the others take over its scale
 * with its weights. Ranks decide alike, by the same sum.
 */
#include "train_internal.h"

#include <stdlib.h>

static const float INITIAL_FACTOR = 65536.0f, LEAST_FACTOR = 1.0f, MOST_FACTOR = 16777216.0f;
enum { INTERVAL = 2000, RANGES_MAX = 256 };

auxo_status auxo__trainer_init_loss_scale(auxo_trainer *trainer, auxo_error *error)
{
    const float initial[AUXO_LOSS_SCALE_COUNT] = {
        [AUXO_LOSS_SCALE_FACTOR] = INITIAL_FACTOR, [AUXO_LOSS_SCALE_INVERSE] = 1.0f / INITIAL_FACTOR};
    if (auxo_model_precision(trainer->model) != AUXO_DTYPE_F16)
        return AUXO_OK;
    auxo_status status =
        auxo_buffer_create(auxo_model_device(trainer->model), sizeof initial, &trainer->loss_scale, error);
    return status == AUXO_OK ? auxo_buffer_write(auxo_model_queue(trainer->model), trainer->loss_scale, 0, initial,
                                                 sizeof initial, error)
                             : status;
}

static auxo_tensor state_at(const auxo_trainer *trainer, int first, int64_t count)
{
    if (!trainer->loss_scale)
        return auxo_tensor_none();
    return auxo_tensor_1d(trainer->loss_scale, (uint64_t)first * sizeof(float), AUXO_DTYPE_F32, count);
}

auxo_tensor auxo__trainer_loss_scale(const auxo_trainer *trainer)
{
    return state_at(trainer, AUXO_LOSS_SCALE_FACTOR, 1);
}

typedef struct range_list {
    uint64_t offset[RANGES_MAX], count[RANGES_MAX];
    int64_t length;
} range_list;

/* More runs than there is room for are looked at as one: the weights between them are not trained, and their gradients
 * are those of before. */
static void keep_range(void *user, uint64_t offset, uint64_t count)
{
    range_list *list = user;
    if (list->length == RANGES_MAX) {
        list->count[RANGES_MAX - 1] = offset + count - list->offset[RANGES_MAX - 1];
        return;
    }
    list->offset[list->length] = offset;
    list->count[list->length++] = count;
}

static auxo_tensor gradients_of(const auxo_trainer *trainer, const range_list *list, int64_t i)
{
    const int64_t dims[3] = {1, 1, (int64_t)list->count[i]};
    return auxo_tensor_make(auxo_model_gradients(trainer->model), list->offset[i] * sizeof(float), AUXO_DTYPE_F32, 3,
                            dims);
}

void auxo__trainer_add_unscale(const auxo_trainer *trainer, auxo_plan *plan)
{
    range_list list = {.length = 0};
    if (!trainer->loss_scale)
        return;
    auxo__trainer_each_range(trainer, keep_range, &list);
    const auxo_tensor largest = auxo_plan_temp(plan, AUXO_DTYPE_F32, 1, &list.length);
    for (int64_t i = 0; i < list.length; i++) {
        auxo_op op = {.kind = AUXO_OP_REDUCE, .params.reduce = {AUXO_REDUCE_MAX_ABS}};
        op.tensors[AUXO_REDUCE_X] = gradients_of(trainer, &list, i);
        op.tensors[AUXO_REDUCE_Y] = auxo_tensor_slice(largest, 0, i, 1);
        auxo_plan_add(plan, &op, "loss_scale.largest");
    }
    auxo_op decide = {.kind = AUXO_OP_LOSS_SCALE, .params.loss_scale = {INTERVAL, LEAST_FACTOR, MOST_FACTOR}};
    decide.tensors[AUXO_LOSS_SCALE_LARGEST_SLOT] = largest;
    decide.tensors[AUXO_LOSS_SCALE_STATE_SLOT] = state_at(trainer, 0, AUXO_LOSS_SCALE_COUNT);
    decide.tensors[AUXO_LOSS_SCALE_COUNTER_SLOT] = auxo_tensor_1d(trainer->counter, 0, AUXO_DTYPE_U32, 4);
    auxo_plan_add(plan, &decide, "loss_scale.step");
    for (int64_t i = 0; i < list.length; i++) {
        auxo_op op = {.kind = AUXO_OP_SCALE};
        op.tensors[AUXO_SCALE_X] = op.tensors[AUXO_SCALE_Y] = gradients_of(trainer, &list, i);
        op.tensors[AUXO_SCALE_SCALE] = state_at(trainer, AUXO_LOSS_SCALE_INVERSE, 1);
        auxo_plan_add(plan, &op, "loss_scale.undo");
    }
    trainer->optimizer->skip = state_at(trainer, AUXO_LOSS_SCALE_SKIP, 1);
}

auxo_status auxo__trainer_read_loss_scale(const auxo_trainer *trainer, float state[AUXO_LOSS_SCALE_COUNT],
                                          auxo_error *error)
{
    for (int i = 0; i < AUXO_LOSS_SCALE_COUNT; i++)
        state[i] = 0;
    return trainer->loss_scale ? auxo_buffer_read(auxo_model_queue(trainer->model), trainer->loss_scale, 0, state,
                                                  AUXO_LOSS_SCALE_COUNT * sizeof(float), error)
                               : AUXO_OK;
}

auxo_status auxo__trainer_write_loss_scale(const auxo_trainer *trainer, const float state[AUXO_LOSS_SCALE_COUNT],
                                           auxo_error *error)
{
    return trainer->loss_scale ? auxo_buffer_write(auxo_model_queue(trainer->model), trainer->loss_scale, 0, state,
                                                   AUXO_LOSS_SCALE_COUNT * sizeof(float), error)
                               : AUXO_OK;
}

auxo_status auxo__trainer_check_loss_scale(const auxo_trainer *trainer, auxo_error *error)
{
    float state[AUXO_LOSS_SCALE_COUNT];
    const auxo_status status = auxo__trainer_read_loss_scale(trainer, state, error);
    if (status != AUXO_OK || state[AUXO_LOSS_SCALE_EXHAUSTED] == 0)
        return status;
    return auxo_error_set(
        error, AUXO_NOT_FINITE,
        "the gradients of step %.0f are not finite in f16 at the least loss scale, %g (%.0f steps were "
        "skipped); lower the learning rate, or train in bf16 or f32",
        (double)state[AUXO_LOSS_SCALE_EXHAUSTED], (double)LEAST_FACTOR, (double)state[AUXO_LOSS_SCALE_SKIPPED]);
}
