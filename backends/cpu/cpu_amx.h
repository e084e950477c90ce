/* cpu_amx.h: whether this process may use the processor's matrix tiles. */
#ifndef AUXO_CPU_AMX_H
#define AUXO_CPU_AMX_H

#include <stdbool.h>

/* Asks the system for permission, whose answer holds for the process. False where the processor or
 * the system has no tiles. */
bool cpu_amx_is_permitted(void);

#endif
