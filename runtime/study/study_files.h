/* study_files.h: models of a study, whose folder may lie on the machine of another rank: auxo_study_folder is where
 * this process writes and reads them.
 */
#ifndef AUXO_STUDY_STUDY_FILES_H
#define AUXO_STUDY_STUDY_FILES_H

#include "auxo/study.h"

/* What was written into the folder under this name is the study's from here on. */
auxo_status auxo__study_store(auxo_study *study, const char *name, auxo_error *error);
/* Brings a file of the study into the folder, to be read and then released. Errors: NOT_FOUND. */
auxo_status auxo__study_fetch(auxo_study *study, const char *name, auxo_error *error);
/* What was written, fetched or stored here is not needed in this process any more; the study keeps it. */
void auxo__study_release(auxo_study *study, const char *name);
/* Removes it from the study. */
void auxo__study_discard(auxo_study *study, const char *name);

#endif
