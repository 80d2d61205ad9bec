/* SPDX-License-Identifier: MPL-2.0 */
/* Any text as a file of SSH public keys: what is taken is a keyring. */
#include "client/ssh/allowed.h"

#include "base/err.h"
#include "client/pgp/keyring_make.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct allowed_whose w = { .now = 1700000000 };
	struct keyring_made made;
	struct keyring k;
	struct sshpub p;
	struct buf b;
	struct err e;

	err_clear(&e);
	allowed_is_text(data, len);
	if (allowed_keyring(data, len, &w, &made, &e) != 0) {
		BUG_ON(e.code == 0 || e.msg[0] == '\0');
	} else {
		buf_init(&b, 2 * KEYRING_TEXT_MAX);
		buf_add_str(&b, "mig-keyring 3\n");
		buf_add(&b, made.lines.data, made.lines.len);
		BUG_ON(keyring_parse(b.data, b.len, &k, &e) != 0);
		BUG_ON(k.nkeys != made.keys || k.npersons != made.persons);
		keyring_release(&k);
		buf_release(&b);
	}
	buf_release(&made.lines);
	buf_release(&made.refused);
	if (sshpub_read(data, len, &p, &e) == 0) {
		buf_init(&b, 8192);
		BUG_ON(sshpub_write(&p, &b) != 0);
		BUG_ON(sshpub_read(b.data, b.len, &p, &e) != 0);
		buf_release(&b);
	}
	return 0;
}
