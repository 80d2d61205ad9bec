/* SPDX-License-Identifier: MPL-2.0 */
/*
 * An object read member by member where it stands, without a copy and without
 * memory: for lines of which there are many, most of them plain. Plain is what
 * has nothing but strings in printable ASCII without an escape, and integers of
 * at most 15 digits (RFC 8259), and no blanks between them, as base/jsonw.h
 * writes it. What is not plain may be JSON all the same: json_strict() tells.
 */
#ifndef MIG_JSON_PLAIN_H
#define MIG_JSON_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_plain {
	const char *text;
	size_t len, at;
};

struct json_member { /* points into the text; not terminated */
	const char *key;
	size_t key_len;
	const char *string; /* NULL: a number */
	size_t len;
	int64_t number;
};

void json_plain_init(struct json_plain *p, const char *text, size_t len);
/* 1: a member; 0: there is no more, and the text ends there; -1: not plain.
 * Whether two have the same key is not looked at. */
int json_plain_next(struct json_plain *p, struct json_member *ret);
bool json_member_is(const struct json_member *m, const char *key);

#endif
