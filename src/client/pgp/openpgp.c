/* SPDX-License-Identifier: MPL-2.0 */
/*
 * GPGME, one context. Output of gpg goes through a bounded writer, so
 * a message cannot grow without end; what gpg signed is read back by the same
 * code that agents use before anybody is given it.
 */
#include "client/pgp/openpgp.h"

#include "base/err.h"
#include "base/hex.h"
#include "base/str.h"
#include "client/pgp/gpgerror.h"
#include "client/pgp/keylist.h"
#include "client/pgp/packet.h"
#include "crypto/seal.h"
#include "crypto/sigpacket.h"

#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <gpgme.h>

#define KEYS_MAX 256
#define READERS_MAX 64
#define SIGN_OUT_MAX 65536
#define RSA_BITS_MIN 2048

/* --- context and data ---------------------------------------------------- */

/*
 * Starting programs is what costs time here, so there is one context in a
 * process, and GPGME is kept from asking gpgconf about components that are not
 * used (S/MIME, gpgconf itself): two programs less of each kind.
 */
static int
context_make(gpgme_ctx_t *ret, struct err *e)
{
	gpgme_error_t err;
	gpgme_ctx_t ctx;

	/* before anything else of GPGME; without it all is only slower */
	(void)gpgme_set_global_flag("disable-gpgconf", "1");
	if (gpgme_check_version("1.18.0") == NULL)
		return err_set(
		    e, ERR_UNSUPPORTED, "GPGME is older than 1.18.0");
	gpgme_set_locale(NULL, LC_CTYPE, setlocale(LC_CTYPE, NULL));
	err = gpgme_engine_check_version(GPGME_PROTOCOL_OpenPGP);
	if (err == 0)
		err = gpgme_new(&ctx);
	if (err != 0)
		return gpg_fail(e, err, "starting gpg");
	err = gpgme_set_protocol(ctx, GPGME_PROTOCOL_OpenPGP);
	if (err == 0)
		err = gpgme_set_keylist_mode(ctx, GPGME_KEYLIST_MODE_LOCAL);
	if (err != 0) {
		gpgme_release(ctx);
		return gpg_fail(e, err, "starting gpg");
	}
	gpgme_set_offline(ctx, 1);
	*ret = ctx;
	return 0;
}

/* What this process keeps until pgp_end(). */
static struct {
	gpgme_ctx_t ctx;
	gpgme_key_t own; /* the secret key that was asked for last */
	char begun[PGP_FPR_HEX + 1]; /* whose key the thread looks for */
	pthread_t thread;
	bool has_thread; /* which alone uses all of the above */
} kept;

static void
wait_for_thread(void)
{
	if (kept.has_thread)
		pthread_join(kept.thread, NULL);
	kept.has_thread = false;
}

void
pgp_end(void)
{
	wait_for_thread();
	gpgme_key_unref(kept.own);
	gpgme_release(kept.ctx);
	memset(&kept, 0, sizeof(kept));
}

/* The context, without anything that an earlier call left in it. */
static int
context_get(gpgme_ctx_t *ret, struct err *e)
{
	int rc = 0;

	wait_for_thread();
	if (kept.ctx == NULL)
		rc = context_make(&kept.ctx, e);
	if (rc != 0)
		return rc;
	gpgme_signers_clear(kept.ctx);
	gpgme_set_textmode(kept.ctx, 0);
	gpgme_set_armor(kept.ctx, 0);
	*ret = kept.ctx;
	return 0;
}

static ssize_t
write_to_buf(void *handle, const void *data, size_t n)
{
	struct buf *b = handle;

	if (buf_add(b, data, n) != 0) {
		errno = b->error == ERR_NOMEM ? ENOMEM : ENOSPC;
		return -1;
	}
	return (ssize_t)n;
}

static struct gpgme_data_cbs writer_cbs = { .write = write_to_buf };

/* in: copied bytes; out: goes to b. Both are released by data_pair_end(). */
struct data_pair {
	gpgme_data_t in, out;
};

static void
data_pair_end(struct data_pair *d)
{
	gpgme_data_release(d->in);
	gpgme_data_release(d->out);
}

static int
data_pair_begin(struct data_pair *d, const void *data, size_t len,
    struct buf *b, struct err *e)
{
	gpgme_error_t err;

	memset(d, 0, sizeof(*d));
	/* Not copied: the caller's bytes outlive the call. */
	err = gpgme_data_new_from_mem(&d->in, data, len, 0);
	if (err == 0)
		err = gpgme_data_new_from_cbs(&d->out, &writer_cbs, b);
	if (err == 0)
		return 0;
	data_pair_end(d);
	return gpg_fail(e, err, "starting gpg");
}

/* --- keys ---------------------------------------------------------------- */

static bool
fpr_is_full(const char *fpr)
{
	return strlen(fpr) == PGP_FPR_HEX &&
	    strspn(fpr, "0123456789abcdefABCDEF") == PGP_FPR_HEX;
}

/* The key with exactly that primary fingerprint, owned by the caller. */
static int
key_get(gpgme_ctx_t ctx, const char *fpr, int secret, gpgme_key_t *ret,
    struct err *e)
{
	char what[96];
	gpgme_error_t err;
	gpgme_key_t key = NULL;

	if (!fpr_is_full(fpr))
		return err_set(e, ERR_INVALID,
		    "\"%.64s\" is not a full fingerprint (40 hexadecimal "
		    "digits)",
		    fpr);
	/* a secret key's listing has all that is known of the public one */
	if (kept.own != NULL && strcasecmp(kept.own->subkeys->fpr, fpr) == 0) {
		gpgme_key_ref(kept.own);
		*ret = kept.own;
		return 0;
	}
	snprintf(
	    what, sizeof(what), "%s key %s", secret ? "secret" : "public", fpr);
	err = keylist_one(ctx, fpr, secret, &key);
	if (err != 0)
		return gpg_fail(e, err, what);
	if (key->subkeys == NULL || key->subkeys->fpr == NULL ||
	    strcasecmp(key->subkeys->fpr, fpr) != 0) {
		gpgme_key_unref(key);
		return err_set(e, ERR_NOTFOUND,
		    "%s: this is a subkey's fingerprint; name the primary key",
		    what);
	}
	if (secret) {
		gpgme_key_unref(kept.own);
		gpgme_key_ref(key);
		kept.own = key;
	}
	*ret = key;
	return 0;
}

static void *
look_ahead(void *arg)
{
	gpgme_key_t key = NULL;
	struct err e;

	if (context_make(&kept.ctx, &e) == 0 &&
	    key_get(kept.ctx, kept.begun, 1, &key, &e) == 0)
		gpgme_key_unref(key);
	return NULL;
}

void
pgp_begin(const char *fpr)
{
	if (kept.has_thread || kept.ctx != NULL || !fpr_is_full(fpr))
		return;
	str_copy(kept.begun, sizeof(kept.begun), fpr);
	kept.has_thread =
	    pthread_create(&kept.thread, NULL, look_ahead, NULL) == 0;
}

static bool
subkey_dead(gpgme_subkey_t s)
{
	return s->revoked || s->expired || s->disabled || s->invalid;
}

/* What gpg signs with: the newest good signing subkey, else the primary. */
static gpgme_subkey_t
signer_of(gpgme_key_t key)
{
	gpgme_subkey_t s, best = NULL;

	for (s = key->subkeys->next; s != NULL; s = s->next) {
		if (s->can_sign && !subkey_dead(s) &&
		    (best == NULL || s->timestamp >= best->timestamp))
			best = s;
	}
	if (best == NULL && key->subkeys->can_sign &&
	    !subkey_dead(key->subkeys))
		best = key->subkeys;
	return best;
}

static bool
alg_accepted(gpgme_subkey_t s)
{
	const char *curve = s->curve == NULL ? "" : s->curve;

	switch (s->pubkey_algo) {
	case GPGME_PK_RSA:
		return s->length >= RSA_BITS_MIN;
	case GPGME_PK_EDDSA:
		return strcasecmp(curve, "ed25519") == 0;
	case GPGME_PK_ECDSA:
		return strcasecmp(curve, "nistp256") == 0 ||
		    strcasecmp(curve, "nistp384") == 0 ||
		    strcasecmp(curve, "nistp521") == 0;
	default:
		return false;
	}
}

/* Why this key cannot sign for MIG, with the code for it; 0 when it can. */
static int
key_trouble(gpgme_key_t key, char *why, size_t size)
{
	gpgme_subkey_t s, primary = key->subkeys;
	bool expired = false;

	why[0] = '\0';
	if (primary->revoked) {
		snprintf(why, size, "it is revoked");
		return ERR_EXPIRED;
	}
	if (primary->expired) {
		snprintf(why, size, "it is expired");
		return ERR_EXPIRED;
	}
	if (primary->disabled || primary->invalid) {
		snprintf(why, size, "it is disabled or not valid in gpg");
		return ERR_INVALID;
	}
	s = signer_of(key);
	if (s == NULL) {
		for (s = primary; s != NULL; s = s->next)
			expired |= s->can_sign && (s->expired || s->revoked);
		snprintf(why, size, "%s",
		    expired ? "its signing subkey is expired or revoked"
			    : "it has no key that may sign");
		return expired ? ERR_EXPIRED : ERR_INVALID;
	}
	if (!s->secret) {
		snprintf(why, size,
		    "the secret half of its signing key %s is not here",
		    s->fpr == NULL ? "" : s->fpr);
		return ERR_NOTFOUND;
	}
	if (!alg_accepted(s)) {
		snprintf(why, size,
		    "agents accept RSA >= 2048, Ed25519 and NIST P-256, P-384 "
		    "and P-521 only");
		return ERR_UNSUPPORTED;
	}
	return 0;
}

static void
lower_copy(char out[static PGP_FPR_HEX + 1], const char *fpr)
{
	size_t i;

	for (i = 0; i < PGP_FPR_HEX && fpr != NULL && fpr[i] != '\0'; i++)
		out[i] = fpr[i] >= 'A' && fpr[i] <= 'F'
		    ? (char)(fpr[i] - 'A' + 'a')
		    : fpr[i];
	out[i] = '\0';
}

static void
name_copy(char out[static PGP_NAME_MAX], const char *uid)
{
	packet_name(uid == NULL ? "" : uid, uid == NULL ? 0 : strlen(uid), out,
	    PGP_NAME_MAX);
}

static void
key_describe(gpgme_key_t key, struct pgp_key *ret)
{
	gpgme_subkey_t primary = key->subkeys, s = signer_of(key);
	char *alg;

	memset(ret, 0, sizeof(*ret));
	lower_copy(ret->fpr, primary->fpr);
	name_copy(ret->name, key->uids == NULL ? NULL : key->uids->uid);
	ret->usable = key_trouble(key, ret->why, sizeof(ret->why)) == 0;
	ret->expires = primary->expires;
	if (s == NULL)
		return;
	lower_copy(ret->signer, s->fpr);
	ret->created = s->timestamp;
	ret->on_card = s->is_cardkey;
	if (s->expires > 0 && (ret->expires == 0 || s->expires < ret->expires))
		ret->expires = s->expires;
	alg = gpgme_pubkey_algo_string(s);
	if (alg != NULL)
		str_copy(ret->alg, sizeof(ret->alg), alg);
	gpgme_free(alg);
}

int
pgp_list(struct pgp_key **ret, size_t *ret_n, struct err *e)
{
	struct pgp_key *keys;
	gpgme_error_t err;
	gpgme_key_t key;
	gpgme_ctx_t ctx;
	size_t n = 0;
	int rc = context_get(&ctx, e);

	if (rc != 0)
		return rc;
	keys = calloc(KEYS_MAX, sizeof(*keys));
	if (keys == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	err = gpgme_op_keylist_start(ctx, NULL, 1);
	while (err == 0 && n < KEYS_MAX) {
		err = gpgme_op_keylist_next(ctx, &key);
		if (err != 0)
			break;
		if (key->subkeys != NULL && key->subkeys->fpr != NULL &&
		    strlen(key->subkeys->fpr) == PGP_FPR_HEX)
			key_describe(key, &keys[n++]);
		gpgme_key_unref(key);
	}
	if (err == 0 || gpgme_err_code(err) == GPG_ERR_EOF) {
		*ret = keys;
		*ret_n = n;
	} else {
		rc = gpg_fail(e, err, "listing secret keys");
		free(keys);
	}
	gpgme_op_keylist_end(ctx);
	return rc;
}

/* --- signing ------------------------------------------------------------- */

static bool
key_has(gpgme_key_t key, const uint8_t fpr[static PGP_FPR_LEN])
{
	char hex[PGP_FPR_HEX + 1];
	gpgme_subkey_t s;

	hex_encode(fpr, PGP_FPR_LEN, hex);
	for (s = key->subkeys; s != NULL; s = s->next) {
		if (s->fpr != NULL && strcasecmp(s->fpr, hex) == 0)
			return true;
	}
	return false;
}

/*
 * gpg.conf may add armour or further signers; exactly the packet of this key
 * is taken out. It must be one that agents accept: a weak digest, or options
 * that put critical notations into it, are found here and not on endpoints.
 */
static int
packet_pick(
    gpgme_key_t key, const struct buf *made, struct buf *out, struct err *e)
{
	struct buf plain;
	const uint8_t *p;
	struct sigpacket s;
	struct rd r;
	size_t n;
	int rc;

	buf_init(&plain, SIGN_OUT_MAX);
	rc = packet_dearmor(made->data, made->len, &plain, e);
	if (rc != 0)
		goto out;
	rd_init(&r, plain.data, plain.len);
	rc = err_set(e, ERR_UNSUPPORTED, "gpg made no signature");
	while (r.left > 0) {
		n = packet_length(r.p, r.left);
		p = rd_bytes(&r, n);
		if (n == 0 || p == NULL)
			break;
		rc = sigpacket_parse(p, n, &s, e);
		if (rc == 0 && !key_has(key, s.issuer))
			rc = err_set(
			    e, ERR_UNSUPPORTED, "gpg signed with another key");
		if (rc == 0) {
			rc = buf_add(out, p, n);
			if (rc != 0)
				err_code(e, rc, "the signature");
			break;
		}
	}
	if (rc != 0 && rc != ERR_NOMEM) {
		err_wrap(e,
		    "agents would refuse this signature (see "
		    "digest-algo, sig-notation and the like in "
		    "gpg.conf)");
		rc = ERR_UNSUPPORTED;
	}
out:
	buf_release(&plain);
	return rc;
}

static int
message_make(
    enum purpose p, const void *data, size_t len, struct buf *m, struct err *e)
{
	char prefix[PURPOSE_PREFIX_MAX];
	size_t n = purpose_prefix(p, len, prefix);

	buf_init(m, len + PURPOSE_PREFIX_MAX);
	buf_add(m, prefix, n);
	buf_add(m, data, len);
	return m->error == 0 ? 0 : err_set(e, m->error, "out of memory");
}

static int
sign_run(gpgme_ctx_t ctx, gpgme_key_t key, const struct buf *m, struct buf *out,
    struct err *e)
{
	struct data_pair d;
	struct buf made;
	gpgme_error_t err;
	char what[96];
	int rc;

	snprintf(what, sizeof(what), "signing with %s", key->subkeys->fpr);
	buf_init(&made, SIGN_OUT_MAX);
	rc = data_pair_begin(&d, m->data, m->len, &made, e);
	if (rc == 0) {
		err = gpgme_signers_add(ctx, key);
		if (err == 0)
			err = gpgme_op_sign(
			    ctx, d.in, d.out, GPGME_SIG_MODE_DETACH);
		data_pair_end(&d);
		if (err != 0)
			rc = gpg_fail(e, err, what);
		else
			rc = packet_pick(key, &made, out, e);
	}
	buf_release(&made);
	return rc;
}

/* The key when it can sign for MIG, owned by the caller. */
static int
signing_key(gpgme_ctx_t ctx, const char *fpr, gpgme_key_t *ret, struct err *e)
{
	char why[128];
	int rc = key_get(ctx, fpr, 1, ret, e);

	if (rc == 0) {
		rc = key_trouble(*ret, why, sizeof(why));
		if (rc != 0)
			err_set(e, rc, "key %s cannot sign: %s", fpr, why);
	}
	return rc;
}

int
pgp_check_signer(const char *fpr, struct err *e)
{
	gpgme_key_t key = NULL;
	gpgme_ctx_t ctx;
	int rc = context_get(&ctx, e);

	if (rc == 0)
		rc = signing_key(ctx, fpr, &key, e);
	gpgme_key_unref(key);
	return rc;
}

int
pgp_sign(const char *fpr, enum purpose p, const void *data, size_t len,
    struct buf *out, struct err *e)
{
	gpgme_key_t key = NULL;
	gpgme_ctx_t ctx;
	struct buf m;
	int rc = context_get(&ctx, e);

	if (rc != 0)
		return rc;
	buf_init(&m, 0);
	rc = signing_key(ctx, fpr, &key, e);
	if (rc == 0)
		rc = message_make(p, data, len, &m, e);
	if (rc == 0)
		rc = sign_run(ctx, key, &m, out, e);
	buf_release(&m);
	gpgme_key_unref(key);
	return rc;
}

/* --- encrypting and decrypting ------------------------------------------- */

/* Why nothing can be encrypted to this key; NULL when it can. */
static const char *
reader_trouble(gpgme_key_t key)
{
	const gpgme_subkey_t primary = key->subkeys;
	bool expired = false, revoked = false, weak = false;
	gpgme_subkey_t s;

	if (primary->revoked)
		return "it is revoked";
	if (primary->expired)
		return "it is expired";
	if (subkey_dead(primary))
		return "it is disabled or not valid in gpg";
	for (s = primary; s != NULL; s = s->next) {
		if (!s->can_encrypt)
			continue;
		if (!subkey_dead(s) &&
		    (s->pubkey_algo == GPGME_PK_ECDH ||
			s->length >= RSA_BITS_MIN))
			return NULL;
		revoked |= s->revoked;
		expired |= s->expired;
		weak |= !subkey_dead(s);
	}
	if (weak)
		return "its encryption key has fewer than 2048 bits";
	if (revoked || expired)
		return revoked ? "its encryption key is revoked"
			       : "its encryption key is expired";
	return "it has no key to encrypt to";
}

static int
reader_get(gpgme_ctx_t ctx, const char *fpr, gpgme_key_t *ret, struct err *e)
{
	const char *why;
	int rc = key_get(ctx, fpr, 0, ret, e);

	if (rc != 0)
		return rc;
	why = reader_trouble(*ret);
	return why == NULL
	    ? 0
	    : err_set(e, ERR_EXPIRED,
		  "key %s cannot be a reader: %s (see: gpg --list-keys %s)",
		  fpr, why, fpr);
}

int
pgp_reader(const char *fpr, char name[static PGP_NAME_MAX], struct err *e)
{
	gpgme_key_t key = NULL;
	gpgme_ctx_t ctx;
	int rc = context_get(&ctx, e);

	if (rc == 0)
		rc = reader_get(ctx, fpr, &key, e);
	if (rc == 0)
		name_copy(name, key->uids == NULL ? NULL : key->uids->uid);
	if (key != NULL)
		gpgme_key_unref(key);
	return rc;
}

static int
readers_get(gpgme_ctx_t ctx, const char *const *fprs, size_t n,
    gpgme_key_t *keys, struct err *e)
{
	size_t i;
	int rc;

	for (i = 0; i < n; i++) {
		rc = reader_get(ctx, fprs[i], &keys[i], e);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static bool
key_has_id(gpgme_key_t key, const char *keyid)
{
	gpgme_subkey_t s;

	for (s = key->subkeys; s != NULL; s = s->next)
		if (s->can_encrypt && s->keyid != NULL &&
		    strcasecmp(s->keyid, keyid) == 0)
			return true;
	return false;
}

/*
 * gpg.conf may name further recipients or groups that stand for others. Every
 * key the message is for must be one of these, and each of these must have it.
 */
static int
readers_are(gpgme_key_t *keys, const struct buf *plain, struct err *e)
{
	uint8_t ids[KEYS_MAX][PACKET_KEYID_LEN];
	char hex[2 * PACKET_KEYID_LEN + 1];
	bool has[KEYS_MAX] = { false }, known;
	size_t n = 0, i, k;
	int rc;

	rc = packet_recipients(plain->data, plain->len, ids, KEYS_MAX, &n, e);
	if (rc != 0)
		return rc;
	for (i = 0; i < n; i++) {
		hex_encode(ids[i], PACKET_KEYID_LEN, hex);
		known = false;
		for (k = 0; keys[k] != NULL; k++)
			if (key_has_id(keys[k], hex))
				known = has[k] = true;
		if (!known)
			return err_set(e, ERR_UNSUPPORTED,
			    "key %s could read it, too", hex);
	}
	for (k = 0; keys[k] != NULL; k++)
		if (!has[k])
			return err_set(e, ERR_UNSUPPORTED,
			    "key %s could not read it", keys[k]->subkeys->fpr);
	return 0;
}

/* Appends its armour. Made here: librnp would have to be loaded for it, which
 * takes as long as gpg. */
static int
message_take(gpgme_key_t *keys, const struct buf *message, struct buf *out,
    struct err *e)
{
	struct buf plain;
	int rc;

	buf_init(&plain, message->len + 16);
	/* "armor" may stand in gpg.conf */
	rc = packet_dearmor(message->data, message->len, &plain, e);
	if (rc == 0)
		rc = readers_are(keys, &plain, e);
	if (rc != 0) {
		err_wrap(e,
		    "what gpg encrypted is not for the readers alone (see "
		    "recipient, group, throw-keyids and the like in "
		    "gpg.conf)");
		rc = ERR_UNSUPPORTED;
	} else if ((rc = packet_armor(&plain, out)) != 0) {
		err_code(e, rc, "encrypting");
	}
	buf_release(&plain);
	return rc;
}

static int
encrypt_run(gpgme_ctx_t ctx, gpgme_key_t *keys, const void *data, size_t len,
    struct buf *out, struct err *e)
{
	const gpgme_encrypt_flags_t flags = GPGME_ENCRYPT_ALWAYS_TRUST |
	    GPGME_ENCRYPT_NO_ENCRYPT_TO | GPGME_ENCRYPT_NO_COMPRESS;
	struct data_pair d;
	struct buf message;
	gpgme_error_t err;
	int rc;

	buf_init(&message, out->max);
	rc = data_pair_begin(&d, data, len, &message, e);
	if (rc != 0)
		return rc;
	err = gpgme_op_encrypt(ctx, keys, flags, d.in, d.out);
	data_pair_end(&d);
	if (err != 0)
		rc = gpg_fail(e, err, "encrypting");
	else if (message.error != 0)
		rc = err_code(e, message.error, "encrypting");
	else
		rc = message_take(keys, &message, out, e);
	buf_release(&message);
	return rc;
}

int
pgp_encrypt(const char *const *fprs, size_t n, const void *data, size_t len,
    struct buf *out, struct err *e)
{
	gpgme_key_t *keys;
	gpgme_ctx_t ctx;
	size_t i;
	int rc;

	/* Without a recipient gpg would encrypt to a passphrase. */
	if (n == 0 || n > READERS_MAX)
		return err_set(e, ERR_INVALID,
		    "%zu readers; 1 to %d are possible", n, READERS_MAX);
	rc = context_get(&ctx, e);
	if (rc != 0)
		return rc;
	keys = calloc(n + 1, sizeof(gpgme_key_t));
	if (keys == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	if (rc == 0)
		rc = readers_get(ctx, fprs, n, keys, e);
	if (rc == 0)
		rc = encrypt_run(ctx, keys, data, len, out, e);
	for (i = 0; keys != NULL && i < n; i++)
		gpgme_key_unref(keys[i]);
	free(keys);
	return rc;
}

/* The person whose key has this id; false when there is none here. */
static bool
key_of_id(gpgme_ctx_t ctx, const uint8_t id[static PACKET_KEYID_LEN],
    char ret[static PGP_FPR_HEX + 1])
{
	char hex[2 * PACKET_KEYID_LEN + 1];
	gpgme_key_t key = NULL;
	bool found;

	hex_encode(id, PACKET_KEYID_LEN, hex);
	found = keylist_one(ctx, hex, 0, &key) == 0 && key->subkeys != NULL &&
	    key->subkeys->fpr != NULL;
	if (found)
		lower_copy(ret, key->subkeys->fpr);
	gpgme_key_unref(key);
	return found;
}

int
pgp_message_readers(const void *message, size_t len,
    char (*ret)[PGP_FPR_HEX + 1], size_t max, size_t *ret_n,
    size_t *ret_unknown, struct err *e)
{
	uint8_t ids[KEYS_MAX][PACKET_KEYID_LEN];
	size_t n = 0, i;
	struct buf plain;
	gpgme_ctx_t ctx;
	int rc = context_get(&ctx, e);

	if (rc != 0)
		return rc;
	buf_init(&plain, len + 16);
	rc = packet_dearmor(message, len, &plain, e);
	if (rc == 0)
		rc = packet_recipients(
		    plain.data, plain.len, ids, KEYS_MAX, &n, e);
	buf_release(&plain);
	if (rc != 0)
		return rc;
	*ret_n = *ret_unknown = 0;
	for (i = 0; i < n; i++) {
		if (*ret_n < max && key_of_id(ctx, ids[i], ret[*ret_n]))
			++*ret_n;
		else
			++*ret_unknown;
	}
	return 0;
}

int
pgp_decrypt(const void *message, size_t len, struct buf *out, struct err *e)
{
	size_t before = out->len;
	struct data_pair d;
	gpgme_error_t err;
	gpgme_ctx_t ctx;
	int rc = context_get(&ctx, e);

	if (rc != 0)
		return rc;
	rc = data_pair_begin(&d, message, len, out, e);
	if (rc == 0) {
		err = gpgme_op_decrypt(ctx, d.in, d.out);
		data_pair_end(&d);
		if (out->error == ERR_NOMEM)
			rc = err_code(e, ERR_NOMEM, "decrypting");
		else if (out->error != 0)
			rc = err_set(e, out->error,
			    "decrypting: the content is larger than %zu bytes",
			    out->max);
		else if (err != 0)
			rc = gpg_fail(e, err, "decrypting");
	}
	if (rc != 0 && out->data != NULL && out->len > before)
		secret_wipe(out->data + before, out->len - before);
	if (rc != 0)
		out->len = before;
	return rc;
}

int
pgp_export(const char *fpr, struct buf *out, struct err *e)
{
	gpgme_key_t keys[2] = { NULL, NULL };
	size_t before = out->len;
	gpgme_data_t data = NULL;
	gpgme_error_t err;
	gpgme_ctx_t ctx;
	int rc = context_get(&ctx, e);

	if (rc != 0)
		return rc;
	rc = key_get(ctx, fpr, 0, &keys[0], e);
	if (rc == 0) {
		err = gpgme_data_new_from_cbs(&data, &writer_cbs, out);
		if (err == 0)
			err = gpgme_op_export_keys(
			    ctx, keys, GPGME_EXPORT_MODE_MINIMAL, data);
		gpgme_data_release(data);
		if (err != 0)
			rc = gpg_fail(e, err, "exporting a public key");
		else if (out->error != 0)
			rc = err_code(e, out->error, "exporting a public key");
		else if (out->len == before)
			rc = err_set(e, ERR_NOTFOUND,
			    "exporting a public key: nothing came");
	}
	if (rc != 0)
		out->len = before;
	gpgme_key_unref(keys[0]);
	return rc;
}
