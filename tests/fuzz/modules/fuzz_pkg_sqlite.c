/* SPDX-License-Identifier: MPL-2.0 */
/* A whole rpm database of SQLite's form. The first two bytes say how much of
 * the end is what stands in its WAL. libsqlite3 itself is not instrumented:
 * what is seen is the way it is used, and what it does with memory. */
#include "modules/pkg/rpmdb.h"

#include "base/err.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STOPS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[] = "/tmp/fuzz-sqlite-XXXXXX", wal[sizeof(path) + 4];

struct seen {
	size_t bytes;
	unsigned int stops;
};

static void
on_package(const struct package *p, void *arg)
{
	struct seen *s = arg;

	s->bytes += strlen(p->name) + strlen(p->version) + strlen(p->arch);
}

static void
on_damaged(const char *what, void *arg)
{
	struct seen *s = arg;

	s->bytes += strlen(what);
}

/* A schema can be a loop without an end. */
static bool
on_stop(void *arg)
{
	struct seen *s = arg;

	return ++s->stops > STOPS_MAX;
}

static void
remove_all(void)
{
	(void)unlink(path);
	(void)unlink(wal);
}

static void
begin(void)
{
	int fd = mkstemp(path);

	BUG_ON(fd < 0);
	close(fd);
	memcpy(wal, path, sizeof(path) - 1);
	memcpy(wal + sizeof(path) - 1, "-wal", 5);
	atexit(remove_all);
}

static void
write_file(const char *name, const uint8_t *data, size_t size)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	BUG_ON(fd < 0 || write(fd, data, size) != (ssize_t)size);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen seen = { 0 };
	const struct pkg_reader r = { on_package, on_damaged, on_stop, &seen };
	size_t behind;
	struct err e;
	int rc;

	if (wal[0] == '\0')
		begin();
	if (size < 2)
		return 0;
	behind = (size_t)(data[0] << 8 | data[1]);
	data += 2;
	size -= 2;
	if (behind > size)
		behind = size;
	write_file(path, data, size - behind);
	if (behind > 0)
		write_file(wal, data + size - behind, behind);
	else
		(void)unlink(wal);
	err_clear(&e);
	rc = rpmdb_sqlite_read(path, &r, &e);
	/* nothing was written, and nobody else did */
	BUG_ON(rc == ERR_BUSY || (rc != 0 && e.msg[0] == '\0'));
	return 0;
}
