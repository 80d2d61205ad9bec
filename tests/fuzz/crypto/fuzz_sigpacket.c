/* SPDX-License-Identifier: MPL-2.0 */
/* Any bytes as a signature packet, checked with every key that fits. */
#include "base/err.h"
#include "base/hex.h"
#include "crypto/keyring.h"
#include "../../unit/crypto/vectors.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct keyring *
ring(void)
{
	static struct keyring k;
	static char text[16384];
	size_t i, n;

	if (k.nkeys > 0)
		return &k;
	n = (size_t)snprintf(text, sizeof(text), "mig-keyring 3\n");
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    "person %s %s\n%s\n", vectors[i].fpr, vectors[i].name,
		    vectors[i].line);
	BUG_ON(keyring_parse(text, n, &k, NULL) != 0);
	return &k;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct keyring *k = ring();
	struct sig_bytes sig = { data, len };
	struct sigpacket s;
	struct signer who;
	struct err e;
	size_t i;

	err_clear(&e);
	if (sigpacket_parse(data, len, &s, &e) != 0) {
		BUG_ON(e.code == 0 || e.msg[0] == '\0');
		return 0;
	}
	BUG_ON(s.hashed < data || s.hashed + s.hashed_len > data + len);
	for (i = 0; i < k->nkeys; i++) {
		memcpy(s.issuer, k->keys[i].fpr, PGP_FPR_LEN);
		sigpacket_check(&s, &k->keys[i], PURPOSE_ACTION, VECTOR_DATA,
		    strlen(VECTOR_DATA), &e);
	}
	keyring_verify(k, PURPOSE_ACTION, VECTOR_DATA, strlen(VECTOR_DATA),
	    &sig, 1, VECTOR_TIME, &who);
	return 0;
}
