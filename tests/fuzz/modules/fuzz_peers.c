/* SPDX-License-Identifier: MPL-2.0 */
/* stat and cmdline of two processes, as the files of /proc: pieces that end
 * with a byte 0xff. Anybody can name a process like an agent. */
#include "modules/agent/peers.h"

#include "base/err.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DIR_LEN (sizeof("/tmp/fuzz-peers-XXXXXX"))
#define FILES 4

static char dir[DIR_LEN] = "/tmp/fuzz-peers-XXXXXX";
static char directories[2][DIR_LEN + 4], files[FILES][DIR_LEN + 16];

static void
put(const char *name, const uint8_t *data, size_t size)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	BUG_ON(fd < 0 || write(fd, data, size) != (ssize_t)size);
	close(fd);
}

static void
remove_all(void)
{
	size_t i;

	for (i = 0; i < FILES; i++)
		(void)unlink(files[i]);
	for (i = 0; i < 2; i++)
		(void)rmdir(directories[i]);
	(void)rmdir(dir);
}

static void
begin(void)
{
	size_t i;

	BUG_ON(mkdtemp(dir) == NULL);
	for (i = 0; i < 2; i++) {
		snprintf(directories[i], sizeof(directories[i]), "%s/%zu", dir,
		    i + 1);
		BUG_ON(mkdir(directories[i], 0700) != 0);
	}
	for (i = 0; i < FILES; i++)
		snprintf(files[i], sizeof(files[i]), "%s/%s",
		    directories[i % 2], i < 2 ? "stat" : "cmdline");
	atexit(remove_all);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct peers peers;
	const struct peer *p;
	const uint8_t *end;
	size_t i, len;

	if (files[0][0] == '\0')
		begin();
	for (i = 0; i < FILES; i++) {
		end = size > 0 ? memchr(data, 0xff, size) : NULL;
		len = end != NULL ? (size_t)(end - data) : size;
		put(files[i], data, len);
		data += len + (end != NULL);
		size -= len + (end != NULL);
	}
	BUG_ON(peers_find(dir, &peers) != 0 || peers.n > 2);
	for (i = 0; i < peers.n; i++) {
		p = &peers.list[i];
		BUG_ON(peers_by_pid(&peers, p->pid) != p);
		BUG_ON(!str_is_utf8(p->version, strlen(p->version)));
		BUG_ON(p->mode[0] == '\0' || p->id[0] == '\0' || p->age < 0);
	}
	return 0;
}
