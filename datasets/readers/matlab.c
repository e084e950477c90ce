/* matlab.c: MATLAB files of versions 5 to 7.3 through matio: numbers by name, in its order (column-major). */
#include "reader_entry.h"

#include <matio.h>

static auxo_status open_file(const char *path, void **file, auxo_error *error)
{
    *file = Mat_Open(path, MAT_ACC_RDONLY);
    return *file ? AUXO_OK : auxo_error_set(error, AUXO_FORMAT, "%s: not a MATLAB file that matio can open", path);
}

static void *find_array(void *file, const char *name, auxo_array_head *head)
{
    matvar_t *array = Mat_VarReadInfo(file, name);
    *head = (auxo_array_head){.element = AUXO_ELEMENT_COUNT};
    if (!array || array->rank < 1 || array->rank > AUXO_ARRAY_RANK_MAX) {
        Mat_VarFree(array);
        return NULL;
    }
    head->rank = (uint32_t)array->rank;
    for (uint32_t i = 0; i < head->rank; i++)
        head->dims[i] = array->dims[i];
    head->element = array->isComplex                    ? AUXO_ELEMENT_COUNT
                    : array->class_type == MAT_C_UINT8  ? AUXO_ELEMENT_U8
                    : array->class_type == MAT_C_DOUBLE ? AUXO_ELEMENT_F64
                                                        : AUXO_ELEMENT_COUNT;
    return array;
}

static const void *read_array(void *file, void *array)
{
    matvar_t *variable = array;
    return Mat_VarReadDataAll(file, variable) == 0 ? variable->data : NULL;
}

static void release_array(void *array)
{
    Mat_VarFree(array);
}

static void close_file(void *file)
{
    Mat_Close(file);
}

static const auxo_array_reader arrays = {open_file, find_array, read_array, release_array, close_file};
AUXO_READER(matlab, NULL, &arrays)
