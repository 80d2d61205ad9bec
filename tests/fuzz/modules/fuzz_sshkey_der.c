/* SPDX-License-Identifier: MPL-2.0 */
/* The inside of a key in PEM form; the first byte chooses the form. */
#include "modules/sshkey/pem.h"

#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const forms[] = { "RSA PRIVATE KEY",
		"DSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY",
		"PUBLIC KEY", "RSA PUBLIC KEY" };
	struct ssh_pem p = { 0 };
	struct err e;
	int rc;

	if (size == 0)
		return 0;
	buf_init(&p.blob, 65536);
	buf_init(&p.comment, 65536);
	p.form = forms[data[0] % 6];
	if (data[0] < 128)
		rc = ssh_pem_der(data + 1, size - 1, &p, &e);
	else
		rc = ssh_pem_openssh(data + 1, size - 1, &p, &e);
	BUG_ON(rc == 0 && data[0] < 128 &&
	    (p.blob.len == 0) != (p.unknown != NULL));
	ssh_pem_release(&p);
	return 0;
}
