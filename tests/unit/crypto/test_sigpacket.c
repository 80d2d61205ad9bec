/* SPDX-License-Identifier: MPL-2.0 */
/* Fixed signatures of gpg, changed bit by bit and cut; the comparison with
 * gpgv and librnp is test_signatures.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/sigpacket.h"

#include "base/err.h"
#include "base/hex.h"
#include "crypto/keyring.h"
#include "vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NVECTORS (sizeof(vectors) / sizeof(vectors[0]))

struct loaded {
	struct keyring k;
	uint8_t sig[SIGPACKET_MAX];
	size_t len;
};

static void
load(const struct vector *v, struct loaded *l)
{
	static char text[8192];
	struct err e;

	snprintf(text, sizeof(text), "mig-keyring 3\nperson %s %s\n%s\n",
	    v->fpr, v->name, v->line);
	err_clear(&e);
	if (keyring_parse(text, strlen(text), &l->k, &e) != 0)
		fail_msg("%s: %s", v->name, e.msg);
	l->len = strlen(v->sig) / 2;
	assert_int_equal(hex_decode(v->sig, l->sig, l->len), 0);
}

static enum sig_verdict
verdict(const struct loaded *l, const uint8_t *sig, size_t len)
{
	struct sig_bytes s = { sig, len };
	struct signer who;

	keyring_verify(&l->k, PURPOSE_ACTION, VECTOR_DATA, strlen(VECTOR_DATA),
	    &s, 1, VECTOR_TIME, &who);
	return who.verdict;
}

static void
test_good(void **state)
{
	struct sigpacket s;
	struct loaded l;
	struct err e;
	size_t i;

	for (i = 0; i < NVECTORS; i++) {
		load(&vectors[i], &l);
		assert_int_equal(sigpacket_parse(l.sig, l.len, &s, &e), 0);
		assert_int_equal(s.created, VECTOR_TIME);
		assert_int_equal(s.expires, 0);
		assert_memory_equal(s.issuer, l.k.keys[0].fpr, PGP_FPR_LEN);
		assert_int_equal(
		    sigpacket_check(&s, &l.k.keys[0], PURPOSE_ACTION,
			VECTOR_DATA, strlen(VECTOR_DATA), &e),
		    0);
		assert_int_equal(
		    sigpacket_check(&s, &l.k.keys[0], PURPOSE_CANCEL,
			VECTOR_DATA, strlen(VECTOR_DATA), &e),
		    ERR_AUTH);
		assert_int_equal(verdict(&l, l.sig, l.len), SIG_GOOD);
		keyring_release(&l.k);
	}
}

/* The unhashed area: [*ret_end - its length, *ret_end). */
static void
unhashed(const struct loaded *l, size_t *ret_start, size_t *ret_end)
{
	struct sigpacket s;
	size_t at;

	assert_int_equal(sigpacket_parse(l->sig, l->len, &s, NULL), 0);
	at = (size_t)(s.hashed - l->sig) + s.hashed_len;
	*ret_start = at + 2;
	*ret_end = at + 2 + (size_t)(l->sig[at] << 8 | l->sig[at + 1]);
}

static void
test_bits(void **state)
{
	struct loaded l;
	size_t i, bit, start, end;

	for (i = 0; i < NVECTORS; i++) {
		load(&vectors[i], &l);
		unhashed(&l, &start, &end);
		for (bit = 0; bit < 8 * l.len; bit++) {
			bool ignored = bit / 8 >= start && bit / 8 < end;
			uint8_t mask = (uint8_t)(1 << (bit % 8));

			l.sig[bit / 8] ^= mask;
			if (ignored)
				assert_int_equal(
				    verdict(&l, l.sig, l.len), SIG_GOOD);
			else
				assert_int_not_equal(
				    verdict(&l, l.sig, l.len), SIG_GOOD);
			l.sig[bit / 8] ^= mask;
		}
		keyring_release(&l.k);
	}
}

static void
test_lengths(void **state)
{
	struct sigpacket untouched, s;
	struct loaded l;
	uint8_t *copy;
	struct err e;
	size_t n;

	load(&vectors[0], &l);
	memset(&untouched, 0x5a, sizeof(untouched));
	for (n = 0; n < l.len; n++) {
		copy = malloc(n + 1); /* so that a tool sees reads beyond */
		assert_non_null(copy);
		memcpy(copy, l.sig, n);
		s = untouched;
		err_clear(&e);
		assert_int_not_equal(sigpacket_parse(copy, n, &s, &e), 0);
		assert_memory_equal(&s, &untouched, sizeof(s));
		assert_int_not_equal(e.msg[0], 0);
		free(copy);
	}
	l.sig[l.len] = 0;
	assert_int_equal(
	    sigpacket_parse(l.sig, l.len + 1, &s, &e), ERR_INVALID);
	assert_int_equal(
	    sigpacket_parse(l.sig, SIGPACKET_MAX + 1, &s, &e), ERR_TOOBIG);
	keyring_release(&l.k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
