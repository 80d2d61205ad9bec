/* SPDX-License-Identifier: MPL-2.0 */
/* The file of small answers as a disk would have changed it: first two bytes
 * that say where, then bytes to put over a good file of two blocks (from
 * behind its end they make it longer). No head but the two good ones is ever
 * found, and the spool goes on with what is there. */
#include "agent/store/small.h"
#include "agent/store/spool.h"

#include "base/buf.h"
#include "base/err.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define BLOCKS 16 /* by which the file grows */

static const struct small_head heads[] = {
	{ .id = { { 7 } }, .position = 3, .len = 5 },
	{ .id = { { 9 } }, .position = 8, .len = SMALL_DATA_MAX },
};
static char dir[] = "/tmp/mig-fuzz-small-XXXXXX", path[64];
static uint8_t good[BLOCKS * SMALL_BLOCK];

static void
clean(void)
{
	unlink(path);
	rmdir(dir);
}

static void
prepare(void)
{
	static uint8_t text[SMALL_DATA_MAX];
	struct err e;
	uint32_t i;
	int fd;

	BUG_ON(mkdtemp(dir) == NULL);
	snprintf(path, sizeof(path), "%s/" SMALL_NAME, dir);
	atexit(clean);
	for (i = 0; i < 2; i++)
		BUG_ON(small_write(dir, i, &heads[i], text, &e) != 0);
	BUG_ON((fd = open(path, O_RDONLY)) < 0);
	BUG_ON(read(fd, good, sizeof(good)) != (ssize_t)sizeof(good));
	close(fd);
}

static int
on_block(
    uint32_t block, const struct small_head *h, const uint8_t *data, void *arg)
{
	const struct small_head *want;

	BUG_ON(h == NULL);
	want = &heads[h->position == 3 ? 0 : 1];

	BUG_ON(!id_equal(&h->id, &want->id) || h->position != want->position ||
	    h->len != want->len);
	return 0;
}

static void
read_item(const struct spool_item *it, void *arg)
{
	struct spool *s = arg;
	struct buf b;

	buf_init(&b, it->len);
	BUG_ON(spool_read(s, &it->id, 0, it->len, &b, NULL) != 0);
	buf_release(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct spool *s;
	struct err e;
	size_t at;
	int fd;

	if (good[0] == 0)
		prepare();
	if (len < 2)
		return 0;
	at = (size_t)(data[0] << 8 | data[1]);
	BUG_ON((fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600)) < 0);
	BUG_ON(write(fd, good, sizeof(good)) != (ssize_t)sizeof(good));
	BUG_ON(pwrite(fd, data + 2, len - 2, (off_t)at) != (ssize_t)len - 2);
	close(fd);
	err_clear(&e);
	BUG_ON(small_scan(dir, on_block, NULL, &e) != 0);
	BUG_ON(spool_open(dir, 16 << 20, 1, &s, &e) != 0);
	spool_proven(s, &heads[0].id, heads[0].position);
	BUG_ON(spool_settle(s, false, &e) != 0);
	spool_each(s, read_item, s);
	spool_free(s);
	return 0;
}
