/* SPDX-License-Identifier: MPL-2.0 */
/* Any message that is accepted must be written again to the same bytes; parts
 * of one input go through an assembly as a peer could send them. */
#include "mqtt/wire.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
assemble(const uint8_t *data, size_t size)
{
	struct wire_parts *p;
	uint8_t *whole;
	size_t len, n;

	if (size < 2)
		return;
	p = wire_parts_new(data[0], 1000);
	if (p == NULL)
		return;
	for (data++, size--; size >= 2; data += n, size -= n) {
		n = 2 + data[1] % 64;
		if (n > size)
			n = size;
		(void)wire_parts_add(
		    p, data[0] & 0x1f, data[0] >> 5, data + 2, n - 2);
	}
	if (wire_parts_take(p, &whole, &len) == 0) {
		BUG_ON(len > 1000 || !wire_parts_complete(p));
		free(whole);
	}
	wire_parts_free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char topic[WIRE_TOPIC_MAX + 1], again[WIRE_TOPIC_MAX];
	enum wire_topic t;
	struct wire_msg m;
	uint64_t connection;
	struct buf b;
	struct id id;
	bool online;

	if (wire_parse(data, size, &m, NULL) == 0) {
		buf_init(&b, WIRE_MESSAGE_MAX);
		BUG_ON(wire_write(&m, &b) != 0);
		BUG_ON(b.len != size || memcmp(b.data, data, size) != 0);
		buf_release(&b);
	}
	if (size <= WIRE_TOPIC_MAX && memchr(data, 0, size) == NULL) {
		if (size > 0)
			memcpy(topic, data, size);
		topic[size] = '\0';
		if (wire_topic_parse(topic, &t, &id) == 0) {
			wire_topic_write(t, &id, again);
			BUG_ON(strcmp(topic, again) != 0);
		}
	}
	(void)wire_presence_parse(data, size, &online, &connection);
	assemble(data, size);
	return 0;
}
