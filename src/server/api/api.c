/* SPDX-License-Identifier: MPL-2.0 */
/* The api role: start, the channel to the core, requests that wait for it. */
#include "server/api/api.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "proc/proc.h"
#include "target/target.h"

#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_S 1
#define TARGET_HEAP (256L * 1024 * 1024)
#define BACKLOG 4096
#define SCHEMA_WAIT_MS (10 * 60 * 1000)
#define SCHEMA_PAUSE_MS 50

/* --- replies ------------------------------------------------------------ */

void
reply_out(struct request *q, int status)
{
	bool too_large;

	q->status = status;
	q->state = REQ_READY;
	if (q->out.error == 0)
		return;
	too_large = q->out.error == ERR_TOOBIG;
	buf_clear(&q->out);
	q->status = too_large ? 500 : 503;
	buf_add_str(&q->out,
	    too_large ? "{\"error\": {\"code\": \"internal\","
			" \"message\": \"the answer is too large\"}}"
		      : "{\"error\": {\"code\": \"busy\","
			" \"message\": \"out of memory: try again\"}}");
}

void
list_begin(struct request *q, struct jsonw *w, const char *name)
{
	jsonw_init(w, &q->out);
	jsonw_object(w, NULL);
	jsonw_array(w, name);
}

void
list_end(struct request *q, struct jsonw *w, int rc, const struct err *e)
{
	if (rc != 0 && q->out.error == 0) {
		reply_err(q, e);
		return;
	}
	jsonw_array_end(w);
	jsonw_object_end(w);
	reply_out(q, 200);
}

void
reply_error(
    struct request *q, int status, const char *code, const char *fmt, ...)
{
	char message[ERR_MSG_MAX];
	struct jsonw w;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	buf_clear(&q->out);
	jsonw_init(&w, &q->out);
	jsonw_object(&w, NULL);
	jsonw_object(&w, "error");
	jsonw_str(&w, "code", code);
	jsonw_str(&w, "message", message);
	jsonw_object_end(&w);
	jsonw_object_end(&w);
	q->type = NULL;
	q->api->nerrors++;
	log_trace("http", "refused status=%d code=%s why=%s", status, code,
	    log_quote(message));
	reply_out(q, status);
}

void
reply_err(struct request *q, const struct err *e)
{
	static const struct {
		int err, status;
		const char *code;
	} table[] = {
		{ ERR_INVALID, 400, "invalid" },
		{ ERR_UNSUPPORTED, 400, "unsupported" },
		{ ERR_TOOBIG, 413, "too_large" },
		{ ERR_NOTFOUND, 404, "not_found" },
		{ ERR_BUSY, 503, "busy" },
		{ ERR_FULL, 507, "storage" },
		{ ERR_IO, 503, "storage" },
		{ ERR_NOMEM, 503, "busy" },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].err == e->code) {
			reply_error(
			    q, table[i].status, table[i].code, "%s", e->msg);
			return;
		}
	log_error("request error=%s", log_quote(e->msg));
	reply_error(q, 500, "internal", "%s", e->msg);
}

/* --- the core ----------------------------------------------------------- */

void
core_ask(struct request *q, enum server_msg type, const struct buf *body)
{
	struct api *api = q->api;
	int rc = body->error;

	if (rc == 0 && api->core == NULL)
		rc = ERR_CLOSED;
	if (++api->number == 0)
		api->number = 1;
	if (rc == 0)
		rc = ipc_chan_send(
		    api->core, type, api->number, body->data, body->len);
	if (rc != 0) {
		reply_error(q, 503, "busy",
		    "the server cannot take this just now (%s): try again",
		    err_text(rc));
		return;
	}
	fault_point("api.asked");
	q->number = api->number;
	q->state = REQ_WAITING;
	TAILQ_INSERT_TAIL(&api->waiting, q, next);
	http_suspend(q);
}

void
core_forget(struct request *q)
{
	if (q->state == REQ_WAITING)
		TAILQ_REMOVE(&q->api->waiting, q, next);
}

static int
on_reply(struct api *api, const struct ipc_msg *m)
{
	struct request *q;
	struct rd rd;
	uint16_t status;

	rd_init(&rd, m->body, m->len);
	status = rd_u16(&rd);
	if (rd.bad || status < 200 || status > 599)
		return (ERR_INVALID);
	TAILQ_FOREACH (q, &api->waiting, next) {
		if (q->number == m->request)
			break;
	}
	if (q == NULL)
		return (0); /* its client is gone */
	fault_point("api.reply");
	TAILQ_REMOVE(&api->waiting, q, next);
	buf_clear(&q->out);
	buf_add(&q->out, rd.p, rd.left);
	if (status >= 400)
		api->nerrors++;
	reply_out(q, status);
	http_resume(q);
	return (0);
}

static int
on_core(struct ipc_chan *c, const struct ipc_msg *m, void *arg)
{
	struct api *api = arg;
	struct rd rd;
	int rc;

	switch (m->type) {
	case MSG_REPLY:
		rc = on_reply(api, m);
		http_run(api->http);
		return (rc);
	case MSG_STATUS:
		api->heard_ms = clock_mono_ms();
		rd_init(&rd, m->body, m->len);
		return (server_status_read(&rd, &api->status));
	case MSG_WAKE:
		streams_wake(api);
		return (0);
	default:
		return (ERR_INVALID);
	}
}

/* Nobody will answer those who wait. */
static void
fail_waiting(struct api *api)
{
	struct request *q;

	while ((q = TAILQ_FIRST(&api->waiting)) != NULL) {
		TAILQ_REMOVE(&api->waiting, q, next);
		reply_error(q, 503, "busy",
		    "the server's core was restarted: try again");
		http_resume(q);
	}
}

static void
on_core_close(struct ipc_chan *c, const char *why, void *arg)
{
	struct api *api = arg;

	log_info("core_closed why=%s", log_quote(why));
	ipc_chan_free(c);
	if (api->core != c)
		return;
	api->core = NULL;
	api->status.relay_up = 0;
	fail_waiting(api);
	http_run(api->http);
	role_peer_lost(&api->role);
}

static void
on_peer(struct role *role, enum server_role peer, int fd)
{
	struct api *api = role->arg;

	if (peer != ROLE_CORE) {
		close(fd);
		return;
	}
	/* The end of the old one may not have been seen yet. */
	ipc_chan_free(api->core);
	api->core = NULL;
	fail_waiting(api);
	api->core = ipc_chan_new(role->base, fd, MSG_REPLY_MAX + 16,
	    MSG_QUEUE_MAX, on_core, on_core_close, api);
	api->heard_ms = clock_mono_ms();
	if (api->core == NULL) {
		log_error("peer error=\"out of memory\"");
		role_peer_lost(role);
	}
	http_run(api->http);
}

static int
on_parent(struct role *role, const struct ipc_msg *m)
{
	struct api *api = role->arg;
	const uint8_t *cert, *key;
	size_t cert_len, key_len;
	struct err e;
	struct rd rd;

	rd_init(&rd, m->body, m->len);
	cert = rd_field(&rd, MSG_BODY_MAX, &cert_len);
	key = rd_field(&rd, MSG_BODY_MAX, &key_len);
	if (m->type != MSG_TLS || !rd_done(&rd))
		return (ERR_INVALID);
	if (http_certificate(api->http, cert, cert_len, key, key_len, &e) != 0)
		log_error("certificate error=%s", log_quote(e.msg));
	else
		log_info("certificate_taken");
	return (0);
}

/* --- start -------------------------------------------------------------- */

static int
bound(const struct addrinfo *ai)
{
	int one = 1, zero = 0, fd;

	fd = socket(
	    ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
	if (fd < 0)
		return (-1);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return (fd);
	close(fd);
	return (-1);
}

int
listen_socket(const char *address, int port, struct err *e)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE,
		.ai_socktype = SOCK_STREAM },
			*list, *ai;
	char service[16];
	int fd = -1, rc, family;

	snprintf(service, sizeof(service), "%d", port);
	rc = getaddrinfo(
	    address[0] != '\0' ? address : NULL, service, &hints, &list);
	if (rc != 0) {
		err_set(
		    e, ERR_INVALID, "listen %s: %s", address, gai_strerror(rc));
		return (-1);
	}
	/* IPv6 first: such a socket takes IPv4 too. */
	for (family = 0; family < 2 && fd < 0; family++)
		for (ai = list; ai != NULL && fd < 0; ai = ai->ai_next)
			if ((ai->ai_family == AF_INET6) == (family == 0))
				fd = bound(ai);
	if (fd < 0)
		err_errno(e, "listen on %s port %d",
		    address[0] != '\0' ? address : "all addresses", port);
	freeaddrinfo(list);
	return (fd);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct api *api = arg;

	streams_wake(api);
	http_tick(api->http);
}

/* The core of a new version brings the schema up while the api starts.
 * ERR_EXPIRED: it did not, or the server stops. */
static int
open_store(struct api *api, struct err *e)
{
	static const struct timeval pause = { 0, SCHEMA_PAUSE_MS * 1000 };
	struct event_base *base = api->role.base;
	int64_t since = clock_mono_ms();
	char path[SERVER_PATH_MAX];
	bool waits = false;
	int rc;

	server_file(&api->role.conf, FILE_DB, path);
	while (
	    (rc = store_open(path, STORE_READ, &api->read, e)) == ERR_EXPIRED &&
	    !event_base_got_break(base) &&
	    clock_mono_ms() - since < SCHEMA_WAIT_MS) {
		if (!waits)
			log_info("waits for=%s", log_quote(e->msg));
		waits = true;
		event_base_loopexit(base, &pause);
		proc_loop_run(api->role.loop);
	}
	return (rc);
}

static int
start(struct api *api, struct err *e)
{
	struct timeval tick = { TICK_S, 0 };
	uint8_t seed[16];
	int fd, rc;

	TAILQ_INIT(&api->waiting);
	TAILQ_INIT(&api->streams);
	/* What the core still has to say to the api before this one must not
	 * be taken for the reply to another client's request. */
	if (getrandom(&api->number, sizeof(api->number), 0) !=
		(ssize_t)sizeof(api->number) ||
	    getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return (err_errno(e, "getrandom"));
	rate_init(&api->callers, (uint64_t)api->role.conf.rate_caller, seed);
	rate_init(&api->addresses, (uint64_t)api->role.conf.rate_address, seed);
	if ((rc = open_store(api, e)) != 0)
		return (rc);
	if ((api->targets = target_engine_new(TARGET_HEAP, e)) == NULL)
		return (ERR_INTERNAL);
	fd = listen_socket(api->role.conf.listen, (int)api->role.conf.port, e);
	if (fd < 0)
		return (ERR_CLOSED);
	if ((api->http = http_new(api, fd, e)) == NULL)
		return (ERR_INTERNAL);
	api->tick = event_new(api->role.base, -1, EV_PERSIST, on_tick, api);
	if (api->tick == NULL || event_add(api->tick, &tick) != 0)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	return (0);
}

int
api_main(void)
{
	static struct api api;
	char db[SERVER_PATH_MAX];
	struct sandbox_path path = { .write = false };
	struct err e;
	int rc;

	role_start(&api.role, "api");
	api.role.arg = &api;
	api.role.on_peer = on_peer;
	api.role.on_parent = on_parent;
	api.started_ms = clock_wall_ms();
	rc = start(&api, &e);
	if (rc == ERR_EXPIRED && event_base_got_break(api.role.base))
		return (0);
	if (rc == ERR_CLOSED) {
		log_error("start error=%s", log_quote(e.msg));
		return (API_NO_PORT);
	}
	if (rc != 0)
		fatal("start error=%s", log_quote(e.msg));
	/* The store's files are open already: its log, too. */
	path.path = server_file(&api.role.conf, FILE_DB_DIR, db);
	role_sandbox(&api.role, &path, 1, 0);
	rc = role_run(&api.role);
	event_free(api.tick);
	fail_waiting(&api);
	ipc_chan_free(api.core);
	api.core = NULL;
	http_free(api.http);
	target_engine_free(api.targets);
	store_close(api.read);
	return (rc);
}
