/* norm_sync.c: see norm_sync.h.
 */
#include "norm_sync.h"
#include "sections.h"

#include <stdlib.h>

void auxo__norm_sync_deinit(auxo__norm_sync *sync)
{
    free(sync->points);
    *sync = (auxo__norm_sync){0};
}

void auxo__norm_sync_add(auxo__norm_sync *sync, auxo_plan *plan, const auxo__norm_point *point)
{
    if (auxo_plan_status(plan, NULL) != AUXO_OK)
        return;
    if (sync->count == sync->capacity) {
        const size_t capacity = 2 * sync->capacity + 8;
        auxo__norm_point *grown = realloc(sync->points, capacity * sizeof *grown);
        if (!grown) {
            auxo_plan_fail(plan, AUXO_OUT_OF_MEMORY, "out of memory building a batch norm over several parts");
            return;
        }
        sync->points = grown;
        sync->capacity = capacity;
    }
    auxo__norm_point *added = &sync->points[sync->count++];
    *added = *point;
    added->op = auxo_plan_op_count(plan) - 1;
    auxo__plan_cut(plan, added->op);
}

auxo_tensor auxo__norm_row(const auxo_tensor *block, int row)
{
    return auxo_tensor_reshape(auxo_tensor_slice(*block, 0, row, 1), 1, &block->dims[1]);
}
