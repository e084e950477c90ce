/* nouns.c: the names of layer kinds and initialisers, both ways.
 */
#include "model_internal.h"
#include "text.h"

#include <string.h>

static const char *const layer_nouns[AUXO_LAYER_COUNT] = {
#define LAYER_NOUN(kind, noun) [AUXO_LAYER_##kind] = #noun,
    AUXO_LAYER_TABLE(LAYER_NOUN)
#undef LAYER_NOUN
};

static const char *const initializer_nouns[AUXO_INITIALIZER_COUNT] = {
#define INITIALIZER_NOUN(name, noun) [AUXO_INITIALIZER_##name] = #noun,
    AUXO_INITIALIZER_TABLE(INITIALIZER_NOUN)
#undef INITIALIZER_NOUN
};

static auxo_status find(const char *what, const char *noun, const char *const *nouns, size_t count, size_t *index,
                        auxo_error *error)
{
    for (*index = 0; *index < count; ++*index)
        if (strcmp(nouns[*index], noun) == 0)
            return AUXO_OK;
    const char *near = auxo__text_nearest(noun, nouns, count);
    return auxo_error_set(error, AUXO_NOT_FOUND, "no %s is called \"%s\"; %s \"%s\"", what, noun,
                          near ? "did you mean" : "one of them is", near ? near : nouns[0]);
}

const char *auxo_layer_noun(auxo_layer_kind kind)
{
    return (unsigned)kind < AUXO_LAYER_COUNT ? layer_nouns[kind] : "unknown layer";
}

const char *auxo_initializer_noun(auxo_initializer initializer)
{
    return (unsigned)initializer < AUXO_INITIALIZER_COUNT ? initializer_nouns[initializer] : "unknown initializer";
}

auxo_status auxo_layer_kind_find(const char *noun, auxo_layer_kind *kind, auxo_error *error)
{
    size_t index;
    auxo_status status = find("layer kind", noun, layer_nouns, AUXO_LAYER_COUNT, &index, error);
    if (status == AUXO_OK)
        *kind = (auxo_layer_kind)index;
    return status;
}

auxo_status auxo_initializer_find(const char *noun, auxo_initializer *initializer, auxo_error *error)
{
    size_t index;
    auxo_status status = find("initialiser", noun, initializer_nouns, AUXO_INITIALIZER_COUNT, &index, error);
    if (status == AUXO_OK)
        *initializer = (auxo_initializer)index;
    return status;
}
