/* SPDX-License-Identifier: MPL-2.0 */
/* The server's audit log, line by line, and the head that is remembered. */
#include "client/trust/auditlog.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct auditlog log = { .known = { 3, { { 1 } } } };
	const uint8_t *end = data + size, *nl;
	struct audit_head head;
	int r = 0;

	if (auditlog_head_parse(data, size, &head) == 0)
		BUG_ON(head.n == 0);
	for (; r == 0 && data < end; data = nl + 1) {
		nl = memchr(data, '\n', (size_t)(end - data));
		if (nl == NULL)
			nl = end;
		r = auditlog_line(
		    (const char *)data, (size_t)(nl - data), &log);
		if (nl == end)
			break;
	}
	if (r != 0)
		BUG_ON(log.err.msg[0] == '\0');
	else if (auditlog_end(&log) == 0)
		/* nobody finds the preimage of what is known here */
		BUG_ON(auditlog_reached_known(&log) && log.known.n == 3 &&
		    log.start.n != 3);
	return (0);
}
