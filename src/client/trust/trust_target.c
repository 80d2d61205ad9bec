/* SPDX-License-Identifier: MPL-2.0 */
#include "client/trust/trust_target.h"

#include "action/hello.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "client/api/api.h"
#include "client/client.h"
#include "json/json.h"
#include "target/target.h"

#include <stdlib.h>
#include <string.h>

static const char *const fields[] = { "os", "arch", "ident", "version", "mode",
	"environment", "tags", "addresses" };

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

int
trust_row_make(const struct hello *h, struct buf *out)
{
	const struct target_row *r = &h->row;
	const char *const values[FIELDS] = { r->os, r->arch, r->ident,
		r->version, r->mode, r->environment, r->tags, r->addresses };
	struct jsonw w;
	size_t i;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	for (i = 0; i < FIELDS; i++)
		jsonw_str(&w, fields[i], values[i]);
	jsonw_object_end(&w);
	return out->error;
}

unsigned int
trust_see_hello(
    struct trust *t, const struct hello *h, struct trust_other *ret_other)
{
	struct trust_sight s = { .id = &h->agent,
		.head = &h->record_head,
		.position = h->record_position,
		.agent_ms = h->time_ms,
		.connection = h->connection };
	char cut[TRUST_NAME_MAX + 1];
	struct buf name, row;
	unsigned int found;

	buf_init(&name, 16 * TRUST_NAME_MAX);
	buf_init(&row, TRUST_ROW_MAX);
	str_add_printable(&name, h->row.name, strlen(h->row.name));
	if (name.len > 0 && buf_str(&name) != NULL) {
		(void)str_copy(cut, sizeof(cut), buf_str(&name));
		s.name = cut;
	}
	if (trust_row_make(h, &row) == 0)
		s.row = buf_str(&row);
	found = trust_see(t, &s, ret_other);
	buf_release(&name);
	buf_release(&row);
	return found;
}

int
trust_open(struct trust *t, struct err *e)
{
	char *path = client_path(DIR_DATA, "known", e);
	int r;

	memset(t, 0, sizeof(*t));
	if (path == NULL)
		return ERR_NOTFOUND;
	r = trust_load(t, path, e);
	if (r == 0 && t->bad_line > 0)
		client_warn("warning: %s: line %zu is damaged: which agent it "
			    "was about is not known any more",
		    path, t->bad_line);
	free(path);
	return r;
}

bool
hello_listed(const char *id, const char *text, struct hello *ret)
{
	bool good = false;
	struct buf raw;
	struct id want;

	buf_init(&raw, HELLO_MAX + HELLO_PREFIX_LEN);
	if (text != NULL && id_parse(id, &want) == 0 &&
	    b64_decode(&raw, text, strlen(text)) == 0 &&
	    hello_parse(raw.data, raw.len, ret, NULL) == 0) {
		good = id_equal(&ret->agent, &want);
		if (!good)
			hello_release(ret);
	}
	buf_release(&raw);
	return good;
}

static bool
fits(struct target *target, const struct trust_entry *te)
{
	json_t *j = json_strict(te->row, strlen(te->row), TRUST_ROW_MAX, NULL);
	const char *values[FIELDS];
	struct target_row row = { 0 };
	bool match = false;
	size_t i;

	for (i = 0; i < FIELDS; i++)
		if (json_need_str(j, "", fields[i], &values[i], NULL) != 0)
			goto out;
	row = (struct target_row){ .id = id_hex(&te->id).s,
		.name = te->name != NULL ? te->name : "",
		.os = values[0],
		.arch = values[1],
		.ident = values[2],
		.version = values[3],
		.mode = values[4],
		.environment = values[5],
		.tags = values[6],
		.addresses = values[7] };
	/* where the target cannot be evaluated, the agent would refuse too */
	if (target_match(target, &row, &match, NULL) != 0)
		match = false;
out:
	json_decref(j);
	return match;
}

void
trust_lapsed(struct trust_entry *te)
{
	te->lapsed_s = clock_wall_ms() / 1000;
	te->changed = true;
}

/* By its last hello or answer; 0: not any more. */
static unsigned int
missed_mark(const struct trust_entry *te, int64_t since)
{
	int64_t last = te->row_s > te->seen_s ? te->row_s : te->seen_s;

	if (last >= since)
		return TRUST_LEFT_OUT;
	return te->lapsed_s > last ? 0 : TRUST_LAPSED;
}

int
trust_missed(const struct trust *t, const char *target,
    const struct seen *answered, const struct seen *asked, trust_on_missed *on,
    void *arg)
{
	int64_t since = clock_wall_ms() / 1000 - TRUST_MISSED_DAYS * 86400;
	struct target_engine *engine = NULL;
	struct target *prepared = NULL;
	struct trust_entry *te;
	unsigned int mark;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < t->n; i++) {
		te = &t->list[i];
		mark = missed_mark(te, since);
		if (te->row == NULL || mark == 0 ||
		    (answered != NULL && seen_has(answered, &te->id)) ||
		    (asked != NULL && seen_has(asked, &te->id)))
			continue;
		if (engine == NULL) {
			engine = target_engine_new(-1, NULL);
			r = engine == NULL
			    ? ERR_NOMEM
			    : target_prepare(engine, target, &prepared, NULL);
		}
		if (r == 0 && fits(prepared, te))
			on(te, mark, arg);
	}
	target_free(prepared);
	target_engine_free(engine);
	return r;
}

/* --- what has changed ------------------------------------------------------
 */

#define BY_ID_MAX 16 /* of more the whole list is fetched */

struct missed {
	struct buf ids; /* 'ID','ID' */
	size_t n;
};

static void
refresh_missed(struct trust_entry *te, unsigned int mark, void *arg)
{
	struct missed *m = arg;

	if (m->n++ < BY_ID_MAX)
		buf_add_fmt(&m->ids, "%s'%s'", m->ids.len > 0 ? "," : "",
		    id_hex(&te->id).s);
}

/* One that is known already is no sight of its agent. */
static int
refresh_line(const char *text, size_t len, void *arg)
{
	json_t *j = json_strict(text, len, 1024 * 1024, NULL);
	const char *id = NULL, *hello = NULL;
	const struct trust_entry *te;
	struct trust_other other;
	struct hello h;

	if (json_need_str(j, "", "id", &id, NULL) == 0 &&
	    json_opt_str(j, "", "hello", &hello, NULL) == 0 &&
	    hello_listed(id, hello, &h)) {
		te = trust_find(arg, &h.agent);
		if (te != NULL && h.connection > te->connection)
			(void)trust_see_hello(arg, &h, &other);
		hello_release(&h);
	}
	json_decref(j);
	return 0;
}

void
trust_refresh(struct client *c, struct trust *t, const char *target,
    const struct seen *answered, const struct seen *asked)
{
	struct missed m = { .n = 0 };
	struct buf condition, path;
	struct err ignored;

	buf_init(&m.ids, 4096);
	buf_init(&condition, 4096);
	buf_init(&path, 16 * 1024);
	if (trust_missed(t, target, answered, asked, refresh_missed, &m) != 0 ||
	    m.n == 0)
		goto out;
	if (m.n > BY_ID_MAX)
		buf_add_str(&condition, "all");
	else if (buf_str(&m.ids) != NULL)
		buf_add_fmt(&condition, "id IN (%s)", buf_str(&m.ids));
	buf_add_str(&path, "/api/v1/agents?target=");
	if (buf_str(&condition) != NULL &&
	    http_escape(&path, buf_str(&condition)) == 0 &&
	    buf_str(&path) != NULL)
		(void)api_lines(c, buf_str(&path), refresh_line, t, &ignored);
out:
	buf_release(&m.ids);
	buf_release(&condition);
	buf_release(&path);
}
