/* cluster.c: the ranks of a job: joining it, leaving it, sums, messages, and how a failure or a stop on one rank ends
 * all of them.
 *
 * A rank that fails says so to every other before it leaves; whoever waits looks for that, and gives up what it waits
 * for. Invariant: after a failure nothing is summed or broadcast any more.
 */
#include "cluster.h"
#include "clock.h"
#include "library.h"
#include "text.h"

#include "auxo/transport.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LOOK_EVERY = 32 }; /* of how many looks for what is waited for one is for failures */

struct auxo_cluster {
    const auxo_transport *transport;
    void *handle;
    auxo_transport_place place;
    pthread_mutex_t mutex; /* of the transport, which takes one call at a time */
    const volatile int *watched;
    volatile int stop;
    pthread_mutex_t state;
    /* under `state` */
    bool announced;     /* this rank's stop has been told */
    auxo_error failure; /* status OK: none */
};

/* ---- joining ----------------------------------------------------------------------------------------------------- */

const char *auxo_cluster_launcher(void)
{
    const char *size = getenv("OMPI_COMM_WORLD_SIZE"), *steps = getenv("SLURM_STEP_NUM_TASKS");
    const bool managed = getenv("PMIX_RANK") || getenv("PMI_RANK");
    if (size && atol(size) > 1)
        return "mpirun";
    if (managed && steps)
        return atol(steps) > 1 ? "srun" : NULL;
    return managed && !size ? "an MPI launcher" : NULL;
}

static auxo_status load(const char *kind, const auxo_transport **transport, auxo_error *error)
{
    char folder[AUXO__PATH_BYTES], path[AUXO__PATH_BYTES + 64], reason[300] = "";
    const auxo_transport *(*entry)(void) = NULL;
    for (size_t i = 0; !entry && auxo__plugin_folder(i, folder, sizeof folder); i++) {
        snprintf(path, sizeof path, "%s/libauxo_%.32s.so", folder, kind);
        FILE *file = fopen(path, "rb");
        if (!file)
            continue;
        fclose(file);
        void *symbol = auxo__plugin_symbol(path, "auxo_transport_entry", reason, sizeof reason);
        memcpy(&entry, &symbol, sizeof entry); /* C knows no cast from an object to a function */
    }
    if (!entry)
        return auxo_error_set(
            error, AUXO_UNSUPPORTED, "cluster %s: libauxo_%s.so %s%s; install Open MPI and build with it", kind, kind,
            reason[0] ? "cannot be loaded: " : "is neither beside the library nor in a folder of AUXO_BACKEND_PATH",
            reason);
    *transport = entry();
    if ((*transport)->version != AUXO_TRANSPORT_VERSION || (*transport)->struct_size != sizeof **transport)
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "cluster %s: %s was built for another version of libauxo: rebuild it", kind, path);
    return AUXO_OK;
}

auxo_status auxo_cluster_open(const char *kind, auxo_cluster **cluster, auxo_error *error)
{
    *cluster = NULL;
    auxo_cluster *opened = calloc(1, sizeof *opened);
    if (!opened)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "cluster: out of memory");
    auxo_status status = load(kind, &opened->transport, error);
    if (status == AUXO_OK)
        status = opened->transport->open(&opened->handle, &opened->place, error);
    if (status != AUXO_OK) {
        free(opened);
        return status;
    }
    pthread_mutex_init(&opened->mutex, NULL);
    pthread_mutex_init(&opened->state, NULL);
    *cluster = opened;
    return AUXO_OK;
}

void auxo_cluster_close(auxo_cluster *cluster)
{
    if (!cluster)
        return;
    cluster->transport->close(cluster->handle);
    pthread_mutex_destroy(&cluster->mutex);
    pthread_mutex_destroy(&cluster->state);
    free(cluster);
}

uint32_t auxo_cluster_rank(const auxo_cluster *cluster)
{
    return cluster ? cluster->place.rank : 0;
}

uint32_t auxo_cluster_size(const auxo_cluster *cluster)
{
    return cluster ? cluster->place.size : 1;
}

uint32_t auxo_cluster_local_rank(const auxo_cluster *cluster)
{
    return cluster ? cluster->place.local_rank : 0;
}

uint32_t auxo_cluster_local_size(const auxo_cluster *cluster)
{
    return cluster ? cluster->place.local_size : 1;
}

const char *auxo_cluster_library(const auxo_cluster *cluster)
{
    return cluster->place.library;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* First awake, for what comes at once; then asleep for moments, after which the system gives the processor back soon.
 * To yield it would give it away for as long as others at work may keep it. */
static void pause_waiting(uint64_t count)
{
    enum { AWAKE = 400, LONG = 20000 };
    const struct timespec pause = {.tv_nsec = count < LONG ? 10000 : 200000};
    if (count > AWAKE)
        nanosleep(&pause, NULL);
}

static auxo_status test(auxo_cluster *cluster, void **request, bool *done, auxo_error *error)
{
    *done = !*request;
    if (*done)
        return AUXO_OK;
    pthread_mutex_lock(&cluster->mutex);
    auxo_status status = cluster->transport->test(cluster->handle, *request, done, error);
    pthread_mutex_unlock(&cluster->mutex);
    if (status != AUXO_OK || *done)
        *request = NULL;
    return status;
}

static auxo_status wait_for(auxo_cluster *cluster, void **request, auxo_error *error)
{
    bool done = false;
    auxo_status status = test(cluster, request, &done, error);
    for (uint64_t count = 1; status == AUXO_OK && !done; count++) {
        pause_waiting(count);
        if (count % LOOK_EVERY == 0)
            status = auxo__cluster_look(cluster, error);
        if (status == AUXO_OK)
            status = test(cluster, request, &done, error);
    }
    return status;
}

/* ---- sums, broadcasts -------------------------------------------------------------------------------------------- */

auxo_status auxo__cluster_sum_begin(auxo_cluster *cluster, float *values, uint64_t count, auxo__cluster_sum *sum,
                                    auxo_error *error)
{
    sum->request = NULL;
    auxo_status status = auxo_cluster_failure(cluster, error);
    if (status != AUXO_OK || count == 0)
        return status;
    pthread_mutex_lock(&cluster->mutex);
    status = cluster->transport->sum(cluster->handle, values, count, &sum->request, error);
    pthread_mutex_unlock(&cluster->mutex);
    return status;
}

auxo_status auxo__cluster_sum_move(auxo_cluster *cluster, auxo__cluster_sum *sum, auxo_error *error)
{
    bool done = false;
    return test(cluster, &sum->request, &done, error);
}

auxo_status auxo__cluster_sum_end(auxo_cluster *cluster, auxo__cluster_sum *sum, auxo_error *error)
{
    return wait_for(cluster, &sum->request, error);
}

auxo_status auxo_cluster_sum(auxo_cluster *cluster, float *values, uint64_t count, auxo_error *error)
{
    enum { PART = 1 << 26 };
    auxo_status status = AUXO_OK;
    for (uint64_t first = 0; first < count && status == AUXO_OK; first += PART) {
        auxo__cluster_sum sum;
        const uint64_t part = count - first < PART ? count - first : PART;
        status = auxo__cluster_sum_begin(cluster, values + first, part, &sum, error);
        if (status == AUXO_OK)
            status = auxo__cluster_sum_end(cluster, &sum, error);
    }
    return status;
}

auxo_status auxo__cluster_broadcast(auxo_cluster *cluster, void *data, uint64_t size_bytes, auxo_error *error)
{
    enum { PART = 1 << 28 };
    auxo_status status = auxo_cluster_failure(cluster, error);
    for (uint64_t first = 0; first < size_bytes && status == AUXO_OK; first += PART) {
        void *request = NULL;
        const uint64_t part = size_bytes - first < PART ? size_bytes - first : PART;
        pthread_mutex_lock(&cluster->mutex);
        status = cluster->transport->broadcast(cluster->handle, (char *)data + first, part, &request, error);
        pthread_mutex_unlock(&cluster->mutex);
        if (status == AUXO_OK)
            status = wait_for(cluster, &request, error);
    }
    return status;
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static auxo_status begin_send(auxo_cluster *cluster, uint32_t to, int tag, const void *data, uint64_t size_bytes,
                              void **request, auxo_error *error)
{
    pthread_mutex_lock(&cluster->mutex);
    auxo_status status = cluster->transport->send(cluster->handle, to, tag, data, size_bytes, request, error);
    pthread_mutex_unlock(&cluster->mutex);
    return status;
}

auxo_status auxo__cluster_send(auxo_cluster *cluster, uint32_t to, int tag, const void *data, uint64_t size_bytes,
                               auxo_error *error)
{
    void *request = NULL;
    auxo_status status = begin_send(cluster, to, tag, data, size_bytes, &request, error);
    return status == AUXO_OK ? wait_for(cluster, &request, error) : status;
}

static auxo_status receive_one(auxo_cluster *cluster, int tag, bool *found, uint32_t *from, char **data,
                               uint64_t *size_bytes, auxo_error *error)
{
    *data = NULL;
    pthread_mutex_lock(&cluster->mutex);
    auxo_status status = cluster->transport->probe(cluster->handle, tag, found, from, size_bytes, error);
    if (status == AUXO_OK && *found) {
        *data = malloc((size_t)*size_bytes + 1);
        status = *data ? cluster->transport->receive(cluster->handle, *from, tag, *data, *size_bytes, error)
                       : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "cluster: no memory for a message of %llu bytes",
                                        (unsigned long long)*size_bytes);
    }
    pthread_mutex_unlock(&cluster->mutex);
    if (status == AUXO_OK && *found)
        (*data)[*size_bytes] = '\0';
    return status;
}

auxo_status auxo__cluster_receive(auxo_cluster *cluster, int tag, bool wait, bool *found, uint32_t *from, char **data,
                                  uint64_t *size_bytes, auxo_error *error)
{
    auxo_status status = receive_one(cluster, tag, found, from, data, size_bytes, error);
    /* Who asks waits for a thread that may want this processor. */
    const struct timespec pause = {.tv_nsec = 20000};
    for (uint64_t count = 1; status == AUXO_OK && wait && !*found; count++) {
        nanosleep(&pause, NULL);
        if (count % LOOK_EVERY == 0)
            status = auxo__cluster_look(cluster, error);
        if (status == AUXO_OK)
            status = receive_one(cluster, tag, found, from, data, size_bytes, error);
    }
    if (status != AUXO_OK) {
        free(*data);
        *data = NULL;
    }
    return status;
}

/* To every other rank; gives up after some seconds, since one of them may be gone. */
static void tell_all(auxo_cluster *cluster, int tag, const void *data, uint64_t size_bytes)
{
    static const double most_seconds = 5;
    const double began = auxo__now_seconds();
    for (uint32_t to = 0; to < cluster->place.size; to++) {
        void *request = NULL;
        bool done = to == cluster->place.rank;
        if (!done && begin_send(cluster, to, tag, data, size_bytes, &request, NULL) != AUXO_OK)
            continue;
        for (uint64_t count = 0; !done && auxo__now_seconds() - began < most_seconds; count++) {
            if (test(cluster, &request, &done, NULL) != AUXO_OK)
                done = true;
            pause_waiting(count);
        }
    }
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

/* Only the first failure counts. Returns whether this is it. */
static bool keep_failure(auxo_cluster *cluster, auxo_status status, const char *message)
{
    pthread_mutex_lock(&cluster->state);
    const bool first = cluster->failure.status == AUXO_OK;
    if (first)
        auxo_error_set(&cluster->failure, status, "%s", message);
    pthread_mutex_unlock(&cluster->state);
    cluster->stop = 1;
    return first;
}

static void take_failure(auxo_cluster *cluster, uint32_t from, const char *data, uint64_t size_bytes)
{
    int32_t status = AUXO_INTERNAL;
    char message[sizeof cluster->failure.message];
    if (size_bytes <= sizeof status)
        return;
    memcpy(&status, data, sizeof status);
    snprintf(message, sizeof message, "rank %u: %.480s", from, data + sizeof status);
    keep_failure(cluster, status > AUXO_OK && status < AUXO_STATUS_COUNT ? (auxo_status)status : AUXO_INTERNAL,
                 message);
}

auxo_status auxo__cluster_look(auxo_cluster *cluster, auxo_error *error)
{
    bool failed = false, stopped = false;
    uint32_t from = 0;
    uint64_t size_bytes = 0;
    char *data = NULL;
    auxo_status status = receive_one(cluster, AUXO__TAG_FAILURE, &failed, &from, &data, &size_bytes, error);
    if (status == AUXO_OK && failed)
        take_failure(cluster, from, data, size_bytes);
    free(data);
    data = NULL;
    if (status == AUXO_OK)
        status = receive_one(cluster, AUXO__TAG_STOP, &stopped, &from, &data, &size_bytes, error);
    free(data);
    if (stopped)
        cluster->stop = 1;
    return status == AUXO_OK ? auxo_cluster_failure(cluster, error) : status;
}

auxo_status auxo_cluster_failure(auxo_cluster *cluster, auxo_error *error)
{
    if (!cluster)
        return AUXO_OK;
    pthread_mutex_lock(&cluster->state);
    const auxo_error failure = cluster->failure;
    pthread_mutex_unlock(&cluster->state);
    return failure.status == AUXO_OK ? AUXO_OK : auxo_error_set(error, failure.status, "%s", failure.message);
}

static void tell_failure(auxo_cluster *cluster, auxo_status status, const char *message)
{
    char data[sizeof(int32_t) + sizeof cluster->failure.message];
    const int32_t number = (int32_t)status;
    memcpy(data, &number, sizeof number);
    auxo__field_copy(data + sizeof number, sizeof data - sizeof number, message);
    tell_all(cluster, AUXO__TAG_FAILURE, data, sizeof number + strlen(data + sizeof number) + 1);
}

auxo_status auxo_cluster_agree(auxo_cluster *cluster, auxo_status status, auxo_error *error)
{
    if (!cluster)
        return status;
    if (status != AUXO_OK) {
        const char *message = error && error->message[0] ? error->message : auxo_status_text(status);
        if (keep_failure(cluster, status, message))
            tell_failure(cluster, status, message);
        return auxo_cluster_failure(cluster, error);
    }
    float one = 1;
    return auxo_cluster_sum(cluster, &one, 1, error);
}

/* ---- stops ------------------------------------------------------------------------------------------------------- */

void auxo_cluster_watch(auxo_cluster *cluster, const volatile int *stop)
{
    cluster->watched = stop;
}

const volatile int *auxo_cluster_stop(const auxo_cluster *cluster)
{
    return &cluster->stop;
}

bool auxo__cluster_wants_stop(const auxo_cluster *cluster)
{
    return cluster->watched && *cluster->watched;
}

void auxo__cluster_agree_on_stop(auxo_cluster *cluster)
{
    cluster->stop = 1;
}

void auxo__cluster_announce_stop(auxo_cluster *cluster)
{
    pthread_mutex_lock(&cluster->state);
    const bool first = !cluster->announced;
    cluster->announced = true;
    pthread_mutex_unlock(&cluster->state);
    cluster->stop = 1;
    if (first)
        tell_all(cluster, AUXO__TAG_STOP, "", 0);
}
