/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/sshkey/pem.h"

#include "base/err.h"
#include "modules/sshkey/blob.h"

#include <string.h>

static const char magic[] = "openssh-key-v1"; /* with its terminator */

/* What stands between a key's type and its comment: s string, b byte. */
static const struct {
	const char *type, *fields;
} layouts[] = {
	{ "ssh-rsa", "ssssss" },
	{ "ssh-dss", "sssss" },
	{ "ecdsa-sha2-nistp256", "sss" },
	{ "ecdsa-sha2-nistp384", "sss" },
	{ "ecdsa-sha2-nistp521", "sss" },
	{ "ssh-ed25519", "ss" },
	{ "sk-ssh-ed25519@openssh.com", "ssbss" },
	{ "sk-ecdsa-sha2-nistp256@openssh.com", "sssbss" },
};

/* Of a key that is not encrypted. Without one it is left empty. */
static void
take_comment(const struct ssh_text *private, struct buf *out)
{
	struct ssh_text type, comment;
	const char *f = NULL;
	struct rd r;
	size_t i;

	rd_init(&r, private->p, private->len);
	if (rd_u32(&r) != rd_u32(&r))
		return;
	type = ssh_rd_string(&r);
	for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (type.p != NULL && strlen(layouts[i].type) == type.len &&
		    memcmp(layouts[i].type, type.p, type.len) == 0)
			f = layouts[i].fields;
	}
	if (f == NULL)
		return;
	for (; *f != '\0'; f++) {
		if (*f == 'b')
			(void)rd_u8(&r);
		else
			(void)ssh_rd_string(&r);
	}
	comment = ssh_rd_string(&r);
	if (!r.bad)
		buf_add(out, comment.p, comment.len);
}

int
ssh_pem_openssh(
    const uint8_t *data, size_t len, struct ssh_pem *p, struct err *e)
{
	struct ssh_text cipher, public, private;
	const uint8_t *m;
	struct rd r;

	rd_init(&r, data, len);
	m = rd_bytes(&r, sizeof(magic));
	if (m == NULL || memcmp(m, magic, sizeof(magic)) != 0)
		return err_set(
		    e, ERR_INVALID, "it is not of the form openssh-key-v1");
	cipher = ssh_rd_string(&r);
	(void)ssh_rd_string(&r); /* how the key is made of the passphrase */
	(void)ssh_rd_string(&r);
	if (rd_u32(&r) != 1 && !r.bad)
		return err_set(e, ERR_INVALID, "it does not hold one key");
	public = ssh_rd_string(&r);
	private = ssh_rd_string(&r);
	if (r.bad)
		return err_set(e, ERR_INVALID, "it is cut");
	p->encrypted = cipher.len != 4 || memcmp(cipher.p, "none", 4) != 0;
	if (!p->encrypted)
		take_comment(&private, &p->comment);
	buf_add(&p->blob, public.p, public.len);
	return p->blob.error != 0 || p->comment.error != 0
	    ? err_set(e, ERR_NOMEM, "out of memory")
	    : 0;
}
