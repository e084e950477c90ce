/* mat_head.h: what a MATLAB file says of its variables, looked at before a library takes memory for them. */
#ifndef AUXO_DATASETS_MAT_HEAD_H
#define AUXO_DATASETS_MAT_HEAD_H

#include "auxo/status.h"

/* Whether the file is one of MATLAB 5 (level 5 of the format, either byte order) whose every variable is an array of
 * numbers with a size that the file can hold, or one of MATLAB 7.3 (HDF5), whose library checks its own.
 * Errors: IO; FORMAT names the place and what is wrong there. */
auxo_status auxo__mat_check(const char *path, auxo_error *error);

#endif
