/* SPDX-License-Identifier: MPL-2.0 */
/* `mig policy status`: which agent has which policy, by their signed hellos;
 * what the server says of them counts for nothing, and whom it does not list,
 * or with an older hello than was seen here, has none that is known. */
#include "client/cmd/policy.h"

#include "action/hello.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "client/api/api.h"
#include "client/print/table.h"
#include "client/trust/trust_target.h"
#include "json/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LISTED_MAX 50
#define OUT_MAX (512u * 1024 * 1024)
#define SOON (30 * 86400) /* seconds */

enum standing { CURRENT, BEHIND, FOREIGN, OLD, NSTANDINGS };

static const char *const standing_words[NSTANDINGS] = { "current", "behind",
	"foreign", "old" };

struct status {
	const struct policy_chain *chain;
	struct jsonw w; /* of list */
	struct buf list;
	struct table table;
	struct trust trust;
	struct seen seen;   /* whom the server lists */
	struct jsonw missw; /* of missed */
	struct buf missed;
	bool json;
	size_t total, unverified, refused, listed, expired, leftout;
	size_t standing[NSTANDINGS];
	size_t has[POLICY_PAST_MAX]; /* agents with chain->past[i] */
	struct err err;
};

/* Where in the chain; npast: nowhere. */
static size_t
place_of(const struct policy_chain *ch, const struct hello *h)
{
	size_t i;

	for (i = 0; i < ch->npast; i++)
		if (id_equal(&ch->past[i].hash, &h->policy_hash) &&
		    ch->past[i].version == h->policy_version)
			break;
	return i;
}

struct row {
	const struct hello *h;
	bool online;
	enum standing standing;
	size_t steps;
	int64_t lastseen;
	bool refused; /* the newest, or one in the chain */
};

static void
row_json(struct status *s, const struct row *r)
{
	const struct hello *h = r->h;

	jsonw_object(&s->w, NULL);
	jsonw_str(&s->w, "agent", id_hex(&h->agent).s);
	jsonw_str(&s->w, "name", h->row.name);
	jsonw_bool(&s->w, "online", r->online);
	jsonw_i64(&s->w, "time", h->time_ms);
	jsonw_u64(&s->w, "version", h->policy_version);
	jsonw_str(&s->w, "hash", id_hex(&h->policy_hash).s);
	jsonw_str(&s->w, "standing", standing_words[r->standing]);
	if (r->standing == BEHIND)
		jsonw_u64(&s->w, "steps", r->steps);
	if (r->refused) {
		jsonw_object(&s->w, "refused");
		jsonw_u64(&s->w, "version", h->refused.version);
		jsonw_str(&s->w, "hash", id_hex(&h->refused.hash).s);
		jsonw_str(
		    &s->w, "text", policy_refusal_text(h->refused.reason));
		jsonw_object_end(&s->w);
	}
	jsonw_object_end(&s->w);
}

static void
row_text(struct status *s, const struct row *r)
{
	const struct hello *h = r->h;
	char text[256];

	if (s->listed++ >= LISTED_MAX)
		return;
	table_cell(&s->table, h->row.name);
	snprintf(text, sizeof(text), "%.*s", ID_SHORT_LEN, id_hex(&h->agent).s);
	table_cell(&s->table, text);
	table_cell(&s->table, r->online ? "online" : "offline");
	/* of the agent's own saying, as everything here */
	table_time(&s->table, h->time_ms);
	snprintf(text, sizeof(text), "%" PRIu64, h->policy_version);
	table_cell(&s->table, text);
	if (r->refused)
		snprintf(text, sizeof(text), "refused %" PRIu64 ": %s",
		    h->refused.version, policy_refusal_text(h->refused.reason));
	else if (r->standing == OLD)
		snprintf(text, sizeof(text), "an older hello than was seen");
	else if (r->standing == FOREIGN)
		snprintf(text, sizeof(text), "foreign: %.16s",
		    id_hex(&h->policy_hash).s);
	else
		snprintf(text, sizeof(text), "%zu %s behind", r->steps,
		    r->steps == 1 ? "step" : "steps");
	table_cell(&s->table, text);
}

static void
take_hello(struct status *s, const struct hello *h, bool online)
{
	const struct policy_chain *ch = s->chain;
	struct row r = { .h = h, .online = online };
	struct trust_other other;

	r.steps = place_of(ch, h);
	if ((trust_see_hello(&s->trust, h, &other) & TRUST_OLD) != 0)
		r.steps = POLICY_PAST_MAX + 1;
	r.standing = r.steps > POLICY_PAST_MAX ? OLD
	    : r.steps == 0                     ? CURRENT
	    : r.steps < ch->npast              ? BEHIND
					       : FOREIGN;
	/* what it refused before it took a newer one is of no interest */
	r.refused =
	    h->refused.there && r.standing != CURRENT && r.standing != OLD;
	s->standing[r.standing]++;
	s->refused += r.refused;
	if (r.steps < ch->npast) {
		s->has[r.steps]++;
		s->expired += ch->past[r.steps].expires != 0 &&
		    ch->past[r.steps].expires <= clock_wall_ms() / 1000;
	}
	if (r.standing == CURRENT)
		return;
	if (s->json)
		row_json(s, &r);
	else
		row_text(s, &r);
}

static int
on_agent(const char *text, size_t len, void *arg)
{
	struct status *s = arg;
	const char *id_text, *hello = NULL;
	bool online = false;
	struct hello h;
	struct id id;
	json_t *j;

	j = json_strict(text, len, 1024 * 1024, &s->err);
	if (j == NULL || json_need_str(j, "", "id", &id_text, &s->err) != 0 ||
	    json_opt_bool(j, "", "online", &online, &s->err) != 0 ||
	    json_opt_str(j, "", "hello", &hello, &s->err) != 0) {
		json_decref(j);
		return err_wrap(&s->err, "the server's list of agents");
	}
	s->total++;
	if (id_parse(id_text, &id) == 0)
		(void)seen_add(&s->seen, &id, &id);
	if (hello_listed(id_text, hello, &h)) {
		take_hello(s, &h, online);
		hello_release(&h);
	} else {
		s->unverified++;
	}
	json_decref(j);
	return s->list.error;
}

/* --- the end ---------------------------------------------------------------
 */

static void
on_missed(struct trust_entry *te, unsigned int mark, void *arg)
{
	const char *name = te->name != NULL ? te->name : "";
	struct status *s = arg;

	s->leftout++;
	if (mark == TRUST_LAPSED)
		trust_lapsed(te);
	jsonw_object(&s->missw, NULL);
	jsonw_str(&s->missw, "agent", id_hex(&te->id).s);
	jsonw_str(&s->missw, "name", name);
	jsonw_object_end(&s->missw);
	if (s->leftout <= LISTED_MAX)
		client_warn("warning: agent %s (%s): %s", id_short(&te->id).s,
		    name, trust_mark_text(mark));
}

/* Who lags can also be left out of the list. */
static void
look_for_missed(struct status *s)
{
	struct err e = { 0 };
	int r = trust_missed(&s->trust, "all", &s->seen, NULL, on_missed, s);

	if (r != 0)
		client_warn("warning: whether the server left out agents is "
			    "not known: %s",
		    err_text(r));
	if (client_mkdir_for(s->trust.path, &e) != 0 ||
	    trust_save(&s->trust, &e) != 0)
		client_warn(
		    "warning: these agents are not remembered: %s", e.msg);
}

static void
add_policies(const struct status *s, struct jsonw *w)
{
	const struct policy_chain *ch = s->chain;
	char when[RFC3339_LEN + 1];
	size_t i;

	jsonw_array(w, "policies");
	for (i = 0; i < ch->npast; i++) {
		jsonw_object(w, NULL);
		jsonw_u64(w, "version", ch->past[i].version);
		jsonw_str(w, "hash", id_hex(&ch->past[i].hash).s);
		if (ch->past[i].expires != 0) {
			rfc3339_format(ch->past[i].expires, when);
			jsonw_str(w, "expires", when);
		}
		jsonw_u64(w, "agents", s->has[i]);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static int
say_json(struct status *s, struct err *e)
{
	struct buf out;
	struct jsonw w;
	size_t i;
	int r;

	buf_init(&out, OUT_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_u64(&w, "version", s->chain->newest.policy.version);
	jsonw_str(&w, "hash", id_hex(&s->chain->newest.policy.hash).s);
	jsonw_object(&w, "agents");
	jsonw_u64(&w, "total", s->total);
	for (i = 0; i < NSTANDINGS; i++)
		jsonw_u64(&w, standing_words[i], s->standing[i]);
	jsonw_u64(&w, "refused", s->refused);
	jsonw_u64(&w, "expired", s->expired);
	jsonw_u64(&w, "unverified", s->unverified);
	jsonw_u64(&w, "leftout", s->leftout);
	jsonw_object_end(&w);
	add_policies(s, &w);
	jsonw_raw(&w, "lagging", s->list.data, s->list.len);
	jsonw_raw(&w, "leftout", s->missed.data, s->missed.len);
	jsonw_object_end(&w);
	buf_add_str(&out, "\n");
	if (out.error == 0)
		out.error =
		    s->list.error != 0 ? s->list.error : s->missed.error;
	r = client_out(&out, e);
	buf_release(&out);
	return r;
}

static void
text_policies(const struct status *s, struct buf *out)
{
	const struct policy_chain *ch = s->chain;
	int64_t now = clock_wall_ms() / 1000;
	char when[RFC3339_LEN + 1] = "?";
	size_t i;

	for (i = 0; i < ch->npast; i++) {
		if (i > 0 && s->has[i] == 0)
			continue;
		if (ch->past[i].expires != 0)
			rfc3339_format(ch->past[i].expires, when);
		buf_add_fmt(out,
		    "version %" PRIu64 "  %.16s  %zu %s, until %s%s\n",
		    ch->past[i].version, id_hex(&ch->past[i].hash).s, s->has[i],
		    s->has[i] == 1 ? "agent" : "agents",
		    ch->past[i].expires != 0 ? when : "?",
		    ch->past[i].expires == 0         ? ""
			: ch->past[i].expires <= now ? " (expired: these "
						       "agents take nothing "
						       "but policies)"
			: ch->past[i].expires - now < SOON
			? " (soon: mig policy edit -expires 365d)"
			: "");
	}
}

static int
say_text(struct status *s, struct err *e)
{
	struct buf out;
	int r;

	buf_init(&out, OUT_MAX);
	text_policies(s, &out);
	if (s->standing[FOREIGN] > 0)
		buf_add_fmt(&out,
		    "%zu with a policy that is not in this chain\n",
		    s->standing[FOREIGN]);
	if (s->listed > 0) {
		buf_add_str(&out, "\n");
		table_print_fit(&s->table, &out);
	}
	if (s->listed > LISTED_MAX)
		buf_add_fmt(&out, "... and %zu more (-json lists all)\n",
		    s->listed - LISTED_MAX);
	r = client_out(&out, e);
	buf_release(&out);
	fprintf(stderr, "%zu of %zu agents have the newest policy\n",
	    s->standing[CURRENT], s->total + s->leftout);
	if (s->unverified > 0)
		client_warn("warning: %zu agents have no hello that verifies: "
			    "what they have is not known",
		    s->unverified);
	return r;
}

static int
look(struct client *c, struct status *s, struct policy_chain *ch, struct err *e)
{
	int r = policy_chain_load(c, true, ch, e);

	if (r == 0)
		r = trust_open(&s->trust, e);
	jsonw_array(&s->w, NULL);
	jsonw_array(&s->missw, NULL);
	if (r == 0) {
		r = api_lines(c, "/api/v1/agents?target=all", on_agent, s, e);
		if (r != 0 && s->err.code != 0)
			*e = s->err;
	}
	if (r == 0)
		look_for_missed(s);
	jsonw_array_end(&s->w);
	jsonw_array_end(&s->missw);
	return r;
}

int
policy_cmd_status(struct client *c, const struct opts *o, struct err *e)
{
	static const char *const head[] = { "NAME", "ID", "STATE", "SAID",
		"VERSION", "POLICY", NULL };
	struct status *s = calloc(1, sizeof(*s));
	struct policy_chain *ch = calloc(1, sizeof(*ch));
	int r = ERR_NOMEM;

	if (s == NULL || ch == NULL) {
		err_set(e, r, "out of memory");
		goto out;
	}
	s->chain = ch;
	s->json = opts_has(o, "json");
	table_init(&s->table, head);
	buf_init(&s->list, OUT_MAX);
	jsonw_init(&s->w, &s->list);
	buf_init(&s->missed, OUT_MAX);
	jsonw_init(&s->missw, &s->missed);
	seen_init(&s->seen);
	r = look(c, s, ch, e);
	if (r == 0)
		r = s->json ? say_json(s, e) : say_text(s, e);
	if (r == 0 && s->standing[CURRENT] < s->total + s->leftout)
		r = EXIT_NOTFOUND;
	table_release(&s->table);
	buf_release(&s->list);
	buf_release(&s->missed);
	trust_release(&s->trust);
	seen_release(&s->seen);
	policy_chain_release(ch);
out:
	free(s);
	free(ch);
	return r;
}
