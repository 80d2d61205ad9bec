/* SPDX-License-Identifier: MPL-2.0 */
/* Keyring texts; and, since no random text has a fitting fingerprint, the two
 * words of a key line on their own: "<alg> <material>". */
#include "base/err.h"
#include "crypto/keymaterial.h"
#include "crypto/pubkey.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
material(const uint8_t *data, size_t len)
{
	static struct keymaterial m, again;
	char text[10000], *space;
	uint8_t fpr[PGP_FPR_LEN];
	struct pubkey *key = NULL;
	struct buf b;

	if (len >= sizeof(text))
		return;
	memcpy(text, data, len);
	text[len] = '\0';
	space = strchr(text, ' ');
	if (space == NULL)
		return;
	*space = '\0';
	if (keymaterial_parse(text, space + 1, &m, NULL) != 0)
		return;
	/* What is written is read back as the same. */
	buf_init(&b, sizeof(text));
	BUG_ON(keymaterial_write(&m, &b) != 0);
	BUG_ON(keymaterial_parse(text, buf_str(&b), &again, NULL) != 0);
	BUG_ON(again.len != m.len || memcmp(again.num, m.num, m.len) != 0);
	keymaterial_fpr(&m, 1, fpr, NULL);
	if (keymaterial_key(&m, &key, NULL) == 0)
		pubkey_free(key);
	buf_release(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct keyring k;
	struct err e;

	err_clear(&e);
	material(data, len);
	if (keyring_parse(data, len, &k, &e) == 0)
		keyring_release(&k);
	else
		BUG_ON(e.msg[0] == '\0');
	return 0;
}
