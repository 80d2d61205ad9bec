/* SPDX-License-Identifier: MPL-2.0 */
/*
 * libmicrohttpd inside our event loop: its epoll descriptor is one event,
 * its wish to be called again another (with set_timer's rests). TLS 1.3 only. A
 * request is routed and its session looked at before a byte of its body is
 * kept; what is refused then has its body read and dropped up to DRAIN_MAX, so
 * that the client gets to read the reason.
 */
#include "server/api/api.h"

#include "server/api/conns.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "crypto/seal.h"
#include "crypto/x509.h"
#include "http/apiversion.h"
#include "proc/proc.h"
#include "proc/timer.h"
#include "server/certs.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define DRAIN_MAX (8 * 1024 * 1024)
#define CONNECTION_MEMORY (32 * 1024)
#define OUT_MAX (64 * 1024 * 1024)
#define REST_MAX_MS 64
#define PRIORITIES "SECURE128:+SECURE192:-VERS-ALL:+VERS-TLS1.3"

/* A daemon of libmicrohttpd has one certificate for life. With a new one a new
 * daemon takes the listening socket over; the old one serves what is open and
 * goes when nothing is. */
struct server {
	struct http *h;
	struct MHD_Daemon *daemon;
	struct event *ev, *timer;
	uint64_t moves; /* when it last ran; see moves() */
	int rest_ms;
	TAILQ_ENTRY(server) next;
};

struct http {
	struct api *api;
	TAILQ_HEAD(, server) servers; /* the first one listens */
	struct conns conns;
	bool running;
	int64_t certificate_end; /* unix s */
};

static struct request *
request_new(struct api *api, struct MHD_Connection *conn)
{
	struct request *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return (NULL);
	q->api = api;
	q->conn = conn;
	buf_init(&q->body, ACTION_BODY_MAX);
	buf_init(&q->out, OUT_MAX);
	api->nrequests++;
	return (q);
}

static void
body_release(struct request *q)
{
	q->api->body_bytes -= q->body.len;
	buf_release(&q->body);
}

static void
on_completed(void *cls, struct MHD_Connection *conn, void **con_cls,
    enum MHD_RequestTerminationCode why)
{
	struct request *q = *con_cls;

	*con_cls = NULL;
	if (q == NULL)
		return;
	conns_phase(&q->api->http->conns, conn, CONN_HEAD);
	core_forget(q);
	if (q->stream != NULL)
		stream_free(q->stream);
	body_release(q);
	if (q->out.len > 0)
		explicit_bzero(q->out.data, q->out.len);
	buf_release(&q->out);
	free(q);
}

static enum MHD_Result
send_reply(struct request *q)
{
	struct MHD_Response *r;
	enum MHD_Result rc;
	char range[24];

	if (q->stream != NULL)
		r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN,
		    STREAM_CHUNK, stream_read, q->stream, NULL);
	else
		r = MHD_create_response_from_buffer(
		    q->out.len, q->out.data, MHD_RESPMEM_MUST_COPY);
	if (r == NULL)
		return (MHD_NO);
	q->api->nbytes += q->out.len;
	/* The response has its own copy. */
	if (q->out.len > 0)
		explicit_bzero(q->out.data, q->out.len);
	buf_release(&q->out);
	MHD_add_response_header(
	    r, "Content-Type", q->type != NULL ? q->type : "application/json");
	snprintf(range, sizeof(range), "%d-%d", API_OLDEST, API_NEWEST);
	MHD_add_response_header(r, API_HEADER, range);
	MHD_add_response_header(r, "Cache-Control", "no-store");
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	if (q->status == 405)
		MHD_add_response_header(r, "Allow", q->allow);
	if (q->status == 429) {
		snprintf(range, sizeof(range), "%u", q->wait);
		MHD_add_response_header(r, "Retry-After", range);
	}
	if (q->last)
		MHD_add_response_header(r, "Connection", "close");
	if (q->status == 401)
		MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
	rc = MHD_queue_response(q->conn, (unsigned int)q->status, r);
	MHD_destroy_response(r);
	conns_phase(&q->api->http->conns, q->conn,
	    q->stream != NULL ? CONN_STREAM : CONN_REPLY);
	return (rc);
}

static enum MHD_Result
count_length(
    void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	size_t *n = cls;

	*n += strcasecmp(key, "Content-Length") == 0 ||
	    strcasecmp(key, "Transfer-Encoding") == 0;
	return (MHD_YES);
}

/* Two ways to see where a request ends, of which a proxy in front may take
 * the other one (RFC 9112 6.1, 6.3). */
static bool
ends_twice(struct request *q)
{
	size_t n = 0;

	MHD_get_connection_values(q->conn, MHD_HEADER_KIND, count_length, &n);
	return (n > 1);
}

/* The request's head is there. A body that is far too large, or one that the
 * client has not sent yet, is refused at once. */
static enum MHD_Result
on_head(struct request *q, const char *method, const char *url)
{
	const char *text = request_header(q, "Content-Length");
	uint64_t len = 0;

	if (route_find(q, method, url))
		route_allowed(q);
	if (text != NULL && str_u64(text, 0, UINT64_MAX, &len) != 0)
		len = UINT64_MAX;
	if (ends_twice(q)) {
		reply_error(q, 400, "invalid",
		    "expected one Content-Length or one Transfer-Encoding");
		q->last = true;
		return (send_reply(q));
	}
	if (q->state == REQ_READING && len > 0 && len > q->route->body_max)
		reply_error(q, 413, "too_large",
		    "the body has %llu bytes, at most %zu are taken",
		    (unsigned long long)len, q->route->body_max);
	if (q->state == REQ_READY &&
	    (len > DRAIN_MAX || request_header(q, "Expect") != NULL))
		return (send_reply(q));
	return (MHD_YES);
}

static enum MHD_Result
on_body(struct request *q, const char *data, size_t *len)
{
	size_t n = *len;

	*len = 0;
	q->received += n;
	if (q->state == REQ_READY) {
		/* Dropped; a client that never ends is not listened to. */
		return (q->received > DRAIN_MAX ? MHD_NO : MHD_YES);
	}
	if (q->received > q->route->body_max) {
		reply_error(q, 413, "too_large",
		    "the body is larger than %zu bytes", q->route->body_max);
		body_release(q);
		return (MHD_YES);
	}
	if (n > BODIES_MAX - q->api->body_bytes) {
		reply_error(q, 503, "busy",
		    "too many large requests at once: try again");
		body_release(q);
		return (MHD_YES);
	}
	if (buf_add(&q->body, data, n) != 0) {
		reply_error(q, 503, "busy", "out of memory: try again");
		body_release(q);
		return (MHD_YES);
	}
	q->api->body_bytes += n;
	return (MHD_YES);
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *conn, const char *url,
    const char *method, const char *version, const char *data, size_t *len,
    void **con_cls)
{
	struct http *h = cls;
	struct request *q = *con_cls;

	h->conns.moves++;
	if (q == NULL) {
		if ((q = request_new(h->api, conn)) == NULL)
			return (MHD_NO);
		*con_cls = q;
		conns_phase(&h->conns, conn, CONN_BODY);
		return (on_head(q, method, url));
	}
	if (*len > 0)
		return (on_body(q, data, len));
	if (q->state == REQ_READING) {
		log_trace("http", "request method=%s url=%s by=%s", method,
		    log_quote(url), q->caller.fpr);
		q->route->handle(q);
		body_release(q);
	}
	if (q->state == REQ_READY)
		return (send_reply(q));
	return (MHD_YES); /* suspended until the core has replied */
}

void
http_suspend(struct request *q)
{
	MHD_suspend_connection(q->conn);
}

void
http_resume(struct request *q)
{
	MHD_resume_connection(q->conn);
}

/* Other than it was: something was read, written, begun or ended. */
static uint64_t
moves(const struct http *h)
{
	return (h->conns.moves + h->api->nbytes);
}

/* Does anything go out? One piece of a reply or a stream takes several runs,
 * of which libmicrohttpd says nothing. */
static bool
is_sending(const struct http *h)
{
	return (h->conns.replying > 0 || streams_sending(h->api));
}

/* libmicrohttpd wants to be called again at once for as long as a client has
 * begun TLS and says no more. So a run that moved nothing is followed by a
 * rest, which grows; what comes from a socket is an event and ends it. */
static void
set_timer(struct server *s)
{
	MHD_UNSIGNED_LONG_LONG ms;
	struct timeval tv;

	if (moves(s->h) != s->moves || is_sending(s->h))
		s->rest_ms = 0;
	else if (s->rest_ms < REST_MAX_MS)
		s->rest_ms = s->rest_ms * 2 + 1;
	s->moves = moves(s->h);
	if (MHD_get_timeout(s->daemon, &ms) != MHD_YES) {
		event_del(s->timer);
		return;
	}
	if (ms < (MHD_UNSIGNED_LONG_LONG)s->rest_ms)
		ms = (MHD_UNSIGNED_LONG_LONG)s->rest_ms;
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000) * 1000;
	timer_start(s->timer, &tv);
}

static size_t
connections(const struct server *s)
{
	const union MHD_DaemonInfo *info =
	    MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return (info == NULL ? 0 : info->num_connections);
}

static void
server_free(struct server *s)
{
	if (s == NULL)
		return;
	if (s->daemon != NULL)
		MHD_stop_daemon(s->daemon);
	if (s->ev != NULL)
		event_free(s->ev);
	if (s->timer != NULL)
		event_free(s->timer);
	free(s);
}

void
http_run(struct http *h)
{
	struct server *s, *next, *first = TAILQ_FIRST(&h->servers);

	/* Never from inside one of its own callbacks. */
	if (h->running)
		return;
	h->running = true;
	TAILQ_FOREACH (s, &h->servers, next) {
		MHD_run(s->daemon);
		set_timer(s);
	}
	for (s = TAILQ_NEXT(first, next); s != NULL; s = next) {
		next = TAILQ_NEXT(s, next);
		if (connections(s) > 0)
			continue;
		TAILQ_REMOVE(&h->servers, s, next);
		server_free(s);
	}
	h->running = false;
}

void
http_tick(struct http *h)
{
	size_t n = conns_tick(&h->conns, clock_mono_ms(),
	    (int64_t)h->api->role.conf.request_timeout * 1000);

	if (n > 0)
		log_debug("http_slow closed=%zu", n);
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	if (what & EV_READ)
		s->rest_ms = 0;
	http_run(s->h);
}

static void __attribute__((format(printf, 2, 0)))
on_mhd_log(void *cls, const char *fmt, va_list ap)
{
	char text[512];

	vsnprintf(text, sizeof(text), fmt, ap);
	log_trace("http", "mhd text=%s", log_quote(text));
}

static int
start(struct server *s, int listen_fd, const char *cert, const char *key,
    struct err *e)
{
	const struct server_conf *c = &s->h->api->role.conf;
	const union MHD_DaemonInfo *info;

	s->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_TLS |
		MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
	    0, NULL, NULL, on_request, s->h, MHD_OPTION_EXTERNAL_LOGGER,
	    on_mhd_log, NULL, MHD_OPTION_LISTEN_SOCKET, listen_fd,
	    MHD_OPTION_HTTPS_MEM_CERT, cert, MHD_OPTION_HTTPS_MEM_KEY, key,
	    MHD_OPTION_HTTPS_PRIORITIES, PRIORITIES,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, s->h,
	    MHD_OPTION_NOTIFY_CONNECTION, conns_notify, &s->h->conns,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned int)c->connections,
	    MHD_OPTION_PER_IP_CONNECTION_LIMIT,
	    (unsigned int)c->connections_per_ip, MHD_OPTION_CONNECTION_TIMEOUT,
	    (unsigned int)c->request_timeout,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
	    MHD_OPTION_END);
	if (s->daemon == NULL)
		return (err_set(e, ERR_INTERNAL,
		    "cannot start the HTTPS server (are certificate and key"
		    " in %s/tls good?)",
		    c->state));
	info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL || info->epoll_fd < 0)
		return (
		    err_set(e, ERR_UNSUPPORTED, "libmicrohttpd has no epoll"));
	s->ev = event_new(s->h->api->role.base, info->epoll_fd,
	    EV_READ | EV_PERSIST, on_event, s);
	s->timer = event_new(s->h->api->role.base, -1, 0, on_event, s);
	if (s->ev == NULL || s->timer == NULL || event_add(s->ev, NULL) != 0)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	set_timer(s);
	return (0);
}

static int
add_server(struct http *h, int listen_fd, const char *cert, const char *key,
    struct err *e)
{
	struct server *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	s->h = h;
	if ((rc = start(s, listen_fd, cert, key, e)) != 0) {
		server_free(s);
		return (rc);
	}
	TAILQ_INSERT_HEAD(&h->servers, s, next);
	if (x509_expires(cert, &h->certificate_end, NULL) != 0)
		h->certificate_end = 0;
	return (0);
}

struct http *
http_new(struct api *api, int listen_fd, struct err *e)
{
	struct http *h = calloc(1, sizeof(*h));
	struct buf cert, key;
	int rc;

	if (h == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		return (NULL);
	}
	h->api = api;
	conns_init(&h->conns, (size_t)api->role.conf.connections,
	    (size_t)api->role.conf.connections_per_ip);
	h->conns.now = clock_mono_ms();
	TAILQ_INIT(&h->servers);
	if ((rc = certs_read_api(&api->role.conf, &cert, &key, e)) == 0 &&
	    (rc = x509_pair(buf_str(&cert), buf_str(&key), e)) != 0)
		err_wrap(e, "%s/tls", api->role.conf.state);
	if (rc == 0)
		rc = add_server(h, listen_fd, buf_str(&cert), buf_str(&key), e);
	/* GnuTLS has its own copy. */
	if (key.data != NULL)
		secret_wipe(key.data, key.cap);
	buf_release(&key);
	buf_release(&cert);
	if (rc == 0)
		return (h);
	free(h);
	return (NULL);
}

int
http_certificate(struct http *h, const void *cert, size_t cert_len,
    const void *key, size_t key_len, struct err *e)
{
	struct server *old = TAILQ_FIRST(&h->servers);
	char *c = strndup(cert, cert_len), *k = strndup(key, key_len);
	int fd, rc;

	/* Looked at before the socket is taken from the one that has it. */
	if (c == NULL || k == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	else
		rc = x509_pair(c, k, e);
	if (rc == 0) {
		fd = MHD_quiesce_daemon(old->daemon);
		rc = fd < 0 ? err_set(e, ERR_INTERNAL, "no listening socket")
			    : add_server(h, fd, c, k, e);
		if (rc != 0 && fd >= 0)
			close(fd);
	}
	if (k != NULL)
		secret_wipe(k, strlen(k));
	free(k);
	free(c);
	/* The parent starts us anew: better than to serve nobody. */
	if (rc != 0 && rc != ERR_INVALID)
		proc_loop_stop(h->api->role.loop);
	http_run(h);
	return (rc);
}

void
http_free(struct http *h)
{
	struct server *v;
	struct stream *s;

	if (h == NULL)
		return;
	/* Nothing suspended may be left when the daemon stops. */
	h->running = true; /* and nothing new may begin to sleep */
	TAILQ_FOREACH (s, &h->api->streams, next) {
		s->ended = true;
		if (s->suspended)
			MHD_resume_connection(s->q->conn);
		s->suspended = false;
	}
	while ((v = TAILQ_FIRST(&h->servers)) != NULL) {
		TAILQ_REMOVE(&h->servers, v, next);
		server_free(v);
	}
	free(h);
}

size_t
http_connections(const struct http *h)
{
	const struct server *s;
	size_t n = 0;

	TAILQ_FOREACH (s, &h->servers, next)
		n += connections(s);
	return (n);
}

int64_t
http_certificate_end(const struct http *h)
{
	return (h->certificate_end);
}

void
request_address(struct request *q, uint8_t ret[static 16])
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	    q->conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr_in6 *v6;
	const struct sockaddr_in *v4;

	memset(ret, 0, 16);
	if (info == NULL || info->client_addr == NULL)
		return;
	if (info->client_addr->sa_family == AF_INET) {
		v4 = (const struct sockaddr_in *)info->client_addr;
		ret[10] = ret[11] = 0xff;
		memcpy(ret + 12, &v4->sin_addr, 4);
	} else if (info->client_addr->sa_family == AF_INET6) {
		v6 = (const struct sockaddr_in6 *)info->client_addr;
		memcpy(ret, &v6->sin6_addr, 16);
	}
}

void
request_address_text(struct request *q, char ret[static ADDRESS_TEXT_MAX])
{
	struct in6_addr a;
	bool v4;

	request_address(q, a.s6_addr);
	v4 = IN6_IS_ADDR_V4MAPPED(&a);
	if (inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a.s6_addr + 12 : a.s6_addr,
		ret, ADDRESS_TEXT_MAX) == NULL)
		ret[0] = '\0';
}

bool
request_is_loopback(struct request *q)
{
	struct in6_addr a;

	request_address(q, a.s6_addr);
	return (IN6_IS_ADDR_LOOPBACK(&a) ||
	    (IN6_IS_ADDR_V4MAPPED(&a) && a.s6_addr[12] == 127));
}

const char *
request_query(struct request *q, const char *key)
{
	return (
	    MHD_lookup_connection_value(q->conn, MHD_GET_ARGUMENT_KIND, key));
}

const char *
request_header(struct request *q, const char *key)
{
	return (MHD_lookup_connection_value(q->conn, MHD_HEADER_KIND, key));
}

bool
request_number(struct request *q, const char *key, uint64_t max, uint64_t def,
    uint64_t *ret)
{
	const char *text = request_query(q, key);

	*ret = def;
	if (text == NULL || str_u64(text, 0, max, ret) == 0)
		return (true);
	reply_error(q, 400, "invalid",
	    "%s: expected a number from 0 to %llu, not '%.40s'", key,
	    (unsigned long long)max, text);
	return (false);
}

bool
request_flag(struct request *q, const char *key)
{
	const char *text = request_query(q, key);

	return (text != NULL && strcmp(text, "0") != 0);
}
