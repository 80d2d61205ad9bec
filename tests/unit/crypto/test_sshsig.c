/* SPDX-License-Identifier: MPL-2.0 */
/* Signatures by SSH keys: every field changed, with a signature that fits the
 * change where one can be made. The comparison with ssh-keygen is
 * test_sshsigs.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/sshsig.h"

#include "base/hex.h"
#include "crypto/keyring.h"
#include "sshvec.h"
#include "vectors.h"

#include <stdio.h>
#include <stdlib.h>

#define HEAD "mig-keyring 3\n"
#define P1 "person 1111111111111111111111111111111111111111 Alice\n"
#define P2 "person 2222222222222222222222222222222222222222 Bob\n"
#define TWICE "same key stands twice"

static struct sshpair pair[2]; /* a plain key and a security key */
static struct keyring ring;

static int
setup(void **state)
{
	struct buf b;
	struct err e;
	int rc;

	buf_init(&b, 1 << 16);
	buf_add_str(&b, HEAD P1);
	sshmade_pair(1, &pair[0]);
	sshmade_pair(2, &pair[1]);
	sshmade_line(&pair[0], false, &b);
	buf_add_str(&b, SSHVEC_KEY "\n" P2);
	sshmade_line(&pair[1], true, &b);
	rc = keyring_parse(b.data, b.len, &ring, &e);
	if (rc != 0)
		print_error("%s\n", e.msg);
	buf_release(&b);
	return rc;
}

static int
teardown(void **state)
{
	keyring_release(&ring);
	return 0;
}

static enum sig_verdict
verdict_for(enum purpose p, const uint8_t *sig, size_t len, int64_t now)
{
	struct sig_bytes s = { sig, len };
	struct signer who;
	size_t good = keyring_verify(
	    &ring, p, VECTOR_DATA, strlen(VECTOR_DATA), &s, 1, now, &who);

	assert_int_equal(good, who.verdict == SIG_GOOD);
	assert_int_equal(who.created, 0);
	return who.verdict;
}

static enum sig_verdict
verdict(const uint8_t *sig, size_t len)
{
	return verdict_for(PURPOSE_ACTION, sig, len, VECTOR_TIME);
}

static void
test_of_ssh_keygen(void **state)
{
	static const char *const hex[] = { SSHVEC_512, SSHVEC_256 };
	static const enum purpose others[] = { PURPOSE_CANCEL, PURPOSE_POLICY,
		PURPOSE_SESSION, PURPOSE_ENROL, PURPOSE_HELLO, PURPOSE_RESULT };
	uint8_t sig[SSHSIG_MAX];
	struct sshsig s;
	size_t i, j, n;

	for (i = 0; i < 2; i++) {
		n = strlen(hex[i]) / 2;
		assert_int_equal(hex_decode(hex[i], sig, n), 0);
		assert_int_equal(sshsig_parse(sig, n, &s, NULL), 0);
		assert_int_equal(s.sha512, i == 0);
		assert_false(s.sk);
		assert_memory_equal(s.signer, ring.keys[1].fpr, PGP_FPR_LEN);
		assert_int_equal(verdict(sig, n), SIG_GOOD);
		for (j = 0; j < sizeof(others) / sizeof(others[0]); j++)
			assert_int_equal(
			    verdict_for(others[j], sig, n, VECTOR_TIME),
			    SIG_BAD);
	}
}

/* --- fields --------------------------------------------------------------- */

typedef void change(struct sshmade *m);

#define CHANGE(fn, what)                  \
	static void fn(struct sshmade *m) \
	{                                 \
		what;                     \
	}
CHANGE(nothing, (void)m)
CHANGE(sha256_too, m->digest = m->signed_digest = "sha256")
CHANGE(other_magic, m->magic = "SSHSIC")
CHANGE(version_0, m->version = 0)
CHANGE(version_2, m->version = 2)
CHANGE(name_cancel, m->name = m->signed_name = "cancel@mig")
CHANGE(name_git, m->name = m->signed_name = "git")
CHANGE(name_file, m->name = m->signed_name = "file")
CHANGE(name_empty, m->name = m->signed_name = "")
CHANGE(name_longer, m->name = m->signed_name = "action@mig2")
CHANGE(name_shorter, m->name = m->signed_name = "action@mi")
CHANGE(name_case, m->name = m->signed_name = "Action@mig")
CHANGE(name_shown, m->signed_name = "git")
CHANGE(name_long,
    m->name = m->signed_name = "action@migaction@migaction@migaction@mig"
			       "action@migaction@migaction@migaction@mig")
CHANGE(reserved, m->reserved = m->signed_reserved = "x")
CHANGE(reserved_shown, m->reserved = "x")
CHANGE(reserved_signed, m->signed_reserved = "x")
CHANGE(digest_sha1, m->digest = m->signed_digest = "sha1")
CHANGE(digest_case, m->digest = m->signed_digest = "SHA512")
CHANGE(digest_384, m->digest = m->signed_digest = "sha384")
CHANGE(digest_swapped, m->digest = "sha256")
CHANGE(digest_empty, m->digest = "")
CHANGE(kind_rsa, m->kind = "ssh-rsa")
CHANGE(kind_of_key, m->key_kind = "ssh-dss")
CHANGE(kind_cert, m->key_kind = "ssh-ed25519-cert-v01@openssh.com")
CHANGE(kind_sk, m->kind = "sk-ssh-ed25519@openssh.com")
CHANGE(kind_plain, m->kind = "ssh-ed25519")
CHANGE(after_key, m->after_key = "x")
CHANGE(after_sig, m->after_sig = "x")
CHANGE(after, m->after = "x")
CHANGE(not_touched, m->flags = m->signed_flags = 0)
CHANGE(not_touched_verified, m->flags = m->signed_flags = 4)
CHANGE(touch_claimed, m->signed_flags = 0)
CHANGE(verified, m->flags = m->signed_flags = 5)
CHANGE(backed_up, m->flags = m->signed_flags = 0x19)
CHANGE(extended, m->flags = m->signed_flags = 0x81)
CHANGE(attested, m->flags = m->signed_flags = 0x41)
CHANGE(reserved_flag, m->flags = m->signed_flags = 0x03)
CHANGE(counter_shown, m->counter = 8)
CHANGE(counter_0, m->counter = m->signed_counter = 0)
CHANGE(counter_max, m->counter = m->signed_counter = 0xffffffff)
CHANGE(app_signed, m->signed_app = "ssh:other")
CHANGE(app_shown, m->app = "ssh:other")
CHANGE(app_both, m->app = m->signed_app = "ssh:other")
CHANGE(app_site, m->app = m->signed_app = "https://example.org")
CHANGE(app_empty, m->app = m->signed_app = "")

enum { PLAIN = 1, SK = 2, BOTH = 3 };

static void
test_fields(void **state)
{
	static const struct {
		const char *name;
		change *fn;
		int keys;
		enum sig_verdict want;
	} rows[] = {
		{ "nothing", nothing, BOTH, SIG_GOOD },
		{ "sha256", sha256_too, BOTH, SIG_GOOD },
		{ "magic", other_magic, BOTH, SIG_MALFORMED },
		{ "version 0", version_0, BOTH, SIG_MALFORMED },
		{ "version 2", version_2, BOTH, SIG_MALFORMED },
		{ "namespace cancel", name_cancel, BOTH, SIG_BAD },
		{ "namespace git", name_git, BOTH, SIG_BAD },
		{ "namespace file", name_file, BOTH, SIG_BAD },
		{ "no namespace", name_empty, BOTH, SIG_BAD },
		{ "longer namespace", name_longer, BOTH, SIG_BAD },
		{ "shorter namespace", name_shorter, BOTH, SIG_BAD },
		{ "namespace in capitals", name_case, BOTH, SIG_BAD },
		{ "namespace shown only", name_shown, BOTH, SIG_BAD },
		{ "namespace too long", name_long, BOTH, SIG_MALFORMED },
		{ "reserved", reserved, BOTH, SIG_MALFORMED },
		{ "reserved shown", reserved_shown, BOTH, SIG_MALFORMED },
		{ "reserved signed", reserved_signed, BOTH, SIG_BAD },
		{ "sha1", digest_sha1, BOTH, SIG_MALFORMED },
		{ "SHA512", digest_case, BOTH, SIG_MALFORMED },
		{ "sha384", digest_384, BOTH, SIG_MALFORMED },
		{ "digest swapped", digest_swapped, BOTH, SIG_BAD },
		{ "no digest", digest_empty, BOTH, SIG_MALFORMED },
		{ "kind rsa", kind_rsa, BOTH, SIG_MALFORMED },
		{ "key's kind", kind_of_key, BOTH, SIG_MALFORMED },
		{ "certificate", kind_cert, BOTH, SIG_MALFORMED },
		{ "plain key as sk", kind_sk, PLAIN, SIG_MALFORMED },
		{ "sk as plain key", kind_plain, SK, SIG_MALFORMED },
		{ "after the key", after_key, BOTH, SIG_MALFORMED },
		{ "after the signature", after_sig, BOTH, SIG_MALFORMED },
		{ "after all", after, BOTH, SIG_MALFORMED },
		{ "not touched", not_touched, SK, SIG_MALFORMED },
		{ "pin, no touch", not_touched_verified, SK, SIG_MALFORMED },
		{ "touch claimed", touch_claimed, SK, SIG_BAD },
		{ "touch and pin", verified, SK, SIG_GOOD },
		{ "backed up", backed_up, SK, SIG_GOOD },
		{ "extension data", extended, SK, SIG_MALFORMED },
		{ "attested data", attested, SK, SIG_MALFORMED },
		{ "reserved flag", reserved_flag, SK, SIG_MALFORMED },
		{ "counter", counter_shown, SK, SIG_BAD },
		{ "counter 0", counter_0, SK, SIG_GOOD },
		{ "greatest counter", counter_max, SK, SIG_GOOD },
		{ "application signed", app_signed, SK, SIG_BAD },
		{ "application shown", app_shown, SK, SIG_UNKNOWN_KEY },
		{ "application", app_both, SK, SIG_UNKNOWN_KEY },
		{ "web site", app_site, SK, SIG_MALFORMED },
		{ "no application", app_empty, SK, SIG_MALFORMED },
	};
	struct sshmade m;
	struct buf b;
	size_t i;
	int sk;

	buf_init(&b, 1 << 16);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (sk = 0; sk < 2; sk++) {
			if ((rows[i].keys & (1 << sk)) == 0)
				continue;
			buf_clear(&b);
			sshmade_init(&m, sk);
			rows[i].fn(&m);
			sshmade_sign(
			    &m, &pair[sk], PURPOSE_ACTION, VECTOR_DATA, &b);
			if (verdict(b.data, b.len) != rows[i].want)
				fail_msg("%s: %s, sk %d", rows[i].name,
				    sig_verdict_text(verdict(b.data, b.len)),
				    sk);
		}
	}
	buf_release(&b);
}

/* A namespace and the prefix inside must both be those of the purpose. */
static void
test_purposes(void **state)
{
	static const enum purpose people[] = { PURPOSE_ACTION, PURPOSE_CANCEL,
		PURPOSE_POLICY, PURPOSE_SESSION };
	struct sshmade m;
	struct buf b;
	size_t i, j, k;

	buf_init(&b, 4096);
	for (i = 0; i < 4; i++)
		for (j = 0; j < 4; j++)
			for (k = 0; k < 4; k++) {
				buf_clear(&b);
				sshmade_init(&m, false);
				m.name = m.signed_name =
				    sshsig_namespace(people[j]);
				sshmade_sign(
				    &m, &pair[0], people[i], VECTOR_DATA, &b);
				assert_int_equal(verdict_for(people[k], b.data,
						     b.len, VECTOR_TIME),
				    i == j && j == k ? SIG_GOOD : SIG_BAD);
			}
	assert_null(sshsig_namespace(PURPOSE_RESULT));
	assert_null(sshsig_namespace(PURPOSE_HELLO));
	assert_null(sshsig_namespace(PURPOSE_ENROL));
	buf_release(&b);
}

static void
make_good(int sk, struct buf *b)
{
	struct sshmade m;

	buf_init(b, 1 << 16);
	sshmade_init(&m, sk);
	sshmade_sign(&m, &pair[sk], PURPOSE_ACTION, VECTOR_DATA, b);
	assert_int_equal(verdict(b->data, b->len), SIG_GOOD);
}

static void
test_bits_and_lengths(void **state)
{
	struct sshsig untouched, s;
	struct buf b;
	uint8_t *copy;
	size_t bit, n;
	int sk;

	memset(&untouched, 0x5a, sizeof(untouched));
	for (sk = 0; sk < 2; sk++) {
		make_good(sk, &b);
		for (bit = 0; bit < 8 * b.len; bit++) {
			b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_not_equal(verdict(b.data, b.len), SIG_GOOD);
			b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (n = 0; n < b.len; n++) {
			copy = malloc(n + 1); /* exact: a tool sees the rest */
			assert_non_null(copy);
			memcpy(copy, b.data, n);
			s = untouched;
			assert_int_not_equal(
			    sshsig_parse(copy, n, &s, NULL), 0);
			assert_memory_equal(&s, &untouched, sizeof(s));
			free(copy);
		}
		buf_release(&b);
	}
	copy = calloc(1, SSHSIG_MAX + 1);
	assert_non_null(copy);
	memcpy(copy, "SSHSIG", 6);
	assert_int_equal(
	    sshsig_parse(copy, SSHSIG_MAX + 1, &s, NULL), ERR_TOOBIG);
	free(copy);
}

/* S + L is the same number modulo the group's order L. */
static void
test_s_not_reduced(void **state)
{
	static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63,
		0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
		0x14, [31] = 0x10 };
	struct buf b;
	unsigned int carry = 0, sum;
	uint8_t *s;
	int i;

	make_good(0, &b);
	s = b.data + b.len - 32;
	for (i = 0; i < 32; i++) {
		sum = s[i] + order[i] + carry;
		s[i] = (uint8_t)sum;
		carry = sum >> 8;
	}
	assert_int_equal(carry, 0);
	assert_int_equal(verdict(b.data, b.len), SIG_BAD);
	buf_release(&b);
}

/* With the neutral element for a key, R = S = 0 would verify everything. */
static void
test_small_order(void **state)
{
	static const char *const points[] = {
		"01000000000000000000000000000000000000000000000000000000000000"
		"00",
		"00000000000000000000000000000000000000000000000000000000000000"
		"00",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"ff7f",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03"
		"7a",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc"
		"85",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"ff7f",
	};
	struct sshpair weak = { { 0 }, { 0 } };
	struct keyring k;
	struct buf b;
	struct err e;
	size_t i;
	int sk;

	for (i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		for (sk = 0; sk < 2; sk++) {
			assert_int_equal(
			    hex_decode(points[i], weak.pub, 32), 0);
			buf_init(&b, 4096);
			buf_add_str(&b, HEAD P1);
			sshmade_line(&weak, sk, &b);
			assert_int_equal(keyring_parse(b.data, b.len, &k, &e),
			    ERR_UNSUPPORTED);
			buf_release(&b);
		}
	/* R of small order under a good key */
	make_good(0, &b);
	memset(b.data + b.len - 64, 0, 64);
	b.data[b.len - 64] = 1;
	assert_int_equal(verdict(b.data, b.len), SIG_BAD);
	buf_release(&b);
}

/* --- keyring -------------------------------------------------------------- */

static void
test_one_key_one_person(void **state)
{
	struct sshpair other;
	struct keyring k;
	struct buf b;
	struct err e;
	char pgp[160], material[65], fpr[41];
	struct keymaterial m = { .alg = KEY_ED25519, .len = 32 };
	uint8_t raw[PGP_FPR_LEN];
	int a, c;

	sshmade_pair(9, &other);
	memcpy(m.num, other.pub, 32);
	assert_int_equal(keymaterial_fpr(&m, VECTOR_TIME, raw, &e), 0);
	hex_encode(raw, sizeof(raw), fpr);
	hex_encode(other.pub, 32, material);
	snprintf(pgp, sizeof(pgp), "key %s ed25519 %d 0 %s\n", fpr, VECTOR_TIME,
	    material);
	/* as OpenPGP, as SSH, as a security key: in any two of them */
	for (a = 0; a < 3; a++)
		for (c = 0; c < 3; c++) {
			buf_init(&b, 4096);
			buf_add_str(&b, HEAD P1);
			if (a == 2)
				buf_add_str(&b, pgp);
			else
				sshmade_line(&other, a, &b);
			buf_add_str(&b, P2);
			if (c == 2)
				buf_add_str(&b, pgp);
			else
				sshmade_line(&other, c, &b);
			assert_int_equal(
			    keyring_parse(b.data, b.len, &k, &e), ERR_EXISTS);
			assert_non_null(strstr(e.msg, TWICE));
			buf_release(&b);
		}
}

static void
test_keyring_lines(void **state)
{
	static const struct {
		const char *line, *want;
	} rows[] = {
#define FPR "key 4e738ec6d3a7861e659fad0c91fe3b7a782b1f8a "
#define HEX "76f4d68799eaf451b53897d6fe2bfcffadfbf025ccf3773bc80fce9fe413355f"
		{ FPR "ssh-ed25519 0 0 " HEX, NULL },
		{ FPR "ssh-ed25519 5 6 " HEX, NULL },
		{ FPR "ssh-ed25519 6 6 " HEX, "expires before" },
		{ FPR "ssh-ed25519 x 0 " HEX, "creation time" },
		{ FPR "ed25519 0 0 " HEX, "creation time" },
		{ FPR "ssh-ed25519 0 0 " HEX "00", "64 hexadecimal" },
		{ FPR "ssh-ed25519 0 0 " HEX ":ssh:", "64 hexadecimal" },
		{ FPR "ssh-ed25519 0 0 ", "64 hexadecimal" },
		{ FPR "sk-ssh-ed25519 0 0 " HEX, "application" },
		{ FPR "sk-ssh-ed25519 0 0 " HEX ":", "application" },
		{ FPR "sk-ssh-ed25519 0 0 " HEX ":web", "application" },
		{ FPR "sk-ssh-ed25519 0 0 " HEX ":ssh:a b", "application" },
		{ FPR "sk-ssh-ed25519 0 0 " HEX
		      ":ssh:0123456789012345678901234567890123456789"
		      "0123456789012345678901234",
		    "application" },
		{ FPR "sk-ssh-ed25519 0 0 " HEX ":ssh:", "belong to" },
		{ "key 4e738ec6d3a7861e659fad0c91fe3b7a782b1f8b "
		  "ssh-ed25519 0 0 " HEX,
		    "belong to fingerprint 4e738ec6d3a7861e" },
		{ FPR "ssh-rsa 0 0 " HEX, "unknown key algorithm" },
	};
	struct keyring k;
	struct buf b;
	struct err e;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_init(&b, 4096);
		buf_add_fmt(&b, HEAD P1 "%s\n", rows[i].line);
		rc = keyring_parse(b.data, b.len, &k, &e);
		if (rows[i].want == NULL && rc == 0)
			keyring_release(&k);
		else if (rows[i].want == NULL || rc == 0 ||
		    strstr(e.msg, rows[i].want) == NULL)
			fail_msg("%s: %d %s", rows[i].line, rc, e.msg);
		buf_release(&b);
	}
}

static void
test_times(void **state)
{
	struct keyring_key *key = &ring.keys[0];
	struct buf b;

	make_good(0, &b);
	key->created = VECTOR_TIME;
	key->expires = VECTOR_TIME + 10;
	assert_int_equal(
	    verdict_for(PURPOSE_ACTION, b.data, b.len, VECTOR_TIME - 1),
	    SIG_KEY_EXPIRED);
	assert_int_equal(
	    verdict_for(PURPOSE_ACTION, b.data, b.len, VECTOR_TIME), SIG_GOOD);
	assert_int_equal(
	    verdict_for(PURPOSE_ACTION, b.data, b.len, VECTOR_TIME + 9),
	    SIG_GOOD);
	assert_int_equal(
	    verdict_for(PURPOSE_ACTION, b.data, b.len, VECTOR_TIME + 10),
	    SIG_KEY_EXPIRED);
	key->created = key->expires = 0;
	buf_release(&b);
}

/* Alice has two keys: she counts once, whichever sign. */
static void
test_person_once(void **state)
{
	uint8_t vec[SSHSIG_MAX];
	struct sig_bytes sigs[3];
	struct signer who[3];
	struct buf a, c;

	make_good(0, &a);
	make_good(1, &c);
	assert_int_equal(
	    hex_decode(SSHVEC_512, vec, strlen(SSHVEC_512) / 2), 0);
	sigs[0] = (struct sig_bytes){ a.data, a.len };
	sigs[1] = (struct sig_bytes){ vec, strlen(SSHVEC_512) / 2 };
	sigs[2] = (struct sig_bytes){ c.data, c.len };
	assert_int_equal(keyring_verify(&ring, PURPOSE_ACTION, VECTOR_DATA,
			     strlen(VECTOR_DATA), sigs, 3, VECTOR_TIME, who),
	    2);
	assert_int_equal(who[0].verdict, SIG_GOOD);
	assert_int_equal(who[1].verdict, SIG_REPEATED);
	assert_int_equal(who[2].verdict, SIG_GOOD);
	buf_release(&a);
	buf_release(&c);
}

/* What the client puts together is what the others read. */
static void
test_write(void **state)
{
	static const char kind[] = "ssh-ed25519";
	struct keymaterial m = { .alg = KEY_SSH_ED25519, .len = 32 }, back;
	struct buf message, inner, key, out;
	uint8_t raw[64];

	memcpy(m.num, pair[0].pub, 32);
	buf_init(&message, 4096);
	buf_init(&inner, 4096);
	buf_init(&key, 4096);
	buf_init(&out, 4096);
	assert_int_equal(sshkey_write(&m, &key), 0);
	assert_int_equal(sshkey_parse(key.data, key.len, &back, NULL), 0);
	assert_int_equal(back.alg, m.alg);
	assert_memory_equal(back.num, m.num, 32);
	assert_int_equal(sshsig_message(PURPOSE_SESSION, VECTOR_DATA,
			     strlen(VECTOR_DATA), &message),
	    0);
	crypto_sign_detached(raw, NULL, message.data, message.len, pair[0].sec);
	buf_add_field(&inner, kind, strlen(kind));
	buf_add_field(&inner, raw, sizeof(raw));
	assert_int_equal(sshsig_write(PURPOSE_SESSION, key.data, key.len,
			     inner.data, inner.len, &out),
	    0);
	assert_int_equal(
	    verdict_for(PURPOSE_SESSION, out.data, out.len, VECTOR_TIME),
	    SIG_GOOD);
	assert_int_equal(verdict(out.data, out.len), SIG_BAD);
	buf_release(&message);
	buf_release(&inner);
	buf_release(&key);
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_ssh_keygen),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_purposes),
		cmocka_unit_test(test_bits_and_lengths),
		cmocka_unit_test(test_s_not_reduced),
		cmocka_unit_test(test_small_order),
		cmocka_unit_test(test_one_key_one_person),
		cmocka_unit_test(test_keyring_lines),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_person_once),
		cmocka_unit_test(test_write),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
