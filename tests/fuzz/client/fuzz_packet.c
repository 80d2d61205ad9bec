/* SPDX-License-Identifier: MPL-2.0 */
/* Packets of a message or a key, armoured or not, and names of their users. */
#include "client/pgp/packet.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(const uint8_t *data, size_t size)
{
	size_t at, len;

	for (at = 0; at < size; at += len) {
		len = packet_length(data + at, size - at);
		if (len == 0)
			return;
		BUG_ON(len > size - at);
		BUG_ON(packet_header_length(data + at) > len);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t ids[4][PACKET_KEYID_LEN];
	struct buf plain;
	char name[40];
	size_t n = 0;
	struct err e;

	walk(data, size);
	if (packet_recipients(data, size, ids, 4, &n, &e) == 0)
		BUG_ON(n > 4);
	packet_name(data, size, name, sizeof(name));
	BUG_ON(memchr(name, '\0', sizeof(name)) == NULL || name[0] == '\0');
	buf_init(&plain, 1 << 20);
	if (packet_dearmor(data, size, &plain, &e) == 0)
		walk(plain.data, plain.len);
	buf_release(&plain);
	return 0;
}
