/* server.h: rank 0's side of a study that the ranks of a job work on: a thread that answers the others.
 */
#ifndef AUXO_STUDY_SERVER_H
#define AUXO_STUDY_SERVER_H

#include "remote.h"

typedef struct auxo__study_server auxo__study_server;

/* Serves the file at `path`, whose models lie in `folder`, to all other ranks. */
auxo_status auxo__study_server_start(auxo_cluster *cluster, const char *path, const char *folder,
                                     auxo__study_server **server, auxo_error *error);
/* Waits until every other rank has ended its work, or one has failed. NULL is allowed. */
void auxo__study_server_stop(auxo__study_server *server);

#endif
