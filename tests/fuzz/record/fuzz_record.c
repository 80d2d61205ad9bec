/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Any bytes as a record file. The first byte chooses: 0 to 127, the rest is
 * the file; else the rest is appended to, or cut into, a valid file, so that
 * the search behind torn ends is reached.
 */
#include "record/record.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];
static int fd = -1;
static uint8_t valid[400];
static size_t valid_len;

static int
on_entry(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	size_t *n = arg;

	(*n)++;
	BUG_ON(*n != position);
	return 0;
}

static void
make_valid(void)
{
	char name[] = "/tmp/mig-fuzz-record.XXXXXX";
	struct record *r;
	struct err e;
	FILE *f;
	int tmp = mkstemp(name);

	close(tmp);
	unlink(name);
	BUG_ON(record_open(name, NULL, NULL, &r, &e) != 0);
	for (uint16_t i = 1; i < 5; i++)
		BUG_ON(record_append(r, i, "some content", 12, &e) != 0);
	record_free(r);
	f = fopen(name, "r");
	valid_len = fread(valid, 1, sizeof(valid), f);
	fclose(f);
	unlink(name);
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
}

static void
put(const void *p, size_t len)
{
	BUG_ON(write(fd, p, len) != (ssize_t)len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = 0, keep;
	struct err e;
	int rc;

	if (fd < 0)
		make_valid();
	if (size == 0)
		return 0;
	BUG_ON(ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0);
	keep = data[0] < 128 ? 0 : (size_t)(data[0] - 128) * valid_len / 127;
	put(valid, keep);
	put(data + 1, size - 1);
	rc = record_scan(path, on_entry, &n, &e);
	BUG_ON(rc != 0 && rc != ERR_INVALID);
	BUG_ON(rc != 0 && e.msg[0] == '\0');
	return 0;
}
