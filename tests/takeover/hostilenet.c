/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A net that was taken over: the real mig-agent-net, but with each connection
 * it hands over as its renewed certificate what lies in HOSTILE/AGENT.
 * Without such a file it is as the real one.
 */
#include "agent/net/renew.h"
#include "base/buf.h"
#include "base/file.h"

#include <limits.h>
#include <stdio.h>

static struct buf handed;

struct renew *__real_renew_new(const char *ca, const char *cert,
    const char *key, const struct id *agent, const char *peer, struct err *e);
struct renew *__wrap_renew_new(const char *ca, const char *cert,
    const char *key, const struct id *agent, const char *peer, struct err *e);
bool __real_renew_connected(struct renew *r, struct buf *body);
bool __wrap_renew_connected(struct renew *r, struct buf *body);

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
	if (handed.len == 0)
		return __real_renew_connected(r, body);
	buf_add(body, handed.data, handed.len);
	return true;
}
