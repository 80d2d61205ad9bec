/* SPDX-License-Identifier: MPL-2.0 */
/* A stored answer as a disk would have changed it: first a byte that says
 * what to do, then bytes to put over a good one from an offset, or instead of
 * it. Only the good one is ever taken for good. */
#include "agent/monitor/stored.h"

#include "action/result.h"
#include "agent/store/small.h"
#include "agent/store/spool.h"
#include "base/buf.h"
#include "base/err.h"
#include "crypto/identity.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct spool *spool;
static struct identity who;
static struct buf good;
static struct id id = { { 7 } };
static char path[160];

static void
clean(void)
{
	spool_free(spool);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

static void
prepare(void)
{
	struct result_header h = {
		.status = RESULT_REFUSED, .reason = 3, .time_ms = 5
	};
	char dir[] = "/tmp/mig-fuzz-spool-XXXXXX";
	struct err e;

	BUG_ON(mkdtemp(dir) == NULL);
	identity_new(&who);
	h.action = id;
	buf_init(&good, 1 << 20);
	BUG_ON(result_make(&h, &who, "n", NULL, NULL, 0, &good, &e) != 0);
	BUG_ON(spool_open(dir, 16 << 20, 1, &spool, &e) != 0);
	BUG_ON(spool_put(spool, &id, 100, good.data, good.len, &e) != 0);
	snprintf(path, sizeof(path), "%s/" SMALL_NAME, dir);
	atexit(clean);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e;
	size_t at;
	bool same;
	int fd;

	if (good.len == 0)
		prepare();
	if (len < 2 || len - 2 > good.len)
		return 0;
	at = (size_t)(data[0] << 8 | data[1]) % (good.len - (len - 2) + 1);
	data += 2;
	len -= 2;
	BUG_ON((fd = open(path, O_WRONLY)) < 0);
	BUG_ON(
	    pwrite(fd, good.data, good.len, SMALL_HEAD) != (ssize_t)good.len);
	BUG_ON(pwrite(fd, data, len, SMALL_HEAD + (off_t)at) != (ssize_t)len);
	close(fd);
	same = len == 0 || memcmp(data, good.data + at, len) == 0;
	err_clear(&e);
	BUG_ON((stored_check(spool, &who, &id, &e) == 0) != same);
	return 0;
}
