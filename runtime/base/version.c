/* version.c: the version of the library that runs. */
#include "auxo/version.h"

const char *auxo_version(void)
{
    return AUXO_VERSION;
}
