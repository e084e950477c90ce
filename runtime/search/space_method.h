/* space_method.h: search over the settings of any other method: what "search" is where its setting "run" is given.
 */
#ifndef AUXO_SEARCH_SPACE_METHOD_H
#define AUXO_SEARCH_SPACE_METHOD_H

#include "method.h"

extern const auxo_method auxo__method_space_search;
/* Whether smaller values of the setting "metric" are better. */
bool auxo__space_minimizes(const auxo_settings *settings);

#endif
