/* backends/mpi/mpi.c: libauxo_mpi.so: auxo/transport.h by MPI. Knows nothing of what it carries.
 *
 * Sums are MPI_Iallreduce. Open MPI carries it out by a schedule (coll/libnbc) that follows from the number of ranks
 * and of values alone, each partial sum in one order and copied from there to the ranks that need it: same values, same
 * bits, on every rank. Messages have a communicator of their own, so that they never meet a sum.
 */
#include "auxo/transport.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    MPI_Comm sums, messages;
} job;

static auxo_status failed(int code, const char *what, auxo_error *error)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(code, text, &length);
    return auxo_error_set(error, AUXO_IO, "MPI: %s: %s", what, text);
}

/* ---- joining ----------------------------------------------------------------------------------------------------- */

static int place_self(MPI_Comm world, auxo_transport_place *place)
{
    int rank = 0, size = 1, local_rank = 0, local_size = 1, length = 0;
    char host[MPI_MAX_PROCESSOR_NAME + 1] = "", library[MPI_MAX_LIBRARY_VERSION_STRING + 1] = "";
    MPI_Comm machine = MPI_COMM_NULL;
    int code = MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
    if (code != MPI_SUCCESS)
        return code;
    MPI_Comm_rank(world, &rank);
    MPI_Comm_size(world, &size);
    MPI_Comm_rank(machine, &local_rank);
    MPI_Comm_size(machine, &local_size);
    MPI_Comm_free(&machine);
    MPI_Get_processor_name(host, &length);
    MPI_Get_library_version(library, &length);
    library[strcspn(library, ",\n")] = '\0'; /* what follows is how it was built */
    *place = (auxo_transport_place){.rank = (uint32_t)rank,
                                    .size = (uint32_t)size,
                                    .local_rank = (uint32_t)local_rank,
                                    .local_size = (uint32_t)local_size};
    snprintf(place->host, sizeof place->host, "%.63s", host);
    snprintf(place->library, sizeof place->library, "%.95s", library);
    return MPI_SUCCESS;
}

static auxo_status open_job(void **handle, auxo_transport_place *place, auxo_error *error)
{
    int provided = 0, begun = 0;
    MPI_Initialized(&begun);
    if (begun)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "MPI: this process has joined its job already");
    int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
    if (code != MPI_SUCCESS)
        return failed(code, "joining the job", error);
    job *joined = calloc(1, sizeof *joined);
    if (!joined || provided < MPI_THREAD_SERIALIZED) {
        free(joined);
        MPI_Finalize();
        return auxo_error_set(error, AUXO_UNSUPPORTED, "MPI: this library allows no calls from several threads");
    }
    code = MPI_Comm_dup(MPI_COMM_WORLD, &joined->sums);
    if (code == MPI_SUCCESS)
        code = MPI_Comm_dup(MPI_COMM_WORLD, &joined->messages);
    if (code == MPI_SUCCESS)
        code = place_self(joined->sums, place);
    if (code != MPI_SUCCESS)
        return failed(code, "joining the job", error);
    MPI_Comm_set_errhandler(joined->sums, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(joined->messages, MPI_ERRORS_RETURN);
    *handle = joined;
    return AUXO_OK;
}

/* After a failure sums may be under way that will never end; MPI_Finalize leaves them. */
static void close_job(void *handle)
{
    free(handle);
    MPI_Finalize();
}

/* ---- what takes longer ------------------------------------------------------------------------------------------- */

static MPI_Request *new_request(void **request, auxo_error *error)
{
    MPI_Request *made = malloc(sizeof *made);
    *request = made;
    if (!made)
        auxo_error_set(error, AUXO_OUT_OF_MEMORY, "MPI: out of memory");
    return made;
}

static auxo_status begun(int code, const char *what, void **request, auxo_error *error)
{
    if (code == MPI_SUCCESS)
        return AUXO_OK;
    free(*request);
    *request = NULL;
    return failed(code, what, error);
}

static auxo_status sum(void *handle, float *values, uint64_t count, void **request, auxo_error *error)
{
    const job *own = handle;
    MPI_Request *made = new_request(request, error);
    return made ? begun(MPI_Iallreduce(MPI_IN_PLACE, values, (int)count, MPI_FLOAT, MPI_SUM, own->sums, made), "sum",
                        request, error)
                : AUXO_OUT_OF_MEMORY;
}

static auxo_status broadcast(void *handle, void *data, uint64_t size_bytes, void **request, auxo_error *error)
{
    const job *own = handle;
    MPI_Request *made = new_request(request, error);
    return made ? begun(MPI_Ibcast(data, (int)size_bytes, MPI_BYTE, 0, own->sums, made), "broadcast", request, error)
                : AUXO_OUT_OF_MEMORY;
}

static auxo_status send_message(void *handle, uint32_t to, int tag, const void *data, uint64_t size_bytes,
                                void **request, auxo_error *error)
{
    const job *own = handle;
    MPI_Request *made = new_request(request, error);
    return made ? begun(MPI_Isend(data, (int)size_bytes, MPI_BYTE, (int)to, tag, own->messages, made), "message",
                        request, error)
                : AUXO_OUT_OF_MEMORY;
}

static auxo_status test(void *handle, void *request, bool *done, auxo_error *error)
{
    int ended = 0;
    (void)handle;
    const int code = MPI_Test(request, &ended, MPI_STATUS_IGNORE);
    *done = ended != 0;
    if (code != MPI_SUCCESS || ended)
        free(request);
    return code == MPI_SUCCESS ? AUXO_OK : failed(code, "waiting for another rank", error);
}

static auxo_status probe(void *handle, int tag, bool *found, uint32_t *from, uint64_t *size_bytes, auxo_error *error)
{
    const job *own = handle;
    MPI_Status status;
    int flag = 0, count = 0;
    int code = MPI_Iprobe(MPI_ANY_SOURCE, tag, own->messages, &flag, &status);
    *found = code == MPI_SUCCESS && flag;
    if (!*found)
        return code == MPI_SUCCESS ? AUXO_OK : failed(code, "looking for a message", error);
    code = MPI_Get_count(&status, MPI_BYTE, &count);
    *from = (uint32_t)status.MPI_SOURCE;
    *size_bytes = (uint64_t)count;
    return code == MPI_SUCCESS ? AUXO_OK : failed(code, "looking for a message", error);
}

static auxo_status receive(void *handle, uint32_t from, int tag, void *data, uint64_t size_bytes, auxo_error *error)
{
    const job *own = handle;
    const int code = MPI_Recv(data, (int)size_bytes, MPI_BYTE, (int)from, tag, own->messages, MPI_STATUS_IGNORE);
    return code == MPI_SUCCESS ? AUXO_OK : failed(code, "a message", error);
}

static const auxo_transport transport = {.name = "mpi",
                                         .struct_size = sizeof(auxo_transport),
                                         .version = AUXO_TRANSPORT_VERSION,
                                         .open = open_job,
                                         .close = close_job,
                                         .sum = sum,
                                         .broadcast = broadcast,
                                         .send = send_message,
                                         .test = test,
                                         .probe = probe,
                                         .receive = receive};

__attribute__((visibility("default"))) const auxo_transport *auxo_transport_entry(void);
const auxo_transport *auxo_transport_entry(void)
{
    return &transport;
}
