/* SPDX-License-Identifier: MPL-2.0 */
/* What comes to a socket for echo requests; the first byte says which kind it
 * is. */
#include "modules/ping/echo.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct echo q = { .id = 0x6d69, .seq = 1 };
	bool header;

	if (size == 0)
		return 0;
	header = (data[0] & 1) != 0;
	q.v6 = (data[0] & 2) != 0;
	memcpy(q.nonce, "mig mig mig mig mig mig ", ECHO_NONCE);
	if (echo_is_reply(&q, header, data + 1, size - 1))
		BUG_ON(size - 1 < ECHO_SIZE);
	(void)echo_is_request(&q, header, data + 1, size - 1);
	return 0;
}
