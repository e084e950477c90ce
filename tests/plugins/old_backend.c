/* tests/plugins/old_backend.c: a plugin built for another version of the interface. */
#include "auxo/backend.h"

const auxo_backend *auxo_backend_entry(void)
{
    static const auxo_backend old = {
        .name = "old", .struct_size = sizeof(auxo_backend), .abi_version = AUXO_BACKEND_ABI_VERSION - 1};
    return &old;
}
