/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The platform's backup: one tar file.
 *
 *   MANIFEST      mig-backup 1 / version / created / schema, then a line
 *                 "file NAME BYTES SHA256" for each of the others, in order
 *   server.conf, db/store.sqlite, ca/, tls/, relay/: as in the state directory
 *
 * It holds the CA's key.
 */
#ifndef MIG_SERVER_CMD_BACKUP_H
#define MIG_SERVER_CMD_BACKUP_H

#include "server/config.h"

#define BACKUP_CONF (-1) /* the configuration, which is outside the state */

struct backup_file {
	const char *name;
	int file; /* enum server_file, or BACKUP_CONF */
	bool users;
	mode_t mode;
};
extern const struct backup_file backup_files[];
#define BACKUP_FILES 9
extern const char *const backup_dirs[];
#define BACKUP_DIRS 4

struct backup_info {
	char version[32], created[32];
	int schema;
	uint64_t bytes; /* of all files */
};

/* Writes a backup of a server that may run. */
int backup_write(const struct server_conf *c, const char *conf_path, int fd,
    const char *tmp_dir, struct err *e);
/* Makes a file, or a directory, for what gets its name when it is whole, or is
 * removed; locked before anybody can take it for one that was left. */
int backup_make_temporary(char *path, size_t size, const char *dir,
    bool directory, int *ret_fd, struct err *e);
/* Removes those of ours that killed commands left in this directory: halves of
 * backups, copies of the store, and what was unpacked to be checked. Those that
 * are in use have a lock. */
void backup_remove_left(const char *dir);
/* Unpacks below an empty directory and checks everything: digests, that keys
 * and certificates belong together, that the store is sound. */
int
backup_unpack(int fd, const char *dir, struct backup_info *ret, struct err *e);
/* Removes what backup_unpack() made there, and the directory. */
void backup_remove(const char *dir);

#endif
