/* runtime/ops/verify.c: the conformance suite: every op, every kernel variant, every case; and the self-test. */
#include "auxo/verify.h"
#include "device_internal.h"
#include "known_answer.h"
#include "verify_run.h"

#include <string.h>

/* The device under test and the reference, each with a queue. */
typedef struct bench_pair {
    auxo_queue *queue;
    auxo_device *reference;
    auxo_queue *reference_queue;
} bench_pair;

static void close_pair(bench_pair *pair)
{
    auxo_queue_destroy(pair->reference_queue);
    auxo_device_close(pair->reference);
    auxo_queue_destroy(pair->queue);
}

static auxo_status open_pair(auxo_device *device, bench_pair *pair, auxo_error *error)
{
    memset(pair, 0, sizeof *pair);
    auxo_status status = auxo_queue_create(device, &pair->queue, error);
    if (status == AUXO_OK)
        status = auxo__device_open_oracle(device->runtime, &pair->reference, error);
    if (status == AUXO_OK)
        status = auxo_queue_create(pair->reference, &pair->reference_queue, error);
    if (status != AUXO_OK)
        close_pair(pair);
    return status;
}

/* One case on one kernel. *supported as in auxo__case_run. */
static auxo_status judge(const bench_pair *pair, const auxo__case *tested, const auxo_kernel *kernel,
                         const int32_t *parameters, const auxo__case_expectation *expectation, bool *supported,
                         auxo_error *error)
{
    auxo__case_result result;
    memset(&result, 0, sizeof result);
    auxo_status status = auxo__case_run(tested, pair->queue, kernel, parameters, supported, &result, error);
    if (status == AUXO_OK && *supported)
        status = auxo__case_compare(tested, &result, expectation, error);
    auxo__case_result_deinit(&result);
    return status;
}

/* State of one auxo_verify. */
typedef struct verification {
    const auxo_verify_options *options;
    bench_pair pair;
    auxo_device *device;
    auxo_verify_summary summary;
    auxo_error first_failure; /* status OK: none so far */
    bool variant_found;
} verification;

static void report(verification *run, auxo_op_kind kind, const char *variant, const char *case_text,
                   auxo_verify_outcome outcome, const char *message)
{
    const auxo_verify_result result = {kind, variant, case_text, outcome, message};
    run->summary.passed += outcome == AUXO_VERIFY_PASSED;
    run->summary.failed += outcome == AUXO_VERIFY_FAILED;
    run->summary.unsupported += outcome == AUXO_VERIFY_UNSUPPORTED;
    if (run->options->callback)
        run->options->callback(run->options->user, &result);
}

static bool wants_variant(const verification *run, const auxo_kernel *kernel)
{
    return !run->options->variant || strcmp(run->options->variant, kernel->variant) == 0;
}

enum { DECLINED_MAX = 16 };
typedef struct declined_variant {
    const char *name;
    auxo_error reason;
} declined_variant;

/* A variant may find only when it is prepared that the device cannot run it (its driver's limit for one kernel), and
 * the next is taken instead: no failure, unless no variant runs the case. */
static void report_declined(verification *run, auxo_op_kind kind, const char *variant, const auxo__case *tested,
                            size_t ran, const auxo_error *reason)
{
    report(run, kind, variant, tested->text, ran ? AUXO_VERIFY_UNSUPPORTED : AUXO_VERIFY_FAILED, reason->message);
    if (!ran && run->first_failure.status == AUXO_OK)
        auxo_error_set(&run->first_failure, reason->status, "variant %s: %s", variant, reason->message);
}

/* One case on all variants. A failure of a kernel is reported and the suite goes on; a lost device ends it. */
static auxo_status verify_case(verification *run, auxo_op_kind kind, size_t index, auxo_error *error)
{
    auxo_kernel_list kernels = auxo__device_kernels(run->device, kind);
    auxo__case tested;
    auxo__case_expectation expectation;
    memset(&expectation, 0, sizeof expectation);
    auxo_status status = auxo__case_init(&tested, kind, index, run->options->seed, error);
    const bool runs = !run->options->prepare_only;
    if (status == AUXO_OK && runs)
        status = auxo__case_expect(kind, index, run->options->seed, run->pair.reference_queue, &expectation, error);
    declined_variant declined[DECLINED_MAX];
    size_t declined_count = 0, ran = 0;
    for (size_t i = 0; i < kernels.count && status == AUXO_OK; i++) {
        const auxo_kernel *kernel = &kernels.variants[i];
        auxo_error failure = {AUXO_OK, ""};
        bool supported = false;
        if (!wants_variant(run, kernel))
            continue;
        auxo_status judged = runs ? judge(&run->pair, &tested, kernel, NULL, &expectation, &supported, &failure)
                                  : auxo__case_prepare(&tested, run->pair.queue, kernel, &supported, &failure);
        if (judged == AUXO_UNSUPPORTED && supported && declined_count < DECLINED_MAX) {
            declined[declined_count++] = (declined_variant){kernel->variant, failure};
            continue;
        }
        ran += supported;
        if (judged == AUXO_OK) {
            report(run, kind, kernel->variant, tested.text, supported ? AUXO_VERIFY_PASSED : AUXO_VERIFY_UNSUPPORTED,
                   "");
            continue;
        }
        report(run, kind, kernel->variant, tested.text, AUXO_VERIFY_FAILED, failure.message);
        if (run->first_failure.status == AUXO_OK)
            auxo_error_set(&run->first_failure, judged, "variant %s: %s", kernel->variant, failure.message);
        if (judged == AUXO_DEVICE_LOST)
            status = auxo_error_set(error, judged, "%s", run->first_failure.message);
    }
    for (size_t i = 0; i < declined_count; i++)
        report_declined(run, kind, declined[i].name, &tested, ran, &declined[i].reason);
    auxo__case_expectation_deinit(&expectation);
    auxo__case_deinit(&tested);
    return status;
}

static auxo_status verify_op(verification *run, auxo_op_kind kind, auxo_error *error)
{
    const auxo__suite *suite = auxo__op_suite(kind);
    auxo_kernel_list kernels = auxo__device_kernels(run->device, kind);
    size_t case_count = run->options->quick ? suite->quick_count : auxo__suite_count(suite);
    if (kernels.count == 0) {
        run->summary.ops_without_kernel++;
        report(run, kind, "", "no kernel on this device", AUXO_VERIFY_UNSUPPORTED, "");
        return AUXO_OK;
    }
    bool wanted = false;
    for (size_t i = 0; i < kernels.count; i++)
        wanted |= wants_variant(run, &kernels.variants[i]);
    if (!wanted)
        return AUXO_OK;
    run->variant_found = true;
    for (size_t index = 0; index < case_count; index++) {
        auxo_status status = verify_case(run, kind, index, error);
        if (status != AUXO_OK)
            return status;
    }
    return AUXO_OK;
}

static auxo_status conclude(const verification *run, auxo_error *error)
{
    const char *selector = run->device->info.selector;
    if (run->options->variant && !run->variant_found && run->summary.ops_without_kernel == 0)
        return auxo_error_set(error, AUXO_NOT_FOUND, "device %s has no kernel variant \"%s\"", selector,
                              run->options->variant);
    if (run->summary.failed)
        return auxo_error_set(error, AUXO_WRONG_RESULT, "device %s: %llu of %llu cases failed; the first: %s", selector,
                              (unsigned long long)run->summary.failed,
                              (unsigned long long)(run->summary.failed + run->summary.passed),
                              run->first_failure.message);
    return AUXO_OK;
}

auxo_status auxo_verify(auxo_device *device, const auxo_verify_options *options, auxo_verify_summary *summary,
                        auxo_error *error)
{
    const auxo_verify_options defaults = {NULL, NULL, 0, false, false, NULL, NULL};
    verification run;
    memset(&run, 0, sizeof run);
    run.options = options ? options : &defaults;
    run.device = device;
    auxo_op_kind only = AUXO_OP_COUNT;
    auxo_status status = run.options->op ? auxo_op_find(run.options->op, &only, error) : AUXO_OK;
    if (status == AUXO_OK)
        status = open_pair(device, &run.pair, error);
    if (status != AUXO_OK)
        return status;
    for (int kind = 0; kind < AUXO_OP_COUNT && status == AUXO_OK; kind++)
        if (only == AUXO_OP_COUNT || only == (auxo_op_kind)kind)
            status = verify_op(&run, (auxo_op_kind)kind, error);
    close_pair(&run.pair);
    if (summary)
        *summary = run.summary;
    return status == AUXO_OK ? conclude(&run, error) : status;
}

/* Cases [begin, end) on one kernel; *tested_count grows by those it takes. */
static auxo_status prove(const bench_pair *pair, auxo_op_kind kind, const auxo_kernel *kernel,
                         const int32_t *parameters, size_t begin, size_t end, size_t *tested_count, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (size_t index = begin; index < end && status == AUXO_OK; index++) {
        auxo__case tested;
        auxo__case_expectation expectation;
        memset(&expectation, 0, sizeof expectation);
        bool supported = false;
        status = auxo__case_init(&tested, kind, index, 0, error);
        if (status == AUXO_OK)
            status = auxo__case_expect(kind, index, 0, pair->reference_queue, &expectation, error);
        if (status == AUXO_OK)
            status = judge(pair, &tested, kernel, parameters, &expectation, &supported, error);
        *tested_count += supported;
        auxo__case_expectation_deinit(&expectation);
        auxo__case_deinit(&tested);
    }
    return status;
}

auxo_status auxo__known_answer(auxo_device *device, auxo_op_kind kind, auxo_dtype half, const auxo_kernel *kernel,
                               const int32_t *parameters, auxo_error *error)
{
    const auxo__suite *suite = auxo__op_suite(kind);
    bench_pair pair;
    size_t tested_count = 0;
    auxo_status status = open_pair(device, &pair, error);
    if (status != AUXO_OK)
        return status;
    status = prove(&pair, kind, kernel, parameters, 0, suite->quick_count, &tested_count, error);
    const bool in_half = auxo_dtype_is_half(half) && suite->half_count > 0;
    const size_t first = in_half ? auxo__suite_half_index(suite, 0, half) : 0;
    const size_t count = suite->half_count < suite->quick_count ? suite->half_count : suite->quick_count;
    if (status == AUXO_OK && in_half)
        status = prove(&pair, kind, kernel, parameters, first, first + count, &tested_count, error);
    if (status == AUXO_OK && tested_count == 0)
        status = prove(&pair, kind, kernel, parameters, suite->quick_count, suite->case_count, &tested_count, error);
    if (status == AUXO_OK && tested_count == 0 && in_half)
        status = prove(&pair, kind, kernel, parameters, first + count, first + suite->half_count, &tested_count, error);
    close_pair(&pair);
    if (status == AUXO_OK && tested_count == 0)
        return auxo_error_set(error, AUXO_UNSUPPORTED, "%s: variant %s takes none of the known-answer cases",
                              auxo_op_noun(kind), kernel->variant);
    return status;
}
