/* SPDX-License-Identifier: MPL-2.0 */
/* Any bytes as an SSH signature, checked with keys of both kinds. */
#include "crypto/sshsig.h"

#include "crypto/keyring.h"
#include "../../unit/crypto/sshvec.h"
#include "../../unit/crypto/vectors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct keyring *
ring(void)
{
	static struct keyring k;
	struct sshpair pair;
	struct buf b;

	if (k.nkeys > 0)
		return &k;
	buf_init(&b, 4096);
	buf_add_str(&b,
	    "mig-keyring 3\n"
	    "person 1111111111111111111111111111111111111111 Alice\n" SSHVEC_KEY
	    "\n");
	sshmade_pair(2, &pair);
	sshmade_line(&pair, true, &b);
	BUG_ON(keyring_parse(b.data, b.len, &k, NULL) != 0);
	buf_release(&b);
	return &k;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct keyring *k = ring();
	struct sig_bytes sig = { data, len };
	struct sshsig s;
	struct signer who;
	struct err e;
	size_t i;

	err_clear(&e);
	if (sshsig_parse(data, len, &s, &e) != 0) {
		BUG_ON(e.code == 0 || e.msg[0] == '\0');
		return 0;
	}
	BUG_ON(s.sig < data || s.sig + SSHSIG_SIG_LEN > data + len);
	BUG_ON(s.sk && (s.flags & 1) == 0);
	for (i = 0; i < k->nkeys; i++) {
		s.key = k->keys[i].ssh;
		sshsig_check(&s, &k->keys[i], PURPOSE_ACTION, VECTOR_DATA,
		    strlen(VECTOR_DATA), &e);
	}
	keyring_verify(k, PURPOSE_ACTION, VECTOR_DATA, strlen(VECTOR_DATA),
	    &sig, 1, VECTOR_TIME, &who);
	return 0;
}
