/* eigen.h: eigenvalues of small symmetric matrices, by LAPACK, which is opened when it is asked for.
 */
#ifndef AUXO_ADAPT_EIGEN_H
#define AUXO_ADAPT_EIGEN_H

#include "auxo/status.h"

/* matrix (n, n), symmetric: replaced by its eigenvectors, one after the other, in the order of ascending values (n).
 * Errors: UNSUPPORTED: LAPACK is not installed; NOT_FINITE: it does not converge. */
auxo_status auxo__eigen_symmetric(double *matrix, int n, double *values, auxo_error *error);

#endif
