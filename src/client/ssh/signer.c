/* SPDX-License-Identifier: MPL-2.0 */
/* From the name of a signer to a checked signature: see signer.h. */
#include "client/ssh/signer.h"

#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/str.h"
#include "client/ssh/sshagent.h"
#include "crypto/pubkey.h"
#include "crypto/sshsig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FINGERPRINT "SHA256:"
#define PUB_FILE_MAX 65536

int
signer_check_name(const char *name, struct err *e)
{
	const char *digits = name + strlen(SIGNER_PREFIX FINGERPRINT);
	char padded[SSHPUB_FPR_MAX];
	struct buf hash;
	bool good = false;

	if (name[0] == '/')
		return 0;
	if (str_starts(name, SIGNER_PREFIX FINGERPRINT) &&
	    strlen(digits) == 43) {
		snprintf(padded, sizeof(padded), "%s=", digits);
		buf_init(&hash, ID_LEN);
		good = b64_decode(&hash, padded, strlen(padded)) == 0;
		buf_release(&hash);
	}
	return good
	    ? 0
	    : err_set(e, ERR_INVALID,
		  "expected " SIGNER_PREFIX FINGERPRINT
		  "... (43 digits: ssh-add -l) or the absolute path of a "
		  "public key");
}

/* The fingerprint that is wanted. */
static int
wanted(const char *name, char ret[static SSHPUB_FPR_MAX], struct err *e)
{
	struct sshpub p;
	struct buf text;
	int rc;

	if (str_starts(name, SIGNER_PREFIX)) {
		str_copy(ret, SSHPUB_FPR_MAX, name + strlen(SIGNER_PREFIX));
		return 0;
	}
	buf_init(&text, PUB_FILE_MAX);
	rc = file_read(name, &text, e);
	if (rc == 0 && (rc = sshpub_read(text.data, text.len, &p, e)) != 0)
		err_wrap(e, "%s", name);
	if (rc == 0)
		sshpub_fingerprint(&p, ret);
	buf_release(&text);
	return rc;
}

int
signer_fpr(const char *name, uint8_t ret[static PGP_FPR_LEN], struct err *e)
{
	char want[SSHPUB_FPR_MAX], padded[SSHPUB_FPR_MAX];
	struct buf hash;
	int rc;

	rc = signer_check_name(name, e);
	if (rc == 0)
		rc = wanted(name, want, e);
	if (rc != 0)
		return rc;
	snprintf(padded, sizeof(padded), "%s=", want + strlen(FINGERPRINT));
	buf_init(&hash, ID_LEN);
	if (b64_decode(&hash, padded, strlen(padded)) == 0 &&
	    hash.len == ID_LEN)
		memcpy(ret, hash.data, PGP_FPR_LEN);
	else
		rc = err_set(e, ERR_INVALID, "%s: no fingerprint", name);
	buf_release(&hash);
	return rc;
}

static int
pick(const struct sshagent_keys *keys, const char *want, struct sshpub *ret,
    struct err *e)
{
	char have[SSHPUB_FPR_MAX];
	size_t i, others = keys->nother + keys->left;

	for (i = 0; i < keys->n; i++) {
		sshpub_fingerprint(&keys->list[i], have);
		if (strcmp(have, want) == 0) {
			*ret = keys->list[i];
			return 0;
		}
	}
	for (i = 0; i < keys->nother; i++)
		if (strcmp(keys->other[i].fpr, want) == 0)
			return err_set(e, ERR_UNSUPPORTED,
			    "ssh-agent holds %s, but cannot sign with it: %s",
			    want, keys->other[i].why);
	return err_set(e, ERR_NOTFOUND,
	    "ssh-agent does not hold the key %s (it holds %zu that can sign "
	    "for MIG and %zu others): load it with ssh-add%s",
	    want, keys->n, others,
	    keys->n + others == 0
		? " (an agent that was locked shows none: ssh-add -X)"
		: "");
}

static int
find_held(const char *want, struct sshpub *ret, struct err *e)
{
	struct sshagent_keys *keys = malloc(sizeof(*keys));
	int rc;

	if (keys == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	rc = sshagent_list(keys, e);
	if (rc == 0)
		rc = pick(keys, want, ret, e);
	free(keys);
	return rc;
}

int
signer_find(const char *name, struct sshpub *ret, struct err *e)
{
	char want[SSHPUB_FPR_MAX];
	int rc = signer_check_name(name, e);

	if (rc == 0)
		rc = wanted(name, want, e);
	return rc == 0 ? find_held(want, ret, e) : rc;
}

/* As every endpoint will check it. */
static int
check_made(const struct sshpub *key, enum purpose p, const void *data,
    size_t len, const struct buf *made, struct err *e)
{
	struct keyring_key k = { 0 };
	struct keymaterial m;
	struct sshsig s;
	int rc = sshkey_parse(key->blob, key->len, &m, e);

	if (rc == 0)
		rc = keymaterial_key(&m, &k.pubkey, e);
	if (rc == 0)
		rc = sshsig_parse(made->data, made->len, &s, e);
	if (rc == 0) {
		k.alg = m.alg;
		sshkey_hash(&m, &k.ssh);
		rc = sshsig_check(&s, &k, p, data, len, e);
	}
	pubkey_free(k.pubkey);
	return rc == 0
	    ? 0
	    : err_wrap(e, "ssh-agent made a signature that agents refuse");
}

/* It says no and nothing else: what is left is whether the key is still
 * there, and what people forget. */
static int
explain_refusal(const struct sshpub *key, struct err *e)
{
	char fpr[SSHPUB_FPR_MAX];
	struct sshpub again;
	int rc;

	sshpub_fingerprint(key, fpr);
	rc = find_held(fpr, &again, e);
	if (rc != 0)
		return rc;
	return err_set(e, ERR_DENIED,
	    "ssh-agent holds %s and refuses to sign with it, without a "
	    "reason: %s (what it asks, it asks by ssh-askpass where it runs)",
	    fpr,
	    key->sk ? "is the security key there, was it touched, and its "
		      "PIN given if it has one?"
		    : "was it to be confirmed (ssh-add -c)?");
}

int
signer_sign(const struct sshpub *key, enum purpose p, const void *data,
    size_t len, struct buf *out, struct err *e)
{
	struct buf message, inner, made;
	int rc;

	if (sshsig_namespace(p) == NULL)
		return err_set(e, ERR_UNSUPPORTED, "no person signs for this");
	buf_init(&message, SSHSIG_MAX);
	buf_init(&inner, SSHSIG_MAX);
	buf_init(&made, 2 * SSHSIG_MAX);
	rc = sshsig_message(p, data, len, &message);
	if (rc != 0)
		err_set(e, rc, "signing: %s", err_text(rc));
	if (rc == 0) {
		rc = sshagent_sign(key, message.data, message.len, &inner, e);
		if (rc == ERR_DENIED)
			rc = explain_refusal(key, e);
	}
	if (rc == 0 &&
	    (rc = sshsig_write(
		 p, key->blob, key->len, inner.data, inner.len, &made)) != 0)
		err_set(e, rc, "signing: %s", err_text(rc));
	if (rc == 0)
		rc = check_made(key, p, data, len, &made, e);
	if (rc == 0 && (rc = buf_add(out, made.data, made.len)) != 0)
		err_set(e, rc, "signing: %s", err_text(rc));
	buf_release(&message);
	buf_release(&inner);
	buf_release(&made);
	return rc;
}
