/* SPDX-License-Identifier: MPL-2.0 */
/* Start, sandbox and loop of a role. */
#include "server/role.h"

#include "base/err.h"
#include "base/log.h"
#include "proc/proc.h"
#include "proc/timer.h"

#include <event2/event.h>
#include <string.h>
#include <unistd.h>

#define CONF_TEXT_MAX 65536
#define PEER_AGAIN_MS 300

const int64_t commit_bucket_us[COMMIT_BUCKETS] = { 500, 1000, 2500, 5000, 10000,
	25000, 50000, 100000, 500000, 2500000 };

void
server_status_write(const struct server_status *s, struct buf *out)
{
	size_t i;

#define STATUS_WRITE(field, type, metric, help) buf_add_u64(out, s->field);
	SERVER_STATUS(STATUS_WRITE)
#undef STATUS_WRITE
	for (i = 0; i < COMMIT_BUCKETS; i++)
		buf_add_u64(out, s->commit_le[i]);
}

int
server_status_read(struct rd *r, struct server_status *ret)
{
	struct server_status s;
	size_t i;

#define STATUS_READ(field, type, metric, help) s.field = rd_u64(r);
	SERVER_STATUS(STATUS_READ)
#undef STATUS_READ
	for (i = 0; i < COMMIT_BUCKETS; i++)
		s.commit_le[i] = rd_u64(r);
	if (!rd_done(r) || s.store > STORE_BROKEN)
		return (ERR_INVALID);
	*ret = s;
	return (0);
}

static void
on_parent_close(struct ipc_chan *c, const char *why, void *arg)
{
	struct role *r = arg;

	log_debug("parent_closed why=%s", log_quote(why));
	proc_loop_stop(r->loop);
}

static int
on_parent_msg(struct ipc_chan *c, const struct ipc_msg *m, void *arg)
{
	struct role *r = arg;
	struct rd rd;
	uint8_t peer;

	rd_init(&rd, m->body, m->len);
	switch (m->type) {
	case MSG_PEER:
		peer = rd_u8(&rd);
		if (!rd_done(&rd) || m->fd < 0 || r->on_peer == NULL)
			return (ERR_INVALID);
		event_del(r->again);
		r->on_peer(r, peer, m->fd);
		return (0);
	case MSG_RELAY:
		r->relay_started = (int64_t)rd_u64(&rd);
		if (!rd_done(&rd))
			return (ERR_INVALID);
		if (r->on_relay != NULL)
			r->on_relay(r);
		return (0);
	case MSG_PING:
		if (m->len != 0)
			return (ERR_INVALID);
		if (r->lives == NULL || r->lives(r))
			ipc_chan_send(r->parent, MSG_PONG, 0, NULL, 0);
		return (0);
	default:
		return (
		    r->on_parent != NULL ? r->on_parent(r, m) : ERR_INVALID);
	}
}

void
role_peer_lost(struct role *r)
{
	static const struct timeval soon = { 0, PEER_AGAIN_MS * 1000 };

	timer_start(r->again, &soon);
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	struct role *r = arg;

	if (r->parent != NULL &&
	    ipc_chan_send(r->parent, MSG_PEER_LOST, 0, NULL, 0) != 0)
		role_peer_lost(r);
}

static void
on_term(void *arg)
{
	struct role *r = arg;

	if (r->on_term != NULL)
		r->on_term(r);
	else
		proc_loop_stop(r->loop);
}

static void
read_conf(struct role *r)
{
	struct buf in;
	struct ipc_msg m;
	struct err e;
	struct rd rd;
	const uint8_t *text;
	size_t len;

	buf_init(&in, CONF_TEXT_MAX);
	if (ipc_read(PROC_IPC_FD, &in, &m, false, &e) != 0)
		fatal("conf error=%s", log_quote(e.msg));
	rd_init(&rd, m.body, m.len);
	text = rd_field(&rd, CONF_TEXT_MAX, &len);
	r->relay_started = (int64_t)rd_u64(&rd);
	if (m.type != MSG_CONF || !rd_done(&rd))
		fatal("conf error=\"unexpected message %u\"", m.type);
	conf_defaults(server_conf_table, server_conf_entries, &r->conf);
	if (conf_parse(server_conf_table, server_conf_entries, "parent",
		(const char *)text, len, &r->conf, &e) != 0)
		fatal("conf error=%s", log_quote(e.msg));
	buf_release(&in);
}

void
role_start(struct role *r, const char *name)
{
	enum log_level level = LOG_LEVEL_INFO;

	r->name = name;
	log_init(name, level, NULL);
	read_conf(r);
	log_level_parse(r->conf.log_level, &level);
	log_init(name, level, r->conf.trace[0] != '\0' ? r->conf.trace : NULL);
	if ((r->loop = proc_loop_new(on_term, r)) == NULL)
		fatal("loop error=\"cannot make an event loop\"");
	r->base = proc_loop_base(r->loop);
	if ((r->again = event_new(r->base, -1, 0, on_again, r)) == NULL)
		fatal("loop error=\"out of memory\"");
}

void
role_sandbox(struct role *r, const struct sandbox_path *paths, size_t npaths,
    uint32_t descriptors)
{
	struct sandbox s = {
		.profile = SANDBOX_SERVER,
		.paths = paths,
		.npaths = npaths,
		.limits.descriptors = descriptors,
	};
	struct err e;

	if (server_user(&r->conf, &s.uid, &s.gid, &e) != 0)
		fatal("sandbox error=%s", log_quote(e.msg));
	if (sandbox_enter(&s, &e) != 0)
		fatal("sandbox error=%s", log_quote(e.msg));
}

int
role_run(struct role *r)
{
	int rc;

	r->parent = ipc_chan_new(r->base, PROC_IPC_FD, MSG_BODY_MAX,
	    MSG_QUEUE_MAX, on_parent_msg, on_parent_close, r);
	if (r->parent == NULL)
		fatal("parent error=\"out of memory\"");
	ipc_chan_accept_fds(r->parent, true);
	log_info("ready sandbox=%s", log_quote(sandbox_describe()));
	ipc_chan_send(r->parent, MSG_READY, 0, NULL, 0);
	rc = proc_loop_run(r->loop);
	ipc_chan_free(r->parent);
	r->parent = NULL;
	return (rc);
}
