/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Public keys in, keyring lines out. librnp validates certificates; numbers
 * are taken from the key packet and must give the fingerprint librnp states,
 * and the finished lines are read back with the agents' parser.
 */
#include "client/pgp/keyring_make.h"

#include "base/err.h"
#include "base/hex.h"
#include "client/pgp/packet.h"
#include "client/pgp/rnp.h"
#include "crypto/keymaterial.h"
#include "crypto/pubkey.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#define FPR_HEX (2 * PGP_FPR_LEN)
#define FLAG_SIGN 0x02 /* RFC 4880 section 5.2.3.21 */
#define SUB_KEY_FLAGS 27
#define SUB_EMBEDDED 32
#define TAG_SECRET_KEY 5
#define TAG_PUBLIC_KEY 6
#define LINES_MAX (4 * 1024 * 1024)

struct maker {
	rnp_ffi_t ffi;
	int64_t now;
	struct keyring_made *made;
	struct keymaterial m;
};

void
keyring_made_release(struct keyring_made *m)
{
	buf_release(&m->lines);
	buf_release(&m->refused);
	memset(m, 0, sizeof(*m));
}

static void
refuse(struct maker *k, const char *what, const char *fpr, const char *why)
{
	buf_add_fmt(&k->made->refused, "%s %s: %s\n", what, fpr, why);
	k->made->nrefused++;
}

/* --- what librnp says ---------------------------------------------------- */

/* Lower-case fingerprint; false for keys of other versions than 4. */
static bool
key_fpr(rnp_key_handle_t key, char out[static FPR_HEX + 1])
{
	uint8_t raw[PGP_FPR_LEN];
	char *hex = NULL;
	bool ok = rnp.key_get_fprint(key, &hex) == RNP_SUCCESS &&
	    hex_decode(hex, raw, sizeof(raw)) == 0;

	rnp.buffer_destroy(hex);
	if (ok)
		hex_encode(raw, sizeof(raw), out);
	return ok;
}

/* A reason, or NULL when the key is valid now. */
static const char *
key_trouble(rnp_key_handle_t key, int64_t now, uint64_t *ret_till)
{
	bool revoked = true, expired = true, valid = false;
	uint64_t till = 0;

	if (rnp.key_is_revoked(key, &revoked) != RNP_SUCCESS || revoked)
		return "it is revoked";
	if (rnp.key_is_expired(key, &expired) != RNP_SUCCESS || expired)
		return "it is expired (extend it with gpg --quick-set-expire, "
		       "then export it again)";
	if (rnp.key_is_valid(key, &valid) != RNP_SUCCESS || !valid)
		return "it has no valid self-signature (missing, damaged, or "
		       "made with a digest such as SHA-1)";
	if (rnp.key_valid_till64(key, &till) != RNP_SUCCESS || till == 0)
		return "it is not valid";
	if (till != UINT64_MAX && till <= (uint64_t)now)
		return "it or its primary key is expired";
	*ret_till = till;
	return NULL;
}

/* --- the numbers --------------------------------------------------------- */

static const uint8_t *
read_mpi(struct rd *r, size_t *ret_len)
{
	size_t bits = rd_u16(r);

	*ret_len = (bits + 7) / 8;
	return rd_bytes(r, *ret_len);
}

static const char *
read_rsa(struct rd *r, struct keymaterial *m)
{
	size_t n, e_len;
	const uint8_t *num = read_mpi(r, &n), *e = read_mpi(r, &e_len);

	if (!rd_done(r) || n == 0 || e_len == 0)
		return "its numbers cannot be read";
	if (n > sizeof(m->num) || e_len > sizeof(m->exp))
		return "its numbers are too large (RSA up to 16384 bits is "
		       "accepted)";
	m->alg = KEY_RSA;
	memcpy(m->num, num, n);
	m->len = n;
	memcpy(m->exp, e, e_len);
	m->exp_len = e_len;
	return NULL;
}

static const struct {
	enum key_alg alg;
	uint8_t pk; /* OpenPGP algorithm */
	uint8_t oid[12];
} curves[] = {
	{ KEY_ED25519, 22, { 9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1 } },
	{ KEY_P256, 19, { 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 } },
	{ KEY_P384, 19, { 5, 0x2b, 0x81, 4, 0, 0x22 } },
	{ KEY_P521, 19, { 5, 0x2b, 0x81, 4, 0, 0x23 } },
};

static const char *
read_curve(struct rd *r, unsigned int pk, struct keymaterial *m)
{
	static const char *const unknown =
	    "its curve is not supported (Ed25519, NIST P-256, P-384 and P-521 "
	    "are)";
	size_t oid_len = rd_u8(r), n, i;
	const uint8_t *oid = rd_bytes(r, oid_len), *point;

	point = read_mpi(r, &n);
	if (!rd_done(r) || n == 0 || n > sizeof(m->num))
		return "its point cannot be read";
	for (i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
		if (curves[i].pk == pk && curves[i].oid[0] == oid_len &&
		    memcmp(curves[i].oid + 1, oid, oid_len) == 0)
			break;
	}
	if (i == sizeof(curves) / sizeof(curves[0]))
		return unknown;
	m->alg = curves[i].alg;
	m->exp_len = 0;
	if (m->alg == KEY_ED25519) {
		if (n != 33 || point[0] != 0x40)
			return "its point cannot be read";
		point++;
		n--;
	}
	memcpy(m->num, point, n);
	m->len = n;
	return NULL;
}

static const char *
read_key_packet(struct rd *r, struct keymaterial *m, uint32_t *ret_created)
{
	unsigned int version = rd_u8(r), pk;

	*ret_created = rd_u32(r);
	pk = rd_u8(r);
	if (r->bad || version != 4)
		return "it is not a version 4 key";
	switch (pk) {
	case 1: /* RSA */
		return read_rsa(r, m);
	case 3: /* RSA, sign only: agents know one RSA */
		return "its algorithm (sign-only RSA) is not supported";
	case 19:
	case 22:
		return read_curve(r, pk, m);
	case 17:
		return "its algorithm (DSA) is not supported (RSA, Ed25519 and "
		       "NIST curves are)";
	case 16:
	case 20:
		return "its algorithm (ElGamal) is not supported (RSA, Ed25519 "
		       "and NIST curves are)";
	default:
		return "its algorithm is not supported (RSA, Ed25519 and NIST "
		       "curves are)";
	}
}

/* The key's numbers and creation time, strong enough and fitting its
 * fingerprint; a reason otherwise. why: storage for one. */
static const char *
key_material(rnp_key_handle_t key, const char *fpr, struct keymaterial *m,
    uint32_t *ret_created, struct err *why)
{
	uint8_t *raw = NULL, got[PGP_FPR_LEN];
	char hex[FPR_HEX + 1];
	const char *reason = "its packet cannot be read";
	struct pubkey *pubkey = NULL;
	size_t len = 0, n = 0;
	struct rd r;

	if (rnp.get_public_key_data(key, &raw, &len) == RNP_SUCCESS)
		n = packet_length(raw, len);
	if (n > 0) {
		rd_init(&r, raw, n);
		rd_bytes(&r, packet_header_length(raw));
		reason = read_key_packet(&r, m, ret_created);
	}
	rnp.buffer_destroy(raw);
	if (reason != NULL)
		return reason;
	if (keymaterial_fpr(m, *ret_created, got, why) != 0)
		return why->msg;
	hex_encode(got, sizeof(got), hex);
	if (strcmp(hex, fpr) != 0)
		return "its numbers do not give its fingerprint";
	if (keymaterial_key(m, &pubkey, why) != 0)
		return why->msg;
	pubkey_free(pubkey);
	return NULL;
}

/* --- subkeys ------------------------------------------------------------- */

struct binding {
	bool sign, embedded;
};

static void
binding_read(const char *json, struct binding *ret)
{
	json_t *root = json_read(json, strlen(json), 0, NULL), *sub;
	const json_t *list =
	    json_object_get(json_array_get(root, 0), "subpackets");
	json_int_t type;
	size_t i;

	json_array_foreach (list, i, sub) {
		type = json_integer_value(json_object_get(sub, "type"));
		/* Flags that are not signed over say nothing. */
		if (type == SUB_KEY_FLAGS &&
		    json_is_true(json_object_get(sub, "hashed")))
			ret->sign =
			    (json_integer_value(json_object_get(sub, "flags")) &
				FLAG_SIGN) != 0;
		if (type == SUB_EMBEDDED)
			ret->embedded = true;
	}
	json_decref(root);
}

/* The newest valid binding decides; any is true when at least one binding,
 * valid or not, has the sign flag: then the owner meant it for signing. */
static void
binding_find(rnp_key_handle_t key, struct binding *ret, bool *ret_any)
{
	rnp_signature_handle_t sig;
	uint32_t created = 0, newest = 0;
	size_t i, n = 0;

	memset(ret, 0, sizeof(*ret));
	*ret_any = false;
	rnp.key_get_signature_count(key, &n);
	for (i = 0; i < n; i++) {
		struct binding b = { false, false };
		char *type = NULL, *json = NULL;

		if (rnp.key_get_signature_at(key, i, &sig) != RNP_SUCCESS)
			continue;
		if (rnp.signature_get_type(sig, &type) == RNP_SUCCESS &&
		    strcmp(type, "subkey binding") == 0 &&
		    rnp.signature_packet_to_json(sig, 0, &json) ==
			RNP_SUCCESS) {
			binding_read(json, &b);
			*ret_any |= b.sign;
			rnp.signature_get_creation(sig, &created);
			if (rnp.signature_is_valid(sig, 0) == RNP_SUCCESS &&
			    created >= newest) {
				newest = created;
				*ret = b;
			}
		}
		rnp.buffer_destroy(type);
		rnp.buffer_destroy(json);
		rnp.signature_handle_destroy(sig);
	}
}

static void
line_add(struct maker *k, struct buf *lines, const char *fpr, uint32_t created,
    uint64_t till)
{
	buf_add_fmt(lines, "key %s %s %u %llu ", fpr, key_alg_word(k->m.alg),
	    created, till == UINT64_MAX ? 0ULL : (unsigned long long)till);
	keymaterial_write(&k->m, lines);
	buf_add_str(lines, "\n");
}

/* Adds the subkey's line, a refusal, or nothing when it is not for signing. */
static size_t
subkey_take(struct maker *k, rnp_key_handle_t key, struct buf *lines)
{
	char fpr[FPR_HEX + 1];
	uint64_t till = 0;
	uint32_t created = 0;
	struct binding b;
	const char *why;
	struct err e;
	bool any;

	err_clear(&e);
	binding_find(key, &b, &any);
	if (!any || !key_fpr(key, fpr))
		return 0;
	why = key_trouble(key, k->now, &till);
	if (why == NULL && !b.sign)
		why = "its newest valid binding has no sign flag";
	if (why == NULL && !b.embedded)
		why = "its binding has no back signature";
	if (why == NULL)
		why = key_material(key, fpr, &k->m, &created, &e);
	if (why != NULL) {
		refuse(k, "signing subkey", fpr, why);
		return 0;
	}
	line_add(k, lines, fpr, created, till);
	return 1;
}

/* --- persons ------------------------------------------------------------- */

static void
person_line(rnp_key_handle_t key, const char *fpr, struct buf *lines)
{
	char name[KEYRING_NAME_MAX], *uid = NULL;

	rnp.key_get_primary_uid(key, &uid);
	packet_name(uid == NULL ? "" : uid, uid == NULL ? 0 : strlen(uid), name,
	    sizeof(name));
	buf_add_fmt(lines, "person %s %s\n", fpr, name);
	rnp.buffer_destroy(uid);
}

static void
person_take(struct maker *k, rnp_key_handle_t key)
{
	size_t i, n = 0, keys = 0;
	char fpr[FPR_HEX + 1];
	rnp_key_handle_t sub;
	struct buf lines;
	uint64_t till = 0;
	uint32_t created = 0;
	bool sign = false;
	const char *why;
	struct err e;

	err_clear(&e);
	if (!key_fpr(key, fpr)) {
		refuse(k, "key", "(unknown)", "it is not a version 4 key");
		return;
	}
	why = key_trouble(key, k->now, &till);
	if (why == NULL)
		why = key_material(key, fpr, &k->m, &created, &e);
	if (why != NULL) {
		refuse(k, "key", fpr, why);
		return;
	}
	buf_init(&lines, LINES_MAX);
	person_line(key, fpr, &lines);
	if (rnp.key_allows_usage(key, "sign", &sign) == RNP_SUCCESS && sign) {
		line_add(k, &lines, fpr, created, till);
		keys++;
	}
	rnp.key_get_subkey_count(key, &n);
	for (i = 0; i < n; i++) {
		if (rnp.key_get_subkey_at(key, i, &sub) != RNP_SUCCESS)
			continue;
		keys += subkey_take(k, sub, &lines);
		rnp.key_handle_destroy(sub);
	}
	if (keys == 0) {
		refuse(k, "key", fpr,
		    "it has no key that may sign and is "
		    "accepted");
	} else if (lines.error == 0) {
		buf_add(&k->made->lines, lines.data, lines.len);
		k->made->persons++;
		k->made->keys += keys;
	} else {
		k->made->lines.error = lines.error;
	}
	buf_release(&lines);
}

static int
persons_take(struct maker *k, struct err *e)
{
	rnp_identifier_iterator_t it = NULL;
	rnp_key_handle_t key;
	const char *fpr = NULL;
	bool primary;

	if (rnp.identifier_iterator_create(k->ffi, &it, "fingerprint") !=
	    RNP_SUCCESS)
		return err_set(e, ERR_NOMEM, "librnp: out of memory");
	while (rnp.identifier_iterator_next(it, &fpr) == RNP_SUCCESS &&
	    fpr != NULL) {
		key = NULL;
		if (rnp.locate_key(k->ffi, "fingerprint", fpr, &key) !=
			RNP_SUCCESS ||
		    key == NULL)
			continue;
		primary = false;
		if (rnp.key_is_primary(key, &primary) == RNP_SUCCESS && primary)
			person_take(k, key);
		rnp.key_handle_destroy(key);
	}
	rnp.identifier_iterator_destroy(it);
	return 0;
}

/* --- in and out ---------------------------------------------------------- */

static int
check_input(const uint8_t *p, size_t len, struct err *e)
{
	static const char secret[] = "-----BEGIN PGP PRIVATE KEY";
	unsigned int tag = 0;

	if (len == 0)
		return err_set(
		    e, ERR_INVALID, "no OpenPGP key: the input is empty");
	if (len > KEYRING_PGP_MAX)
		return err_set(e, ERR_TOOBIG,
		    "OpenPGP keys of more than %d bytes", KEYRING_PGP_MAX);
	if (p[0] & 0x80)
		tag = p[0] & 0x40 ? p[0] & 0x3f : (p[0] >> 2) & 0x0f;
	if (tag == TAG_SECRET_KEY ||
	    memmem(p, len, secret, sizeof(secret) - 1) != NULL)
		return err_set(e, ERR_INVALID,
		    "this is a secret key; give the public one (gpg --export)");
	if (tag != 0 && tag != TAG_PUBLIC_KEY)
		return err_set(e, ERR_INVALID,
		    "OpenPGP data, but not a public key (gpg --export makes "
		    "one)");
	return 0;
}

static int
import(struct maker *k, const void *pgp, size_t len, struct err *e)
{
	rnp_input_t in = NULL;
	char *results = NULL;
	rnp_result_t r;

	if (rnp.ffi_create(&k->ffi, "GPG", "GPG") != RNP_SUCCESS ||
	    rnp.set_timestamp(k->ffi, (uint64_t)k->now) != RNP_SUCCESS ||
	    rnp.input_from_memory(&in, pgp, len, false) != RNP_SUCCESS)
		return err_code(e, ERR_NOMEM, "librnp cannot start");
	r = rnp.import_keys(k->ffi, in, RNP_LOAD_SAVE_PUBLIC_KEYS, &results);
	rnp.buffer_destroy(results);
	rnp.input_destroy(in);
	if (r == RNP_ERROR_OUT_OF_MEMORY)
		return err_code(e, ERR_NOMEM, "librnp");
	if (r != RNP_SUCCESS)
		return err_set(e, ERR_INVALID,
		    "not OpenPGP public keys, or damaged, or of an algorithm "
		    "nobody here knows, or librnp had no memory for them "
		    "(it says: %s)",
		    rnp.result_to_string(r));
	return 0;
}

/* The first line of the refusals. */
static int
fail_first(const struct keyring_made *m, struct err *e)
{
	const char *s = (const char *)m->refused.data, *nl;

	if (m->refused.error != 0)
		return err_code(e, m->refused.error, "why a key is refused");
	if (m->refused.len == 0)
		return err_set(
		    e, ERR_INVALID, "no OpenPGP public key in the input");
	nl = memchr(s, '\n', m->refused.len);
	return err_set(e, ERR_INVALID, "%.*s",
	    (int)(nl == NULL ? m->refused.len : (size_t)(nl - s)), s);
}

static int
check_back(const struct keyring_made *m, struct err *e)
{
	struct buf text;
	int rc;

	buf_init(&text, 2 * LINES_MAX);
	rc = keyring_merge(NULL, 0, m->lines.data, m->lines.len, &text, e);
	buf_release(&text);
	return rc;
}

int
keyring_make(const void *pgp, size_t len, int64_t now, struct keyring_made *ret,
    struct err *e)
{
	struct maker *k;
	int rc;

	memset(ret, 0, sizeof(*ret));
	buf_init(&ret->lines, LINES_MAX);
	buf_init(&ret->refused, LINES_MAX);
	rc = check_input(pgp, len, e);
	if (rc != 0)
		return rc;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	k->now = now;
	k->made = ret;
	rc = rnp_enter(e);
	if (rc == 0) {
		rc = import(k, pgp, len, e);
		if (rc == 0)
			rc = persons_take(k, e);
		rnp.ffi_destroy(k->ffi);
		rnp_leave();
	}
	free(k);
	if (rc == 0 && ret->lines.error != 0)
		rc = err_code(e, ret->lines.error, "the keys together");
	if (rc == 0 && ret->persons == 0)
		rc = fail_first(ret, e);
	if (rc == 0)
		rc = check_back(ret, e);
	return rc;
}
