/* SPDX-License-Identifier: MPL-2.0 */
#include "client/pgp/keylist.h"

#include <stdbool.h>
#include <string.h>

static bool
key_same(gpgme_key_t a, gpgme_key_t b)
{
	return a->subkeys != NULL && b->subkeys != NULL &&
	    a->subkeys->fpr != NULL && b->subkeys->fpr != NULL &&
	    strcmp(a->subkeys->fpr, b->subkeys->fpr) == 0;
}

gpgme_error_t
keylist_one(gpgme_ctx_t ctx, const char *fpr, int secret, gpgme_key_t *ret)
{
	gpgme_key_t other = NULL;
	gpgme_error_t err, end;

	*ret = NULL;
	err = gpgme_op_keylist_start(ctx, fpr, secret);
	if (err != 0)
		return err;
	err = gpgme_op_keylist_next(ctx, ret);
	while (err == 0 && gpgme_op_keylist_next(ctx, &other) == 0) {
		/* the same key may lie in two keyrings */
		if (!key_same(*ret, other))
			err = gpgme_error(GPG_ERR_AMBIGUOUS_NAME);
		gpgme_key_unref(other);
	}
	end = gpgme_op_keylist_end(ctx);
	if (err == 0)
		err = end;
	if (err != 0) {
		gpgme_key_unref(*ret);
		*ret = NULL;
	}
	return err;
}
