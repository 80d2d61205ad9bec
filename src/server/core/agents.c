/* SPDX-License-Identifier: MPL-2.0 */
/* Core: agents' hellos and presence. A hello counts only when its signature
 * verifies and it comes on the topic of the agent that signed it. */
#include "server/core/core.h"
#include "server/core/policies.h"
#include "server/core/relaylink.h"
#include "server/core/unsaved.h"

#include "action/hello.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "json/json.h"
#include "mqtt/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_AT_ONCE 500
#define SAME_MS 60000 /* an unchanged presence is stored this rarely */
#define SILENT_DEFAULT_MS (10 * 60 * 1000)
#define SILENT_HELLOS 2 /* so many hellos may get lost */
#define SILENT_SLACK_MS 10000
#define INTERVAL_MAX_S 86400
#define ROLL_AGENT_MS 2
#define ROLL_MIN_MS 1000
#define ROLL_MAX_MS 60000
#define ROLL_SLACK_MS 5000

static int64_t
interval_ms(int64_t seconds)
{
	if (seconds > INTERVAL_MAX_S)
		seconds = INTERVAL_MAX_S;
	return (seconds > 0 ? seconds * 1000 : 0);
}

/* Of a hello that was verified when it was stored. */
static void
load_hello(const struct store_agent *a, struct agent *x)
{
	int64_t seconds = 0, protocol = 0;
	const char *hash;
	json_t *doc;

	if (a->hello_len <= HELLO_PREFIX_LEN)
		return;
	doc = json_strict(a->hello + HELLO_PREFIX_LEN,
	    a->hello_len - HELLO_PREFIX_LEN, HELLO_MAX, NULL);
	if (doc == NULL ||
	    json_opt_int(doc, "", "interval", 0, INT64_MAX, &seconds, NULL) !=
		0)
		seconds = 0;
	if (doc == NULL ||
	    json_opt_int(doc, "", "protocol", 0, INT64_MAX, &protocol, NULL) !=
		0)
		protocol = 0;
	hash = json_string_value(
	    json_object_get(json_object_get(doc, "policy"), "hash"));
	if (hash != NULL && id_parse(hash, &x->policy) == 0)
		x->policies = protocol >= WIRE_PROTOCOL_POLICY;
	json_decref(doc);
	x->interval = interval_ms(seconds);
}

static int
load_one(const struct store_agent *a, void *arg)
{
	struct core *c = arg;
	struct target_row row = { NULL, a->name, a->os, a->arch, a->ident,
		a->version, a->mode, a->environment, a->tags, a->addresses };
	struct agent *x;
	bool changed;

	if ((x = registry_add(&c->registry, &a->id, a->n, a->name)) == NULL)
		return (ERR_NOMEM);
	x->connection = a->connection;
	x->lastseen = a->lastseen;
	load_hello(a, x);
	if (a->online && !unsaved_has_relay(c)) {
		x->online = true;
		c->registry.online++;
	}
	if (a->revoked)
		registry_revoke(&c->registry, x);
	return (a->said_hello ? agent_set_row(x, &row, &changed) : 0);
}

int
agents_load(struct core *c, struct err *e)
{
	size_t before;
	int64_t after = 0;
	int rc;

	do {
		before = c->registry.n;
		rc = store_agents(c->read, after, LOAD_AT_ONCE, load_one, c, e);
		if (rc != 0)
			return (rc);
		if (c->registry.n > 0)
			after = c->registry.slots[c->registry.n - 1]->n;
	} while (c->registry.n > before);
	log_info("agents registered=%zu online=%zu", c->registry.n,
	    c->registry.online);
	if (c->registry.n > (size_t)c->role.conf.relay_agents)
		log_warn("agents why=\"more than relay_agents (%lld): the"
			 " relay may drop messages that then come late\"",
		    (long long)c->role.conf.relay_agents);
	return (0);
}

static void
agent_event(struct core *c, const struct agent *a)
{
	struct buf out;
	struct jsonw w;

	buf_init(&out, 4096);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "id", id_hex(&a->id).s);
	jsonw_str(&w, "name", a->name);
	jsonw_bool(&w, "online", a->online);
	jsonw_object_end(&w);
	if (buf_str(&out) != NULL)
		core_event(c, "agent", buf_str(&out));
	buf_release(&out);
}

/* --- presence ----------------------------------------------------------- */

struct presence_job {
	struct core_job j;
	struct agent *agent;
	int64_t n, lastseen;
	bool online;
	uint64_t connection;
};

static int
presence_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct presence_job *p = (struct presence_job *)j;

	return (store_agent_presence(
	    s, p->n, p->online, p->connection, p->lastseen, e));
}

static void
presence_done(struct writer_job *j)
{
	struct presence_job *p = (struct presence_job *)j;

	if (writer_is_passing(j->rc))
		unsaved_agent(p->j.c, p->agent, NULL, 0);
	free(p);
}

void
agents_store_presence(struct core *c, struct agent *a)
{
	struct presence_job *p;

	p = core_job_new(c, sizeof(*p), 0, presence_run, presence_done);
	if (p == NULL) {
		unsaved_agent(c, a, NULL, 0);
		return;
	}
	p->agent = a;
	p->n = a->n;
	p->online = a->online;
	p->connection = a->connection;
	p->lastseen = a->lastseen;
	writer_submit(c->writer, &p->j.j);
}

void
agents_roll_call(struct core *c)
{
	size_t n = c->registry.n * ROLL_AGENT_MS;
	uint32_t spread = ROLL_MIN_MS;

	if (n > ROLL_MIN_MS)
		spread = n < ROLL_MAX_MS ? (uint32_t)n : ROLL_MAX_MS;
	if (c->registry.n == 0 || clock_mono_ms() < c->roll_until)
		return;
	relaylink_roll_call(c->link, spread);
	c->roll_asked = clock_mono_ms();
	c->roll_until = c->roll_asked + spread + ROLL_SLACK_MS;
}

/* Until an agent has said how often it says hello, it gets the time of the
 * longest interval we know of. */
static bool
is_silent(const struct core *c, const struct agent *a, int64_t now)
{
	int64_t heard = a->heard != 0 ? a->heard : c->started;
	int64_t limit = a->interval > 0 ? a->interval : SILENT_DEFAULT_MS;

	if (c->roll_until != 0 && now > c->roll_until && heard <= c->roll_asked)
		return (true);
	return (now - heard > limit * SILENT_HELLOS + SILENT_SLACK_MS);
}

void
agents_forget_silent(struct core *c)
{
	struct registry *reg = &c->registry;
	int64_t now = clock_mono_ms();
	size_t i, n = 0;

	if (!relaylink_up(c->link) || writer_full(c->writer))
		return;
	for (i = 0; i < reg->n; i++) {
		struct agent *a = reg->slots[i];

		if (!a->online || !is_silent(c, a, now))
			continue;
		registry_presence(reg, a, false, a->connection, a->lastseen);
		agents_store_presence(c, a);
		agent_event(c, a);
		n++;
	}
	if (c->roll_until != 0 && now > c->roll_until)
		c->roll_asked = c->roll_until = 0;
	if (n > 0)
		log_info("silent agents=%zu", n);
}

void
agents_on_presence(
    struct core *c, const struct id *id, const void *data, size_t len)
{
	struct agent *a = registry_find(&c->registry, id);
	uint64_t connection;
	bool online, was = a->online;
	int64_t now = clock_wall_ms(), since = now - a->lastseen;
	bool same;

	if (writer_full(c->writer) || a->refused)
		return; /* a last will lost so is noticed by the silence */
	if (wire_presence_parse(data, len, &online, &connection) != 0) {
		c->status.refused_messages++;
		return;
	}
	/* It connected while nobody listened: its hello is lost. */
	if (online && c->roll_until != 0 &&
	    (a->row.id == NULL || connection > a->connection))
		relaylink_ask_hello(c->link, a);
	same = was == online && since >= 0 && since < SAME_MS;
	if (!registry_presence(&c->registry, a, online, connection, now) ||
	    same)
		return;
	if (online && !was)
		a->came = core_now(c);
	log_debug("presence agent=%s online=%d connection=%llu", id_short(id).s,
	    online, (unsigned long long)connection);
	agents_store_presence(c, a);
	if (was != online)
		agent_event(c, a);
}

/* --- hello -------------------------------------------------------------- */

struct hello_job {
	struct core_job j;
	struct agent *agent;
	struct store_agent a; /* borrows from h and bytes */
	struct hello h;
	uint8_t *bytes;
};

static int
hello_run(struct store *s, struct writer_job *j, struct err *e)
{
	return (store_agent_hello(s, &((struct hello_job *)j)->a, e));
}

static void
hello_done(struct writer_job *j)
{
	struct hello_job *h = (struct hello_job *)j;

	fault_point("core.hello_stored");
	if (writer_is_passing(j->rc))
		unsaved_agent(h->j.c, h->agent, h->a.hello, h->a.hello_len);
	hello_release(&h->h);
	free(h->bytes);
	free(h);
}

/* Takes h. */
static void
store_hello(struct core *c, struct agent *a, struct hello *h, const void *data,
    size_t len)
{
	struct hello_job *j;

	j = core_job_new(c, sizeof(*j), 0, hello_run, hello_done);
	if (j == NULL || (j->bytes = malloc(len)) == NULL) {
		free(j);
		hello_release(h);
		relaylink_ask_hello(c->link, a); /* what it said is lost */
		return;
	}
	memcpy(j->bytes, data, len);
	j->agent = a;
	j->h = *h;
	j->a.n = a->n;
	j->a.name = h->row.name;
	j->a.connection = a->connection;
	j->a.lastseen = a->lastseen;
	j->a.os = h->row.os;
	j->a.arch = h->row.arch;
	j->a.ident = h->row.ident;
	j->a.version = h->row.version;
	j->a.mode = h->row.mode;
	j->a.environment = h->row.environment;
	j->a.tags = h->row.tags;
	j->a.addresses = h->row.addresses;
	j->a.hello = j->bytes;
	j->a.hello_len = len;
	j->j.j.cost += len * 4;
	writer_submit(c->writer, &j->j.j);
}

void
agents_store_hello(
    struct core *c, struct agent *a, const void *data, size_t len)
{
	struct hello h;

	if (hello_parse(data, len, &h, NULL) == 0)
		store_hello(c, a, &h, data, len);
}

static int
stored_hello(const struct store_agent *sa, void *arg)
{
	struct agent *a = arg;
	struct hello h;
	struct err e;

	err_clear(&e);
	if (sa->hello == NULL ||
	    hello_parse(sa->hello, sa->hello_len, &h, &e) != 0)
		return (0);
	a->hello_ms = h.time_ms;
	a->position = h.record_position;
	hello_release(&h);
	return (0);
}

/* What the newest hello said is read from the store only where it decides:
 * the first time after our start that a counter goes back. */
static bool
newer_hello(struct core *c, struct agent *a, const struct hello *h, int64_t now)
{
	struct err e;

	err_clear(&e);
	if ((uint64_t)h->connection < a->connection && a->hello_ms == 0 &&
	    store_agent_get(c->read, &a->id, stored_hello, a, &e) != 0)
		log_warn("hello_stored agent=%s why=%s", id_short(&a->id).s,
		    log_quote(e.msg));
	return (registry_hello(&c->registry, a, (uint64_t)h->connection,
	    h->time_ms, h->record_position, now));
}

/* --- of another version -------------------------------------------------- */

struct trouble_job {
	struct core_job j;
	int64_t n;
	char text[200];
};

static int
trouble_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct trouble_job *t = (struct trouble_job *)j;

	return (store_agent_trouble(s, t->n, t->text, e));
}

/* It is told of once: what cannot be stored now is stored later. */
static void
trouble_done(struct writer_job *j)
{
	if (!unsaved_job((struct core_job *)j))
		free(j);
}

static void
store_trouble(struct core *c, const struct agent *a, int64_t protocol)
{
	struct trouble_job *t;

	t = core_job_new(c, sizeof(*t), 0, trouble_run, trouble_done);
	if (t == NULL) {
		core_broken(c, "an agent's trouble");
		return;
	}
	t->n = a->n;
	snprintf(t->text, sizeof(t->text),
	    "speaks protocol %lld, this server %d to %d: update the %s",
	    (long long)protocol, WIRE_PROTOCOL_OLDEST, WIRE_PROTOCOL,
	    protocol < WIRE_PROTOCOL_OLDEST ? "agent" : "server first");
	log_warn("hello_refused agent=%s why=%s", id_short(&a->id).s,
	    log_quote(t->text));
	unsaved_submit(&t->j);
}

/* One that speaks a protocol we do not is told what we speak (the welcome's
 * form never changes), and people are told what is wrong. It counts as
 * offline: nothing is sent to it. */
static bool
refuse_protocol(struct core *c, struct agent *a, const void *data, size_t len)
{
	int64_t protocol;
	struct id id;

	if (hello_protocol(data, len, &id, &protocol, NULL) != 0 ||
	    !id_equal(&id, &a->id) ||
	    (protocol >= WIRE_PROTOCOL_OLDEST && protocol <= WIRE_PROTOCOL))
		return (false);
	c->status.refused_messages++;
	relaylink_welcome(c->link, a);
	if (a->refused)
		return (true);
	a->refused = true;
	if (a->online)
		registry_presence(
		    &c->registry, a, false, a->connection, clock_wall_ms());
	store_trouble(c, a, protocol);
	agent_event(c, a);
	return (true);
}

void
agents_on_hello(
    struct core *c, const struct id *id, const void *data, size_t len)
{
	struct agent *a = registry_find(&c->registry, id);
	int64_t now = clock_wall_ms();
	struct hello h;
	struct err e;
	bool changed, was = a->online;
	uint64_t before = a->connection;

	if (writer_full(c->writer))
		return; /* it says hello again */
	if (hello_parse(data, len, &h, &e) != 0) {
		/* one of another version may look otherwise */
		if (refuse_protocol(c, a, data, len))
			return;
		c->status.refused_messages++;
		log_warn("hello_refused agent=%s why=%s", id_short(id).s,
		    log_quote(e.msg));
		return;
	}
	if ((h.protocol < WIRE_PROTOCOL_OLDEST || h.protocol > WIRE_PROTOCOL) &&
	    refuse_protocol(c, a, data, len)) {
		hello_release(&h);
		return;
	}
	if (!id_equal(&h.agent, id) || h.connection < 0 ||
	    !newer_hello(c, a, &h, now)) {
		c->status.refused_messages++;
		log_warn("hello_refused agent=%s why=\"%s\"", id_short(id).s,
		    id_equal(&h.agent, id) ? "of an older connection"
					   : "signed by another agent");
		hello_release(&h);
		return;
	}
	/* The row last: that it changed is seen once. */
	if (agent_set_name(a, h.row.name) != 0 ||
	    agent_set_row(a, &h.row, &changed) != 0) {
		hello_release(&h);
		return;
	}
	if (a->connection < before)
		log_warn("connection_went_back agent=%s why=%s", id_short(id).s,
		    log_quote("two agents of one identity, or one restored "
			      "from an older state"));
	log_debug("hello agent=%s name=%s changed=%d", id_short(id).s,
	    log_quote(a->name), changed);
	fault_point("core.hello");
	if (changed)
		a->row_ms = core_now(c);
	a->refused = false;
	a->policies = h.protocol >= WIRE_PROTOCOL_POLICY;
	if (a->connection != before || !id_equal(&a->policy, &h.policy_hash))
		a->came = core_now(c);
	a->policy = h.policy_hash;
	a->interval = interval_ms(h.interval);
	relaylink_welcome(c->link, a);
	policies_hello(c, a);
	sched_hello(&c->sched, a, changed, h.known, h.nknown, core_now(c));
	store_hello(c, a, &h, data, len);
	if (!was)
		agent_event(c, a);
}
