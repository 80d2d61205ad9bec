/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A net that was taken over: the real mig-agent-net, but with each connection
 * it hands over as its renewed certificate what lies in HOSTILE/AGENT; where
 * that is "flood" it says without end that the server asks who is there.
 * Without such a file it is as the real one.
 */
#include "agent/net/renew.h"
#include "base/buf.h"
#include "base/file.h"
#include "agent/messages.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static struct buf handed;

struct renew *__real_renew_new(const char *ca, const char *cert,
    const char *key, const struct id *agent, const char *peer, struct err *e);
struct renew *__wrap_renew_new(const char *ca, const char *cert,
    const char *key, const struct id *agent, const char *peer, struct err *e);
int __real_ipc_chan_send(struct ipc_chan *c, uint16_t type, uint32_t request,
    const void *body, size_t len);
int __wrap_ipc_chan_send(struct ipc_chan *c, uint16_t type, uint32_t request,
    const void *body, size_t len);
bool __real_renew_connected(struct renew *r, struct buf *body);
bool __wrap_renew_connected(struct renew *r, struct buf *body);

static bool
is_flood(void)
{
	return handed.len == 5 && memcmp(handed.data, "flood", 5) == 0;
}

/* Before its sandbox. */
struct renew *
__wrap_renew_new(const char *ca, const char *cert, const char *key,
    const struct id *agent, const char *peer, struct err *e)
{
	char path[PATH_MAX];

	buf_init(&handed, 65000);
	snprintf(path, sizeof(path), HOSTILE "/%s", id_hex(agent).s);
	if (file_read(path, &handed, NULL) != 0)
		buf_clear(&handed);
	return __real_renew_new(ca, cert, key, agent, peer, e);
}

bool
__wrap_renew_connected(struct renew *r, struct buf *body)
{
	if (handed.len == 0 || is_flood())
		return __real_renew_connected(r, body);
	buf_add(body, handed.data, handed.len);
	return true;
}

int
__wrap_ipc_chan_send(struct ipc_chan *c, uint16_t type, uint32_t request,
    const void *body, size_t len)
{
	static const uint8_t hello = 1;
	int rc = __real_ipc_chan_send(c, type, request, body, len), i;

	for (i = 0; type == MSG_NET_UP && is_flood() && i < 5000; i++)
		(void)__real_ipc_chan_send(c, MSG_NET_ROLL, 0, &hello, 1);
	return rc;
}
