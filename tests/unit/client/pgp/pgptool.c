/* SPDX-License-Identifier: MPL-2.0 */
/* Test tool: each function of openpgp.h and keyring_make.h as a command.
 * Standard input to standard output; the reason of a failure goes to standard
 * error and the exit status is the negated code. */
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "client/pgp/keyring_make.h"
#include "client/pgp/openpgp.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IO_MAX (16 * 1024 * 1024)

static int
cmd_list(struct err *e)
{
	struct pgp_key *keys;
	size_t i, n;
	int rc = pgp_list(&keys, &n, e);

	for (i = 0; rc == 0 && i < n; i++)
		printf("%s|%s|%s|%s|%lld|%s|%s\n", keys[i].fpr, keys[i].signer,
		    keys[i].name, keys[i].alg, (long long)keys[i].expires,
		    keys[i].usable ? "usable" : "not", keys[i].why);
	if (rc == 0)
		free(keys);
	return rc;
}

static int
cmd_make(const struct buf *in, int64_t now, struct buf *out, struct err *e)
{
	struct keyring_made made;
	int rc = keyring_make(in->data, in->len, now, &made, e);

	if (made.refused.len > 0)
		fwrite(made.refused.data, 1, made.refused.len, stderr);
	if (rc == 0)
		buf_add(out, made.lines.data, made.lines.len);
	keyring_made_release(&made);
	return rc;
}

static int
run(int argc, char **argv, const struct buf *in, struct buf *out, struct err *e)
{
	const char *cmd = argv[1], *arg = argc > 2 ? argv[2] : "";
	struct buf old;
	int rc;

	if (strcmp(cmd, "list") == 0)
		return cmd_list(e);
	if (strcmp(cmd, "sign") == 0)
		return pgp_sign(arg, PURPOSE_ACTION, in->data, in->len, out, e);
	if (strcmp(cmd, "encrypt") == 0)
		return pgp_encrypt((const char *const *)argv + 2,
		    (size_t)(argc - 2), in->data, in->len, out, e);
	if (strcmp(cmd, "decrypt") == 0) {
		out->max = argc > 2 ? strtoul(arg, NULL, 10) : out->max;
		return pgp_decrypt(in->data, in->len, out, e);
	}
	if (strcmp(cmd, "export") == 0)
		return pgp_export(arg, out, e);
	if (strcmp(cmd, "make") == 0)
		return cmd_make(in, atoll(arg), out, e);
	if (strcmp(cmd, "remove") == 0)
		return keyring_remove(in->data, in->len, arg, out, e);
	if (strcmp(cmd, "table") == 0)
		return keyring_list(in->data, in->len, atoll(arg), out, e);
	if (strcmp(cmd, "merge") == 0) {
		buf_init(&old, IO_MAX);
		rc = arg[0] == '\0' ? 0 : file_read(arg, &old, e);
		if (rc == 0)
			rc = keyring_merge(
			    old.data, old.len, in->data, in->len, out, e);
		buf_release(&old);
		return rc;
	}
	return err_set(e, ERR_INVALID, "unknown command %s", cmd);
}

int
main(int argc, char **argv)
{
	struct buf in, out;
	struct err e;
	int rc;

	if (argc < 2)
		return 99;
	signal(SIGPIPE, SIG_IGN);
	err_clear(&e);
	buf_init(&in, IO_MAX);
	buf_init(&out, IO_MAX);
	rc = file_read("-", &in, &e);
	if (rc == 0)
		rc = run(argc, argv, &in, &out, &e);
	if (rc == 0)
		rc = fd_write_all(STDOUT_FILENO, out.data, out.len, &e);
	else
		fprintf(stderr, "%s\n", e.msg);
	buf_release(&in);
	buf_release(&out);
	return -rc;
}
