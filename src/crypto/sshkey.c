/* SPDX-License-Identifier: MPL-2.0 */
/* SSH's form of public keys: see sshkey.h. A key has exactly one. */
#include "crypto/sshkey.h"

#include "base/err.h"
#include "base/str.h"
#include "crypto/pubkey.h"
#include "crypto/sha256.h"

#include <string.h>

#define APPLICATION "ssh:"
/* PROTOCOL.certkeys: in the kind of every certificate, before its version */
#define CERTIFICATE "-cert-v"

bool
sshkey_application_ok(const char *app)
{
	const unsigned char *p = (const unsigned char *)app;

	if (!str_starts(app, APPLICATION) || strlen(app) > KEY_APP_MAX)
		return false;
	for (; *p > 0x20 && *p < 0x7f; p++)
		;
	return *p == '\0';
}

static int
read_application(struct rd *r, struct keymaterial *m, struct err *e)
{
	const uint8_t *app;
	size_t len = 0;

	app = rd_field(r, KEY_APP_MAX, &len);
	if (app == NULL || memchr(app, '\0', len) != NULL)
		return err_set(e, ERR_INVALID,
		    "SSH key: its application is missing, longer than %d "
		    "bytes or no text",
		    KEY_APP_MAX);
	memcpy(m->app, app, len);
	m->app[len] = '\0';
	if (!sshkey_application_ok(m->app))
		return err_set(e, ERR_UNSUPPORTED,
		    "SSH key: it was made for another application than "
		    "ssh (\"" APPLICATION "...\")");
	return 0;
}

static int
refuse_kind(const uint8_t *kind, size_t len, struct err *e)
{
	if (memmem(kind, len, CERTIFICATE, strlen(CERTIFICATE)) != NULL)
		return err_set(e, ERR_UNSUPPORTED,
		    "SSH certificates do not count for MIG, whoever issued "
		    "them: use the key itself (id_ed25519.pub, not "
		    "id_ed25519-cert.pub)");
	return err_set(e, ERR_UNSUPPORTED,
	    "SSH keys of this kind do not sign for MIG (" SSHKEY_ED25519
	    " and " SSHKEY_SK_ED25519
	    " do: ssh-keygen -t ed25519, or ed25519-sk)");
}

int
sshkey_parse(
    const void *blob, size_t len, struct keymaterial *ret, struct err *e)
{
	struct keymaterial m = { 0 };
	const uint8_t *kind, *y;
	size_t kind_len = 0;
	struct rd r;
	int rc;

	rd_init(&r, blob, len);
	kind = rd_field(&r, SSHKEY_BLOB_MAX, &kind_len);
	if (kind == NULL)
		return err_set(e, ERR_INVALID, "SSH key: it is cut off");
	if (str_is(kind, kind_len, SSHKEY_ED25519))
		m.alg = KEY_SSH_ED25519;
	else if (str_is(kind, kind_len, SSHKEY_SK_ED25519))
		m.alg = KEY_SSH_SK_ED25519;
	else
		return refuse_kind(kind, kind_len, e);
	y = rd_field(&r, PUBKEY_ED25519_LEN, &m.len);
	if (y == NULL || m.len != PUBKEY_ED25519_LEN)
		return err_set(e, ERR_INVALID,
		    "SSH key: %d bytes of an Ed25519 key are expected",
		    PUBKEY_ED25519_LEN);
	memcpy(m.num, y, m.len);
	if (m.alg == KEY_SSH_SK_ED25519 &&
	    (rc = read_application(&r, &m, e)) != 0)
		return rc;
	if (!rd_done(&r))
		return err_set(e, ERR_INVALID, "SSH key: bytes follow its end");
	*ret = m;
	return 0;
}

int
sshkey_write(const struct keymaterial *m, struct buf *out)
{
	bool sk = m->alg == KEY_SSH_SK_ED25519;
	const char *kind = sk ? SSHKEY_SK_ED25519 : SSHKEY_ED25519;

	BUG_ON(!sk && m->alg != KEY_SSH_ED25519);
	buf_add_field(out, kind, strlen(kind));
	buf_add_field(out, m->num, m->len);
	if (sk)
		buf_add_field(out, m->app, strlen(m->app));
	return out->error;
}

void
sshkey_hash(const struct keymaterial *m, struct id *ret)
{
	bool sk = m->alg == KEY_SSH_SK_ED25519;
	const char *const parts[] = { sk ? SSHKEY_SK_ED25519 : SSHKEY_ED25519,
		(const char *)m->num, m->app };
	const size_t lens[] = { strlen(parts[0]), m->len, strlen(m->app) };
	uint8_t head[4] = { 0 };
	struct sha256 h;
	size_t i;

	/* without a buffer, which could be out of memory */
	sha256_begin(&h);
	for (i = 0; i < (sk ? 3 : 2); i++) {
		head[3] = (uint8_t)lens[i];
		sha256_add(&h, head, sizeof(head));
		sha256_add(&h, parts[i], lens[i]);
	}
	sha256_final(&h, ret);
}
