/* SPDX-License-Identifier: MPL-2.0 */
#include "client/sign/sealcheck.h"

#include "client/pgp/openpgp.h"
#include "client/sign/readkey.h"

#include <string.h>
#include <strings.h>

struct sealed {
	const struct action *a;
	bool met[ACTION_READERS_MAX]; /* of its readers */
	struct err *e;
};

static int
sealed_to(const char fpr[static READKEY_FPR_LEN + 1], void *arg)
{
	struct sealed *s = arg;
	size_t i;

	for (i = 0; i < s->a->nreaders; i++) {
		if (strcasecmp(s->a->readers[i], fpr) == 0) {
			s->met[i] = true;
			return 0;
		}
	}
	return err_set(s->e, ERR_AUTH,
	    "its seal key is also for %s, whom it does not name among its "
	    "readers",
	    fpr);
}

/* Whoever was not met must be one of as many whose keys are not here. */
static int
check_missing(const struct sealed *s, size_t unknown, struct err *e)
{
	char name[PGP_NAME_MAX];
	size_t i, missing = 0;
	struct err none;

	for (i = 0; i < s->a->nreaders; i++) {
		if (s->met[i])
			continue;
		missing++;
		if (pgp_reader(s->a->readers[i], name, &none) == 0)
			return err_set(e, ERR_AUTH,
			    "its seal key is not for %s, whom it names among "
			    "its readers",
			    s->a->readers[i]);
	}
	if (missing != unknown)
		return err_set(e, ERR_AUTH,
		    "it names %zu readers, and its seal key is for %zu",
		    s->a->nreaders, s->a->nreaders - missing + unknown);
	return 0;
}

int
sealcheck_readers(struct client *c, const struct action *a, struct err *e)
{
	char fprs[SIGN_READERS_MAX][PGP_FPR_HEX + 1];
	size_t pgp = readkey_start(a->seal_key), n = 0, unknown = 0, i;
	struct sealed s = { .a = a, .e = e };
	int r = sign_prepare(c, e);

	if (r == 0 && pgp > 0)
		r = pgp_message_readers(
		    a->seal_key, pgp, fprs, SIGN_READERS_MAX, &n, &unknown, e);
	for (i = 0; r == 0 && i < n; i++)
		r = sealed_to(fprs[i], &s);
	if (r == 0 && a->seal_key[pgp] != '\0')
		r = readkey_readers(a->seal_key, sealed_to, &s, e);
	return r != 0 ? r : check_missing(&s, unknown, e);
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
