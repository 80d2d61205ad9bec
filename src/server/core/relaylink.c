/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The core's link to the relay: MQTT over a Unix socket. Reconnects by
 * itself, routes what agents publish, and sends. Everything published is
 * either repeated by the scheduler or asked for again by the agent, so a
 * message that is lost with the link does no harm.
 *
 * Large envelopes are announced and pulled: each agent asks for one part at a
 * time, and only PULLS_INFLIGHT parts are on their way to the relay at once,
 * the others wait in a queue.
 */
#include "server/core/relaylink.h"

#include "server/core/core.h"
#include "server/core/policies.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "mqtt/mqtt.h"
#include "mqtt/wire.h"
#include "proc/timer.h"
#include "server/relay.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 2000
#define KEEPALIVE 30
#define ASK_TOPIC "mig/1/core" /* nobody listens: only the relay answers */
#define SPREAD_MIN_MS 5000
#define SPREAD_AGENT_MS 4
#define PULLS_INFLIGHT 64
#define ACL_EVERY_MS 1000
#define ACL_AGAIN_MS 5000 /* it could not be written */
#define PULLS_MAX 65536
#define PULLS_AGENT_MAX 4 /* an agent asks for one at a time */

struct pull {
	struct agent *agent;
	struct id id; /* of an action, or a policy's hash */
	uint16_t part;
	bool policy;
	TAILQ_ENTRY(pull) next;
};
TAILQ_HEAD(pulls, pull);

struct relaylink {
	struct core *c;
	struct mqtt *mqtt;
	struct event *retry;
	int64_t wait_ms;
	bool up;
	bool acl_new;       /* written, and the relay does not know */
	bool acl_unwritten; /* it failed */
	bool acl_old;       /* not yet written */
	int64_t asked;      /* mono ms: for a sign of life; 0: not yet */
	int64_t acl_written, unsilence; /* mono ms; 0: nobody is silenced */
	struct pulls pulls;
	size_t npulls, ninflight;
	int inflight[PULLS_INFLIGHT]; /* message ids */
	struct buf out;
};

static void pulls_serve(struct relaylink *l);

static struct pull *
pull_take(struct relaylink *l)
{
	struct pull *p = TAILQ_FIRST(&l->pulls);

	if (p != NULL) {
		TAILQ_REMOVE(&l->pulls, p, next);
		l->npulls--;
		p->agent->pulls--;
	}
	return (p);
}

static void
pulls_clear(struct relaylink *l)
{
	struct pull *p;

	while ((p = pull_take(l)) != NULL)
		free(p);
	l->ninflight = 0;
}

/* Only a relay that serves us is told: one that still starts would be ended
 * by the signal. It has read the newest list anyway. */
static void
reload_acl(struct relaylink *l)
{
	struct ipc_chan *parent = l->c->role.parent;

	if (!l->up || !l->acl_new || parent == NULL)
		return;
	if (ipc_chan_send(parent, MSG_RELAY_RELOAD, 0, NULL, 0) == 0)
		l->acl_new = false;
}

static void
write_acl(struct relaylink *l)
{
	struct registry *reg = &l->c->registry;
	int64_t now = clock_mono_ms();
	struct id *ids;
	struct err e;
	size_t i, n = 0;

	ids = reallocarray(NULL, reg->n + 1, sizeof(*ids));
	l->unsilence = 0;
	for (i = 0; ids != NULL && i < reg->n; i++) {
		const struct agent *a = reg->slots[i];
		bool quiet = a->silenced_until > now;

		if (quiet &&
		    (l->unsilence == 0 || a->silenced_until < l->unsilence))
			l->unsilence = a->silenced_until;
		if (a->revoked || quiet)
			ids[n++] = a->id;
	}
	l->acl_written = now;
	l->acl_old = false;
	if (ids == NULL)
		err_set(&e, ERR_NOMEM, "out of memory");
	if (ids == NULL || relay_write_acl(&l->c->role.conf, ids, n, &e) != 0) {
		if (!l->acl_unwritten)
			log_error("relay_acl error=%s", log_quote(e.msg));
		l->acl_unwritten = true;
	} else {
		l->acl_unwritten = false;
		l->acl_new = true;
	}
	free(ids);
}

void
relaylink_revoked(struct relaylink *l)
{
	if (l == NULL)
		return;
	write_acl(l);
	reload_acl(l);
}

void
relaylink_reload(struct relaylink *l)
{
	l->acl_new = true;
	reload_acl(l);
}

static void
try_later(struct relaylink *l)
{
	struct timeval tv;

	tv.tv_sec = l->wait_ms / 1000;
	tv.tv_usec = (l->wait_ms % 1000) * 1000;
	timer_start(l->retry, &tv);
	l->wait_ms *= 2;
	if (l->wait_ms > RETRY_MAX_MS)
		l->wait_ms = RETRY_MAX_MS;
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct relaylink *l = arg;
	char path[SERVER_PATH_MAX];
	struct mqtt_options o = { 0 };
	struct err e;

	o.client_id = "mig-core";
	o.host = server_file(&l->c->role.conf, FILE_RELAY_SOCKET, path);
	o.keepalive = KEEPALIVE;
	if (mqtt_connect(l->mqtt, &o, &e) != 0) {
		log_trace("relay", "connect error=%s", log_quote(e.msg));
		try_later(l);
	}
}

static void
on_connected(struct mqtt *m, void *arg)
{
	static const struct {
		const char *topic;
		int qos;
	} topics[] = { { "mig/1/a/+/presence", 1 }, { "mig/1/a/+/hello", 0 },
		{ "mig/1/a/+/out", 1 } };
	struct relaylink *l = arg;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		if (mqtt_subscribe(m, topics[i].topic, topics[i].qos, &e) == 0)
			continue;
		log_error("relay_subscribe topic=%s error=%s", topics[i].topic,
		    log_quote(e.msg));
		mqtt_disconnect(m); /* without an event */
		try_later(l);
		return;
	}
	l->up = true;
	l->c->status.relay_connects++;
	l->wait_ms = RETRY_MIN_MS;
	l->ninflight = 0;
	log_info("relay_up");
	reload_acl(l);
	sched_relay_up(&l->c->sched, true, core_now(l->c));
	l->c->roll_asked = l->c->roll_until = 0;
	agents_roll_call(l->c);
	policies_relay_up(l->c);
	core_wake(l->c);
}

static void
on_disconnected(struct mqtt *m, const char *why, void *arg)
{
	struct relaylink *l = arg;

	if (l->up)
		log_warn("relay_down why=%s", log_quote(why));
	l->up = false;
	pulls_clear(l);
	sched_relay_up(&l->c->sched, false, core_now(l->c));
	core_wake(l->c);
	try_later(l);
}

/* While the store is behind, nothing is read: what waits then waits in the
 * relay, whose queues are bounded, and at last with the agents. */
void
relaylink_flow(struct relaylink *l)
{
	if (l != NULL && l->up)
		mqtt_pause(l->mqtt, writer_full(l->c->writer));
}

void
relaylink_tick(struct relaylink *l)
{
	int64_t now = clock_mono_ms();

	relaylink_flow(l);
	if (l->unsilence != 0 && now >= l->unsilence)
		l->acl_old = true;
	if ((!l->acl_old || now - l->acl_written < ACL_EVERY_MS) &&
	    (!l->acl_unwritten || now - l->acl_written < ACL_AGAIN_MS))
		return;
	write_acl(l);
	reload_acl(l);
}

/* What an agent sends without end would push out of the relay's queue what
 * others send: the relay is told to take nothing of it for a while. */
static void
silence(struct relaylink *l, const struct agent *a)
{
	log_warn("agent_silenced agent=%s name=%s why=\"it floods the relay\"",
	    id_short(&a->id).s, log_quote(a->name));
	l->acl_old = true;
	if (l->unsilence == 0 || a->silenced_until < l->unsilence)
		l->unsilence = a->silenced_until;
}

/* Anything an agent is not to say counts, and is otherwise ignored. */
static void
on_out(struct relaylink *l, struct agent *a, const void *payload, size_t len)
{
	struct wire_msg m;
	struct err e;

	if (wire_parse(payload, len, &m, &e) != 0) {
		l->c->status.refused_messages++;
		log_debug("message_refused agent=%s why=%s", id_short(&a->id).s,
		    log_quote(e.msg));
		return;
	}
	switch (m.type) {
	case WIRE_ANSWER_PART:
		answers_on_part(l->c, a, &m);
		break;
	case WIRE_RENEW:
		renew_request(l->c, a, m.data, m.len);
		break;
	case WIRE_WANT:
	case WIRE_WANT_POLICY:
		agent_said_well(a, len); /* counted by what it gets */
		relaylink_want(l, a, &m.id, m.part, m.type == WIRE_WANT_POLICY);
		break;
	default:
		l->c->status.refused_messages++;
	}
}

static void
on_message(struct mqtt *m, const char *topic, const void *payload, size_t len,
    void *arg)
{
	struct relaylink *l = arg;
	struct core *c = l->c;
	enum wire_topic t;
	struct agent *a;
	struct id id;

	c->status.relay_in++;
	if (wire_topic_parse(topic, &t, &id) != 0) {
		c->status.refused_messages++;
		return;
	}
	relaylink_flow(l);
	a = registry_find(&c->registry, &id);
	if (a != NULL)
		a->heard = clock_mono_ms();
	if (a == NULL || a->revoked) {
		c->status.refused_messages++;
		log_debug("message_refused agent=%s why=%s", id_short(&id).s,
		    a == NULL ? "unknown" : "revoked");
		return;
	}
	if (!agent_may_say(a, len, a->heard)) {
		c->status.refused_messages++;
		if (agent_is_flooding(a, len, a->heard))
			silence(l, a);
		return;
	}
	switch (t) {
	case WIRE_HELLO:
		agents_on_hello(c, &id, payload, len);
		break;
	case WIRE_PRESENCE:
		agents_on_presence(c, &id, payload, len);
		break;
	case WIRE_OUT:
		on_out(l, a, payload, len);
		break;
	default:
		c->status.refused_messages++;
	}
}

static void
on_published(struct mqtt *m, int mid, void *arg)
{
	struct relaylink *l = arg;
	size_t i;

	for (i = 0; i < l->ninflight; i++) {
		if (l->inflight[i] != mid)
			continue;
		l->inflight[i] = l->inflight[--l->ninflight];
		pulls_serve(l);
		return;
	}
}

struct relaylink *
relaylink_new(struct core *c, struct err *e)
{
	static const struct mqtt_events ev = { on_connected, on_disconnected,
		on_message, on_published };
	static const struct timeval now = { 0, 0 };
	struct relaylink *l;

	if ((l = calloc(1, sizeof(*l))) == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		return (NULL);
	}
	l->c = c;
	write_acl(l);
	l->wait_ms = RETRY_MIN_MS;
	TAILQ_INIT(&l->pulls);
	buf_init(&l->out, WIRE_MESSAGE_MAX);
	l->mqtt = mqtt_new(c->role.base, &ev, l, e);
	l->retry = event_new(c->role.base, -1, 0, on_retry, l);
	if (l->mqtt == NULL || l->retry == NULL ||
	    event_add(l->retry, &now) != 0) {
		relaylink_free(l);
		return (NULL);
	}
	return (l);
}

void
relaylink_free(struct relaylink *l)
{
	if (l == NULL)
		return;
	if (l->retry != NULL)
		event_free(l->retry);
	mqtt_free(l->mqtt);
	pulls_clear(l);
	buf_release(&l->out);
	free(l);
}

bool
relaylink_up(const struct relaylink *l)
{
	return (l != NULL && l->up);
}

/* Without a link, the attempts to have one are what asks. */
bool
relaylink_lives(struct relaylink *l)
{
	struct err e;

	if (l->asked != 0 && mqtt_heard_ms(l->mqtt) < l->asked &&
	    !mqtt_is_paused(l->mqtt))
		return (false);
	l->asked = clock_mono_ms();
	if (l->up)
		(void)mqtt_publish(l->mqtt, ASK_TOPIC, "", 0, 1, NULL, &e);
	return (true);
}

static int
publish(struct relaylink *l, enum wire_topic t, const struct id *agent,
    const struct wire_msg *m, int qos, int *ret_mid)
{
	char topic[WIRE_TOPIC_MAX];
	struct err e;
	int rc;

	if (l == NULL || !l->up)
		return (ERR_CLOSED);
	wire_topic_write(t, agent, topic);
	buf_clear(&l->out);
	if ((rc = wire_write(m, &l->out)) != 0 || (rc = l->out.error) != 0) {
		log_error("publish topic=%s error=%s", topic, err_text(rc));
		return (rc);
	}
	rc = mqtt_publish(
	    l->mqtt, topic, l->out.data, l->out.len, qos, ret_mid, &e);
	if (rc != 0)
		log_warn("publish topic=%s error=%s", topic, log_quote(e.msg));
	else
		l->c->status.relay_out++;
	return (rc);
}

static void
envelope_msg(const struct run *r, size_t max, struct wire_msg *m)
{
	memset(m, 0, sizeof(*m));
	m->id = r->id;
	if (r->envelope_len <= max) {
		m->type = WIRE_ENVELOPE;
		m->data = r->envelope;
		m->len = r->envelope_len;
		return;
	}
	m->type = WIRE_ANNOUNCE;
	m->size = (uint32_t)r->envelope_len;
	m->hash = r->envelope_hash;
}

void
relaylink_broadcast(struct relaylink *l, struct run *r)
{
	struct wire_msg m;

	envelope_msg(r, WIRE_BROADCAST_MAX, &m);
	log_info("broadcast action=%s bytes=%zu", id_short(&r->id).s,
	    r->envelope_len);
	publish(l, WIRE_ALL, NULL, &m, 1, NULL);
}

void
relaylink_single(struct relaylink *l, struct run *r, struct agent *a)
{
	struct wire_msg m;

	/* Large ones are pulled by those who read them. */
	envelope_msg(r, WIRE_BROADCAST_MAX, &m);
	log_trace("relay", "single action=%s agent=%s", id_short(&r->id).s,
	    id_short(&a->id).s);
	publish(l, WIRE_IN, &a->id, &m, 1, NULL);
}

void
relaylink_cancel(struct relaylink *l, const struct run *r, struct agent *a)
{
	struct wire_msg m = {
		.type = WIRE_CANCEL, .data = r->cancel, .len = r->cancel_len
	};

	publish(l, a == NULL ? WIRE_ALL : WIRE_IN, a == NULL ? NULL : &a->id,
	    &m, 1, NULL);
}

void
relaylink_ack(struct relaylink *l, const struct id *agent,
    const struct id *action, uint16_t part, uint16_t of, bool complete)
{
	struct wire_msg m = { .type = WIRE_ACK,
		.id = *action,
		.part = part,
		.of = of,
		.complete = complete };

	publish(l, WIRE_IN, agent, &m, 0, NULL);
	if (l != NULL)
		l->c->status.acks++;
}

void
relaylink_stats(const struct relaylink *l, struct server_status *ret)
{
	if (l == NULL)
		return;
	ret->pulls = l->npulls;
	ret->pulls_inflight = l->ninflight;
}

void
relaylink_welcome(struct relaylink *l, struct agent *a)
{
	struct wire_msg m = { .type = WIRE_WELCOME,
		.id = l->c->instance,
		.time_ms = clock_wall_ms(),
		.protocol = WIRE_PROTOCOL };

	m.spread_ms = (uint32_t)(l->c->registry.n * SPREAD_AGENT_MS);
	if (m.spread_ms < SPREAD_MIN_MS)
		m.spread_ms = SPREAD_MIN_MS;
	publish(l, WIRE_IN, &a->id, &m, 0, NULL);
}

void
relaylink_certificate(
    struct relaylink *l, struct agent *a, const void *data, size_t len)
{
	struct wire_msg m = {
		.type = WIRE_CERTIFICATE, .data = data, .len = len
	};

	publish(l, WIRE_IN, &a->id, &m, 1, NULL);
}

void
relaylink_roll_call(struct relaylink *l, uint32_t spread_ms)
{
	struct wire_msg m = { .type = WIRE_ROLL_CALL, .spread_ms = spread_ms };

	publish(l, WIRE_ALL, NULL, &m, 1, NULL);
}

void
relaylink_policy(struct relaylink *l, const struct agent *a,
    const struct id *hash, uint32_t size, const struct id *sum)
{
	struct wire_msg m = {
		.type = WIRE_POLICY, .id = *hash, .size = size, .hash = *sum
	};

	publish(l, WIRE_IN, &a->id, &m, 1, NULL);
}

void
relaylink_ask_hello(struct relaylink *l, const struct agent *a)
{
	struct wire_msg m = { .type = WIRE_ROLL_CALL };

	publish(l, WIRE_IN, &a->id, &m, 1, NULL);
}

/* --- pulls -------------------------------------------------------------- */

/* What a pull asks for; false: expired meanwhile, or never ours. */
static bool
pull_source(struct relaylink *l, const struct pull *p, const uint8_t **ret,
    size_t *ret_len)
{
	const struct buf *b;
	struct run *r;

	if (p->policy) {
		b = policies_envelope(l->c, &p->id);
		*ret = b != NULL ? b->data : NULL;
		*ret_len = b != NULL ? b->len : 0;
		return (b != NULL);
	}
	r = sched_find(&l->c->sched, &p->id);
	*ret = r != NULL ? r->envelope : NULL;
	*ret_len = r != NULL ? r->envelope_len : 0;
	return (*ret != NULL);
}

static void
pull_send(struct relaylink *l, const struct pull *p)
{
	size_t off = (size_t)p->part * WIRE_PART_MAX, of, len;
	struct wire_msg m = { .type = p->policy ? WIRE_POLICY_PART
						: WIRE_ENVELOPE_PART,
		.id = p->id,
		.part = p->part };
	const uint8_t *data;
	int mid;

	if (!pull_source(l, p, &data, &len) || off >= len)
		return;
	of = (len + WIRE_PART_MAX - 1) / WIRE_PART_MAX;
	m.of = (uint16_t)of;
	m.data = data + off;
	m.len = len - off;
	if (m.len > WIRE_PART_MAX)
		m.len = WIRE_PART_MAX;
	if (publish(l, WIRE_IN, &p->agent->id, &m, 1, &mid) == 0)
		l->inflight[l->ninflight++] = mid;
	fault_point("core.pull_sent");
}

static void
pulls_serve(struct relaylink *l)
{
	struct pull *p;

	while (l->up && l->ninflight < PULLS_INFLIGHT &&
	    (p = pull_take(l)) != NULL) {
		pull_send(l, p);
		free(p);
	}
}

void
relaylink_want(struct relaylink *l, struct agent *a, const struct id *id,
    uint16_t part, bool policy)
{
	struct pull *p;

	/* Beyond the bound it is forgotten: the agent asks again. */
	if (l->npulls >= PULLS_MAX || a->pulls >= PULLS_AGENT_MAX ||
	    !agent_may_pull(a, clock_mono_ms()) ||
	    (p = calloc(1, sizeof(*p))) == NULL) {
		l->c->status.refused_messages++;
		return;
	}
	p->agent = a;
	p->id = *id;
	p->part = part;
	p->policy = policy;
	TAILQ_INSERT_TAIL(&l->pulls, p, next);
	l->npulls++;
	a->pulls++;
	pulls_serve(l);
}
