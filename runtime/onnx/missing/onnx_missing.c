/* onnx_missing.c: stands in for runtime/onnx where protobuf-c was missing when the library was built. */
#include "auxo/onnx.h"

static auxo_status is_missing(auxo_error *error)
{
    return auxo_error_set(error, AUXO_UNSUPPORTED,
                          "onnx: this library was built without protobuf-c; install libprotobuf-c-dev and "
                          "protobuf-c-compiler, and build it again");
}

auxo_status auxo_onnx_export(auxo_model *model, const auxo_step_function *hazard, const char *path, auxo_error *error)
{
    (void)model, (void)hazard, (void)path;
    return is_missing(error);
}

auxo_status auxo_onnx_import(auxo_device *device, const char *path, auxo_model **model, auxo_error *error)
{
    (void)device, (void)path;
    *model = NULL;
    return is_missing(error);
}
