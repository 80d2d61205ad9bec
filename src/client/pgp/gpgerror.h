/* SPDX-License-Identifier: MPL-2.0 */
#ifndef MIG_CLIENT_PGP_GPGERROR_H
#define MIG_CLIENT_PGP_GPGERROR_H

#include <gpgme.h>

struct err;

/* What gpg or GPGME says, in words and with what to do; what: before them. */
int gpg_fail(struct err *e, gpgme_error_t err, const char *what);

#endif
