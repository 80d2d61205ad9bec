/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Lines with public keys: sshd(8) "AUTHORIZED_KEYS FILE FORMAT" and
 * "SSH_KNOWN_HOSTS FILE FORMAT", and the .pub files of ssh-keygen(1):
 *
 *   [options] TYPE BASE64 [comment]
 *   [@marker] HOSTS TYPE BASE64 [comment]
 *
 * In files of other kinds, as cloud-init's, a key may stand in quotes, and
 * several in one line.
 */
#ifndef MIG_MODULES_SSHKEY_LINE_H
#define MIG_MODULES_SSHKEY_LINE_H

#include "modules/sshkey/blob.h"

#include <stddef.h>

enum line_file {
	LINE_PUBLIC,     /* any file: what has a type and a key behind it */
	LINE_AUTHORIZED, /* options may stand before it */
	LINE_KNOWN_HOSTS /* hosts do */
};

struct ssh_line {
	const char *comment; /* borrowed from the line */
	size_t comment_len;
	struct buf blob;  /* owned */
	const char *rest; /* of the line, behind a key in quotes; or NULL */
};

/* By the name of the file. */
enum line_file line_file_of(const char *name);
/* ERR_NOTFOUND: empty, a comment, or (LINE_PUBLIC) another text;
 * ERR_INVALID: no key where one must be; ERR_NOMEM. */
int ssh_line_parse(enum line_file file, const char *line, size_t len,
    struct ssh_line *ret, struct err *e);
/* The next one of what a line has behind a key in quotes. ERR_NOTFOUND: none.
 */
int ssh_line_next(
    const char *rest, size_t len, struct ssh_line *ret, struct err *e);
void ssh_line_release(struct ssh_line *l);

#endif
