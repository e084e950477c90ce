/* cpu_amx.c: matrix tiles are state that a process must ask the system to keep for it. */
#include "cpu_amx.h"

#if defined(__linux__) && defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool has_tiles(void)
{
    enum { FEATURES_LEAF = 7, AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24 };
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid_count(FEATURES_LEAF, 0, &eax, &ebx, &ecx, &edx))
        return false;
    return (edx & AMX_BF16) && (edx & AMX_TILE);
}

bool cpu_amx_is_permitted(void)
{
    enum { GET_PERMITTED = 0x1022, REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; /* of arch_prctl */
    unsigned long permitted = 0;
    if (!has_tiles())
        return false;
    if (syscall(SYS_arch_prctl, GET_PERMITTED, &permitted) == 0 && permitted >> TILE_DATA & 1)
        return true;
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

#else

bool cpu_amx_is_permitted(void)
{
    return false;
}

#endif
