/* SPDX-License-Identifier: MPL-2.0 */
/* Any bytes as what ssh-agent answers. */
#include "client/ssh/sshagent.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct sshagent_keys keys;
	char fpr[SSHPUB_FPR_MAX];
	struct buf out;
	struct err e;
	size_t i;

	err_clear(&e);
	if (sshagent_read_list(data, len, &keys, &e) == 0) {
		BUG_ON(keys.n > SSHAGENT_KEYS_MAX);
		BUG_ON(keys.nother > SSHAGENT_KEYS_MAX);
		for (i = 0; i < keys.n; i++) {
			BUG_ON(keys.list[i].len > SSHKEY_BLOB_MAX);
			sshpub_fingerprint(&keys.list[i], fpr);
		}
		for (i = 0; i < keys.nother; i++)
			BUG_ON(keys.other[i].why[0] == '\0' ||
			    strlen(keys.other[i].fpr) != SSHPUB_FPR_MAX - 1);
	}
	buf_init(&out, 4096);
	if (sshagent_read_signature(data, len, &out, &e) != 0)
		BUG_ON(out.len != 0 || e.code == 0);
	buf_release(&out);
	return 0;
}
