/* SPDX-License-Identifier: MPL-2.0 */
/* Any text: parses or is refused; what parses is dumped, and that parses to
 * the same dump. */
#include "conf/conf.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sample {
	char *relay;
	bool once;
	int64_t port, wait;
	uint64_t room;
	struct conf_map *tags;
	struct conf_list *paths;
};

#define AT(f) offsetof(struct sample, f)

static const struct conf_entry table[] = {
	{ "relay", CONF_STR, AT(relay), NULL, 0, 0, "" },
	{ "once", CONF_BOOL, AT(once), "yes", 0, 0, "" },
	{ "port", CONF_INT, AT(port), "8883", 1, 65535, "" },
	{ "wait", CONF_DURATION, AT(wait), "90s", 0, 0, "" },
	{ "room", CONF_SIZE, AT(room), "8m", 0, 0, "" },
	{ "tag", CONF_MAP, AT(tags), NULL, 0, 0, "" },
	{ "path", CONF_LIST, AT(paths), "/etc /usr", 0, 0, "" },
};
#define N (sizeof(table) / sizeof(table[0]))

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sample a, b;
	struct buf one, two;
	struct err e;

	conf_defaults(table, N, &a);
	if (conf_parse(table, N, "f", (const char *)data, size, &a, &e) == 0) {
		buf_init(&one, 16 << 20);
		buf_init(&two, 16 << 20);
		conf_defaults(table, N, &b);
		BUG_ON(conf_dump(table, N, &a, &one) != 0);
		BUG_ON(conf_parse(table, N, "f", (const char *)one.data,
			   one.len, &b, &e) != 0);
		BUG_ON(conf_dump(table, N, &b, &two) != 0);
		BUG_ON(one.len != two.len ||
		    memcmp(one.data, two.data, one.len) != 0);
		conf_release(table, N, &b);
		buf_release(&one);
		buf_release(&two);
	}
	conf_release(table, N, &a);
	return 0;
}
