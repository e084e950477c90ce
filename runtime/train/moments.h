/* moments.h: an optimiser's moments in archives (auxo/train.h has the rest).
 */
#ifndef AUXO_TRAIN_MOMENTS_H
#define AUXO_TRAIN_MOMENTS_H

#include "archive.h"

auxo_status auxo__archive_put_moments(auxo__archive *archive, const char *prefix, const auxo_moments *moments,
                                      auxo_error *error);
/* Those of a model of that structure; *moments is NULL where the archive has none. Ownership: the caller's. */
auxo_status auxo__archive_get_moments(const auxo__archive *archive, const char *prefix, auxo_model *model,
                                      auxo_moments **moments, auxo_error *error);

#endif
