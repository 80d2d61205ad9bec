/* SPDX-License-Identifier: MPL-2.0 */
/* `mig reader make`: a key that reads answers, for who has none in gpg. */
#include "client/client.h"

#include "base/file.h"
#include "client/sign/readkey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

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

static bool
is_configured(const struct client *c, const char *name)
{
	const struct conf_list *l = c->conf.readers;
	size_t i;

	for (i = 0; l != NULL && i < l->n; i++)
		if (strcasecmp(l->items[i], name) == 0)
			return true;
	return false;
}

/* A new one; or one that is there and in no configuration, because whoever made
 * it did not come that far. */
static int
make_or_take(const struct client *c, const char *path, bool *ret_new,
    char name[static READKEY_NAME_LEN + 1], struct err *e)
{
	struct readkey k;
	int r = readkey_make(path, &k, e);

	*ret_new = r == 0;
	if (r == ERR_EXISTS && readkey_load(path, &k, NULL) == 0) {
		readkey_name(k.pub, name);
		if (!is_configured(c, name)) {
			err_clear(e);
			r = 0;
		}
	}
	if (r == 0)
		readkey_name(k.pub, name);
	secret_wipe(&k, sizeof(k));
	return r;
}

static int
cmd_make(struct client *c, const struct opts *o, struct err *e)
{
	char name[READKEY_NAME_LEN + 1], *path;
	int lock = -1, r = client_conf_load(c, e);
	bool new = false;

	if (r != 0)
		return r;
	path = client_beside(c, READKEY_FILE, e);
	if (path == NULL)
		return ERR_NOMEM;
	r = client_lock_for(path, &lock, e);
	/* another may have been made, and configured, meanwhile */
	c->conf_loaded = false;
	if (r == 0)
		r = client_conf_load(c, e);
	if (r == 0)
		r = make_or_take(c, path, &new, name, e);
	if (r == 0 && (r = reader_configure(c, name, e)) != 0 && new)
		unlink(path); /* nobody has seen its public half */
	if (lock >= 0)
		close(lock);
	if (r == 0) {
		printf("%s\n", name);
		fprintf(stderr,
		    "%s %s (keep a copy: without it these answers cannot "
		    "be read) and wrote %s\n",
		    new ? "wrote" : "took up", path, c->conf_path);
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
