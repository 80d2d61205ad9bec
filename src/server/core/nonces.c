/* SPDX-License-Identifier: MPL-2.0 */
#include "server/core/nonces.h"

#include "base/buf.h"
#include "base/err.h"
#include "crypto/sha256.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define KEY_LEN 32
#define SAID_LEN 16 /* end and random bytes */
#define PROOF_LEN (ID_LEN - SAID_LEN)

struct used {
	struct id nonce;
	int64_t end; /* 0: free */
};

struct nonces {
	uint8_t key[KEY_LEN];
	size_t next;
	struct used used[NONCES_USED_MAX]; /* a ring */
};

struct nonces *
nonces_new(void)
{
	struct nonces *n = calloc(1, sizeof(*n));

	if (n != NULL &&
	    getrandom(n->key, sizeof(n->key), 0) != (ssize_t)sizeof(n->key)) {
		free(n);
		return (NULL);
	}
	return (n);
}

void
nonces_free(struct nonces *n)
{
	if (n != NULL)
		explicit_bzero(n->key, sizeof(n->key));
	free(n);
}

/* All that is hashed is of one length. */
static void
prove(
    const struct nonces *n, const uint8_t said[static SAID_LEN], struct id *ret)
{
	struct sha256 h;

	sha256_begin(&h);
	sha256_add(&h, n->key, sizeof(n->key));
	sha256_add(&h, said, SAID_LEN);
	sha256_final(&h, ret);
}

int
nonces_make(const struct nonces *n, int64_t now, struct id *ret)
{
	uint64_t end = (uint64_t)(now + NONCE_MS);
	struct id proof;
	size_t i;

	for (i = 0; i < 8; i++)
		ret->b[i] = (uint8_t)(end >> (8 * (7 - i)));
	if (getrandom(ret->b + 8, SAID_LEN - 8, 0) != SAID_LEN - 8)
		return (ERR_INTERNAL);
	prove(n, ret->b, &proof);
	memcpy(ret->b + SAID_LEN, proof.b, PROOF_LEN);
	return (0);
}

static int64_t
end_of(const struct id *nonce)
{
	struct rd rd;

	rd_init(&rd, nonce->b, 8);
	return ((int64_t)rd_u64(&rd));
}

bool
nonces_good(const struct nonces *n, const struct id *nonce, int64_t now)
{
	struct id proof;
	uint8_t differs = 0;
	size_t i;

	prove(n, nonce->b, &proof);
	for (i = 0; i < PROOF_LEN; i++) /* in the same time, whatever it is */
		differs |= (uint8_t)(proof.b[i] ^ nonce->b[SAID_LEN + i]);
	if (differs != 0 || end_of(nonce) <= now)
		return (false);
	for (i = 0; i < NONCES_USED_MAX; i++)
		if (n->used[i].end != 0 && id_equal(&n->used[i].nonce, nonce))
			return (false);
	return (true);
}

int
nonces_use(struct nonces *n, const struct id *nonce, int64_t now, struct err *e)
{
	struct used *u = &n->used[n->next];

	if (u->end > now)
		return (err_set(e, ERR_BUSY,
		    "too many people log in at once: try again in two"
		    " minutes"));
	u->nonce = *nonce;
	u->end = end_of(nonce);
	n->next = (n->next + 1) % NONCES_USED_MAX;
	return (0);
}
