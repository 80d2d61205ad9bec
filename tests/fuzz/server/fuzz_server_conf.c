/* SPDX-License-Identifier: MPL-2.0 */
/* The server's configuration: what is accepted is printed so that it is
 * accepted again, and what is derived from it stays in bounds. */
#include "server/config.h"

#include "base/buf.h"
#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
parse(const char *text, size_t len, struct server_conf *c)
{
	struct err e;
	int rc;

	memset(c, 0, sizeof(*c));
	conf_defaults(server_conf_table, server_conf_entries, c);
	rc = conf_parse(
	    server_conf_table, server_conf_entries, "fuzz", text, len, c, &e);
	if (rc == 0)
		rc = server_conf_check(c, &e);
	return (rc);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct server_conf c, again;
	char path[SERVER_PATH_MAX], text[300];
	struct buf b;
	int i;

	if (size > 0 && parse((const char *)data, size, &c) == 0) {
		for (i = FILE_DB_DIR; i <= FILE_RELAY_SOCKET; i++)
			server_file(&c, (enum server_file)i, path);
		server_first_name(&c, text, sizeof(text));
		server_relay_address(&c, text, sizeof(text));
		server_has_name(&c, text, strlen(text));
		buf_init(&b, 1024 * 1024);
		BUG_ON(conf_dump(server_conf_table, server_conf_entries, &c,
			   &b) != 0);
		BUG_ON(parse((const char *)b.data, b.len, &again) != 0);
		server_conf_release(&again);
		buf_release(&b);
	}
	if (size > 0)
		server_conf_release(&c);
	return (0);
}
