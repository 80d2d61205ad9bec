/* SPDX-License-Identifier: MPL-2.0 */
#include "action/audit.h"

#include "crypto/sha256.h"

#include <string.h>

void
audit_next(struct audit_head *head, const void *text, size_t len)
{
	static const char begin[] = "MIG audit v1\n";
	uint64_t n = head->n + 1;
	uint8_t number[8];
	struct sha256 h;
	size_t i;

	for (i = 0; i < sizeof(number); i++)
		number[i] = (uint8_t)(n >> (56 - 8 * i));
	sha256_begin(&h);
	sha256_add(&h, begin, strlen(begin));
	sha256_add(&h, head->chain.b, ID_LEN);
	sha256_add(&h, number, sizeof(number));
	sha256_add(&h, text, len);
	sha256_final(&h, &head->chain);
	head->n = n;
}
