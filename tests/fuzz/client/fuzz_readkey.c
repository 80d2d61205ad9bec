/* SPDX-License-Identifier: MPL-2.0 */
/* Any text as a reader's key file, and as the blocks of a seal key. */
#include "client/sign/readkey.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int
on_reader(const char fpr[static READKEY_FPR_LEN + 1], void *arg)
{
	BUG_ON(strlen(fpr) != READKEY_FPR_LEN);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct readkey k;
	static char text[65536];
	struct readkey got;
	struct buf out;
	struct err e;

	err_clear(&e);
	if (readkey_read(data, len, &got, &e) != 0)
		BUG_ON(e.msg[0] == '\0');
	if (len >= sizeof(text))
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	buf_init(&out, 64);
	/* no block can be sealed to the key of zeros */
	BUG_ON(readkey_open(text, &k, &out, &e) == 0 || out.len != 0);
	buf_release(&out);
	(void)readkey_readers(text, on_reader, NULL, &e);
	return 0;
}
