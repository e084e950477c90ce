/* eigen.c: see eigen.h. The library stays open once it is: what it rests on leaves threads behind.
 */
#include "eigen.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* dsyev of LAPACK, in Fortran's calling convention. */
typedef void symmetric_eigen(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
                             double *work, const int *lwork, int *info, size_t jobz_length, size_t uplo_length);

static auxo_status find(symmetric_eigen **function, auxo_error *error)
{
    void *library = dlopen("liblapack.so.3", RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "dsyev_") : NULL;
    if (!symbol)
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "LAPACK (liblapack.so.3) cannot be opened; install it, or choose sensitivity and draw");
    memcpy(function, &symbol, sizeof symbol);
    return AUXO_OK;
}

auxo_status auxo__eigen_symmetric(double *matrix, int n, double *values, auxo_error *error)
{
    symmetric_eigen *solve = NULL;
    auxo_status status = find(&solve, error);
    if (status != AUXO_OK || n == 0)
        return status;
    const int room = 40 * n;
    int info = 0;
    double *work = malloc((size_t)room * sizeof *work);
    if (!work)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "eigenvalues of a matrix of %d rows: out of memory", n);
    solve("V", "U", &n, matrix, &n, values, work, &room, &info, 1, 1);
    free(work);
    return info == 0
               ? AUXO_OK
               : auxo_error_set(error, AUXO_NOT_FINITE, "eigenvalues of a matrix of %d rows: none found (%d)", n, info);
}
