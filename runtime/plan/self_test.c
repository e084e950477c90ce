/* self_test.c: which kernel variants have proven themselves on a device.
 *
 * Before a variant is used with given parameters for the first time, the known-answer check of runtime/ops/ runs it
 * against the reference. Passes are kept in a text file per device in the cache folder, valid for one library version,
 * device and driver (self_test_file.c); failures are kept only as long as the device is open, so that they are tried
 * again next time.
 *
 * Invariant: `records` holds each key once; `dirty` says that a pass is not on disk yet.
 */
#include "file.h"
#include "known_answer.h"
#include "plan_internal.h"
#include "self_test_file.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct proof {
    char key[224]; /* "gemm tiled tile_m=64,tile_n=64", "gemm:bf16 tiled ..." */
    auxo_status status;
    bool proven;   /* not merely accepted for want of a test */
    char *message; /* of a failure, own */
} proof;

typedef struct proof_store {
    auxo_device *device;
    proof *records;
    size_t count, capacity;
    bool dirty, unprovable_logged;
} proof_store;

static void make_key(const auxo_kernel *kernel, const auxo_op *op, const int32_t *parameters, char *key,
                     size_t capacity)
{
    const auxo_dtype half = auxo__op_half_format(op);
    key[0] = '\0';
    auxo__text_append(key, capacity, "%s%s%s %s ", auxo_op_noun(op->kind), half == AUXO_DTYPE_F32 ? "" : ":",
                      half == AUXO_DTYPE_F32 ? "" : auxo_dtype_text(half), kernel->variant);
    for (size_t i = 0; i < kernel->tunable_count; i++)
        auxo__text_append(key, capacity, "%s%s=%d", i > 0 ? "," : "", kernel->tunables[i].name, (int)parameters[i]);
    if (kernel->tunable_count == 0)
        auxo__text_append(key, capacity, "-");
}

static proof *find(const proof_store *store, const char *key)
{
    for (size_t i = 0; i < store->count; i++) {
        if (strcmp(store->records[i].key, key) == 0)
            return &store->records[i];
    }
    return NULL;
}

/* Out of memory loses only the memory of a proof, which is then made again. */
static void remember(proof_store *store, const char *key, auxo_status status, bool proven, const char *message)
{
    if (store->count == store->capacity) {
        size_t capacity = store->capacity ? 2 * store->capacity : 64;
        proof *grown = realloc(store->records, capacity * sizeof *grown);
        if (!grown)
            return;
        store->records = grown;
        store->capacity = capacity;
    }
    proof *record = &store->records[store->count++];
    memset(record, 0, sizeof *record);
    auxo__field_copy(record->key, sizeof record->key, key);
    record->status = status;
    record->proven = proven;
    record->message = message ? auxo__text_duplicate(message) : NULL;
}

/* "<cache>/self-test-<backend>-<device name>.txt" with everything unusual in the name as '_'. */
static bool cache_path(const auxo_device *device, char *path, size_t capacity)
{
    if (!device->runtime->cache_dir)
        return false;
    char name[sizeof device->info.name];
    auxo__field_copy(name, sizeof name, device->info.name);
    for (char *c = name; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '-';
        *c = plain ? *c : '_';
    }
    int length =
        snprintf(path, capacity, "%s/self-test-%s-%s.txt", device->runtime->cache_dir, device->info.backend, name);
    return length > 0 && (size_t)length < capacity;
}

static void keep_proof(void *user, const char *key)
{
    if (!find(user, key))
        remember(user, key, AUXO_OK, true, NULL);
}

static void load(proof_store *store)
{
    char path[4096];
    char *text = NULL;
    size_t size_bytes = 0;
    if (!cache_path(store->device, path, sizeof path) || auxo__file_read(path, &text, &size_bytes, NULL))
        return;
    auxo__proofs_read(text, size_bytes, &store->device->info, keep_proof, store);
    free(text);
}

static auxo_status write_proofs(const proof_store *store, const char *path, auxo_error *error)
{
    auxo__json text = {0};
    auxo__proofs_begin(&text, &store->device->info);
    for (size_t i = 0; i < store->count; i++)
        if (store->records[i].proven)
            auxo__proofs_add(&text, store->records[i].key);
    auxo__proofs_end(&text);
    auxo_status status = auxo__json_finish(&text, error);
    if (status == AUXO_OK)
        status = auxo__file_write_atomic(path, text.text, text.used, error);
    auxo__json_deinit(&text);
    return status;
}

/* With what other processes have proved meanwhile. */
static void save(proof_store *store)
{
    char path[4096];
    auxo_error reason = {0};
    auxo__file_lock lock = AUXO__FILE_UNLOCKED;
    if (!store->dirty || !cache_path(store->device, path, sizeof path))
        return;
    auxo_status status = auxo__file_lock_take(&lock, path, true, &reason);
    if (status == AUXO_OK) {
        load(store);
        status = write_proofs(store, path, &reason);
    }
    auxo__file_lock_release(&lock);
    if (status != AUXO_OK)
        auxo__log(store->device->runtime, AUXO_LOG_WARNING, "self-test results are not cached: %s", reason.message);
    store->dirty = false;
}

static void destroy_store(void *data)
{
    proof_store *store = data;
    save(store);
    for (size_t i = 0; i < store->count; i++)
        free(store->records[i].message);
    free(store->records);
    free(store);
}

static proof_store *store_of(auxo_device *device)
{
    if (device->plan.data)
        return device->plan.data;
    proof_store *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->device = device;
    load(store);
    device->plan.data = store;
    device->plan.destroy = destroy_store;
    return store;
}

/* A variant that cannot be tested is used, but not silently: no reference in this build, or no case that fits it. */
static auxo_status accept_unproven(proof_store *store, const char *key, auxo_status status, const char *message)
{
    auxo_device *device = store->device;
    if (status == AUXO_NOT_FOUND) {
        if (!store->unprovable_logged)
            auxo__log(device->runtime, AUXO_LOG_WARNING, "device %s: kernels run without self-test: %s",
                      device->info.selector, message);
        store->unprovable_logged = true;
    } else {
        auxo__log(device->runtime, AUXO_LOG_WARNING, "device %s: '%s' runs without self-test: %s",
                  device->info.selector, key, message);
    }
    return AUXO_OK;
}

auxo_status auxo__self_test(auxo_device *device, const auxo_kernel *kernel, const auxo_op *op,
                            const int32_t *parameters, auxo_error *error)
{
    proof_store *store = store_of(device);
    if (!store)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory testing %s", auxo_op_noun(op->kind));
    char key[sizeof store->records[0].key];
    make_key(kernel, op, parameters, key, sizeof key);
    const proof *known = find(store, key);
    if (known && known->status)
        return auxo_error_set(error, known->status, "%s", known->message ? known->message : "failed before");
    if (known)
        return AUXO_OK;
    auxo_error reason = {0};
    auxo_status status = auxo__known_answer(device, op->kind, auxo__op_half_format(op), kernel, parameters, &reason);
    auxo__device_note(device, status, &reason);
    switch (status) {
    case AUXO_OK:
        remember(store, key, AUXO_OK, true, NULL);
        store->dirty = true;
        return AUXO_OK;
    case AUXO_NOT_FOUND:
    case AUXO_UNSUPPORTED:
        remember(store, key, AUXO_OK, false, NULL);
        return accept_unproven(store, key, status, reason.message);
    case AUXO_DEVICE_LOST:
    case AUXO_OUT_OF_MEMORY:
    case AUXO_OUT_OF_DEVICE_MEMORY:
        return auxo_error_set(error, status, "self-test of '%s': %s", key, reason.message);
    default:
        remember(store, key, status, false, reason.message);
        return auxo_error_set(error, status, "%s", reason.message);
    }
}

void auxo__self_test_save(auxo_device *device)
{
    if (device->plan.data)
        save(device->plan.data);
}
