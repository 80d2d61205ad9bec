/* SPDX-License-Identifier: MPL-2.0 */
#include "scan/crlf.h"

#include <string.h>

#define BLOCK 256 /* looked through at once */

/* The first \r\n, or NULL. In what is no text \r is frequent and \r\n is not,
 * so both are looked for at once. */
static uint8_t *
find_crlf(uint8_t *data, size_t len)
{
	typedef uint8_t block __attribute__((vector_size(16)));
	block here, next, any = { 0 }, none = { 0 };
	size_t i, k;

	for (i = 0; i + BLOCK < len; i += BLOCK) {
		for (k = 0; k < BLOCK; k += sizeof(here)) {
			memcpy(&here, data + i + k, sizeof(here));
			memcpy(&next, data + i + k + 1, sizeof(next));
			any |= (block)(here == none + '\r') &
			    (block)(next == none + '\n');
		}
		if (memcmp(&any, &none, sizeof(any)) != 0)
			break;
	}
	return memmem(data + i, len - i, "\r\n", 2);
}

size_t
crlf_drop(uint8_t *data, size_t len)
{
	uint8_t *in = find_crlf(data, len), *out = in, *next;
	uint8_t *end = data + len;
	size_t n;

	while (in != NULL) {
		in++; /* to the \n */
		next = find_crlf(in, (size_t)(end - in));
		n = (size_t)((next != NULL ? next : end) - in);
		memmove(out, in, n);
		out += n;
		in = next;
	}
	return out == NULL ? len : (size_t)(out - data);
}
