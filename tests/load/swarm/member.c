/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What one agent says and when, as mig-agent does it: a hello after every
 * connection and then by its interval, announced envelopes pulled part by
 * part, each action answered once, one unacknowledged part on the wire, parts
 * sent again with backoff, a stored answer sent again when the action comes
 * again.
 */
#include "action/envelope.h"
#include "action/hello_make.h"
#include "action/result.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "crypto/sha256.h"
#include "json/json.h"
#include "swarm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TURN_MS 2000
#define UNWELCOME_MS INT64_C(15000)
#define RETRY_FIRST_MS 10000
#define RETRY_MAX_MS 300000
#define PULL_RETRY_MS 10000
#define KNOWN_MAX 200
#define SPOOL_FROM 65536 /* larger answers lie in the spool */

/* --- hello ------------------------------------------------------------------
 */

static void
add_known(struct member *m, struct jsonw *w)
{
	int64_t now = clock_wall_ms() / 1000;
	struct job *j;
	size_t n = 0;

	jsonw_array(w, "known");
	for (j = m->jobs; j != NULL && n < KNOWN_MAX; j = j->next) {
		if (j->state == JOB_PULLING || j->task->expires <= now)
			continue;
		jsonw_str(w, NULL, id_hex(&j->task->id).s);
		n++;
	}
	jsonw_array_end(w);
}

static void
hello_json(struct swarm *s, struct member *m, struct buf *out)
{
	static const char facts[] =
	    "\"version\":\"0.1.0\",\"protocol\":2,\"mode\":\"daemon\","
	    "\"os\":\"linux\",\"arch\":\"amd64\",\"ident\":\"Debian 12\","
	    "\"environment\":{\"os\":\"linux\",\"arch\":\"amd64\","
	    "\"ident\":\"Debian 12\",\"distro\":\"debian\"},"
	    "\"tags\":{\"operator\":\"swarm\"},"
	    "\"addresses\":[\"10.0.0.1/8\"],\"modules\":[\"file\"],"
	    "\"policy\":{\"version\":1,\"hash\":\"%064d\"},"
	    "\"record\":{\"position\":0,\"head\":\"%064d\"},";
	struct jsonw w;

	buf_add_fmt(out, "{\"id\":\"%s\",\"name\":\"swarm%05zu\",",
	    id_hex(&m->who.id).s, (size_t)(m - s->members));
	buf_add_fmt(out, facts, 0, 0);
	jsonw_init(&w, out);
	jsonw_i64(&w, "time", clock_wall_ms());
	jsonw_u64(&w, "connection", m->connection);
	jsonw_i64(&w, "interval", s->opt.interval);
	add_known(m, &w);
	buf_add_str(out, "}");
}

static void
say_hello(struct swarm *s, struct member *m)
{
	struct buf json, out;
	struct err e;

	buf_init(&json, HELLO_MAX);
	buf_init(&out, HELLO_MAX);
	hello_json(s, m, &json);
	if (hello_make(&m->who, json.data, json.len, &out, &e) == 0)
		conn_publish(s, m, WIRE_HELLO, out.data, out.len, 0);
	buf_release(&json);
	buf_release(&out);
	s->count.hellos++;
	/* one that nobody answers is said again */
	m->say = s->now + (UNWELCOME_MS << m->unwelcome);
	if (m->welcomed || m->say > s->now + s->opt.interval * 1000)
		m->say = s->now + s->opt.interval * 1000;
	if (m->unwelcome < 8)
		m->unwelcome++;
}

void
member_send(struct swarm *s, struct member *m, const struct wire_msg *w)
{
	struct buf out;

	buf_init(&out, WIRE_MESSAGE_MAX);
	if (wire_write(w, &out) == 0)
		conn_publish(s, m, WIRE_OUT, out.data, out.len, 1);
	buf_release(&out);
}

/* --- answers
 * ------------------------------------------------------------------ */

/* What the file module says of /etc/passwd, or so many bytes that do not
 * compress, as an element of its answer. */
static void
part_json(struct swarm *s, struct buf *out)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t i, n = s->opt.answer_bytes * 4 / 3;
	uint8_t *p;

	if (n == 0) {
		buf_add_str(out, s->answer_json);
		return;
	}
	buf_add_str(out,
	    "{\"foundanything\":true,\"success\":true,\"elements\":{\"s1\":[{"
	    "\"file\":\"/");
	if ((p = buf_reserve(out, n)) == NULL)
		return;
	for (i = 0; i < n; i++)
		p[i] = (uint8_t)digits[swarm_chance(64)];
	out->len += n;
	buf_add_str(out,
	    "\",\"fileinfo\":{\"size\":1,\"mode\":\"-rw-r--r--\"}}]},"
	    "\"statistics\":{\"filescount\":1},\"errors\":null}");
}

static void
keep_answer(struct swarm *s, struct job *j, struct buf *b)
{
	j->spooled = -1;
	j->len = b->len;
	if (b->len < SPOOL_FROM) {
		j->answer = malloc(b->len + 1);
		if (j->answer != NULL)
			memcpy(j->answer, b->data, b->len);
		return;
	}
	j->spooled = s->spool_end;
	if (pwrite(s->spool, b->data, b->len, s->spool_end) !=
	    (ssize_t)b->len) {
		perror("swarm: spool");
		exit(1);
	}
	s->spool_end += (off_t)b->len;
}

static void
make_answer(struct swarm *s, struct member *m, struct job *j)
{
	struct result_part parts[ACTION_OPERATIONS_MAX];
	struct result_header h = { .status = RESULT_DONE };
	static struct buf json; /* made once: it is every agent's */
	struct buf out;
	struct err e;
	char name[32];
	size_t i, n = j->task->noperations;

	if (json.len == 0) {
		buf_init(&json, RESULT_PLAIN_MAX);
		part_json(s, &json);
	}
	for (i = 0; i < n; i++)
		parts[i] = (struct result_part){ .operation = (uint16_t)i,
			.status = PART_DONE,
			.data = json.data,
			.len = json.len };
	snprintf(name, sizeof(name), "swarm%05zu", (size_t)(m - s->members));
	h.action = j->task->id;
	h.time_ms = clock_wall_ms();
	h.policy_version = 1;
	h.noperations = (uint16_t)n;
	buf_init(&out, (size_t)RESULT_SEALED_MAX + 4096);
	err_clear(&e);
	if (result_make(&h, &m->who, name, j->task->seal_public, parts, n, &out,
		&e) == 0)
		keep_answer(s, j, &out);
	else
		fprintf(stderr, "swarm: answer: %s\n", e.msg);
	buf_release(&out);
	j->task->answered++;
	j->state = JOB_ANSWERING;
	j->part = 0;
	j->tries = 0;
	j->due = s->now;
}

static int64_t
retry_ms(const struct job *j)
{
	int64_t ms = RETRY_FIRST_MS;
	unsigned int i;

	for (i = 0; i < j->tries && ms < RETRY_MAX_MS; i++)
		ms *= 2;
	if (ms > RETRY_MAX_MS)
		ms = RETRY_MAX_MS;
	return ms * 3 / 4 + swarm_chance((uint32_t)(ms / 2));
}

static void
send_part(struct swarm *s, struct member *m, struct job *j)
{
	static uint8_t bytes[WIRE_PART_MAX];
	struct wire_msg w = { .type = WIRE_ANSWER_PART,
		.id = j->task->id,
		.part = j->part,
		.of = wire_answer_parts(j->len) };
	size_t off;

	wire_answer_part(j->len, j->part, &off, &w.len);
	w.data = j->answer + off;
	if (j->spooled >= 0) {
		if (pread(s->spool, bytes, w.len, j->spooled + (off_t)off) !=
		    (ssize_t)w.len)
			return;
		w.data = bytes;
	}
	member_send(s, m, &w);
	s->count.parts++;
	s->count.again += j->tries > 0;
	j->due = s->now + retry_ms(j);
	j->tries++;
	m->wire = j;
	m->wire_until = s->now + TURN_MS;
}

static void
go_on(struct swarm *s, struct member *m)
{
	struct job *j;

	if (m->state != CONN_UP || (m->wire != NULL && s->now < m->wire_until))
		return;
	m->wire = NULL;
	for (j = m->jobs; j != NULL; j = j->next) {
		if (j->state == JOB_ANSWERING && j->due <= s->now &&
		    j->len > 0) {
			send_part(s, m, j);
			return;
		}
	}
}

static struct job *
find_job(struct member *m, const struct id *id)
{
	struct job *j;

	for (j = m->jobs; j != NULL; j = j->next)
		if (id_equal(&j->task->id, id))
			return j;
	return NULL;
}

static void
on_ack(struct swarm *s, struct member *m, const struct wire_msg *w)
{
	struct job *j = find_job(m, &w->id);

	s->count.acks++;
	if (j == NULL || j->state != JOB_ANSWERING ||
	    w->of != wire_answer_parts(j->len))
		return;
	if (w->complete) {
		j->state = JOB_STORED;
		j->task->stored++;
		j->task->last_ms = s->now - s->started;
	} else if (w->part == j->part) {
		j->part = j->part + 1 < w->of ? (uint16_t)(j->part + 1) : 0;
		j->tries = 0;
		j->due = s->now;
	} else {
		return;
	}
	if (m->wire == j)
		m->wire = NULL;
	go_on(s, m);
}

/* --- actions
 * -------------------------------------------------------------------- */

static struct task *
task_get(struct swarm *s, const struct id *id)
{
	struct task *t;

	for (t = s->tasks; t != NULL; t = t->next)
		if (id_equal(&t->id, id))
			return t;
	if ((t = calloc(1, sizeof(*t))) == NULL)
		exit(1);
	t->id = *id;
	buf_init(&t->envelope, ENVELOPE_MAX);
	t->next = s->tasks;
	s->tasks = t;
	return t;
}

static int
read_task(struct task *t)
{
	struct envelope env;
	const char *text;
	json_t *root, *seal, *operations;
	struct buf key;
	struct err e;
	int rc;

	rc = envelope_parse(t->envelope.data, t->envelope.len, &env, &e);
	if (rc != 0)
		return rc;
	root = json_strict(env.doc, env.doc_len, ENVELOPE_DOC_MAX, &e);
	if (root == NULL)
		return ERR_INVALID;
	buf_init(&key, 64);
	if ((rc = json_need_object(root, "", "seal", &seal, &e)) == 0 &&
	    (rc = json_need_str(seal, "", "public", &text, &e)) == 0 &&
	    (rc = b64_decode(&key, text, strlen(text))) == 0 &&
	    (rc = json_need_array(root, "", "operations", &operations, &e)) ==
		0 &&
	    (rc = json_need_str(root, "", "expireafter", &text, &e)) == 0 &&
	    (rc = rfc3339_parse(text, &t->expires)) == 0 &&
	    key.len == sizeof(t->seal_public)) {
		memcpy(t->seal_public, key.data, key.len);
		t->noperations = json_array_size(operations);
		t->whole = true;
	}
	buf_release(&key);
	json_decref(root);
	return rc;
}

static struct job *
add_job(struct swarm *s, struct member *m, struct task *t)
{
	struct job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		exit(1);
	j->task = t;
	j->spooled = -1;
	j->next = m->jobs;
	m->jobs = j;
	return j;
}

/* The whole envelope is there. */
static void
perform(struct swarm *s, struct member *m, struct job *j)
{
	struct task *t = j->task;

	if (t->reached++ == 0)
		t->first_ms = s->now - s->started;
	if (m->kind != MEMBER_HONEST) {
		j->state = JOB_IGNORED;
		return;
	}
	make_answer(s, m, j);
	go_on(s, m);
}

/* A known action is ignored while it is open, and its answer sent again when
 * that is stored already. */
static void
came_again(struct swarm *s, struct member *m, struct job *j)
{
	j->task->again++;
	if (j->state != JOB_STORED)
		return;
	j->state = JOB_ANSWERING;
	j->task->stored--;
	j->part = 0;
	j->due = s->now;
	go_on(s, m);
}

static void
on_envelope(struct swarm *s, struct member *m, const struct wire_msg *w)
{
	static struct id last;
	static uint8_t bytes[WIRE_PART_MAX];
	static size_t len;
	struct envelope env;
	struct task *t;
	struct job *j;
	struct err e;

	/* mostly the one of just before: not hashed again */
	if (w->len != len || w->len > sizeof(bytes) ||
	    memcmp(bytes, w->data, len) != 0) {
		if (w->len > sizeof(bytes) ||
		    envelope_parse(w->data, w->len, &env, &e) != 0)
			return;
		purpose_hash(PURPOSE_ACTION, env.doc, env.doc_len, &last);
		len = w->len;
		memcpy(bytes, w->data, len);
	}
	t = task_get(s, &last);
	if (!t->whole) {
		buf_clear(&t->envelope);
		buf_add(&t->envelope, w->data, w->len);
		if (read_task(t) != 0)
			return;
	}
	if ((j = find_job(m, &t->id)) != NULL && j->state != JOB_PULLING)
		came_again(s, m, j);
	else
		perform(s, m, j != NULL ? j : add_job(s, m, t));
}

/* --- pulling
 * --------------------------------------------------------------------- */

static void
ask_part(struct swarm *s, struct member *m, struct job *j)
{
	struct wire_msg w = {
		.type = WIRE_WANT, .id = j->task->id, .part = j->part
	};

	member_send(s, m, &w);
	s->count.wants++;
	j->due = s->now + PULL_RETRY_MS;
}

static void
on_announce(struct swarm *s, struct member *m, const struct wire_msg *w)
{
	struct task *t = task_get(s, &w->id);
	struct job *j = find_job(m, &w->id);

	if (j != NULL) {
		if (j->state != JOB_PULLING)
			came_again(s, m, j);
		return;
	}
	if (t->got == NULL) {
		t->of =
		    (uint16_t)((w->size + WIRE_PART_MAX - 1) / WIRE_PART_MAX);
		t->got = calloc(t->of, sizeof(*t->got));
		t->hash = w->hash;
		if (t->got == NULL || w->size > ENVELOPE_MAX ||
		    buf_reserve(&t->envelope, w->size) == NULL)
			exit(1);
		t->envelope.len = w->size;
	}
	j = add_job(s, m, t);
	j->state = JOB_PULLING;
	ask_part(s, m, j);
}

static void
on_part(struct swarm *s, struct member *m, const struct wire_msg *w)
{
	struct job *j = find_job(m, &w->id);
	struct task *t;
	struct id hash;
	size_t off = (size_t)w->part * WIRE_PART_MAX;

	if (j == NULL || j->state != JOB_PULLING || w->part != j->part)
		return;
	t = j->task;
	if (w->part >= t->of || off + w->len > t->envelope.len)
		return;
	if (!t->got[w->part]) {
		memcpy(t->envelope.data + off, w->data, w->len);
		t->got[w->part] = true;
		t->have++;
	} else if (memcmp(t->envelope.data + off, w->data, w->len) != 0) {
		fprintf(stderr, "swarm: parts differ\n");
		exit(1);
	}
	if (++j->part < t->of) {
		ask_part(s, m, j);
		return;
	}
	if (!t->whole) {
		sha256(t->envelope.data, t->envelope.len, &hash);
		if (!id_equal(&hash, &t->hash) || read_task(t) != 0) {
			fprintf(stderr, "swarm: a pulled envelope is wrong\n");
			exit(1);
		}
	}
	perform(s, m, j);
}

/* --- events of a connection
 * -------------------------------------------------------- */

void
member_connected(struct swarm *s, struct member *m)
{
	uint8_t here[9];

	wire_presence_write(true, m->connection, here);
	conn_publish(s, m, WIRE_PRESENCE, here, sizeof(here), 0);
	say_hello(s, m);
	m->ping = s->now + s->opt.keepalive * 1000 -
	    swarm_chance((uint32_t)(s->opt.keepalive * 100));
}

void
member_lost(struct swarm *s, struct member *m)
{
	struct job *j, **at = &m->jobs;

	if (m->welcomed)
		s->welcomed--;
	m->welcomed = false;
	m->roll = 0;
	m->unwelcome = 0;
	m->wire = NULL;
	while ((j = *at) != NULL) {
		if (j->state == JOB_PULLING) { /* announced anew */
			*at = j->next;
			free(j);
			continue;
		}
		j->part = 0;
		j->due = 0;
		at = &j->next;
	}
}

void
member_message(struct swarm *s, struct member *m, const void *data, size_t len)
{
	struct wire_msg w;
	struct err e;

	if (wire_parse(data, len, &w, &e) != 0) {
		fprintf(stderr, "swarm: a message of the server: %s\n", e.msg);
		return;
	}
	switch (w.type) {
	case WIRE_ENVELOPE:
		on_envelope(s, m, &w);
		break;
	case WIRE_ANNOUNCE:
		on_announce(s, m, &w);
		break;
	case WIRE_ENVELOPE_PART:
		on_part(s, m, &w);
		break;
	case WIRE_ACK:
		on_ack(s, m, &w);
		break;
	case WIRE_WELCOME:
		if (!m->welcomed)
			s->welcomed++;
		m->welcomed = true;
		m->unwelcome = 0;
		m->say = s->now + s->opt.interval * 1000;
		m->welcome = s->now;
		m->spread_ms = w.spread_ms;
		s->count.spread_max = w.spread_ms;
		go_on(s, m);
		break;
	case WIRE_ROLL_CALL:
		m->roll_hello = m->roll_hello || w.spread_ms == 0;
		if (m->roll == 0)
			m->roll = s->now + swarm_chance(w.spread_ms);
		break;
	default:
		break;
	}
}

/* The server started anew: it is told who is there, and the answers again. */
static void
answer_roll(struct swarm *s, struct member *m)
{
	uint8_t here[9];
	struct job *j;

	m->roll = 0;
	wire_presence_write(true, m->connection, here);
	conn_publish(s, m, WIRE_PRESENCE, here, sizeof(here), 1);
	if (m->roll_hello)
		say_hello(s, m);
	m->roll_hello = false;
	m->wire = NULL;
	for (j = m->jobs; j != NULL; j = j->next) {
		if (j->state == JOB_PULLING)
			continue;
		j->part = 0;
		j->due = 0;
	}
}

void
member_tick(struct swarm *s, struct member *m)
{
	struct job *j;

	if (s->now >= m->ping) {
		conn_ping(s, m);
		s->count.pings++;
		m->ping = s->now + s->opt.keepalive * 1000;
	}
	if (s->now >= m->say)
		say_hello(s, m);
	if (m->roll != 0 && s->now >= m->roll)
		answer_roll(s, m);
	if (m->kind >= MEMBER_STUCK)
		rogue_tick(s, m);
	for (j = m->jobs; j != NULL; j = j->next)
		if (j->state == JOB_PULLING && s->now >= j->due)
			ask_part(s, m, j);
	go_on(s, m);
}
