/* SPDX-License-Identifier: MPL-2.0 */
#include "client/sealcheck.h"

#include "client/pgp/openpgp.h"
#include "client/readkey.h"

#include <string.h>
#include <strings.h>

static bool
is_reader(const struct action *a, const char *fpr)
{
	size_t i;

	for (i = 0; i < a->nreaders; i++)
		if (strcasecmp(a->readers[i], fpr) == 0)
			return true;
	return false;
}

struct sealed {
	const struct action *a;
	size_t n;
	struct err *e;
};

static int
sealed_to(const char fpr[static READKEY_FPR_LEN + 1], void *arg)
{
	struct sealed *s = arg;

	s->n++;
	return is_reader(s->a, fpr)
	    ? 0
	    : err_set(s->e, ERR_AUTH,
		  "its seal key is also for %s, whom it does not name among "
		  "its readers",
		  fpr);
}

int
sealcheck_readers(struct client *c, const struct action *a, struct err *e)
{
	char fprs[SIGN_READERS_MAX][PGP_FPR_HEX + 1];
	size_t pgp = readkey_start(a->seal_key), n = 0, unknown = 0, i;
	struct sealed s = { a, 0, e };
	int r = sign_prepare(c, e);

	if (r == 0 && pgp > 0)
		r = pgp_message_readers(
		    a->seal_key, pgp, fprs, SIGN_READERS_MAX, &n, &unknown, e);
	for (i = 0; r == 0 && i < n; i++)
		r = sealed_to(fprs[i], &s);
	if (r == 0 && a->seal_key[pgp] != '\0')
		r = readkey_readers(a->seal_key, sealed_to, &s, e);
	if (r == 0 && s.n + unknown != a->nreaders)
		r = err_set(e, ERR_AUTH,
		    "it names %zu readers, and its seal key is for %zu",
		    a->nreaders, s.n + unknown);
	return r;
}

bool
sealcheck_names_me(struct client *c, const struct action *a)
{
	size_t i;

	for (i = 0; i < a->nreaders; i++)
		if (sign_is_mine(c, a->readers[i]))
			return true;
	return false;
}

int
sealcheck_open(struct client *c, const struct action *a,
    uint8_t ret_secret[static SEAL_KEY_LEN], struct err *e)
{
	uint8_t secret[SEAL_KEY_LEN];
	int r = sign_open_seal_key(c, a->seal_key, secret, e);

	if (r == 0 && !seal_is_pair(a->seal_public, secret))
		r = err_set(e, ERR_AUTH,
		    "its seal key is not the one that answers will be sealed "
		    "with: nobody could open them");
	if (r == 0)
		memcpy(ret_secret, secret, sizeof(secret));
	secret_wipe(secret, sizeof(secret));
	return r;
}

int
sealcheck(struct client *c, const struct action *a, struct err *e)
{
	uint8_t secret[SEAL_KEY_LEN];
	int r = sealcheck_readers(c, a, e);

	if (r == 0 && sealcheck_names_me(c, a)) {
		r = sealcheck_open(c, a, secret, e);
		secret_wipe(secret, sizeof(secret));
	}
	return r;
}
