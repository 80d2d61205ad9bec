/* SPDX-License-Identifier: MPL-2.0 */
/*
 * dpkg's database, a directory (/var/lib/dpkg):
 *
 *   status     all packages
 *   updates/   changes that are not yet in status (dpkgupdates.h)
 *   status.d/  images made without dpkg: a file with one paragraph a package
 *
 * dpkg replaces status as a whole. Returns as in rpmdb.h, and ERR_NOTFOUND
 * when there is no such file or directory.
 */
#ifndef MIG_MODULES_PKG_DPKGDB_H
#define MIG_MODULES_PKG_DPKGDB_H

#include "modules/pkg/reader.h"

int dpkgdb_status_read(int dirfd, const struct pkg_reader *r, struct err *e);
int dpkgdb_image_read(int dirfd, const struct pkg_reader *r, struct err *e);

#endif
