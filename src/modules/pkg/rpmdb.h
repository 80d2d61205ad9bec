/* SPDX-License-Identifier: MPL-2.0 */
/*
 * rpm's databases: headers of packages (rpmheader.h) in one of three forms.
 * Nothing is locked and nothing is written; who may be writing at the same
 * time shows as ERR_BUSY: read again.
 *
 * All return 0, ERR_INVALID (the whole is damaged; records may have been
 * told before), ERR_UNSUPPORTED, ERR_IO, ERR_NOMEM or ERR_BUSY.
 */
#ifndef MIG_MODULES_PKG_RPMDB_H
#define MIG_MODULES_PKG_RPMDB_H

#include "modules/pkg/reader.h"

/* rpmdb.sqlite: table Packages (hnum, blob), by libsqlite3. path is real,
 * without links; what stands in PATH-wal is read as well. */
int
rpmdb_sqlite_read(const char *path, const struct pkg_reader *r, struct err *e);
/* Packages.db; rpm, lib/backend/ndb/rpmpkg.c. */
int rpmdb_ndb_read(int fd, const struct pkg_reader *r, struct err *e);
/* Packages: a hash of Berkeley DB, versions 8 to 10, of any byte order;
 * db, dbinc/db_page.h. */
int rpmdb_bdb_read(int fd, const struct pkg_reader *r, struct err *e);

/* One header, from any of them; number is for messages. */
void rpmdb_blob(
    const struct pkg_reader *r, uint64_t number, const void *blob, size_t len);

#endif
