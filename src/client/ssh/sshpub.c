/* SPDX-License-Identifier: MPL-2.0 */
/* One SSH public key: see sshpub.h. */
#include "client/ssh/sshpub.h"

#include "base/err.h"
#include "base/hex.h"
#include "base/str.h"
#include "crypto/pubkey.h"
#include "crypto/sha256.h"

#include <string.h>

#define CERT_END "-cert-v01@openssh.com"

/* A name of the keyring: printable and not too long. */
static void
comment_copy(const char *s, size_t len, char ret[static KEYRING_NAME_MAX])
{
	struct buf b;
	size_t n;

	if (len > KEYRING_NAME_MAX - 1)
		len = KEYRING_NAME_MAX - 1;
	/* no cut character at the end */
	while (len > 0 && !str_is_utf8(s, len) &&
	    ((unsigned char)s[len - 1] & 0x80) != 0)
		len--;
	buf_init(&b, 4 * KEYRING_NAME_MAX);
	str_add_printable(&b, s, len);
	n = b.len < KEYRING_NAME_MAX ? b.len : KEYRING_NAME_MAX - 1;
	if (n > 0)
		memcpy(ret, b.data, n);
	ret[n] = '\0';
	if (!str_is_utf8(ret, n))
		ret[0] = '\0';
	buf_release(&b);
}

int
sshpub_make(const void *blob, size_t len, const char *comment,
    size_t comment_len, struct sshpub *ret, struct err *e)
{
	struct keymaterial m;
	int rc = sshkey_parse(blob, len, &m, e);

	if (rc != 0)
		return rc;
	BUG_ON(len > sizeof(ret->blob)); /* kinds that are known are short */
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->blob, blob, len);
	ret->len = len;
	ret->sk = m.alg == KEY_SSH_SK_ED25519;
	comment_copy(comment, comment_len, ret->comment);
	return 0;
}

bool
sshpub_is_private(const void *text, size_t len)
{
	static const char pem[] = "PRIVATE KEY-----",
			  putty[] = "PuTTY-User-Key";

	return len > 0 &&
	    (memmem(text, len, pem, sizeof(pem) - 1) != NULL ||
		memmem(text, len, putty, sizeof(putty) - 1) != NULL);
}

bool
sshpub_is_kind(const char *word, size_t len)
{
	static const char *const begins[] = { "ssh-", "sk-ssh-", "ecdsa-sha2-",
		"sk-ecdsa-sha2-", "webauthn-sk-" };
	size_t i, n;

	for (i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		n = strlen(begins[i]);
		if (len > n && memcmp(word, begins[i], n) == 0)
			return true;
	}
	return false;
}

/* The key that these two words of a line are. */
static int
words_read(const char *kind, size_t kind_len, const char *base64,
    size_t base64_len, struct sshpub *ret, struct err *e)
{
	struct buf blob;
	struct rd r;
	const uint8_t *word;
	size_t n = 0;
	int rc = 0;

	if (!sshpub_is_kind(kind, kind_len) || kind_len > SSHPUB_KIND_MAX)
		return err_set(e, ERR_INVALID,
		    "the kind of an SSH key is expected, not \"%.*s\"",
		    (int)(kind_len < 40 ? kind_len : 40), kind);
	/* of the others a key may be longer: the kind is what to speak of */
	buf_init(&blob, 64 * 1024);
	if (b64_decode(&blob, base64, base64_len) != 0)
		rc = blob.error == ERR_NOMEM
		    ? err_set(e, ERR_NOMEM, "out of memory")
		    : err_set(e, ERR_INVALID, "the key is not valid base64");
	rd_init(&r, blob.data, blob.len);
	word = rc == 0 ? rd_field(&r, SSHPUB_KIND_MAX, &n) : NULL;
	if (rc == 0 &&
	    (word == NULL || n != kind_len || memcmp(word, kind, n) != 0))
		rc = err_set(e, ERR_INVALID,
		    "the key is damaged, or not of the kind that stands "
		    "before it");
	if (rc == 0)
		rc = sshpub_make(blob.data, blob.len, "", 0, ret, e);
	if (rc == ERR_UNSUPPORTED)
		err_wrap(e, "%.*s", (int)kind_len, kind);
	buf_release(&blob);
	return rc;
}

int
sshpub_read(const void *text, size_t len, struct sshpub *ret, struct err *e)
{
	static const char space[] = " \t\r\n";
	char line[8192], *kind, *base64, *rest;
	const char *nl = len > 0 ? memchr(text, '\n', len) : NULL;
	size_t n = nl == NULL ? len : (size_t)(nl - (const char *)text);
	int rc;

	if (sshpub_is_private(text, len))
		return err_set(
		    e, ERR_INVALID, "this is a private key; give its .pub");
	if (n >= sizeof(line) || (n > 0 && memchr(text, '\0', n) != NULL))
		return err_set(e, ERR_INVALID, "not an SSH public key");
	if (n > 0)
		memcpy(line, text, n);
	line[n] = '\0';
	kind = line + strspn(line, space);
	base64 = kind + strcspn(kind, space);
	base64 += strspn(base64, space);
	rest = base64 + strcspn(base64, space);
	rc = words_read(kind, strcspn(kind, space), base64,
	    (size_t)(rest - base64), ret, e);
	if (rc != 0)
		return rc;
	rest += strspn(rest, space);
	n = strlen(rest);
	while (n > 0 && strchr(space, rest[n - 1]) != NULL)
		n--;
	comment_copy(rest, n, ret->comment);
	return 0;
}

int
sshpub_write(const struct sshpub *p, struct buf *out)
{
	buf_add_str(out, p->sk ? SSHKEY_SK_ED25519 : SSHKEY_ED25519);
	buf_add_str(out, " ");
	b64_encode(out, p->blob, p->len);
	return buf_add_fmt(out, " %s\n", p->comment);
}

/* The key that a certificate of an accepted kind is for: behind a nonce the
 * fields of the key (PROTOCOL.certkeys). False: it is none. */
static bool
certified_key(const void *blob, size_t len, struct keymaterial *ret)
{
	static const char sk[] = "sk-ssh-ed25519" CERT_END;
	struct keymaterial m = { 0 };
	const uint8_t *kind, *y, *app = NULL;
	size_t kind_len = 0, app_len = 0;
	struct rd r;

	rd_init(&r, blob, len);
	kind = rd_field(&r, SSHPUB_KIND_MAX, &kind_len);
	(void)rd_field(&r, len, &app_len);
	y = rd_field(&r, PUBKEY_ED25519_LEN, &m.len);
	if (str_is(kind, kind_len, SSHKEY_ED25519 CERT_END))
		m.alg = KEY_SSH_ED25519;
	else if (str_is(kind, kind_len, sk))
		m.alg = KEY_SSH_SK_ED25519;
	else
		return false;
	if (m.alg == KEY_SSH_SK_ED25519)
		app = rd_field(&r, KEY_APP_MAX, &app_len);
	if (r.bad || m.len != PUBKEY_ED25519_LEN)
		return false;
	memcpy(m.num, y, m.len);
	if (app != NULL)
		memcpy(m.app, app, app_len);
	*ret = m;
	return true;
}

static void
hash_text(const struct id *hash, char ret[static SSHPUB_FPR_MAX])
{
	struct buf b;

	buf_init(&b, SSHPUB_FPR_MAX);
	buf_add_str(&b, "SHA256:");
	b64_encode(&b, hash->b, ID_LEN); /* the last of 44 digits is padding */
	str_copy(ret, SSHPUB_FPR_MAX, "SHA256:");
	if (b.error == 0)
		memcpy(ret, b.data, SSHPUB_FPR_MAX - 1);
	ret[SSHPUB_FPR_MAX - 1] = '\0';
	buf_release(&b);
}

void
sshpub_fingerprint(const struct sshpub *p, char ret[static SSHPUB_FPR_MAX])
{
	struct id hash;

	sha256(p->blob, p->len, &hash);
	hash_text(&hash, ret);
}

void
sshpub_blob_fingerprint(
    const void *blob, size_t len, char ret[static SSHPUB_FPR_MAX])
{
	struct keymaterial m;
	struct id hash;

	if (certified_key(blob, len, &m))
		sshkey_hash(&m, &hash);
	else
		sha256(blob, len, &hash);
	hash_text(&hash, ret);
}
