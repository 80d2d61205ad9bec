/* SPDX-License-Identifier: MPL-2.0 */
/*
 * /var/lib/dpkg/updates: changes that are not yet in status, one paragraph a
 * file, named by numbers. They count, and the later ones win. dpkg writes
 * status anew when there are 250 of them.
 */
#ifndef MIG_MODULES_PKG_DPKGUPDATES_H
#define MIG_MODULES_PKG_DPKGUPDATES_H

#include "modules/pkg/reader.h"

#define DPKG_UPDATES_MAX 1024
#define DPKG_UPDATE_BYTES_MAX (4u << 20) /* of one file */

struct dpkg_update {
	char *name; /* owned; the others stand behind it */
	const char *arch, *version, *state; /* state as dpkg calls it */
};

struct dpkg_updates {
	struct dpkg_update *list; /* owned; in their order */
	size_t n;
	uint16_t *index; /* owned; by name, architecture, order */
};

/* What there is below dirfd; all zeros before. Damage is told, and what is
 * whole of it is not lost. ERR_BUSY: it changed; ERR_INVALID: more files than
 * dpkg makes, or something else than files. */
int dpkg_updates_read(struct dpkg_updates *u, int dirfd,
    const struct pkg_reader *r, struct err *e);
void dpkg_updates_release(struct dpkg_updates *u);
/* The newest change to this package, or NULL. One without an architecture is to
 * those of all. */
const struct dpkg_update *dpkg_updates_find(
    const struct dpkg_updates *u, const char *name, const char *arch);

/* The parts of dpkg_updates_read: files in their order, then the index. */
int dpkg_updates_add(struct dpkg_updates *u, int fd, const char *name,
    const struct pkg_reader *r, struct err *e);
int dpkg_updates_sort(struct dpkg_updates *u, struct err *e);

#endif
