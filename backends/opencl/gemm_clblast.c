/* backends/opencl/gemm_clblast.c: the gemm variant "clblast" (Nugteren 2018), f32, where the library is present.
 *
 * Its tuned parameters can be set through CLBlast's override interface; 0 leaves CLBlast's own database in charge. The
 * parameters are CLBlast's, per device and process: the last op prepared decides for all, so a tuning file should give
 * one set per device. On CPU drivers, where its first call compiles for over a minute, it is never preferred and takes
 * large products only.
 */
#include "gemm.h"
#include "kernels.h"

#include <stdlib.h>

enum { CLBLAST_MWG, CLBLAST_NWG, CLBLAST_KWG, CLBLAST_MDIMC, CLBLAST_NDIMC, CLBLAST_VWM, CLBLAST_VWN };
const auxo_tunable ocl_gemm_clblast_tunables[OCL_GEMM_CLBLAST_TUNABLE_COUNT] = {
    [CLBLAST_MWG] = {.name = "mwg", .initial = 0, .value_count = 4, .values = {0, 32, 64, 128}},
    [CLBLAST_NWG] = {.name = "nwg", .initial = 64, .value_count = 3, .values = {32, 64, 128}},
    [CLBLAST_KWG] = {.name = "kwg", .initial = 16, .value_count = 2, .values = {16, 32}},
    [CLBLAST_MDIMC] = {.name = "mdimc", .initial = 16, .value_count = 3, .values = {8, 16, 32}},
    [CLBLAST_NDIMC] = {.name = "ndimc", .initial = 16, .value_count = 3, .values = {8, 16, 32}},
    [CLBLAST_VWM] = {.name = "vwm", .initial = 4, .value_count = 3, .values = {1, 2, 4}},
    [CLBLAST_VWN] = {.name = "vwn", .initial = 4, .value_count = 3, .values = {1, 2, 4}},
};

#ifdef OCL_HAVE_CLBLAST
#include <clblast_c.h>

typedef struct clblast_state {
    void *epilogue; /* task: bias and activation; NULL: neither */
} clblast_state;

bool ocl_gemm_clblast_supports(void *device, const auxo_op *op)
{
    const ocl_device *self = device;
    const common_gemm_view s = common_gemm_view_of(op);
    const double cpu_terms_min = 512.0 * 512.0 * 512.0;
    if (self->info.type == AUXO_DEVICE_CPU && (double)s.m * (double)s.n * (double)s.k < cpu_terms_min)
        return false;
    return op->tensors[AUXO_GEMM_A].dtype == AUXO_DTYPE_F32 && op->tensors[AUXO_GEMM_C].dtype == AUXO_DTYPE_F32 &&
           s.m > 0 && s.n > 0 && s.k > 0 && s.batches > 0 && op->params.gemm.alpha != 0;
}

static auxo_status fail_clblast(CLBlastStatusCode code, const char *what, auxo_error *error)
{
    if (code > -1024) /* CLBlast passes OpenCL's codes on; its own are lower */
        return ocl_fail((cl_int)code, what, error);
    return auxo_error_set(error, AUXO_DRIVER, "CLBlast: %s: status %d", what, (int)code);
}

static auxo_status override_parameters(const ocl_device *device, const int32_t *parameters, auxo_error *error)
{
    const char *names[] = {"MWG", "NWG", "KWG",  "MDIMC", "NDIMC", "MDIMA", "NDIMB", "KWI",
                           "VWM", "VWN", "STRM", "STRN",  "SA",    "SB",    "GEMMK", "KREG"};
    const size_t m_threads = (size_t)parameters[CLBLAST_MDIMC];
    const size_t n_threads = (size_t)parameters[CLBLAST_NDIMC];
    const size_t values[] = {(size_t)parameters[CLBLAST_MWG],
                             (size_t)parameters[CLBLAST_NWG],
                             (size_t)parameters[CLBLAST_KWG],
                             m_threads,
                             n_threads,
                             m_threads,
                             n_threads,
                             2,
                             (size_t)parameters[CLBLAST_VWM],
                             (size_t)parameters[CLBLAST_VWN],
                             0,
                             0,
                             1,
                             1,
                             0,
                             1};
    return fail_clblast(CLBlastOverrideParameters(device->id, "Xgemm", CLBlastPrecisionSingle,
                                                  sizeof values / sizeof values[0], names, values),
                        "CLBlastOverrideParameters", error);
}

static auxo_status prepare_epilogue(void *device, const auxo_op *op, void **task, auxo_error *error)
{
    const auxo_gemm_params *params = &op->params.gemm;
    const common_gemm_view s = common_gemm_view_of(op);
    if (op->tensors[AUXO_GEMM_BIAS].rank == 0 && params->activation == AUXO_ACTIVATION_IDENTITY)
        return AUXO_OK;
    ocl_builder b = ocl_build_begin(device, ((const ocl_device *)device)->group_size, error);
    ocl_build_kernel(&b, "gemm", "gemm_epilogue", "-DINPUT_DTYPE=%d -DOUTPUT_DTYPE=%d", (int)AUXO_DTYPE_F32,
                     (int)AUXO_DTYPE_F32);
    ocl_arg_tensor(&b, &op->tensors[AUXO_GEMM_C]);
    ocl_arg_tensor(&b, &op->tensors[AUXO_GEMM_BIAS]);
    ocl_arg_long(&b, s.m);
    ocl_arg_long(&b, s.n);
    ocl_arg_long(&b, s.batches);
    ocl_arg_long(&b, s.c_batch);
    ocl_arg_long(&b, s.c_row);
    ocl_arg_int(&b, params->bias_per_row);
    ocl_arg_int(&b, params->activation);
    ocl_arg_float(&b, params->slope);
    ocl_build_items(&b, (uint64_t)(s.batches * s.m) * (uint64_t)s.n);
    return ocl_build_end(&b, task);
}

auxo_status ocl_gemm_clblast_prepare(void *device, const auxo_op *op, const int32_t *parameters, void **state,
                                     auxo_error *error)
{
    auxo_status status = AUXO_OK;
    if (parameters[CLBLAST_MWG] > 0)
        status = override_parameters(device, parameters, error);
    if (status != AUXO_OK)
        return status;
    clblast_state *made = calloc(1, sizeof *made);
    if (!made)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "CLBlast: state of a gemm");
    status = prepare_epilogue(device, op, &made->epilogue, error);
    if (status == AUXO_OK)
        *state = made;
    else
        free(made);
    return status;
}

void ocl_gemm_clblast_release(void *device, void *state)
{
    clblast_state *self = state;
    if (!self)
        return;
    ocl_task_release(device, self->epilogue);
    free(self);
}

static size_t element_offset(const auxo_tensor *tensor)
{
    return (size_t)(tensor->offset_bytes / sizeof(float));
}

auxo_status ocl_gemm_clblast_enqueue(void *queue, const auxo_op *op, void *state, auxo_error *error)
{
    ocl_queue *self = queue;
    const clblast_state *prepared = state;
    const auxo_gemm_params *params = &op->params.gemm;
    const common_gemm_view s = common_gemm_view_of(op);
    const auxo_tensor *a = &op->tensors[AUXO_GEMM_A];
    const auxo_tensor *b = &op->tensors[AUXO_GEMM_B];
    const auxo_tensor *c = &op->tensors[AUXO_GEMM_C];
    const CLBlastTranspose trans_a = params->trans_a ? CLBlastTransposeYes : CLBlastTransposeNo;
    const CLBlastTranspose trans_b = params->trans_b ? CLBlastTransposeYes : CLBlastTransposeNo;
    const size_t a_pitch = (size_t)(params->trans_a ? s.a_column : s.a_row);
    const size_t b_pitch = (size_t)(params->trans_b ? s.b_column : s.b_row);
    CLBlastStatusCode code;
    if (s.batches == 1)
        code = CLBlastSgemm(CLBlastLayoutRowMajor, trans_a, trans_b, (size_t)s.m, (size_t)s.n, (size_t)s.k,
                            params->alpha, auxo_tensor_handle(a), element_offset(a), a_pitch, auxo_tensor_handle(b),
                            element_offset(b), b_pitch, params->beta, auxo_tensor_handle(c), element_offset(c),
                            (size_t)s.c_row, &self->handle, NULL);
    else
        code = CLBlastSgemmStridedBatched(CLBlastLayoutRowMajor, trans_a, trans_b, (size_t)s.m, (size_t)s.n,
                                          (size_t)s.k, params->alpha, auxo_tensor_handle(a), element_offset(a), a_pitch,
                                          (size_t)s.a_batch, auxo_tensor_handle(b), element_offset(b), b_pitch,
                                          (size_t)s.b_batch, params->beta, auxo_tensor_handle(c), element_offset(c),
                                          (size_t)s.c_row, (size_t)s.c_batch, (size_t)s.batches, &self->handle, NULL);
    auxo_status status = fail_clblast(code, "CLBlastSgemm", error);
    if (status != AUXO_OK || !prepared->epilogue)
        return status;
    return ocl_task_enqueue(queue, op, prepared->epilogue, error);
}
#else
bool ocl_gemm_clblast_supports(void *device, const auxo_op *op)
{
    (void)device;
    (void)op;
    return false;
}

auxo_status ocl_gemm_clblast_prepare(void *device, const auxo_op *op, const int32_t *parameters, void **state,
                                     auxo_error *error)
{
    (void)device;
    (void)op;
    (void)parameters;
    (void)state;
    return auxo_error_set(error, AUXO_UNSUPPORTED, "CLBlast: not compiled into this library");
}

void ocl_gemm_clblast_release(void *device, void *state)
{
    (void)device;
    (void)state;
}

auxo_status ocl_gemm_clblast_enqueue(void *queue, const auxo_op *op, void *state, auxo_error *error)
{
    (void)queue;
    (void)op;
    (void)state;
    return auxo_error_set(error, AUXO_UNSUPPORTED, "CLBlast: not compiled into this library");
}
#endif
