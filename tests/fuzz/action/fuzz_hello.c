/* SPDX-License-Identifier: MPL-2.0 */
/* Hellos: the input is the JSON, signed here so that it is read; and the raw
 * bytes as they are. */
#include "action/hello.h"

#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct identity who;
	static bool made;
	struct hello h;
	struct buf out;

	if (!made)
		identity_new(&who);
	made = true;
	if (hello_parse(data, size, &h, NULL) == 0)
		hello_release(&h);
	buf_init(&out, (size_t)2 * HELLO_MAX);
	buf_add_fmt(&out, "{\"id\":\"%s\",", id_hex(&who.id).s);
	buf_add(&out, data, size);
	if (out.error == 0) {
		struct buf hello;

		buf_init(&hello, HELLO_MAX);
		if (hello_make(&who, out.data, out.len, &hello, NULL) == 0 &&
		    hello_parse(hello.data, hello.len, &h, NULL) == 0)
			hello_release(&h);
		buf_release(&hello);
	}
	buf_release(&out);
	return 0;
}
