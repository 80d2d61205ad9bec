/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Configuration files: "key value" lines, # comments, double quotes with
 * backslash escapes, "include" not supported. Each program owns one table;
 * the table gives the parser, the defaults, the printed form (which parses
 * again) and the man page check.
 */
#ifndef MIG_CONF_CONF_H
#define MIG_CONF_CONF_H

#include "base/buf.h"

struct err;

enum conf_type {
	CONF_STR,      /* char * (owned by the struct) */
	CONF_BOOL,     /* bool: yes no true false on off */
	CONF_INT,      /* int64_t within min..max */
	CONF_SIZE,     /* uint64_t bytes, 1024-based k m g t suffixes */
	CONF_DURATION, /* int64_t seconds, see duration_parse */
	CONF_MAP,      /* struct conf_map *: "tag operator opsec", repeatable;
			  never NULL after conf_defaults */
	CONF_LIST,     /* struct conf_list *: repeatable, several words on a
			  line are several items; never NULL likewise */
};

struct conf_map {
	size_t n;
	char **keys;
	char **values;
};

struct conf_list {
	size_t n;
	char **items;
};

struct conf_entry {
	const char *key;
	enum conf_type type;
	size_t offset;    /* offsetof in the program's struct */
	const char *def;  /* default in file syntax; NULL: none */
	int64_t min, max; /* for CONF_INT, CONF_SIZE, CONF_DURATION;
			     both 0: any */
	const char *help; /* one line; also checked against the man page */
};

/* Sets every field of the table to its default (or to 0, NULL, empty); what
 * was in *out before is not released. */
void conf_defaults(const struct conf_entry *table, size_t n, void *out);
/* Parses text; file is for messages: "FILE:12: unknown key 'relai', did you
 * mean 'relay'?". On failure out holds what was read so far: release it. */
int conf_parse(const struct conf_entry *table, size_t n, const char *file,
    const char *text, size_t len, void *out, struct err *e);
/* Reads and parses a file; a missing file is ERR_NOTFOUND. */
int conf_load(const struct conf_entry *table, size_t n, const char *path,
    void *out, struct err *e);
/* Writes the effective configuration in file syntax; what was parsed and is
 * dumped parses again to the same. ERR_INVALID when a string that the program
 * put there itself is not UTF-8. */
int conf_dump(const struct conf_entry *table, size_t n, const void *conf,
    struct buf *out);
void conf_release(const struct conf_entry *table, size_t n, void *conf);

const char *conf_map_find(const struct conf_map *m, const char *key);

#endif
