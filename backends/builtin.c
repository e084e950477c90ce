/* backends/builtin.c: the only file that lists the backends compiled into the library.
 *
 * The order is the order in which `auxo devices` shows them and `auto` considers them.
 */
#include "auxo/backend.h"

#ifdef AUXO_HAVE_BACKEND_CPU
extern const auxo_backend auxo__backend_cpu;
#endif
#ifdef AUXO_HAVE_BACKEND_OPENCL
extern const auxo_backend auxo__backend_opencl;
#endif
#ifdef AUXO_HAVE_BACKEND_VULKAN
extern const auxo_backend auxo__backend_vulkan;
#endif
#ifdef AUXO_HAVE_BACKEND_REFERENCE
extern const auxo_backend auxo__backend_reference;
#endif

static const auxo_backend *const backends[] = {
#ifdef AUXO_HAVE_BACKEND_CPU
    &auxo__backend_cpu,
#endif
#ifdef AUXO_HAVE_BACKEND_OPENCL
    &auxo__backend_opencl,
#endif
#ifdef AUXO_HAVE_BACKEND_VULKAN
    &auxo__backend_vulkan,
#endif
#ifdef AUXO_HAVE_BACKEND_REFERENCE
    &auxo__backend_reference,
#endif
};

const struct auxo_backend *const *auxo_builtin_backends(size_t *count)
{
    *count = sizeof backends / sizeof backends[0];
    return backends;
}
