/* SPDX-License-Identifier: MPL-2.0 */
/*
 * libmosquitto in the caller's libevent loop. Every connection gets a client
 * object of its own, so nothing queued for an old one is sent on a new one.
 *
 *            mqtt_connect            CONNACK ok
 *   IDLE ------------------> OPENING -----------> UP
 *    ^                          | refused, error,  | closed, error,
 *    `---- disconnected() <-----+ time-out --------'  keepalive
 *
 * Invariants: a read event exists exactly while there is a socket; the write
 * event is armed exactly while the library wants to write; the outcome of a
 * failed step is delivered by the dispatch event, never from inside a call. The
 * events watch a descriptor of their own: the library closes its socket when a
 * connection breaks, inside a call and before it says so, and somebody else may
 * get that number while it is still watched.
 */
#include "mqtt/mqtt.h"

#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <mosquitto.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPENING_LIMIT 30 /* seconds until CONNACK must be there */
#define OPENING_TICK 5
#define WHY_MAX 256
#define NO_WAIT "no memory to wait for the connection"

enum mqtt_state { MQTT_IDLE, MQTT_OPENING, MQTT_UP };

#define READ_AT_ONCE 64 /* messages */

struct mqtt {
	struct event_base *base;      /* borrowed */
	const struct mqtt_events *ev; /* borrowed */
	void *arg;
	struct mosquitto *client; /* owned; NULL while idle */
	enum mqtt_state state;
	struct event *read, *write; /* owned; NULL without a socket */
	int fd;                     /* they watch; owned; -1 without one */
	struct event *tick;         /* keepalive and connect limit */
	int64_t in_ms, out_ms;      /* when something came, was sent */
	int64_t heard_ms;           /* the same, whatever was asked since */
	struct event *dispatch;     /* delivers "down" */
	int opening_left;           /* seconds */
	int keepalive;              /* seconds */
	bool down, paused;
	bool busy;   /* inside the library: it may not be destroyed */
	bool silent; /* ended by mqtt_disconnect: no event */
	char why[WHY_MAX];
	char tls_why[WHY_MAX]; /* what the library does not tell; "": nothing */
};

/* Remembers that the connection is over; the first reason wins. */
static void
mark_down(struct mqtt *m, const char *why)
{
	if (m->down || m->state == MQTT_IDLE)
		return;
	snprintf(m->why, sizeof(m->why), "%s",
	    m->tls_why[0] != '\0' ? m->tls_why : why);
	m->down = true;
	event_active(m->dispatch, EV_TIMEOUT, 0);
}

static void
close_events(struct mqtt *m)
{
	if (m->read != NULL)
		event_free(m->read);
	if (m->write != NULL)
		event_free(m->write);
	m->read = m->write = NULL;
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
	event_del(m->tick);
	event_del(m->dispatch);
}

/* Back to IDLE. Never from inside a callback of the library. */
static void
drop(struct mqtt *m)
{
	close_events(m);
	mosquitto_destroy(m->client);
	m->client = NULL;
	m->state = MQTT_IDLE;
	m->down = false;
	m->paused = false;
	m->silent = false;
}

/* --- why TLS failed --------------------------------------------------------
 * The library says "A TLS error occurred.", and has freed its SSL by then. */

static void
on_tls_info(const SSL *ssl, int where, int value)
{
	struct mqtt *m = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	long verified = SSL_get_verify_result(ssl);

	if ((where & SSL_CB_ALERT) == 0 || value >> 8 != SSL3_AL_FATAL)
		return;
	if ((where & SSL_CB_READ) != 0)
		snprintf(m->tls_why, sizeof(m->tls_why),
		    "the relay refuses the connection: %s",
		    SSL_alert_desc_string_long(value));
	else if (verified != X509_V_OK)
		snprintf(m->tls_why, sizeof(m->tls_why),
		    "the relay's certificate is not the one expected: %s",
		    X509_verify_cert_error_string(verified));
}

static void
explain_tls(struct mqtt *m, SSL_CTX *tls)
{
	SSL_CTX_set_app_data(tls, m);
	SSL_CTX_set_info_callback(tls, on_tls_info);
}

static const char *
rc_text(int rc)
{
	return rc == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(rc);
}

/* After each call into the library: does it want to write? */
static void
rearm(struct mqtt *m)
{
	if (m->client == NULL || m->down || m->write == NULL)
		return;
	if (!mosquitto_want_write(m->client))
		event_del(m->write);
	else if (event_add(m->write, NULL) != 0)
		mark_down(m, NO_WAIT);
}

static void
after(struct mqtt *m, int rc)
{
	if (rc != MOSQ_ERR_SUCCESS)
		mark_down(m, rc_text(rc));
	rearm(m);
}

/* While TLS begins, the library takes a broken connection for one that is not
 * there yet, and would be asked again at once, for ever. */
static bool
broken_opening(struct mqtt *m, int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	char c;
	ssize_t n;

	if (m->state != MQTT_OPENING)
		return false;
	n = recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return false;
	/* why it was never there the library has asked, and not told */
	if (n < 0)
		mark_down(m, strerror(errno));
	else if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0)
		mark_down(m, "no connection: refused, or no way there");
	else
		mark_down(m, "no connection: ended as it began");
	return true;
}

/* Records already decrypted wake no poll; and on the server's own link, which
 * carries what a whole fleet says, a poll for each message would cost as much
 * as the message. */
static bool
has_more(struct mqtt *m, int fd, int so_far)
{
	SSL *ssl = mosquitto_ssl_get(m->client);
	char byte;

	if (ssl != NULL)
		return SSL_pending(ssl) > 0;
	return so_far < READ_AT_ONCE &&
	    recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct mqtt *m = arg;
	int rc, n = 0;

	if (broken_opening(m, fd))
		return;
	m->busy = true;
	do {
		rc = mosquitto_loop_read(m->client, 1);
	} while (rc == MOSQ_ERR_SUCCESS && !m->down && !m->paused &&
	    has_more(m, fd, ++n));
	m->busy = false;
	m->in_ms = clock_mono_ms();
	if (rc == MOSQ_ERR_SUCCESS)
		m->heard_ms = m->in_ms;
	after(m, rc);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct mqtt *m = arg;
	int rc = MOSQ_ERR_SUCCESS;

	if (broken_opening(m, fd))
		return;
	m->busy = true;
	/* Connected now. When this took longer than the library's first try of
	 * the handshake (any real network), nothing was sent yet, nothing
	 * will come, and only reading goes on with it. */
	if (m->state == MQTT_OPENING && mosquitto_ssl_get(m->client) != NULL)
		rc = mosquitto_loop_read(m->client, 1);
	if (rc == MOSQ_ERR_SUCCESS && !m->down)
		rc = mosquitto_loop_write(m->client, 1);
	m->busy = false;
	after(m, rc);
}

/* When the library must be asked next. It probes a connection on which nothing
 * came, or nothing was sent, for the keepalive time, in whole seconds: a second
 * later it surely does. What is sent and comes meanwhile moves nothing: the
 * tick finds itself too early and goes on. */
static int64_t
tick_in_ms(const struct mqtt *m)
{
	int64_t since = m->in_ms < m->out_ms ? m->in_ms : m->out_ms;
	int64_t ms;

	if (m->state == MQTT_OPENING)
		return OPENING_TICK * 1000;
	ms = since + (m->keepalive + 1) * 1000 - clock_mono_ms();
	return ms > 0 ? ms : 0;
}

static void
arm_tick(struct mqtt *m)
{
	int64_t ms = tick_in_ms(m);
	struct timeval tv = { .tv_sec = ms / 1000,
		.tv_usec = (ms % 1000) * 1000 };

	if (event_add(m->tick, &tv) != 0)
		mark_down(m, NO_WAIT);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct mqtt *m = arg;
	int rc;

	if (m->state == MQTT_OPENING) {
		m->opening_left -= OPENING_TICK;
		if (m->opening_left <= 0) {
			mark_down(m, "no answer to the connection attempt");
			return;
		}
	} else if (tick_in_ms(m) > 0) {
		arm_tick(m);
		return;
	}
	m->busy = true;
	rc = mosquitto_loop_misc(m->client);
	m->busy = false;
	/* asked: an answer has as long again */
	m->in_ms = m->out_ms = clock_mono_ms();
	after(m, rc);
	if (!m->down)
		arm_tick(m);
}

static void
on_dispatch(evutil_socket_t fd, short what, void *arg)
{
	struct mqtt *m = arg;
	char why[WHY_MAX];
	bool silent = m->silent;

	if (!m->down)
		return;
	memcpy(why, m->why, sizeof(why));
	drop(m);
	if (!silent)
		m->ev->disconnected(m, why, m->arg);
}

/* --- callbacks of the library -------------------------------------------- */

static void
lib_connect(struct mosquitto *client, void *arg, int rc)
{
	struct mqtt *m = arg;

	if (m->down)
		return;
	m->heard_ms = clock_mono_ms();
	if (rc != 0) {
		mark_down(m, mosquitto_connack_string(rc));
		return;
	}
	m->state = MQTT_UP;
	m->in_ms = m->out_ms = clock_mono_ms();
	m->ev->connected(m, m->arg);
	if (!m->down)
		arm_tick(m);
}

static void
lib_disconnect(struct mosquitto *client, void *arg, int rc)
{
	mark_down(arg, rc == 0 ? "closed" : rc_text(rc));
}

static void
lib_message(
    struct mosquitto *client, void *arg, const struct mosquitto_message *msg)
{
	struct mqtt *m = arg;

	if (m->down || m->state != MQTT_UP || msg->payloadlen < 0)
		return;
	if (msg->qos > 0)
		m->out_ms = clock_mono_ms(); /* its acknowledgement */
	m->ev->message(
	    m, msg->topic, msg->payload, (size_t)msg->payloadlen, m->arg);
}

static void
lib_publish(struct mosquitto *client, void *arg, int mid)
{
	struct mqtt *m = arg;

	if (!m->down && m->ev->published != NULL)
		m->ev->published(m, mid, m->arg);
}

/* --- the interface ------------------------------------------------------- */

struct mqtt *
mqtt_new(struct event_base *base, const struct mqtt_events *ev, void *arg,
    struct err *e)
{
	struct mqtt *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	m->base = base;
	m->fd = -1;
	m->ev = ev;
	m->arg = arg;
	m->tick = event_new(base, -1, 0, on_tick, m);
	m->dispatch = event_new(base, -1, 0, on_dispatch, m);
	if (m->tick == NULL || m->dispatch == NULL ||
	    mosquitto_lib_init() != MOSQ_ERR_SUCCESS) {
		if (m->tick != NULL)
			event_free(m->tick);
		if (m->dispatch != NULL)
			event_free(m->dispatch);
		free(m);
		err_set(e, ERR_NOMEM, "MQTT library does not start");
		return NULL;
	}
	return m;
}

void
mqtt_free(struct mqtt *m)
{
	if (m == NULL)
		return;
	drop(m);
	event_free(m->tick);
	event_free(m->dispatch);
	mosquitto_lib_cleanup();
	free(m);
}

static int
client_setup(struct mqtt *m, const struct mqtt_options *o, struct err *e)
{
	int rc = MOSQ_ERR_SUCCESS;

	m->client = mosquitto_new(o->client_id, true, m);
	if (m->client == NULL)
		return err_set(
		    e, ERR_NOMEM, "MQTT client: %s", strerror(errno));
	mosquitto_connect_callback_set(m->client, lib_connect);
	mosquitto_disconnect_callback_set(m->client, lib_disconnect);
	mosquitto_message_callback_set(m->client, lib_message);
	mosquitto_publish_callback_set(m->client, lib_publish);
	mosquitto_int_option(
	    m->client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V311);
	/* how much may be on the way is bounded by our own protocol */
	mosquitto_max_inflight_messages_set(m->client, 0);
	if (o->port != 0)
		rc = mosquitto_int_option(m->client, MOSQ_OPT_TCP_NODELAY, 1);
	if (rc == MOSQ_ERR_SUCCESS && o->tls != NULL) {
		SSL_CTX_set_mode(o->tls, SSL_MODE_RELEASE_BUFFERS);
		explain_tls(m, o->tls);
		rc = mosquitto_void_option(m->client, MOSQ_OPT_SSL_CTX, o->tls);
		/* ours is complete: no CA file of the library's own */
		if (rc == MOSQ_ERR_SUCCESS)
			rc = mosquitto_int_option(
			    m->client, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
	}
	if (rc == MOSQ_ERR_SUCCESS && o->will_topic != NULL)
		rc = mosquitto_will_set(m->client, o->will_topic,
		    (int)o->will_len, o->will, 0, false);
	if (rc != MOSQ_ERR_SUCCESS)
		return err_set(e, ERR_INVALID, "MQTT options: %s", rc_text(rc));
	return 0;
}

static int
socket_events(struct mqtt *m, struct err *e)
{
	int fd = mosquitto_socket(m->client);

	if (fd < 0)
		return err_set(e, ERR_IO, "MQTT client has no socket");
	m->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (m->fd < 0)
		return err_errno(e, "MQTT client's socket");
	m->read =
	    event_new(m->base, m->fd, EV_READ | EV_PERSIST, on_readable, m);
	m->write =
	    event_new(m->base, m->fd, EV_WRITE | EV_PERSIST, on_writable, m);
	/* the first wake-up is the TCP connection being made */
	if (m->read == NULL || m->write == NULL ||
	    event_add(m->read, NULL) != 0 || event_add(m->write, NULL) != 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

int
mqtt_connect(struct mqtt *m, const struct mqtt_options *o, struct err *e)
{
	int rc;

	if (m->state != MQTT_IDLE)
		return err_set(e, ERR_BUSY, "already connected");
	rc = client_setup(m, o, e);
	if (rc != 0)
		goto fail;
	m->tls_why[0] = '\0';
	m->state = MQTT_OPENING;
	m->opening_left = OPENING_LIMIT;
	m->keepalive = o->keepalive;
	rc = mosquitto_connect_async(m->client, o->host, o->port, o->keepalive);
	if (rc != MOSQ_ERR_SUCCESS) {
		rc = err_set(e, ERR_IO, "connecting to %s port %d: %s", o->host,
		    o->port, m->tls_why[0] != '\0' ? m->tls_why : rc_text(rc));
		goto fail;
	}
	rc = socket_events(m, e);
	if (rc != 0)
		goto fail;
	arm_tick(m);
	return 0;
fail:
	drop(m);
	return rc;
}

void
mqtt_disconnect(struct mqtt *m)
{
	if (m->state == MQTT_IDLE)
		return;
	if (m->state == MQTT_UP && !m->down)
		mosquitto_disconnect(m->client);
	if (m->busy) {
		m->silent = true;
		mark_down(m, "disconnected");
	} else {
		drop(m);
	}
}

bool
mqtt_is_connected(const struct mqtt *m)
{
	return m->state == MQTT_UP && !m->down;
}

int64_t
mqtt_heard_ms(const struct mqtt *m)
{
	return m->heard_ms;
}

bool
mqtt_is_paused(const struct mqtt *m)
{
	return m->paused;
}

void
mqtt_pause(struct mqtt *m, bool pause)
{
	SSL *ssl;

	if (m->read == NULL || m->paused == pause)
		return;
	m->paused = pause;
	if (pause) {
		event_del(m->read);
		return;
	}
	if (event_add(m->read, NULL) != 0) {
		mark_down(m, NO_WAIT);
		return;
	}
	ssl = mosquitto_ssl_get(m->client);
	if (ssl != NULL && SSL_pending(ssl) > 0)
		event_active(m->read, EV_READ, 0);
}

int
mqtt_subscribe(struct mqtt *m, const char *topic, int qos, struct err *e)
{
	int rc;

	if (!mqtt_is_connected(m))
		return err_set(e, ERR_CLOSED, "not connected");
	rc = mosquitto_subscribe(m->client, NULL, topic, qos);
	m->out_ms = clock_mono_ms();
	rearm(m);
	if (rc != MOSQ_ERR_SUCCESS)
		return err_set(
		    e, ERR_IO, "subscribing to %s: %s", topic, rc_text(rc));
	return 0;
}

int
mqtt_publish(struct mqtt *m, const char *topic, const void *payload, size_t len,
    int qos, int *ret_mid, struct err *e)
{
	int rc, mid = 0;

	if (!mqtt_is_connected(m))
		return err_set(e, ERR_CLOSED, "not connected");
	if (len > INT32_MAX)
		return err_set(e, ERR_TOOBIG, "message of %zu bytes", len);
	rc = mosquitto_publish(
	    m->client, &mid, topic, (int)len, payload, qos, false);
	m->out_ms = clock_mono_ms();
	rearm(m);
	if (rc != MOSQ_ERR_SUCCESS)
		return err_set(
		    e, ERR_IO, "publishing on %s: %s", topic, rc_text(rc));
	if (ret_mid != NULL)
		*ret_mid = mid;
	return 0;
}
