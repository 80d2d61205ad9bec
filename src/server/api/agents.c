/* SPDX-License-Identifier: MPL-2.0 */
/* Api: agents, and which of them a target means. */
#include "server/api/api.h"
#include "server/api/resources.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "server/parse.h"
#include "target/target.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 200
#define NAMED_MAX 1000

static void
row_of(const struct store_agent *a, struct id_hex *hex, struct target_row *row)
{
	*hex = id_hex(&a->id);
	row->id = hex->s;
	row->name = a->name;
	row->os = a->os;
	row->arch = a->arch;
	row->ident = a->ident;
	row->version = a->version;
	row->mode = a->mode;
	row->environment = a->environment;
	row->tags = a->tags;
	row->addresses = a->addresses;
}

/* NULL matches everyone, also those that never said hello. 0, or ERR_NOMEM:
 * nobody knows. */
static int
matches(struct target *t, const struct store_agent *a, bool *ret)
{
	struct target_row row;
	struct id_hex hex;
	int rc;

	*ret = !a->revoked && t == NULL;
	if (a->revoked || t == NULL || !a->said_hello)
		return (0);
	row_of(a, &hex, &row);
	rc = target_match(t, &row, ret, NULL);
	if (rc != 0)
		*ret = false;
	return (rc == ERR_NOMEM ? rc : 0);
}

static void
add_agent(struct jsonw *w, const struct store_agent *a, struct buf *scratch)
{
	jsonw_str(w, "id", id_hex(&a->id).s);
	jsonw_str(w, "name", a->name);
	jsonw_bool(w, "online", a->online);
	jsonw_i64(w, "lastseen", a->lastseen);
	if (a->trouble[0] != '\0')
		jsonw_str(w, "trouble", a->trouble);
	buf_clear(scratch);
	if (a->hello_len > 0 &&
	    b64_encode(scratch, a->hello, a->hello_len) == 0)
		jsonw_strn(w, "hello", scratch->data, scratch->len);
	else
		jsonw_null(w, "hello");
	if (scratch->error == ERR_NOMEM)
		w->out->error = ERR_NOMEM;
}

/* --- the list ----------------------------------------------------------- */

struct agents_stream {
	struct stream s; /* first */
	struct target *target;
	bool online, revoked;
	int64_t after;
	size_t seen;
	struct buf scratch;
};

static int
agents_one(const struct store_agent *a, void *arg)
{
	struct agents_stream *x = arg;
	struct jsonw w;
	bool yes = a->revoked;
	int rc = 0;

	x->seen++;
	x->after = a->n;
	if (!x->revoked)
		rc = matches(x->target, a, &yes);
	if (rc != 0 || !yes || (!x->revoked && x->online && !a->online))
		return (rc);
	jsonw_init(&w, &x->s.out);
	jsonw_object(&w, NULL);
	add_agent(&w, a, &x->scratch);
	jsonw_object_end(&w);
	buf_add_u8(&x->s.out, '\n');
	return (x->s.out.error);
}

static void
agents_fill(struct stream *s)
{
	struct agents_stream *x = (struct agents_stream *)s;

	while (s->out.len == 0 && !s->ended) {
		x->seen = 0;
		if (store_agents(s->q->api->read, x->after, PAGE, agents_one, x,
			NULL) != 0)
			s->out.error = ERR_IO;
		if (s->out.error != 0)
			return;
		s->ended = x->seen < PAGE;
	}
}

static void
agents_release(struct stream *s)
{
	struct agents_stream *x = (struct agents_stream *)s;

	target_free(x->target);
	buf_release(&x->scratch);
	free(x);
}

void
res_agents(struct request *q)
{
	const char *text = request_query(q, "target");
	struct target *t = NULL;
	struct agents_stream *x;
	struct err e;

	if (text != NULL && text[0] != '\0' && strcmp(text, "all") != 0 &&
	    target_prepare(q->api->targets, text, &t, &e) != 0) {
		err_wrap(&e, "target");
		reply_err(q, &e);
		return;
	}
	x = stream_new(q, sizeof(*x), NDJSON, agents_fill, agents_release);
	if (x == NULL) {
		target_free(t);
		return;
	}
	x->target = t;
	x->online = request_flag(q, "online");
	x->revoked = request_flag(q, "revoked"); /* these, whatever target */
	buf_init(&x->scratch, 65536);
}

/* --- one ---------------------------------------------------------------- */

static int
one_agent(const struct store_agent *a, void *arg)
{
	struct request *q = arg;
	struct buf scratch;
	struct jsonw w;

	buf_init(&scratch, 65536);
	jsonw_init(&w, &q->out);
	jsonw_object(&w, NULL);
	add_agent(&w, a, &scratch);
	jsonw_i64(&w, "enrolled", a->enrolled);
	jsonw_bool(&w, "revoked", a->revoked);
	jsonw_object_end(&w);
	buf_release(&scratch);
	return (0);
}

void
res_agent(struct request *q)
{
	struct err e;
	struct id id;

	if (store_agent_find(q->api->read, q->arg, &id, &e) != 0 ||
	    store_agent_get(q->api->read, &id, one_agent, q, &e) != 0)
		reply_err(q, &e);
	else
		reply_out(q, 200);
}

void
res_agent_revoke(struct request *q)
{
	struct buf msg;
	struct err e;
	struct id id;

	if (store_agent_find(q->api->read, q->arg, &id, &e) != 0) {
		reply_err(q, &e);
		return;
	}
	message_init(q, &msg);
	buf_add(&msg, id.b, ID_LEN);
	core_ask(q, MSG_AGENT_REVOKE, &msg);
	buf_release(&msg);
}

/* --- targets ------------------------------------------------------------ */

struct count {
	struct target *target;
	struct jsonw w;
	bool only_online;
	size_t n, online, seen;
	int64_t after;
};

static int
count_one(const struct store_agent *a, void *arg)
{
	struct count *c = arg;
	bool yes;

	c->seen++;
	c->after = a->n;
	if (!a->said_hello || (c->only_online && !a->online))
		return (0);
	if (matches(c->target, a, &yes) != 0) {
		c->w.out->error = ERR_NOMEM;
		return (ERR_NOMEM);
	}
	if (!yes)
		return (0);
	c->n++;
	c->online += a->online;
	if (c->n > NAMED_MAX)
		return (0);
	jsonw_object(&c->w, NULL);
	jsonw_str(&c->w, "id", id_hex(&a->id).s);
	jsonw_str(&c->w, "name", a->name);
	jsonw_bool(&c->w, "online", a->online);
	jsonw_object_end(&c->w);
	return (0);
}

static void
targets_reply(struct request *q, struct count *c)
{
	struct err e;
	int rc;

	jsonw_init(&c->w, &q->out);
	jsonw_object(&c->w, NULL);
	jsonw_array(&c->w, "agents");
	do {
		c->seen = 0;
		rc = store_agents(
		    q->api->read, c->after, PAGE, count_one, c, &e);
		if (rc != 0 && q->out.error == 0) {
			reply_err(q, &e);
			return;
		}
	} while (rc == 0 && c->seen == PAGE);
	jsonw_array_end(&c->w);
	jsonw_u64(&c->w, "count", c->n);
	jsonw_u64(&c->w, "online", c->online);
	jsonw_object_end(&c->w);
	reply_out(q, 200);
}

void
res_targets(struct request *q)
{
	struct count c = { 0 };
	struct target_body b;
	struct err e;
	json_t *v;

	if ((v = request_json(q)) == NULL)
		return;
	if (target_body_read(v, &b, &e) != 0) {
		reply_err(q, &e);
	} else if (target_prepare(q->api->targets, b.target, &c.target, &e) !=
	    0) {
		err_wrap(&e, "target");
		reply_err(q, &e);
	} else {
		c.only_online = b.online;
		targets_reply(q, &c);
		target_free(c.target);
	}
	json_decref(v);
}
