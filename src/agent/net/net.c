/* SPDX-License-Identifier: MPL-2.0 */
/*
 * mig-agent-net: keeps the MQTT session. Runs as its own user without files
 * or capabilities, listens on nothing, and knows no more than how to carry
 * messages between the relay and the monitor: it splits envelopes into their
 * fields and puts announced ones together, but believes and decides nothing.
 *
 *            connect            CONNACK
 *  WAIT ----------------> OPENING -----> UP
 *   ^  spread, then          |  failed    |  closed
 *   '-- 1 s .. 5 min, +-50 % '-----<------'
 */
#include "action/cancel.h"
#include "action/envelope.h"
#include "agent/monitor/exam.h"
#include "agent/messages.h"
#include "agent/monitor/netlink.h"
#include "agent/net/netfields.h"
#include "agent/net/pull.h"
#include "agent/net/roll.h"
#include "agent/net/handed.h"
#include "agent/net/netbox.h"
#include "agent/net/renew.h"
#include "agent/seldom.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/log.h"
#include "crypto/x509.h"
#include "ipc/ipc.h"
#include "mqtt/mqtt.h"
#include "mqtt/tunnel.h"
#include "mqtt/wire.h"
#include "proc/proc.h"
#include "proc/timer.h"
#include "sandbox/sandbox.h"

#include <event2/util.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUEUE_MAX (4 * 1024 * 1024)
#define SPREAD_DEFAULT_MS 5000
#define SPREAD_MAX_MS 3600000
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MAX_MS 300000
#define LASTED_MS 5000
/* NET_FILE_FD as a path */
#define TUNNEL_PATH "/proc/self/fd/5"

#define UNHOLD_MS 50
#define OWED_MAX_MS 30000 /* a connection unknown to the monitor */
#define PUBACK_SECONDS 60
#define UNACKED_MAX 64 /* messages */

struct part_key {
	struct id id;
	uint16_t part;
};

struct net {
	struct event_base *base;
	struct ipc_chan *chan;
	struct mqtt *mqtt;
	struct pull *pull;
	struct tunnel *tunnel; /* NULL: no proxies */
	struct renew *renew;   /* has the TLS contexts */
	struct event *connect; /* next attempt */
	struct event *unhold;  /* tries held again */
	struct roll *roll;
	struct id agent;
	struct msg_user user;
	struct tunnel_peer relay, proxies[TUNNEL_PROXIES_MAX];
	uint8_t nproxies;
	char id_hex[ID_HEX_LEN + 1];
	char topic_in[WIRE_TOPIC_MAX], topic_out[WIRE_TOPIC_MAX];
	char topic_hello[WIRE_TOPIC_MAX], topic_presence[WIRE_TOPIC_MAX];
	uint16_t keepalive;
	uint64_t connection;
	uint32_t spread_ms;
	int64_t backoff_ms; /* 0: the next wait is the spread, and this: */
	int64_t pause_ms;
	int64_t up_ms;      /* when the last connection was made */
	struct buf held;    /* for the monitor, when it is busy */
	uint16_t held_type; /* MSG_NET_ENVELOPE or _CANCEL */
	uint16_t owed;      /* so is this: MSG_NET_UP or _DOWN; 0: none */
	struct buf owed_body;
	int64_t owed_ms;      /* since when */
	unsigned int unacked; /* published, not yet done with */
	int wire_mid;         /* of the part on the wire; 0: none */
	struct part_key wire, next;
	struct buf next_body;     /* of the next part; empty: none */
	struct event *puback;     /* the relay's time is over */
	uint64_t last_connection; /* none higher was reserved */
	struct seldom said_message, said_envelope;
	uint8_t will[9];
};

/* --- to the monitor ------------------------------------------------------- */

static void lose(struct net *n, const char *why);

static bool
owes(const struct net *n)
{
	return n->held.len > 0 || n->owed != 0;
}

/* While something is owed to the monitor nothing is read from the relay. */
static void
owe(struct net *n)
{
	struct timeval tv = { .tv_usec = UNHOLD_MS * 1000 };

	mqtt_pause(n->mqtt, true);
	timer_start(n->unhold, &tv);
}

/* That the relay is there, or is not, must be known: the newest of the two is
 * kept until the monitor takes it. */
static void
tell_state(struct net *n, uint16_t type, const struct buf *b)
{
	if (n->owed == 0 &&
	    ipc_chan_send(n->chan, type, 0, b->data, b->len) == 0)
		return;
	buf_clear(&n->owed_body);
	buf_add(&n->owed_body, b->data, b->len);
	n->owed = type;
	n->owed_ms = clock_mono_ms();
	owe(n);
}

/* Envelopes and cancels are kept while the monitor is busy and nothing more is
 * read from the relay; everything else is small and may be lost. */
static void
tell(struct net *n, uint16_t type, const struct buf *b)
{
	int rc = ERR_BUSY;

	if (b->error != 0)
		return;
	if (type == MSG_NET_UP || type == MSG_NET_DOWN) {
		tell_state(n, type, b);
		return;
	}
	/* nothing overtakes what is owed */
	if (!owes(n))
		rc = ipc_chan_send(n->chan, type, 0, b->data, b->len);
	if (rc != ERR_BUSY || n->held.len > 0 ||
	    (type != MSG_NET_ENVELOPE && type != MSG_NET_CANCEL))
		return;
	n->held_type = type;
	buf_add(&n->held, b->data, b->len);
	owe(n);
}

static int
pay(struct net *n)
{
	int rc;

	if (n->held.len > 0) {
		rc = ipc_chan_send(
		    n->chan, n->held_type, 0, n->held.data, n->held.len);
		if (rc == ERR_BUSY)
			return rc;
		buf_release(&n->held);
	}
	if (n->owed != 0) {
		rc = ipc_chan_send(
		    n->chan, n->owed, 0, n->owed_body.data, n->owed_body.len);
		if (rc != 0)
			return rc;
		n->owed = 0;
	}
	return 0;
}

static void
on_unhold(evutil_socket_t fd, short what, void *arg)
{
	struct timeval tv = { .tv_usec = UNHOLD_MS * 1000 };
	struct net *n = arg;

	if (pay(n) == 0) {
		mqtt_pause(n->mqtt, false);
		return;
	}
	timer_start(n->unhold, &tv);
	/* a connection that the monitor does not know of is of no use */
	if (n->owed == MSG_NET_UP && clock_mono_ms() - n->owed_ms > OWED_MAX_MS)
		lose(n, "the monitor takes nothing");
}

/* type: MSG_NET_ENVELOPE or MSG_NET_CANCEL, each with the largest document. */
static void
tell_pieces(struct net *n, uint16_t type, size_t doc_max, uint8_t source,
    const struct wire_msg *m)
{
	struct buf b;
	struct err e;
	unsigned int left_out;

	err_clear(&e);
	buf_init(&b, MSG_DOC_MAX);
	buf_add_u8(&b, source);
	if (add_pieces(&b, m->data, m->len, doc_max, &e) == 0) {
		fault_point("net.envelope");
		tell(n, type, &b);
	} else if (seldom(&n->said_envelope, &left_out)) {
		log_info(
		    "envelope why=%s left_out=%u", log_quote(e.msg), left_out);
	}
	buf_release(&b);
}

static void
tell_envelope(struct net *n, uint8_t source, const uint8_t *data, size_t len)
{
	struct wire_msg m = { .data = data, .len = len };

	tell_pieces(n, MSG_NET_ENVELOPE, ENVELOPE_DOC_MAX, source, &m);
}

/* --- from the relay ------------------------------------------------------- */

/* At a welcome, so that no timer wakes us for it. */
static void
ask_renewal(struct net *n, uint8_t protocol)
{
	struct buf spki, b;

	buf_init(&spki, 1024);
	buf_init(&b, MSG_SMALL);
	if (protocol >= WIRE_PROTOCOL_RENEW &&
	    renew_due(n->renew, clock_wall_ms() / 1000, &spki)) {
		buf_add_field(&b, spki.data, spki.len);
		tell(n, MSG_NET_RENEW, &b);
	}
	buf_release(&spki);
	buf_release(&b);
}

/* Tried by a new connection; if that fails the old one is used again. */
static void
take_certificate(struct net *n, const struct wire_msg *m)
{
	struct err e;

	err_clear(&e);
	if (renew_take(n->renew, m->data, m->len, &e) == 0)
		lose(n, "a new certificate is tried");
	else
		log_warn("renewal why=%s", log_quote(e.msg));
}

static void
got_message(struct net *n, uint8_t source, const struct wire_msg *m)
{
	struct buf b;

	buf_init(&b, MSG_SMALL);
	switch (m->type) {
	case WIRE_ENVELOPE:
		if (source != 0 || m->len <= WIRE_BROADCAST_MAX)
			tell_envelope(n, source, m->data, m->len);
		break;
	case WIRE_CANCEL:
		if (m->len <= WIRE_BROADCAST_MAX)
			tell_pieces(
			    n, MSG_NET_CANCEL, CANCEL_DOC_MAX, source, m);
		break;
	case WIRE_POLICY:
		source = EXAM_POLICY;
		/* fall through */
	case WIRE_ANNOUNCE:
		if (!pull_announced(n->pull, source, m))
			break;
		buf_add_u8(&b, source);
		buf_add(&b, m->id.b, ID_LEN);
		tell(n, MSG_NET_ANNOUNCE, &b);
		break;
	case WIRE_ENVELOPE_PART:
	case WIRE_POLICY_PART:
		pull_part(n->pull, m);
		break;
	case WIRE_ACK:
		fault_point("net.ack");
		buf_add(&b, m->id.b, ID_LEN);
		buf_add_u16(&b, m->part);
		buf_add_u16(&b, m->of);
		buf_add_u8(&b, m->complete);
		tell(n, MSG_NET_ACK, &b);
		break;
	case WIRE_WELCOME:
		fault_point("net.welcome");
		n->spread_ms =
		    m->spread_ms < SPREAD_MAX_MS ? m->spread_ms : SPREAD_MAX_MS;
		buf_add_u64(&b, (uint64_t)m->time_ms);
		buf_add_u32(&b, m->spread_ms);
		buf_add_u8(&b, m->protocol);
		tell(n, MSG_NET_WELCOME, &b);
		ask_renewal(n, m->protocol);
		break;
	case WIRE_CERTIFICATE:
		take_certificate(n, m);
		break;
	case WIRE_ROLL_CALL:
		roll_call(n->roll, m->spread_ms, source != 0);
		break;
	default:
		break;
	}
	buf_release(&b);
}

static void
on_message(struct mqtt *m, const char *topic, const void *payload, size_t len,
    void *arg)
{
	struct net *n = arg;
	struct wire_msg msg;
	struct err e;
	bool in = strcmp(topic, n->topic_in) == 0;
	unsigned int left_out;

	err_clear(&e);
	if (!in && strcmp(topic, WIRE_TOPIC_ALL) != 0)
		return;
	if (wire_parse(payload, len, &msg, &e) != 0) {
		if (seldom(&n->said_message, &left_out))
			log_info("message why=%s left_out=%u", log_quote(e.msg),
			    left_out);
		return;
	}
	/* on all: what is for everyone only */
	if (!in && msg.type != WIRE_ENVELOPE && msg.type != WIRE_ANNOUNCE &&
	    msg.type != WIRE_ROLL_CALL && msg.type != WIRE_CANCEL)
		return;
	got_message(n, in ? 1 : 0, &msg);
}

/* Everything published is counted until the library is rid of it: what a
 * relay never acknowledges is bounded. */
static int
publish_mid(struct net *n, const char *topic, const struct buf *b, int qos,
    int *ret_mid)
{
	struct err e;
	int rc;

	err_clear(&e);
	if (b->error != 0)
		return b->error;
	n->unacked++;
	rc = mqtt_publish(n->mqtt, topic, b->data, b->len, qos, ret_mid, &e);
	if (rc != 0) {
		n->unacked--;
		log_debug("publish why=%s", log_quote(e.msg));
	}
	return rc;
}

static void
publish(struct net *n, const char *topic, const struct buf *b, int qos)
{
	struct timeval tv = { .tv_sec = PUBACK_SECONDS };

	if (n->unacked < UNACKED_MAX) {
		(void)publish_mid(n, topic, b, qos, NULL);
		return;
	}
	log_debug("publish why=unacknowledged n=%u", n->unacked);
	if (!event_pending(n->puback, EV_TIMEOUT, NULL))
		timer_start(n->puback, &tv);
}

/* The one part on the wire. Until the relay has acknowledged it, the library
 * keeps it and sends it itself: a second copy helps nobody. Another one waits
 * here, the newest only; the monitor tries again with the others. */
static void
publish_part(struct net *n, const struct id *id, uint16_t part, struct buf *b)
{
	struct timeval tv = { .tv_sec = PUBACK_SECONDS };
	struct part_key key = { .id = *id, .part = part };

	if (n->wire_mid == 0) {
		if (publish_mid(n, n->topic_out, b, 1, &n->wire_mid) != 0) {
			n->wire_mid = 0;
			return;
		}
		n->wire = key;
		timer_start(n->puback, &tv);
		return;
	}
	if (n->wire.part == part && id_equal(&n->wire.id, id))
		return;
	buf_clear(&n->next_body);
	if (buf_add(&n->next_body, b->data, b->len) == 0)
		n->next = key;
}

static void
on_published(struct mqtt *m, int mid, void *arg)
{
	struct net *n = arg;

	if (n->unacked > 0)
		n->unacked--;
	if (n->wire_mid == mid)
		n->wire_mid = 0;
	if (n->wire_mid != 0)
		return;
	event_del(n->puback);
	if (n->next_body.len > 0) {
		publish_part(n, &n->next.id, n->next.part, &n->next_body);
		buf_release(&n->next_body);
	}
}

static void
on_puback_timer(evutil_socket_t fd, short what, void *arg)
{
	lose(arg, "the relay does not acknowledge what it is sent");
}

/* What was on its way on the old connection is not on the new one. */
static void
forget_published(struct net *n)
{
	n->unacked = 0;
	n->wire_mid = 0;
	buf_release(&n->next_body);
	event_del(n->puback);
}

static void
send_presence(struct net *n, bool online, int qos)
{
	uint8_t p[9];

	wire_presence_write(online, n->connection, p);
	n->unacked++;
	if (mqtt_publish(
		n->mqtt, n->topic_presence, p, sizeof(p), qos, NULL, NULL) != 0)
		n->unacked--;
}

static void
want_part(uint8_t source, const struct id *id, uint16_t part, void *arg)
{
	struct wire_msg m = { .type = source == EXAM_POLICY ? WIRE_WANT_POLICY
							    : WIRE_WANT,
		.id = *id,
		.part = part };
	struct net *n = arg;
	struct buf b;

	buf_init(&b, MSG_SMALL);
	wire_write(&m, &b);
	publish(n, n->topic_out, &b, 1);
	buf_release(&b);
}

static void
whole_envelope(uint8_t source, const uint8_t *data, size_t len, void *arg)
{
	tell_envelope(arg, source, data, len);
}

/* --- the connection ------------------------------------------------------- */

/* What the server may have forgotten is sent again. */
static void
answer_roll(bool hello, void *arg)
{
	struct net *n = arg;
	struct buf b;

	if (!mqtt_is_connected(n->mqtt))
		return;
	if (n->unacked < UNACKED_MAX)
		send_presence(n, true, 1);
	buf_init(&b, MSG_SMALL);
	buf_add_u8(&b, hello);
	tell(n, MSG_NET_ROLL, &b);
	buf_release(&b);
}

static void
connect_later(struct net *n)
{
	struct timeval tv;
	int64_t ms;

	if (n->backoff_ms == 0) {
		ms = n->pause_ms + chance(n->spread_ms + 1);
		n->backoff_ms = BACKOFF_FIRST_MS;
	} else {
		ms = n->backoff_ms / 2 + chance((uint32_t)n->backoff_ms + 1);
		n->backoff_ms *= 2;
		if (n->backoff_ms > BACKOFF_MAX_MS)
			n->backoff_ms = BACKOFF_MAX_MS;
	}
	log_debug("reconnect in_ms=%lld", (long long)ms);
	tv.tv_sec = ms / 1000;
	tv.tv_usec = (ms % 1000) * 1000;
	timer_start(n->connect, &tv);
}

static void
tell_down(struct net *n, const char *why)
{
	struct buf b;

	buf_init(&b, MSG_SMALL);
	buf_add_field(&b, why, strnlen(why, MSG_TEXT_MAX - 1));
	tell(n, MSG_NET_DOWN, &b);
	buf_release(&b);
}

static void
on_connect_timer(evutil_socket_t fd, short what, void *arg)
{
	struct net *n = arg;
	struct mqtt_options o;
	struct err e;

	/* newer than any before, whatever the clock does */
	if (n->connection >= n->last_connection) {
		log_info("connection_numbers why=\"used up\"");
		event_base_loopexit(n->base, NULL);
		return;
	}
	n->connection++;
	wire_presence_write(false, n->connection, n->will);
	memset(&o, 0, sizeof(o));
	o.client_id = n->id_hex;
	o.host = n->tunnel != NULL ? TUNNEL_PATH : n->relay.host;
	o.port = n->tunnel != NULL ? 0 : n->relay.port;
	o.tls = renew_ctx(n->renew);
	o.peer_name = n->relay.host;
	o.keepalive = n->keepalive;
	o.will_topic = n->topic_presence;
	o.will = n->will;
	o.will_len = sizeof(n->will);
	err_clear(&e);
	if (mqtt_connect(n->mqtt, &o, &e) != 0) {
		renew_lost(n->renew);
		tell_down(n, e.msg);
		connect_later(n);
	}
}

static void
tell_renewed(struct net *n)
{
	struct buf b;

	buf_init(&b, 65536);
	if (renew_connected(n->renew, &b))
		tell(n, MSG_NET_RENEWED, &b);
	if (b.data != NULL)
		explicit_bzero(b.data, b.cap);
	buf_release(&b);
}

static void
on_connected(struct mqtt *m, void *arg)
{
	struct net *n = arg;
	struct buf b;
	struct err e;

	err_clear(&e);
	if (mqtt_subscribe(m, WIRE_TOPIC_ALL, 1, &e) != 0 ||
	    mqtt_subscribe(m, n->topic_in, 1, &e) != 0) {
		log_warn("subscribe why=%s", log_quote(e.msg));
		lose(n, e.msg);
		return;
	}
	n->backoff_ms = 0;
	n->up_ms = clock_mono_ms();
	tell_renewed(n);
	send_presence(n, true, 0);
	fault_point("net.connected");
	buf_init(&b, MSG_SMALL);
	buf_add_u64(&b, n->connection);
	tell(n, MSG_NET_UP, &b);
	buf_release(&b);
	/* the handshake's memory */
	malloc_trim(0);
}

static void
lost(struct net *n, const char *why)
{
	/* a relay that ends each at once is not tried without a pause */
	n->pause_ms =
	    clock_mono_ms() - n->up_ms < LASTED_MS ? BACKOFF_FIRST_MS : 0;
	pull_clear(n->pull);
	forget_published(n);
	tell_down(n, why);
	connect_later(n);
}

/* Ends a connection that is of no use. */
static void
lose(struct net *n, const char *why)
{
	if (!mqtt_is_connected(n->mqtt))
		return; /* ended already: that is told by an event */
	log_warn("relay_left why=%s", log_quote(why));
	mqtt_disconnect(n->mqtt);
	/* not as if all were well */
	if (n->backoff_ms == 0)
		n->backoff_ms = BACKOFF_FIRST_MS;
	lost(n, why);
}

static void
on_disconnected(struct mqtt *m, const char *why, void *arg)
{
	struct net *n = arg;

	renew_lost(n->renew);
	if (n->tunnel != NULL && tunnel_why(n->tunnel)[0] != '\0')
		why = tunnel_why(n->tunnel);
	lost(n, why);
}

static const struct mqtt_events mqtt_events = {
	.connected = on_connected,
	.disconnected = on_disconnected,
	.message = on_message,
	.published = on_published,
};

/* --- from the monitor ----------------------------------------------------- */

static int
send_part(struct net *n, const struct ipc_msg *msg)
{
	struct wire_msg m = { .type = WIRE_ANSWER_PART };
	struct buf b;
	struct rd r;

	rd_init(&r, msg->body, msg->len);
	rd_copy(&r, m.id.b, ID_LEN);
	m.part = rd_u16(&r);
	m.of = rd_u16(&r);
	m.data = rd_field(&r, WIRE_PART_MAX, &m.len);
	if (!rd_done(&r))
		return ERR_INVALID;
	fault_point("net.part");
	buf_init(&b, WIRE_MESSAGE_MAX);
	if (wire_write(&m, &b) == 0)
		publish_part(n, &m.id, m.part, &b);
	buf_release(&b);
	return 0;
}

static int
on_monitor(struct ipc_chan *c, const struct ipc_msg *msg, void *arg)
{
	struct net *n = arg;
	struct wire_msg m = { .type = WIRE_RENEW };
	struct buf view = { .data = NULL };
	struct id id;

	if (msg_allowed(ROLE_MONITOR, ROLE_NET, msg) != 0)
		return ERR_INVALID;
	switch (msg->type) {
	case MSG_NET_HELLO:
		fault_point("net.hello");
		buf_init(&view, msg->len);
		buf_add(&view, msg->body, msg->len);
		publish(n, n->topic_hello, &view, 0);
		buf_release(&view);
		return 0;
	case MSG_NET_PART:
		return send_part(n, msg);
	case MSG_NET_RENEWAL:
		m.data = msg->body;
		m.len = msg->len;
		buf_init(&view, WIRE_MESSAGE_MAX);
		if (wire_write(&m, &view) == 0)
			publish(n, n->topic_out, &view, 1);
		buf_release(&view);
		return 0;
	case MSG_NET_PULL:
		if (msg->len != ID_LEN)
			return ERR_INVALID;
		memcpy(id.b, msg->body, ID_LEN);
		pull_start(n->pull, &id);
		return 0;
	case MSG_NET_PING:
		/* no room: the monitor has not read what came before */
		(void)ipc_chan_send(n->chan, MSG_NET_PONG, 0, NULL, 0);
		return 0;
	case MSG_NET_STOP:
		if (mqtt_is_connected(n->mqtt))
			send_presence(n, false, 0);
		mqtt_disconnect(n->mqtt);
		event_base_loopexit(n->base, NULL);
		return 0;
	}
	return ERR_INVALID;
}

static void
on_monitor_closed(struct ipc_chan *c, const char *why, void *arg)
{
	struct net *n = arg;

	event_base_loopexit(n->base, NULL);
}

/* --- start ---------------------------------------------------------------- */

static int
make_renew(struct net *n, const char *ca, const char *cert, const char *key,
    struct err *e)
{
	char when[RFC3339_LEN + 1];

	n->renew = renew_new(ca, cert, key, &n->agent, n->relay.host, e);
	if (n->renew == NULL)
		return ERR_INVALID;
	if (renew_end(n->renew) > clock_wall_ms() / 1000)
		return 0;
	rfc3339_format(renew_end(n->renew), when);
	log_error("certificate ended=%s effect=%s", when,
	    log_quote("the relay will refuse it: run 'mig-agent enrol' again "
		      "with a new token; the agent keeps its id"));
	return 0;
}

static int
take_start(struct net *n, const struct ipc_msg *msg, struct err *e)
{
	char *ca, *cert, *key;
	uint8_t level, i;
	struct rd r;
	int rc;

	rd_init(&r, msg->body, msg->len);
	n->user.uid = rd_u32(&r);
	n->user.gid = rd_u32(&r);
	level = rd_u8(&r);
	rd_copy(&r, n->agent.b, ID_LEN);
	take_peer(&r, &n->relay);
	n->keepalive = rd_u16(&r);
	n->connection = rd_u64(&r);
	n->last_connection = n->connection + NETLINK_CONNECTIONS;
	n->nproxies = rd_u8(&r);
	for (i = 0; i < n->nproxies && i < TUNNEL_PROXIES_MAX; i++)
		take_peer(&r, &n->proxies[i]);
	ca = take_pem(&r);
	cert = take_pem(&r);
	key = take_pem(&r);
	if (rd_done(&r) && n->nproxies <= TUNNEL_PROXIES_MAX && ca != NULL &&
	    cert != NULL && key != NULL)
		rc = make_renew(n, ca, cert, key, e);
	else
		rc = err_set(e, ERR_INVALID, "bad start message");
	free(ca);
	free(cert);
	wipe_free(key);
	log_init("net",
	    level <= LOG_LEVEL_DEBUG ? (enum log_level)level : LOG_LEVEL_INFO,
	    NULL);
	return rc;
}

static int
read_start(struct net *n, struct err *e)
{
	struct ipc_msg msg;
	struct buf in;
	int rc;

	buf_init(&in, 65536);
	rc = ipc_read(PROC_IPC_FD, &in, &msg, false, e);
	if (rc == 0 &&
	    (msg_allowed(ROLE_MONITOR, ROLE_NET, &msg) != 0 ||
		msg.type != MSG_NET_START))
		rc = err_set(e, ERR_INVALID, "expected a start message");
	if (rc == 0)
		rc = take_start(n, &msg, e);
	if (in.data != NULL)
		explicit_bzero(in.data, in.cap);
	buf_release(&in);
	return rc;
}

static int
make_parts(struct net *n, struct err *e)
{
	struct event_config *cfg = event_config_new();

	memcpy(n->id_hex, id_hex(&n->agent).s, sizeof(n->id_hex));
	wire_topic_write(WIRE_IN, &n->agent, n->topic_in);
	wire_topic_write(WIRE_OUT, &n->agent, n->topic_out);
	wire_topic_write(WIRE_HELLO, &n->agent, n->topic_hello);
	wire_topic_write(WIRE_PRESENCE, &n->agent, n->topic_presence);
	n->spread_ms = SPREAD_DEFAULT_MS;
	buf_init(&n->held, MSG_DOC_MAX);
	buf_init(&n->owed_body, MSG_SMALL);
	buf_init(&n->next_body, WIRE_MESSAGE_MAX);
	if (cfg == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	event_config_set_flag(cfg, EVENT_BASE_FLAG_IGNORE_ENV);
	n->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (n->base == NULL)
		return err_code(e, ERR_NOMEM, "the event loop does not start");
	n->mqtt = mqtt_new(n->base, &mqtt_events, n, e);
	if (n->mqtt == NULL)
		return ERR_NOMEM;
	if (n->nproxies > 0) {
		n->tunnel = tunnel_new(n->base, NET_LISTEN_FD, &n->relay,
		    n->proxies, n->nproxies, e);
		if (n->tunnel == NULL)
			return ERR_NOMEM;
	}
	n->pull = pull_new(n->base, want_part, whole_envelope, n);
	n->connect = event_new(n->base, -1, 0, on_connect_timer, n);
	n->unhold = event_new(n->base, -1, 0, on_unhold, n);
	n->roll = roll_new(n->base, answer_roll, n);
	n->puback = event_new(n->base, -1, 0, on_puback_timer, n);
	n->chan = ipc_chan_new(n->base, PROC_IPC_FD, 262144, QUEUE_MAX,
	    on_monitor, on_monitor_closed, n);
	if (n->pull == NULL || n->connect == NULL || n->unhold == NULL ||
	    n->roll == NULL || n->puback == NULL || n->chan == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

static int
start(struct net *n, struct err *e)
{
	struct timeval now = { 0, 0 };
	struct buf b;
	int rc;

	rc = read_start(n, e);
	if (rc == 0)
		rc = make_parts(n, e);
	if (rc != 0)
		return rc;
	netbox_warm_up(n->relay.host);
	(void)chance(1);
	rc = netbox_enter(n->user.uid, n->user.gid, e);
	if (rc != 0)
		return rc;
	/* the first timer needs memory for the list of them all */
	if (event_add(n->connect, &now) != 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	fault_point("net.sandboxed");
	buf_init(&b, MSG_SMALL);
	buf_add_field(&b, sandbox_describe(), strlen(sandbox_describe()));
	tell(n, MSG_NET_READY, &b);
	buf_release(&b);
	return 0;
}

int
main(int argc, char **argv)
{
	static struct net n;
	struct err e;

	log_init("net", LOG_LEVEL_INFO, NULL);
	if (argc > 1)
		return handed_aside(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	/* the monitor decides when; its end is our end of file */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	err_clear(&e);
	x509_few_texts();
	if (x509_start(&e) != 0 || start(&n, &e) != 0) {
		log_error("net_start why=%s", log_quote(e.msg));
		return 1;
	}
	(void)event_base_dispatch(n.base);
	mqtt_free(n.mqtt);
	tunnel_free(n.tunnel);
	renew_free(n.renew);
	return 0;
}
