/* SPDX-License-Identifier: MPL-2.0 */
#ifndef MIG_CLIENT_PGP_KEYLIST_H
#define MIG_CLIENT_PGP_KEYLIST_H

#include <gpgme.h>

/* The one key of that fingerprint or id, owned by the caller. As
 * gpgme_get_key(), which would make a context of its own, and for that start
 * gpg once more only to ask it for its version. */
gpgme_error_t
keylist_one(gpgme_ctx_t ctx, const char *fpr, int secret, gpgme_key_t *ret);

#endif
