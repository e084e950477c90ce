/* linked.c: the readers that are linked in: of a static library all that were built. A shared library has none, each is
 * a library of its own; so this file is compiled once for either.
 */
#include "readers.h"

#ifdef AUXO_LINKED_READERS

#ifdef AUXO_HAVE_READER_PNG
extern const auxo_reader auxo__reader_png;
#endif
#ifdef AUXO_HAVE_READER_JPEG
extern const auxo_reader auxo__reader_jpeg;
#endif
#ifdef AUXO_HAVE_READER_WEBP
extern const auxo_reader auxo__reader_webp;
#endif
#ifdef AUXO_HAVE_READER_MATLAB
extern const auxo_reader auxo__reader_matlab;
#endif

static const auxo_reader *const linked[] = {
#ifdef AUXO_HAVE_READER_PNG
    &auxo__reader_png,
#endif
#ifdef AUXO_HAVE_READER_JPEG
    &auxo__reader_jpeg,
#endif
#ifdef AUXO_HAVE_READER_WEBP
    &auxo__reader_webp,
#endif
#ifdef AUXO_HAVE_READER_MATLAB
    &auxo__reader_matlab,
#endif
    NULL,
};

const auxo_reader *const *auxo__linked_readers(void)
{
    return linked;
}

#else

const auxo_reader *const *auxo__linked_readers(void)
{
    return NULL;
}

#endif
