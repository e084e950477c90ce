/* methods.c: the one list of all methods. A new method is one line here.
 */
#include "file.h"
#include "json.h"
#include "method.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

/* X(identifier): the method is `const auxo_method auxo__method_<identifier>` in a folder below this one. */
#define METHOD_TABLE(X)                                                                                                \
    X(train)                                                                                                           \
    X(sweep)                                                                                                           \
    X(autosize)                                                                                                        \
    X(morph)                                                                                                           \
    X(resbuild)                                                                                                        \
    X(adapt)                                                                                                           \
    X(search)                                                                                                          \
    X(multiscale_train)                                                                                                \
    X(multiscale_sensitivity)                                                                                          \
    X(multiscale_compare)                                                                                              \
    X(survival_train)

#define METHOD_DECLARE(identifier) extern const auxo_method auxo__method_##identifier;
METHOD_TABLE(METHOD_DECLARE)
#undef METHOD_DECLARE

#define METHOD_ENTRY(identifier) &auxo__method_##identifier,
static const auxo_method *const methods[] = {METHOD_TABLE(METHOD_ENTRY)};
#undef METHOD_ENTRY

enum { METHOD_COUNT = sizeof methods / sizeof *methods };

const auxo_method *const *auxo_methods(size_t *count)
{
    *count = METHOD_COUNT;
    return methods;
}

const auxo_method *auxo_method_find(const char *name)
{
    for (size_t i = 0; i < METHOD_COUNT; i++)
        if (strcmp(methods[i]->info.name, name) == 0)
            return methods[i];
    return NULL;
}

auxo_status auxo_settings_file_method(const char *path, const auxo_method **method, auxo_error *error)
{
    char *text = NULL;
    size_t size = 0;
    *method = NULL;
    auxo_status status = auxo__file_read(path, &text, &size, error);
    if (status != AUXO_OK)
        return status;
    cJSON *root = NULL;
    status = auxo__json_parse(text, size, &root, error);
    free(text);
    if (status != AUXO_OK)
        return auxo_error_wrap(error, status, "%s", path);
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(root, "method");
    if (!cJSON_IsObject(root))
        status = auxo_error_set(error, AUXO_FORMAT, "%s is not a JSON object of settings", path);
    else if (name && !cJSON_IsString(name))
        status = auxo_error_set(error, AUXO_FORMAT, "%s: \"method\" is not a text", path);
    if (status == AUXO_OK && name) {
        *method = auxo_method_find(name->valuestring);
        if (!*method)
            status = auxo_error_set(error, AUXO_NOT_FOUND, "%s: there is no method \"%s\"", path, name->valuestring);
    }
    cJSON_Delete(root);
    return status;
}
