/* SPDX-License-Identifier: MPL-2.0 */
/* `mig reader make`: a key that reads answers, for who has none in gpg. */
#include "client/client.h"

#include "base/file.h"
#include "client/readkey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Into the configuration, where comments and order stay. */
static int
reader_configure(struct client *c, const char *name, struct err *e)
{
	struct buf line;
	int r;

	buf_init(&line, 256);
	r = buf_add_fmt(&line, "reader %s\n", name);
	if (r != 0)
		err_set(e, r, "out of memory");
	else
		r = file_append(c->conf_path, line.data, line.len, 0600, e);
	buf_release(&line);
	return r;
}

static int
cmd_make(struct client *c, const struct opts *o, struct err *e)
{
	char name[READKEY_NAME_LEN + 1], *path;
	struct readkey k;
	int r = client_conf_load(c, e);

	if (r != 0)
		return r;
	path = client_beside(c, READKEY_FILE, e);
	if (path == NULL)
		return ERR_NOMEM;
	r = client_mkdir_for(path, e);
	if (r == 0)
		r = readkey_make(path, &k, e);
	if (r == 0) {
		readkey_name(k.pub, name);
		secret_wipe(&k, sizeof(k));
		r = reader_configure(c, name, e);
	}
	if (r == 0) {
		printf("%s\n", name);
		fprintf(stderr,
		    "wrote %s (keep a copy: without it these answers cannot "
		    "be read) and %s\n",
		    path, c->conf_path);
	}
	free(path);
	return r;
}

const struct command reader_commands[] = {
	{ "reader make", "", "make a key that reads answers, without gpg",
	    cmd_make, NULL, NULL, 0, 0,
	    "For who signs with an SSH key. The secret half lies beside the "
	    "configuration\n(reader.key, mode 0600); the public half is "
	    "printed, and becomes a reader of what\nyou ask. Others name it "
	    "with -reader, too." },
	{ .name = NULL },
};
