/* SPDX-License-Identifier: MPL-2.0 */
/* A public key or certificate; what is taken parses again as a plain key. */
#include "modules/sshkey/blob.h"

#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssh_public k, again;

	if (ssh_public_parse(data, size, &k, NULL) != 0)
		return 0;
	BUG_ON(ssh_public_parse(k.plain.data, k.plain.len, &again, NULL) != 0);
	BUG_ON(again.cert || again.bits != k.bits || again.type != k.type);
	ssh_public_release(&again);
	ssh_public_release(&k);
	return 0;
}
