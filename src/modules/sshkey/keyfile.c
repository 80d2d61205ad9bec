/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/sshkey/keyfile.h"

#include "base/err.h"
#include "modules/sshkey/line.h"
#include "modules/sshkey/pem.h"

#include <stdio.h>
#include <string.h>

bool
keyfile_is_list(const char *name)
{
	return line_file_of(name) != LINE_PUBLIC;
}

static void
tell_failure(int rc, const char *what, const struct keyfile_ops *ops)
{
	if (rc == ERR_NOMEM)
		ops->no_memory(ops->arg);
	else
		ops->not_a_key(what, ops->arg);
}

static void
tell_pem(const struct ssh_pem *p, const struct keyfile_ops *ops)
{
	struct keyfile_key k = { .type = p->public ? "public" : "private",
		.form = p->form,
		.encrypted = p->encrypted,
		.unknown = p->unknown,
		.comment = p->comment.data,
		.comment_len = p->comment.len };
	struct ssh_public public;
	char what[ERR_MSG_MAX + 64];
	struct err e;
	int rc;

	if (p->blob.len == 0) {
		ops->key(&k, ops->arg);
		return;
	}
	rc = ssh_public_parse(p->blob.data, p->blob.len, &public, &e);
	if (rc == ERR_UNSUPPORTED) {
		k.unknown = "its type is not known";
		ops->key(&k, ops->arg);
	} else if (rc != 0) {
		snprintf(what, sizeof(what), "%s: %s", p->form, e.msg);
		tell_failure(rc, what, ops);
	} else {
		k.public = &public;
		ops->key(&k, ops->arg);
		ssh_public_release(&public);
	}
}

static void
read_pem(const char *text, size_t len, const struct keyfile_ops *ops)
{
	struct ssh_pem p;
	size_t at = 0;
	struct err e;
	int rc;

	while (!ops->stop(ops->arg) &&
	    (rc = ssh_pem_next(text, len, &at, &p, &e)) != ERR_NOTFOUND) {
		if (rc != 0) {
			tell_failure(rc, e.msg, ops);
			continue;
		}
		tell_pem(&p, ops);
		ssh_pem_release(&p);
	}
}

static int
read_line(enum line_file file, uint64_t number, const char *line, size_t len,
    const struct keyfile_ops *ops, struct err *e)
{
	static const char *const types[] = {
		[LINE_PUBLIC] = "public",
		[LINE_AUTHORIZED] = "authorizedkeys",
		[LINE_KNOWN_HOSTS] = "knownhosts",
	};
	struct keyfile_key k = { .type = types[file], .line = number };
	struct ssh_public public;
	const char *end = line + len, *rest;
	struct ssh_line l;
	int rc;

	rc = ssh_line_parse(file, line, len, &l, e);
	while (rc == 0) {
		rest = l.rest;
		rc = ssh_public_parse(l.blob.data, l.blob.len, &public, e);
		if (rc == 0) {
			k.public = &public;
			k.comment = (const uint8_t *)l.comment;
			k.comment_len = l.comment_len;
			ops->key(&k, ops->arg);
			ssh_public_release(&public);
		}
		ssh_line_release(&l);
		if (rc != 0 || rest == NULL)
			break;
		rc = ssh_line_next(rest, (size_t)(end - rest), &l, e);
	}
	return rc;
}

static void
read_lines(enum line_file file, const char *text, size_t len,
    const struct keyfile_ops *ops)
{
	char what[ERR_MSG_MAX + 64];
	uint64_t number = 0;
	const char *nl;
	struct err e;
	size_t n;
	int rc;

	while (len > 0 && !ops->stop(ops->arg)) {
		nl = memchr(text, '\n', len);
		n = nl != NULL ? (size_t)(nl - text) : len;
		rc = read_line(file, ++number, text, n, ops, &e);
		if (rc == ERR_NOMEM) {
			ops->no_memory(ops->arg);
		} else if (rc != 0 && rc != ERR_NOTFOUND &&
		    file != LINE_PUBLIC) {
			ops->damaged(number, e.msg, ops->arg);
		} else if (rc != 0 && rc != ERR_NOTFOUND) {
			snprintf(what, sizeof(what), "line %llu: %s",
			    (unsigned long long)number, e.msg);
			ops->not_a_key(what, ops->arg);
		}
		n += nl != NULL;
		text += n;
		len -= n;
	}
}

void
keyfile_read(const char *name, const char *text, size_t len,
    const struct keyfile_ops *ops)
{
	enum line_file file = line_file_of(name);

	if (memmem(text, len, "-----BEGIN ", 11) != NULL ||
	    memmem(text, len, "---- BEGIN ", 11) != NULL)
		read_pem(text, len, ops);
	/* every key begins with the length of its type, which is short */
	if (file != LINE_PUBLIC || memmem(text, len, "AAAA", 4) != NULL)
		read_lines(file, text, len, ops);
}
