/* SPDX-License-Identifier: MPL-2.0 */
/* Whole small files, atomically; descriptors. Every descriptor is CLOEXEC. */
#ifndef MIG_BASE_FILE_H
#define MIG_BASE_FILE_H

#include "base/buf.h"

#include <sys/types.h>

struct err;

/* Appends the whole file to out (at most out->max bytes in all). "-" is
 * standard input. ERR_NOTFOUND when there is none. */
int file_read(const char *path, struct buf *out, struct err *e);
/* The same of a file in a directory of somebody else's, who may have put
 * anything there: ERR_INVALID if it is no regular file (one waits for a pipe
 * for ever), or is a link, which leads elsewhere. */
int file_read_foreign(const char *path, struct buf *out, struct err *e);
/* Opens it so, for reading. */
int file_open_foreign(const char *path, int *ret_fd, struct err *e);
/* What a temporary file is called behind its own name: this and six letters or
 * digits. A killed process leaves one; whose directory it is removes it. */
#define FILE_TEMPORARY ".tmp-"

/* Writes beside it, syncs, renames, syncs the directory: after a crash there
 * is the old or the new content, never a part. */
int file_write(
    const char *path, const void *data, size_t len, mode_t mode, struct err *e);
/* The same, another's from before it has its name; -1: who writes it. */
struct file_owner {
	mode_t mode;
	uid_t uid;
	gid_t gid;
};
int file_write_owned(const char *path, const void *data, size_t len,
    const struct file_owner *o, struct err *e);
/* The same as file_write() in place, and the name is not synced: for what gets
 * its final name by a rename that is. Gone after a failure. */
int file_write_unnamed(
    const char *path, const void *data, size_t len, mode_t mode, struct err *e);
/* Removes what killed processes left of writing files in this directory; only
 * for who alone writes there. */
void file_remove_temporary(const char *dir);
/* Removes what killed processes left of writing this file ten minutes ago or
 * more; others may write it now. */
void file_remove_stale(const char *path);
/* Adds whole lines, all or nothing. A line that a crash left torn is ended
 * first, so that it takes no other with it. Of several programs at once each
 * gets its turn. */
int file_append(
    const char *path, const void *data, size_t len, mode_t mode, struct err *e);
/* Waits for the lock that is a file beside it (path.lock), for who reads,
 * changes and writes it; closing *ret_fd lets the next one in. */
int file_lock(const char *path, int *ret_fd, struct err *e);
/* mkdir -p; existing directories keep their mode. */
int file_mkdirs(const char *path, mode_t mode, struct err *e);
/* Writes everything or fails; for blocking descriptors. */
int fd_write_all(int fd, const void *data, size_t len, struct err *e);
/* Reads to the end of file or until out->max is reached (ERR_TOOBIG). */
int fd_read_all(int fd, struct buf *out, struct err *e);
int fd_set_nonblock(int fd);
/* First of all in a program: whoever closed 0, 1 or 2 wants nothing from it,
 * but without this a file or connection of ours would have its number, and
 * words of the log would be written there. Reading and writing them fails. 0 or
 * ERR_IO. */
int fd_hold_standard(void);
/* An unnamed file in memory holding these bytes, sealed against every change
 * and at offset 0 (memfd_create(2), F_SEAL_*); -1 and e on failure. */
int fd_sealed(const char *name, const void *data, size_t len, struct err *e);

#endif
