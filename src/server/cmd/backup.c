/* SPDX-License-Identifier: MPL-2.0 */
/* Writing and reading backups: see backup.h. Files are hashed before they are
 * written, and hashed again as they are: what changed in between is an error.
 * The store is a copy of its own that SQLite makes. */
#include "server/cmd/backup.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/id.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "crypto/x509.h"
#include "server/store/upkeep.h"
#include "server/cmd/stopped.h"
#include "server/cmd/tar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST "MANIFEST"
#define MANIFEST_MAX 8192
#define CHUNK 65536
#define TEMPORARY ".mig-backup."
#define PEMS_MAX (8 * X509_PEM_MAX)
#define FIRST_LINE "mig-backup 1\n"

const struct backup_file backup_files[BACKUP_FILES] = {
	{ "server.conf", BACKUP_CONF, false, 0644 },
	{ "ca/ca.crt", FILE_CA_CERT, false, 0644 },
	{ "ca/ca.key", FILE_CA_KEY, false, 0600 },
	{ "tls/server.crt", FILE_TLS_CERT, false, 0644 },
	{ "tls/server.key", FILE_TLS_KEY, false, 0600 },
	{ "relay/ca.crt", FILE_RELAY_CA, true, 0644 },
	{ "relay/relay.crt", FILE_RELAY_CERT, true, 0644 },
	{ "relay/relay.key", FILE_RELAY_KEY, true, 0600 },
	{ "db/store.sqlite", FILE_DB, true, 0600 },
};
const char *const backup_dirs[BACKUP_DIRS] = { "ca", "tls", "relay", "db" };

struct part {
	char path[SERVER_PATH_MAX];
	uint64_t size;
	struct id hash;
};

/* --- writing ------------------------------------------------------------ */

static int
put_bytes(int fd, const void *data, size_t len, struct err *e)
{
	const uint8_t *p = data;
	ssize_t n;
	int rc;

	while (len > 0) {
		if ((rc = check_stopped(e)) != 0)
			return (rc);
		n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return (err_errno(e, "write"));
		p += n;
		len -= (size_t)n;
	}
	return (0);
}

static int
stops(void *arg)
{
	return (is_stopped());
}

/* Whoever owns users files could have root read others by a link, wait at a
 * pipe, or fill the disk. The store's copy is root's own. */
static bool
is_foreign(const struct backup_file *f)
{
	return (f->users && f->file != FILE_DB);
}

static int
open_part(
    const char *path, const struct backup_file *f, int *ret_fd, struct err *e)
{
	if (is_foreign(f))
		return (file_open_foreign(path, ret_fd, e));
	*ret_fd =
	    open(path, O_RDONLY | O_CLOEXEC | (f->users ? O_NOFOLLOW : 0));
	return (*ret_fd < 0 ? err_errno(e, "%s", path) : 0);
}

/* Reads a file; hands each piece on when out is not -1. */
static int
pump(const char *path, const struct backup_file *f, int out, uint64_t *ret_size,
    struct id *ret_hash, struct err *e)
{
	struct sha256 h;
	int fd = -1, rc = open_part(path, f, &fd, e);
	uint8_t *chunk = malloc(CHUNK);
	uint64_t size = 0;
	ssize_t n = 0;

	sha256_begin(&h);
	if (rc == 0 && chunk == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	while (rc == 0 && (rc = check_stopped(e)) == 0 &&
	    (n = read(fd, chunk, CHUNK)) > 0) {
		sha256_add(&h, chunk, (size_t)n);
		size += (uint64_t)n;
		if (is_foreign(f) && size > PEMS_MAX)
			rc = err_set(e, ERR_TOOBIG, "%s: more than %d bytes",
			    path, PEMS_MAX);
		else if (out >= 0)
			rc = put_bytes(out, chunk, (size_t)n, e);
	}
	if (rc == 0 && n < 0)
		rc = err_errno(e, "%s", path);
	if (rc == 0) {
		sha256_final(&h, ret_hash);
		*ret_size = size;
	}
	if (chunk != NULL)
		explicit_bzero(chunk, CHUNK);
	free(chunk);
	if (fd >= 0)
		close(fd);
	return (rc);
}

static int
put_header(int fd, const char *name, uint64_t size, mode_t mode, struct err *e)
{
	struct tar_entry t = {
		.size = size, .mode = mode, .mtime = clock_wall_ms() / 1000
	};
	uint8_t block[TAR_BLOCK];

	str_copy(t.name, sizeof(t.name), name);
	tar_header(&t, block);
	return (put_bytes(fd, block, sizeof(block), e));
}

static int
put_padding(int fd, uint64_t size, struct err *e)
{
	static const uint8_t zeros[TAR_BLOCK];

	return (put_bytes(fd, zeros, tar_padding(size), e));
}

static int
put_part(
    int fd, const struct backup_file *f, const struct part *p, struct err *e)
{
	uint64_t size;
	struct id hash;
	int rc;

	if ((rc = put_header(fd, f->name, p->size, f->mode, e)) != 0 ||
	    (rc = pump(p->path, f, fd, &size, &hash, e)) != 0)
		return (rc);
	if (size != p->size || !id_equal(&hash, &p->hash))
		return (err_set(e, ERR_BUSY,
		    "%s was changed meanwhile: make the backup again",
		    p->path));
	return (put_padding(fd, size, e));
}

static int
put_all(int fd, const struct part *parts, int schema, struct err *e)
{
	static const uint8_t end[2 * TAR_BLOCK];
	char now[RFC3339_LEN + 1];
	struct buf m;
	struct id sum;
	size_t i;
	int rc;

	buf_init(&m, MANIFEST_MAX);
	rfc3339_format(clock_wall_ms() / 1000, now);
	buf_add_fmt(&m,
	    FIRST_LINE "version " MIG_VERSION "\ncreated %s\n"
		       "schema %d\n",
	    now, schema);
	for (i = 0; i < BACKUP_FILES; i++)
		buf_add_fmt(&m, "file %s %llu %s\n", backup_files[i].name,
		    (unsigned long long)parts[i].size,
		    id_hex(&parts[i].hash).s);
	sha256(m.data, m.len, &sum);
	buf_add_fmt(&m, "sum %s\n", id_hex(&sum).s);
	if ((rc = m.error) != 0)
		err_set(e, rc, "%s", err_text(rc));
	if (rc == 0 && (rc = put_header(fd, MANIFEST, m.len, 0644, e)) == 0 &&
	    (rc = put_bytes(fd, m.data, m.len, e)) == 0)
		rc = put_padding(fd, m.len, e);
	for (i = 0; i < BACKUP_FILES && rc == 0; i++)
		rc = put_part(fd, &backup_files[i], &parts[i], e);
	if (rc == 0)
		rc = put_bytes(fd, end, sizeof(end), e);
	buf_release(&m);
	return (rc);
}

static int
copy_store(
    const struct server_conf *c, const char *to, int *ret_schema, struct err *e)
{
	char path[SERVER_PATH_MAX];
	struct store *s;
	int rc;

	server_file(c, FILE_DB, path);
	if ((rc = store_open(path, STORE_READ, &s, e)) != 0)
		return (rc);
	store_interruptible(s, stops);
	if ((rc = store_schema_of(s, ret_schema, e)) == 0)
		rc = store_copy(s, to, e);
	store_close(s);
	return (rc);
}

/* *ret_fd -1: it is gone already. Until it has a lock, another may take it for
 * one that was left. */
static bool
make_one(char *path, bool directory, int *ret_fd)
{
	if (directory && mkdtemp(path) == NULL)
		return (false);
	fault_point("backup.made");
	*ret_fd = directory ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
			    : mkostemp(path, O_CLOEXEC);
	return (*ret_fd >= 0 || (directory && errno == ENOENT));
}

int
backup_make_temporary(char *path, size_t size, const char *dir, bool directory,
    int *ret_fd, struct err *e)
{
	struct stat st;
	int fd;

	do {
		snprintf(path, size, "%s/" TEMPORARY "XXXXXX", dir);
		if (!make_one(path, directory, &fd))
			return (err_errno(e, "%s", dir));
		if (fd >= 0 && flock(fd, LOCK_EX) == 0 && fstat(fd, &st) == 0 &&
		    st.st_nlink > 0)
			break;
		if (fd >= 0)
			close(fd);
	} while (check_stopped(e) == 0);
	*ret_fd = fd;
	return (check_stopped(e));
}

/* What is another's is not ours to remove, nor what has a lock. */
static void
remove_left(DIR *d, const char *dir, const char *name)
{
	char path[SERVER_PATH_MAX + NAME_MAX];
	struct stat st;
	int fd;

	fd = openat(
	    dirfd(d), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0) {
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		if (S_ISDIR(st.st_mode))
			backup_remove(path);
		else
			unlinkat(dirfd(d), name, 0);
	}
	close(fd);
}

void
backup_remove_left(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *de;

	while (d != NULL && (de = readdir(d)) != NULL)
		if (strncmp(de->d_name, TEMPORARY, strlen(TEMPORARY)) == 0)
			remove_left(d, dir, de->d_name);
	if (d != NULL)
		closedir(d);
}

int
backup_write(const struct server_conf *c, const char *conf_path, int fd,
    const char *tmp_dir, struct err *e)
{
	struct part *parts = calloc(BACKUP_FILES, sizeof(*parts));
	char copy[SERVER_PATH_MAX];
	int schema = 0, rc = 0, tmp;
	size_t i;

	if (parts == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	backup_remove_left(c->state);
	backup_remove_left(tmp_dir);
	if ((rc = backup_make_temporary(
		 copy, sizeof(copy), tmp_dir, false, &tmp, e)) != 0) {
		free(parts);
		return (rc);
	}
	/* Certificates first: those in the store's copy are then older or the
	 * same, never of a later time. */
	for (i = 0; i < BACKUP_FILES && rc == 0; i++) {
		struct part *p = &parts[i];

		if (backup_files[i].file == BACKUP_CONF)
			str_copy(p->path, sizeof(p->path), conf_path);
		else if (backup_files[i].file == FILE_DB) {
			rc = copy_store(c, copy, &schema, e);
			str_copy(p->path, sizeof(p->path), copy);
		} else {
			server_file(
			    c, (enum server_file)backup_files[i].file, p->path);
		}
		if (rc == 0)
			rc = pump(p->path, &backup_files[i], -1, &p->size,
			    &p->hash, e);
	}
	if (rc == 0)
		rc = put_all(fd, parts, schema, e);
	unlink(copy);
	close(tmp);
	free(parts);
	return (rc);
}

/* --- reading ------------------------------------------------------------ */

static int
read_full(int fd, void *out, size_t len, struct err *e)
{
	uint8_t *p = out;
	ssize_t n;
	int rc;

	while (len > 0) {
		if ((rc = check_stopped(e)) != 0)
			return (rc);
		n = read(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return (err_errno(e, "the backup"));
		if (n == 0)
			return (
			    err_set(e, ERR_INVALID, "the backup is cut short"));
		p += n;
		len -= (size_t)n;
	}
	return (0);
}

static int
next_entry(int fd, const char *name, struct tar_entry *ret, struct err *e)
{
	uint8_t block[TAR_BLOCK];
	bool end;
	int rc;

	if ((rc = read_full(fd, block, sizeof(block), e)) != 0 ||
	    (rc = tar_parse(block, ret, &end, e)) != 0)
		return (rc);
	if (end || strcmp(ret->name, name) != 0)
		return (err_set(e, ERR_INVALID,
		    "not a backup of mig-server: expected %s in it", name));
	return (0);
}

static int
skip_padding(int fd, uint64_t size, struct err *e)
{
	static const uint8_t zeros[TAR_BLOCK];
	uint8_t block[TAR_BLOCK];
	int rc = read_full(fd, block, tar_padding(size), e);

	if (rc == 0 && memcmp(block, zeros, tar_padding(size)) != 0)
		rc = err_set(e, ERR_INVALID,
		    "the backup is damaged: bytes between"
		    " its files");
	return (rc);
}

static int
parse_manifest(
    char *text, struct part *parts, struct backup_info *info, struct err *e)
{
	char *line = text, *end, name[TAR_NAME_MAX], hash[ID_HEX_LEN + 1];
	unsigned long long size;
	struct id sum, got;
	size_t i;
	int n = 0;

	if (sscanf(line,
		"mig-backup 1\nversion %31s\ncreated %31s\nschema %d\n%n",
		info->version, info->created, &info->schema, &n) != 3 ||
	    n == 0)
		return (err_set(e, ERR_INVALID,
		    "MANIFEST: not one of this version of mig-server"));
	line += n;
	for (i = 0; i < BACKUP_FILES; i++, line = end + 1) {
		if ((end = strchr(line, '\n')) == NULL ||
		    sscanf(line, "file %99s %llu %64s\n", name, &size, hash) !=
			3 ||
		    strcmp(name, backup_files[i].name) != 0 ||
		    id_parse(hash, &parts[i].hash) != 0)
			return (err_set(e, ERR_INVALID,
			    "MANIFEST: expected a line for %s",
			    backup_files[i].name));
		parts[i].size = size;
		info->bytes += size;
	}
	sha256(text, (size_t)(line - text), &sum);
	if (sscanf(line, "sum %64s\n", hash) != 1 ||
	    id_parse(hash, &got) != 0 || !id_equal(&got, &sum))
		return (err_set(e, ERR_INVALID,
		    "MANIFEST: damaged: its digest is not the one it states"));
	return (0);
}

static int
read_manifest(
    int fd, struct part *parts, struct backup_info *info, struct err *e)
{
	struct tar_entry t;
	char *text;
	int rc;

	if ((rc = next_entry(fd, MANIFEST, &t, e)) != 0)
		return (rc);
	if (t.size >= MANIFEST_MAX)
		return (err_set(e, ERR_TOOBIG, "MANIFEST: too large"));
	if ((text = calloc(1, (size_t)t.size + 1)) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if ((rc = read_full(fd, text, (size_t)t.size, e)) == 0 &&
	    (rc = skip_padding(fd, t.size, e)) == 0)
		rc = parse_manifest(text, parts, info, e);
	free(text);
	return (rc);
}

static int
take_bytes(int in, int out, uint64_t size, const struct id *want,
    const char *name, struct err *e)
{
	struct sha256 h;
	uint8_t *chunk = malloc(CHUNK);
	struct id got;
	size_t n;
	int rc = 0;

	sha256_begin(&h);
	if (chunk == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	while (rc == 0 && size > 0) {
		n = size < CHUNK ? (size_t)size : CHUNK;
		if ((rc = read_full(in, chunk, n, e)) != 0)
			break;
		sha256_add(&h, chunk, n);
		rc = put_bytes(out, chunk, n, e);
		size -= n;
	}
	if (rc == 0) {
		sha256_final(&h, &got);
		if (!id_equal(&got, want))
			rc = err_set(e, ERR_INVALID,
			    "%s: the backup is damaged: its digest is not that"
			    " of the MANIFEST",
			    name);
	}
	if (rc == 0 && fsync(out) != 0)
		rc = err_errno(e, "%s", name);
	if (chunk != NULL)
		explicit_bzero(chunk, CHUNK);
	free(chunk);
	return (rc);
}

static int
take_file(int fd, const char *dir, const struct backup_file *f,
    const struct part *p, struct err *e)
{
	char path[SERVER_PATH_MAX + TAR_NAME_MAX];
	struct tar_entry t;
	int out, rc;

	if ((rc = next_entry(fd, f->name, &t, e)) != 0)
		return (rc);
	if (t.size != p->size)
		return (err_set(e, ERR_INVALID,
		    "%s: not as large as the MANIFEST says", f->name));
	snprintf(path, sizeof(path), "%s/%s", dir, f->name);
	out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    f->mode);
	if (out < 0)
		return (err_errno(e, "%s", path));
	rc = take_bytes(fd, out, p->size, &p->hash, f->name, e);
	if (close(out) != 0 && rc == 0)
		rc = err_errno(e, "%s", path);
	return (rc != 0 ? rc : skip_padding(fd, p->size, e));
}

static int
read_pem(const char *dir, const char *name, struct buf *out, struct err *e)
{
	char path[SERVER_PATH_MAX + TAR_NAME_MAX];
	int rc;

	buf_init(out, PEMS_MAX);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	rc = file_read(path, out, e);
	if (rc == 0 && buf_str(out) == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	return (rc);
}

static int
check_pair(const char *dir, const char *cert, const char *key, struct err *e)
{
	struct buf c, k;
	int rc;

	if ((rc = read_pem(dir, cert, &c, e)) == 0)
		rc = read_pem(dir, key, &k, e);
	else
		buf_init(&k, 1);
	if (rc == 0 && (rc = x509_pair(buf_str(&c), buf_str(&k), e)) != 0)
		err_wrap(e, "%s and %s", cert, key);
	if (k.data != NULL)
		explicit_bzero(k.data, k.cap);
	buf_release(&k);
	buf_release(&c);
	return (rc);
}

/* Opened for writing, so that an older one is brought to our schema here and
 * not when the server starts. */
static int
check_store(const char *dir, struct err *e)
{
	char path[SERVER_PATH_MAX + TAR_NAME_MAX];
	struct store *s;
	int rc;

	snprintf(path, sizeof(path), "%s/db/store.sqlite", dir);
	if ((rc = store_open(path, STORE_WRITE, &s, e)) != 0)
		return (rc);
	store_interruptible(s, stops);
	rc = store_quick_check(s, e);
	store_close(s);
	return (rc);
}

int
backup_unpack(int fd, const char *dir, struct backup_info *ret, struct err *e)
{
	char path[SERVER_PATH_MAX + TAR_NAME_MAX];
	struct part *parts = calloc(BACKUP_FILES, sizeof(*parts));
	struct backup_info info = { .schema = 0 };
	size_t i;
	int rc = 0;

	if (parts == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (i = 0; i < BACKUP_DIRS && rc == 0; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, backup_dirs[i]);
		if (mkdir(path, 0700) != 0)
			rc = err_errno(e, "%s", path);
	}
	if (rc == 0)
		rc = read_manifest(fd, parts, &info, e);
	for (i = 0; i < BACKUP_FILES && rc == 0; i++)
		rc = take_file(fd, dir, &backup_files[i], &parts[i], e);
	if (rc == 0 &&
	    (rc = check_pair(dir, "ca/ca.crt", "ca/ca.key", e)) == 0 &&
	    (rc = check_pair(dir, "tls/server.crt", "tls/server.key", e)) == 0)
		rc = check_pair(dir, "relay/relay.crt", "relay/relay.key", e);
	if (rc == 0)
		rc = check_store(dir, e);
	if (rc == 0)
		*ret = info;
	free(parts);
	return (rc);
}

void
backup_remove(const char *dir)
{
	static const char *const besides[] = { "db/store.sqlite-wal",
		"db/store.sqlite-shm" };
	char path[SERVER_PATH_MAX + TAR_NAME_MAX];
	size_t i;

	for (i = 0; i < BACKUP_FILES; i++) {
		snprintf(
		    path, sizeof(path), "%s/%s", dir, backup_files[i].name);
		unlink(path);
	}
	for (i = 0; i < sizeof(besides) / sizeof(besides[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, besides[i]);
		unlink(path);
	}
	for (i = 0; i < BACKUP_DIRS; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, backup_dirs[i]);
		rmdir(path);
	}
	rmdir(dir);
}
