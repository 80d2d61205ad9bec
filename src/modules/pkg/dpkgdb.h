/* SPDX-License-Identifier: MPL-2.0 */
/*
 * dpkg's database, a directory (/var/lib/dpkg):
 *
 *   status     all packages
 *   updates/   changes that are not yet in status, one paragraph a file, named
 *              by numbers; they count, and the later ones win
 *   status.d/  images made without dpkg: a file with one paragraph a package
 *
 * dpkg replaces status as a whole. Returns as in rpmdb.h, and ERR_NOTFOUND
 * when there is no such file or directory.
 */
#ifndef MIG_MODULES_PKG_DPKGDB_H
#define MIG_MODULES_PKG_DPKGDB_H

#include "modules/pkg/reader.h"

#define DPKG_UPDATES_MAX 4096

int dpkgdb_status_read(int dirfd, const struct pkg_reader *r, struct err *e);
int dpkgdb_image_read(int dirfd, const struct pkg_reader *r, struct err *e);

/* A regular file of a directory, for reading, without following links:
 * ERR_NOTFOUND, ERR_DENIED, ERR_INVALID (something else than a file), ERR_IO.
 */
int pkg_open_file(int dirfd, const char *name, int *ret_fd, struct err *e);

#endif
