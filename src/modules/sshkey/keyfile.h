/* SPDX-License-Identifier: MPL-2.0 */
/* All keys of a file: those between BEGIN and END, then lines with public
 * ones. */
#ifndef MIG_MODULES_SSHKEY_KEYFILE_H
#define MIG_MODULES_SSHKEY_KEYFILE_H

#include "modules/sshkey/blob.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keyfile_key {
	const char *type; /* "private", "public", "authorizedkeys" or
			     "knownhosts" */
	const struct ssh_public *public; /* NULL: it is not known */
	const char *unknown; /* why not, where it is not for being encrypted */
	const char *form;    /* "RSA PRIVATE KEY"; NULL: a line */
	bool encrypted;
	const uint8_t *comment;
	size_t comment_len;
	uint64_t line; /* from 1; 0: it has a form */
};

struct keyfile_ops {
	void (*key)(const struct keyfile_key *k, void *arg);
	/* A line of a file of keys that is none; line is from 1. */
	void (*damaged)(uint64_t line, const char *what, void *arg);
	/* A text that begins like a key and is none. */
	void (*not_a_key)(const char *what, void *arg);
	/* What may be a key was not read: memory is wanting. */
	void (*no_memory)(void *arg);
	/* Asked for each key and line: true ends it. */
	bool (*stop)(void *arg);
	void *arg;
};

/* name is the last component of the path. */
void keyfile_read(const char *name, const char *text, size_t len,
    const struct keyfile_ops *ops);
/* authorized_keys, known_hosts ...: a file of lines with keys. */
bool keyfile_is_list(const char *name);

#endif
