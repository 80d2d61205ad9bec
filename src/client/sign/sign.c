/* SPDX-License-Identifier: MPL-2.0 */
#include "client/sign/sign.h"

#include "action/envelope.h"
#include "base/hex.h"
#include "base/str.h"
#include "client/pgp/openpgp.h"
#include "client/sign/readkey.h"
#include "client/ssh/signer.h"
#include "crypto/sshsig.h"
#include "json/json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* gpg's home of the configuration, unless the environment says otherwise. */
static int
use_gpghome(struct client *c, struct err *e)
{
	int r = client_conf_load(c, e);

	if (r == 0 && c->conf.gpghome != NULL &&
	    setenv("GNUPGHOME", c->conf.gpghome, 0) != 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	return r;
}

int
sign_prepare(struct client *c, struct err *e)
{
	int r = client_need_key(c, e);

	return r == 0 ? use_gpghome(c, e) : r;
}

void
sign_begin(struct client *c)
{
	struct err e;

	if (sign_prepare(c, &e) == 0 && c->conf.signer == NULL)
		pgp_begin(c->conf.key);
}

int
sign_packet(struct client *c, enum purpose p, const void *doc, size_t len,
    struct buf *out, struct err *e)
{
	struct sshpub key;
	int r = sign_prepare(c, e);

	if (r != 0 || c->conf.signer == NULL)
		return r != 0 ? r : pgp_sign(c->conf.key, p, doc, len, out, e);
	r = signer_find(c->conf.signer, &key, e);
	if (r == 0 && key.sk)
		fprintf(stderr, "touch your security key (%s)\n", key.comment);
	return r != 0 ? r : signer_sign(&key, p, doc, len, out, e);
}

/* Before anything else is done for nothing. */
static int
sign_check_signer(struct client *c, struct err *e)
{
	struct sshpub key;
	int r = sign_prepare(c, e);

	if (r != 0)
		return r;
	return c->conf.signer == NULL ? pgp_check_signer(c->conf.key, e)
				      : signer_find(c->conf.signer, &key, e);
}

static int
check_form(const struct sig_bytes *sig, enum purpose p, struct err *e)
{
	struct sigpacket packet;
	struct sshsig ssh;
	int r;

	if (!sshsig_is(sig->data, sig->len))
		return sigpacket_parse(sig->data, sig->len, &packet, e);
	r = sshsig_parse(sig->data, sig->len, &ssh, e);
	return r == 0 ? sshsig_check_name(&ssh, p, e) : r;
}

/* Of the key that made it; false: it has no form to tell by. */
static bool
signer_of(const struct sig_bytes *sig, uint8_t ret[static PGP_FPR_LEN])
{
	struct sigpacket packet;
	struct sshsig ssh;
	struct err why;

	if (sshsig_is(sig->data, sig->len)) {
		if (sshsig_parse(sig->data, sig->len, &ssh, &why) != 0)
			return false;
		memcpy(ret, ssh.signer, PGP_FPR_LEN);
		return true;
	}
	if (sigpacket_parse(sig->data, sig->len, &packet, &why) != 0)
		return false;
	memcpy(ret, packet.issuer, PGP_FPR_LEN);
	return true;
}

int
sign_add(struct client *c, enum purpose p, struct envelope *env,
    struct buf *packet, struct err *e)
{
	uint8_t mine[PGP_FPR_LEN], other[PGP_FPR_LEN];
	struct sig_bytes sig;
	size_t i;
	int r;

	if (env->nsigs >= SIGS_MAX)
		return err_set(
		    e, ERR_TOOBIG, "it has %d signatures already", SIGS_MAX);
	r = sign_packet(c, p, env->doc, env->doc_len, packet, e);
	if (r != 0)
		return r;
	sig.data = packet->data;
	sig.len = packet->len;
	for (i = 0; i < env->nsigs; i++)
		if (signer_of(&sig, mine) && signer_of(&env->sigs[i], other) &&
		    memcmp(mine, other, PGP_FPR_LEN) == 0)
			return err_set(e, ERR_EXISTS,
			    "a signature of your key is there already: another "
			    "person has to sign");
	env->sigs[env->nsigs++] = sig;
	return 0;
}

void
sign_warn_useless(const struct envelope *env, enum purpose p)
{
	struct err why;
	size_t i;

	for (i = 0; i < env->nsigs; i++)
		if (check_form(&env->sigs[i], p, &why) != 0)
			client_warn("note: signature %zu counts nowhere: %s",
			    i + 1, why.msg);
}

int
sign_envelope_text(const struct envelope *env, struct buf *out, struct err *e)
{
	json_t *j = envelope_to_json(env, e);
	char *text;
	int r = 0;

	if (j == NULL)
		return ERR_INVALID;
	text = json_text(j, JSON_COMPACT);
	if (text == NULL || buf_add_str(out, text) != 0 ||
	    buf_add_str(out, "\n") != 0)
		r = err_set(e, ERR_NOMEM, "out of memory");
	free(text);
	json_decref(j);
	return r;
}

int
sign_new_envelope(struct client *c, enum purpose p, const void *doc, size_t len,
    struct buf *out, struct err *e)
{
	struct envelope env = { .doc = doc, .doc_len = len, .nsigs = 1 };
	struct buf packet;
	int r;

	buf_init(&packet, SIGPACKET_MAX);
	r = sign_packet(c, p, doc, len, &packet, e);
	if (r == 0) {
		env.sigs[0].data = packet.data;
		env.sigs[0].len = packet.len;
		r = sign_envelope_text(&env, out, e);
	}
	buf_release(&packet);
	return r;
}

int
sign_readers_add(
    struct sign_readers *l, const char *name, const char *where, struct err *e)
{
	uint8_t pub[SEAL_KEY_LEN] = { 0 }, bytes[20];
	bool x25519 = readkey_parse(name, pub);
	char fpr[41];
	size_t i;

	if (x25519)
		readkey_fpr(pub, fpr);
	else if (hex_decode(name, bytes, sizeof(bytes)) == 0)
		hex_encode(bytes, sizeof(bytes), fpr);
	else
		return err_set(e, ERR_INVALID,
		    "%s: '%s' is neither a full fingerprint of 40 hex digits "
		    "nor a reader's key (" READKEY_PREFIX "...)",
		    where, name);
	for (i = 0; i < l->n; i++)
		if (strcmp(l->text[i], fpr) == 0)
			return 0;
	if (l->n >= SIGN_READERS_MAX)
		return err_set(
		    e, ERR_TOOBIG, "more than %d readers", SIGN_READERS_MAX);
	memcpy(l->text[l->n], fpr, sizeof(fpr));
	l->list[l->n] = l->text[l->n];
	l->x25519[l->n] = x25519;
	memcpy(l->pub[l->n], pub, sizeof(pub));
	l->n++;
	return 0;
}

int
sign_readers_named(struct client *c, const struct opts *o,
    struct sign_readers *ret, struct err *e)
{
	const struct conf_list *l;
	size_t i;
	int r = client_conf_load(c, e);

	ret->n = 0;
	if (r == 0 && c->conf.key != NULL)
		r = sign_readers_add(ret, c->conf.key, "key", e);
	l = c->conf.readers;
	for (i = 0; r == 0 && l != NULL && i < l->n; i++)
		r = sign_readers_add(ret, l->items[i], c->conf_path, e);
	for (i = 0; r == 0 && i < o->n; i++)
		if (strcmp(o->values[i].opt->name, "reader") == 0)
			r = sign_readers_add(
			    ret, o->values[i].value, "-reader", e);
	return r;
}

int
sign_readers_fill(struct client *c, const struct opts *o,
    struct sign_readers *ret, struct err *e)
{
	int r = client_need_key(c, e);

	if (r == 0)
		r = sign_readers_named(c, o, ret, e);
	if (r == 0 && ret->n == 0)
		r = err_set(e, ERR_NOTFOUND,
		    "nobody could read the answers, as an SSH key only signs: "
		    "mig reader make, or name an OpenPGP key of yours, key "
		    "FINGERPRINT or reader FINGERPRINT in %s (or -reader)",
		    c->conf_path);
	return r;
}

/* One message for all that gpg has the keys of. */
static int
seal_pgp(const struct sign_readers *readers,
    const uint8_t secret[static SEAL_KEY_LEN], struct buf *out, struct err *e)
{
	const char *list[SIGN_READERS_MAX];
	struct buf text;
	size_t i, n = 0;
	int r = 0;

	for (i = 0; i < readers->n; i++)
		if (!readers->x25519[i])
			list[n++] = readers->list[i];
	if (n == 0)
		return 0;
	buf_init(&text, 256);
	/* never moved while it grows: no copy of it stays behind */
	if (buf_reserve(&text, 128) == NULL ||
	    b64_encode(&text, secret, SEAL_KEY_LEN) != 0)
		r = err_set(e, ERR_NOMEM, "out of memory");
	else
		r = pgp_encrypt(list, n, text.data, text.len, out, e);
	if (text.data != NULL)
		secret_wipe(text.data, text.len);
	buf_release(&text);
	if (r == 0 && out->len > 0 && out->data[out->len - 1] != '\n' &&
	    (r = buf_add_str(out, "\n")) != 0)
		err_set(e, r, "too many readers");
	return r;
}

int
sign_readers_text(struct client *c, const struct sign_readers *l,
    struct buf *out, struct err *e)
{
	char name[PGP_NAME_MAX];
	size_t i;
	int r = use_gpghome(c, e);

	for (i = 0; r == 0 && i < l->n; i++) {
		str_copy(name, sizeof(name), "a reader's key");
		if (!l->x25519[i])
			r = pgp_reader(l->list[i], name, e);
		if (r == 0)
			buf_add_fmt(out, "%s%s (%s)", i > 0 ? ", " : "", name,
			    l->list[i]);
	}
	return r;
}

bool
sign_is_mine(struct client *c, const char *fpr)
{
	char *path, own[41];
	struct readkey k;
	bool mine;

	if (c->conf.key != NULL && strcasecmp(c->conf.key, fpr) == 0)
		return true;
	path = client_beside(c, READKEY_FILE, NULL);
	if (path == NULL || readkey_load(path, &k, NULL) != 0) {
		free(path);
		return false;
	}
	free(path);
	readkey_fpr(k.pub, own);
	mine = strcasecmp(own, fpr) == 0;
	secret_wipe(&k, sizeof(k));
	return mine;
}

int
sign_reader_usable(struct client *c, struct err *e)
{
	char *path = client_beside(c, READKEY_FILE, e);
	struct readkey k;
	int r;

	if (path == NULL)
		return e->code;
	r = readkey_load(path, &k, e);
	free(path);
	if (r == 0)
		secret_wipe(&k, sizeof(k));
	else if (r == ERR_NOTFOUND)
		err_clear(e);
	return r == ERR_NOTFOUND ? 0 : r;
}

int
sign_seal_key(struct client *c, const struct sign_readers *readers,
    const uint8_t secret[static SEAL_KEY_LEN], struct buf *out, struct err *e)
{
	int r = sign_check_signer(c, e); /* who cannot sign needs no readers */
	size_t i;

	if (r == 0)
		r = seal_pgp(readers, secret, out, e);
	for (i = 0; r == 0 && i < readers->n; i++)
		if (readers->x25519[i])
			r = readkey_seal(
			    readers->pub[i], secret, SEAL_KEY_LEN, out, e);
	return r;
}

static int
open_pgp(const char *message, size_t len,
    uint8_t ret_secret[static SEAL_KEY_LEN], struct err *e)
{
	struct buf text, raw;
	int r;

	buf_init(&text, 256);
	buf_init(&raw, 256);
	buf_reserve(&text, 128);
	buf_reserve(&raw, 128);
	r = pgp_decrypt(message, len, &text, e);
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.len--;
	if (r == 0 &&
	    (b64_decode(&raw, (const char *)text.data, text.len) != 0 ||
		raw.len != SEAL_KEY_LEN))
		r = raw.error == ERR_NOMEM
		    ? err_set(e, ERR_NOMEM, "out of memory")
		    : err_set(e, ERR_INVALID, "it is not 32 bytes in base64");
	if (r == 0)
		memcpy(ret_secret, raw.data, SEAL_KEY_LEN);
	if (text.data != NULL)
		secret_wipe(text.data, text.len);
	if (raw.data != NULL)
		secret_wipe(raw.data, raw.len);
	buf_release(&text);
	buf_release(&raw);
	return r;
}

/* With the reader's key beside the configuration; ERR_NOTFOUND when there is
 * none, or none of the blocks is for it. */
static int
open_own(struct client *c, const char *blocks,
    uint8_t ret_secret[static SEAL_KEY_LEN], struct err *e)
{
	char *path = client_beside(c, READKEY_FILE, e);
	struct readkey k;
	struct buf raw;
	int r;

	if (path == NULL)
		return ERR_NOMEM;
	r = readkey_load(path, &k, e);
	free(path);
	if (r != 0)
		return r;
	buf_init(&raw, SEAL_KEY_LEN);
	r = readkey_open(blocks, &k, &raw, e);
	if (r == 0 && raw.len != SEAL_KEY_LEN)
		r = err_set(e, ERR_INVALID, "it is not 32 bytes");
	if (r == 0)
		memcpy(ret_secret, raw.data, SEAL_KEY_LEN);
	if (raw.data != NULL)
		secret_wipe(raw.data, raw.len);
	buf_release(&raw);
	secret_wipe(&k, sizeof(k));
	return r;
}

int
sign_open_seal_key(struct client *c, const char *armored,
    uint8_t ret_secret[static SEAL_KEY_LEN], struct err *e)
{
	size_t pgp = readkey_start(armored);
	int r = use_gpghome(c, e);

	if (r != 0)
		return r;
	r = ERR_NOTFOUND;
	if (armored[pgp] != '\0')
		r = open_own(c, armored + pgp, ret_secret, e);
	if (r == ERR_NOTFOUND && pgp > 0)
		r = open_pgp(armored, pgp, ret_secret, e);
	if (r != 0)
		err_wrap(e,
		    "the key that opens the results (are you among "
		    "its readers?)");
	return r;
}
