/* SPDX-License-Identifier: MPL-2.0 */
/* The settings of a time service; the first byte chooses which. */
#include "modules/timedrift/clockconf.h"

#include "base/err.h"
#include "modules/host.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_item(enum clockconf_item item, const char *value, uint16_t port, void *arg)
{
	struct host h;
	struct err e;

	BUG_ON(strlen(value) >= CLOCKCONF_LINE_MAX);
	if (item == CLOCKCONF_SERVER || item == CLOCKCONF_FALLBACK ||
	    item == CLOCKCONF_BUILT_IN)
		BUG_ON(host_parse_only(value, &h, &e) != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0)
		clockconf_parse((enum clockconf_kind)(data[0] % 4), data + 1,
		    size - 1, on_item, NULL);
	return 0;
}
