/* SPDX-License-Identifier: MPL-2.0 */
/* The time servers that this host is set by, from the files that are there. */
#ifndef MIG_MODULES_TIMEDRIFT_CLOCKFILES_H
#define MIG_MODULES_TIMEDRIFT_CLOCKFILES_H

#include "modules/host.h"
#include "modules/timedrift/question.h"

#include <stddef.h>

#define CLOCKSERVER_SOURCE_MAX 256

struct clockserver {
	struct host host;
	char source[CLOCKSERVER_SOURCE_MAX]; /* the file that names it, or ""
					      */
};

struct clockservers {
	struct clockserver list[TIMEDRIFT_SERVERS_MAX];
	size_t n;
	size_t more; /* that found no room */
};

/* A server that is there already counts once. */
void clockservers_add(
    struct clockservers *l, const struct host *h, const char *source);

/* Something was not read: a file's path, and why. */
typedef void clockfiles_on_gap(const char *path, const char *why, void *arg);

/* root: "" for this host, else a directory before all paths. Without memory
 * some are missing, and on_gap is told. */
void clockfiles_read(const char *root, struct clockservers *ret,
    clockfiles_on_gap *on_gap, void *arg);

#endif
