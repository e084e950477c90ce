/* builtin.c: built-in networks by name, and the helpers that they share. JSON files go to desc_json.c.
 *
 * Convolutional networks: builtin_conv.c, fully connected ones: builtin_mlp.c, residual ones: builtin_resnet.c.
 */
#include "file.h"
#include "model_internal.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct builtin_entry {
    const char *name;
    auxo__builtin *build;
} builtins[] = {
    {"mlp", auxo__builtin_mlp},
    {"linear", auxo__builtin_linear},
    {"lenet5", auxo__builtin_lenet5},
    {"autosize-cnn", auxo__builtin_autosize_cnn},
    {"autosize-mlp", auxo__builtin_autosize_mlp},
    {"vgg-small", auxo__builtin_vgg_small},
    {"conv", auxo__builtin_conv},
    {"resnet18", auxo__builtin_resnet18},
    {"resnet18-imagenet", auxo__builtin_resnet18_imagenet},
    {"resnet34", auxo__builtin_resnet34},
    {"resnet34-imagenet", auxo__builtin_resnet34_imagenet},
    {"vgg16", auxo__builtin_vgg16},
};
enum { BUILTIN_COUNT = sizeof builtins / sizeof *builtins };

auxo_status auxo__builtin_input(const auxo__builtin_request *request, auxo_model_desc *desc, auxo_error *error)
{
    auxo_layer input = {.name = "input", .kind = AUXO_LAYER_INPUT, .output_dims = {request->c, request->h, request->w}};
    return auxo_model_desc_add(desc, &input, NULL, error);
}

auxo_status auxo__builtin_chain(auxo_model_desc *desc, const auxo_layer *layer, auxo_error *error)
{
    auxo_layer chained = *layer;
    chained.input_count = 1;
    chained.inputs[0] = desc->layer_count - 1;
    return auxo_model_desc_add(desc, &chained, NULL, error);
}

auxo_status auxo__parse_sizes(const char *text, uint32_t *sizes, uint32_t capacity, uint32_t *count, const char **rest,
                              auxo_error *error)
{
    const char *at = text;
    for (*count = 0;; at++) {
        char *end;
        unsigned long size = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : 0;
        if (size == 0 || size > INT32_MAX || *count == capacity)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                  "\"%s\" is not a list of at most %u positive sizes like 4-5-5-2", text, capacity);
        sizes[(*count)++] = (uint32_t)size;
        at = end;
        if (*at != '-')
            break;
    }
    if (*at != 0 && *at != ':')
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "\"%s\": unexpected \"%s\" after the sizes", text, at);
    *rest = at;
    return AUXO_OK;
}

static auxo_status load_builtin(const struct builtin_entry *entry, const char *name,
                                const auxo__builtin_request *request, auxo_model_desc *desc, auxo_error *error)
{
    snprintf(desc->name, sizeof desc->name, "%s", name);
    auxo_status status = entry->build(request, desc, error);
    if (status == AUXO_OK)
        status = auxo_model_desc_finish(desc, error);
    if (status != AUXO_OK)
        auxo_error_wrap(error, status, "model \"%s\"", name);
    return status;
}

static auxo_status read_text(const char *path, char **text, auxo_error *error)
{
    enum { SIZE_LIMIT_BYTES = 64 << 20 };
    FILE *file = fopen(path, "rb");
    if (!file)
        return auxo_error_set(error, auxo__file_status(errno), "cannot open the model file \"%s\": %s", path,
                              strerror(errno));
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    *text = size >= 0 && size <= SIZE_LIMIT_BYTES ? malloc((size_t)size + 1) : NULL;
    if (size >= 0 && size <= SIZE_LIMIT_BYTES && !*text) {
        fclose(file);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory reading the model file \"%s\"", path);
    }
    bool read = *text && fseek(file, 0, SEEK_SET) == 0 && fread(*text, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    if (!read) {
        free(*text);
        *text = NULL;
        return auxo_error_set(error, AUXO_IO, "cannot read the model file \"%s\"", path);
    }
    (*text)[size] = 0;
    return AUXO_OK;
}

/* A file's network must fit the data: the same input shape and number of outputs. */
static auxo_status check_fit(const auxo_model_desc *desc, const char *path, const auxo__builtin_request *request,
                             auxo_error *error)
{
    const int64_t *in = desc->layers[0].output_dims;
    int64_t outputs = auxo__layer_size(&desc->layers[desc->layer_count - 1]);
    if (request->c != 0 && (in[0] != request->c || in[1] != request->h || in[2] != request->w))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "\"%s\": the model reads (%lld, %lld, %lld), but the data are (%lld, %lld, %lld)", path,
                              (long long)in[0], (long long)in[1], (long long)in[2], (long long)request->c,
                              (long long)request->h, (long long)request->w);
    if (request->outputs != 0 && outputs != request->outputs)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "\"%s\": the model has %lld outputs, but the data need %u",
                              path, (long long)outputs, request->outputs);
    return AUXO_OK;
}

static auxo_status load_file(const char *path, const auxo__builtin_request *request, auxo_model_desc *desc,
                             auxo_error *error)
{
    char *text = NULL;
    auxo_status status = read_text(path, &text, error);
    if (status != AUXO_OK)
        return status;
    status = auxo_model_desc_from_json(text, desc, error);
    free(text);
    if (status != AUXO_OK)
        return auxo_error_wrap(error, status, "%s", path);
    return check_fit(desc, path, request, error);
}

auxo_status auxo_model_desc_load(const char *name, int64_t c, int64_t h, int64_t w, uint32_t outputs,
                                 auxo_model_desc *desc, auxo_error *error)
{
    auxo_model_desc_init(desc);
    const char *colon = strchr(name, ':');
    auxo__builtin_request request = {.options = colon ? colon + 1 : NULL, .c = c, .h = h, .w = w, .outputs = outputs};
    size_t length = colon ? (size_t)(colon - name) : strlen(name), name_length = strlen(name);
    const char *names[BUILTIN_COUNT];
    auxo_status status = AUXO_NOT_FOUND;
    bool found = false;
    for (size_t i = 0; i < BUILTIN_COUNT; i++) {
        names[i] = builtins[i].name;
        if (!found && strlen(names[i]) == length && strncmp(names[i], name, length) == 0) {
            found = true;
            status = load_builtin(&builtins[i], name, &request, desc, error);
        }
    }
    if (!found && ((name_length > 5 && strcmp(name + name_length - 5, ".json") == 0) || strchr(name, '/'))) {
        found = true;
        status = load_file(name, &request, desc, error);
    }
    if (!found) {
        char head[64];
        snprintf(head, sizeof head, "%.*s", (int)length, name);
        const char *near = auxo__text_nearest(head, names, BUILTIN_COUNT);
        status =
            auxo_error_set(error, AUXO_NOT_FOUND, "no model is called \"%s\"; %s \"%s\", or the path of a .json file",
                           name, near ? "did you mean" : "give a built-in name such as", near ? near : "lenet5");
    }
    if (status != AUXO_OK)
        auxo_model_desc_deinit(desc);
    return status;
}
