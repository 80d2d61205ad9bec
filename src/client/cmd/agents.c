/* SPDX-License-Identifier: MPL-2.0 */
/* `mig agents`: what agents say about themselves in hellos that are verified
 * here; what only the server says is marked as its claim. */
#include "client/api/api.h"
#include "client/ask/question.h"
#include "client/print/table.h"
#include "client/trust/tokens.h"
#include "client/trust/trust_target.h"

#include "action/document.h"
#include "action/hello.h"
#include "base/clock.h"
#include "base/csv.h"
#include "base/file.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "crypto/seal.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define AGENTS_CSV                                                            \
	"name,id,state,lastseen,verified,os,arch,version,tags,trouble,marks," \
	"enrolment\n"
#define WARNINGS_MAX 100 /* more are only counted */

struct listing {
	bool json, csv;
	bool online_only, revoked;
	struct table table;
	struct buf out, target;
	struct trust trust;
	struct seen listed;
	struct tokens tokens;
	size_t n, online, bad, warned;
	struct err err;
};

/* One agent as both sides tell it. */
struct agent_row {
	const char *id, *name, *trouble; /* trouble NULL: none */
	bool online, verified;
	int64_t lastseen;
	unsigned int marks; /* enum trust_mark */
	enum token_verdict token;
	struct hello hello; /* when verified */
};

static void
agent_json(struct listing *l, const struct agent_row *a)
{
	struct jsonw w;
	char *text;

	jsonw_init(&w, &l->out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "agent", a->id);
	jsonw_str(&w, "name", a->verified ? a->hello.row.name : a->name);
	jsonw_bool(&w, "online", a->online);
	jsonw_i64(&w, "lastseen", a->lastseen);
	jsonw_bool(&w, "verified", a->verified);
	trust_json_marks(&w, a->marks);
	jsonw_str(&w, "enrolment", token_verdict_text(a->token));
	if (a->trouble != NULL)
		jsonw_str(&w, "trouble", a->trouble);
	text = a->verified ? json_text(a->hello.root, JSON_COMPACT) : NULL;
	if (text != NULL)
		jsonw_raw(&w, "hello", text, strlen(text));
	free(text);
	jsonw_object_end(&w);
	buf_add_str(&l->out, "\n");
}

/* {"role":"web"} as role=web */
static void
agent_tags(struct table *t, const char *tags)
{
	json_t *j = json_strict(tags, strlen(tags), HELLO_MAX, NULL), *v;
	const char *key, *value;
	struct buf b;

	buf_init(&b, 2 * HELLO_MAX);
	json_object_foreach (j, key, v) {
		value = json_string_value(v);
		buf_add_fmt(&b, "%s%s=%s", b.len > 0 ? " " : "", key,
		    value != NULL ? value : "?");
	}
	table_cell(t, buf_str(&b) != NULL ? buf_str(&b) : tags);
	buf_release(&b);
	json_decref(j);
}

static void
agent_text(struct listing *l, const struct agent_row *a)
{
	const struct target_row *r = &a->hello.row;
	char id[ID_SHORT_LEN + 1], os[128];

	snprintf(id, sizeof(id), "%.*s", ID_SHORT_LEN, a->id);
	table_cell(&l->table, a->verified ? r->name : a->name);
	table_cell(&l->table, id);
	table_cell(&l->table, a->online ? "online" : "offline");
	table_time(&l->table, a->lastseen);
	if (a->trouble != NULL) {
		table_cell(&l->table, "?");
		table_cell(&l->table, a->verified ? r->version : "?");
		table_cell(&l->table, token_verdict_text(a->token));
		table_cell(&l->table, a->trouble);
		return;
	}
	if (!a->verified) {
		table_cell(&l->table, "?");
		table_cell(&l->table, "?");
		table_cell(&l->table, token_verdict_text(a->token));
		table_cell(&l->table, "its hello does not verify");
		return;
	}
	snprintf(os, sizeof(os), "%.60s/%.60s", r->os, r->arch);
	table_cell(&l->table, os);
	table_cell(&l->table, r->version);
	table_cell(&l->table, token_verdict_text(a->token));
	agent_tags(&l->table, r->tags);
}

static void
agent_csv_field(struct listing *l, const char *text)
{
	csv_field(&l->out, text);
	buf_add_str(&l->out, ",");
}

/* Columns of AGENTS_CSV. */
static void
agent_csv(struct listing *l, const struct agent_row *a)
{
	const struct target_row *r = &a->hello.row;
	char when[RFC3339_LEN + 1] = "";
	unsigned int bit;
	struct buf marks;

	if (a->lastseen > 0)
		rfc3339_format(a->lastseen / 1000, when);
	agent_csv_field(l, a->verified ? r->name : a->name);
	agent_csv_field(l, a->id);
	agent_csv_field(l, a->online ? "online" : "offline");
	agent_csv_field(l, when);
	agent_csv_field(l, a->verified ? "yes" : "no");
	agent_csv_field(l, a->verified ? r->os : "");
	agent_csv_field(l, a->verified ? r->arch : "");
	agent_csv_field(l, a->verified ? r->version : "");
	agent_csv_field(l, a->verified ? r->tags : "");
	agent_csv_field(l, a->trouble != NULL ? a->trouble : "");
	buf_init(&marks, 1024);
	for (bit = 1; bit < 1u << TRUST_MARKS; bit <<= 1)
		if ((a->marks & bit) != 0)
			buf_add_fmt(&marks, "%s%s", marks.len > 0 ? ";" : "",
			    trust_mark_word(bit));
	agent_csv_field(l, marks.len > 0 ? buf_str(&marks) : "");
	csv_field(&l->out, token_verdict_text(a->token));
	buf_add_str(&l->out, "\n");
	buf_release(&marks);
}

static void
agent_show(struct listing *l, const struct agent_row *a)
{
	if (l->json)
		agent_json(l, a);
	else if (l->csv)
		agent_csv(l, a);
	else
		agent_text(l, a);
}

/* What is wrong with who it is, one line an agent. other NULL: nothing. */
static void
agent_warn(struct listing *l, const struct id *id, const char *name,
    unsigned int marks, const struct trust_other *other)
{
	const char *about;
	unsigned int bit;

	marks &= ~(unsigned int)TRUST_NEW;
	for (bit = 1; bit < 1u << TRUST_MARKS; bit <<= 1) {
		if ((marks & bit) == 0)
			continue;
		if (++l->warned > WARNINGS_MAX)
			return;
		about = bit == TRUST_RENAMED && other != NULL  ? other->name
		    : bit == TRUST_NAME_TAKEN && other != NULL ? other->id.s
							       : "";
		client_warn("warning: agent %s (%s): %s%s%s%s", id_short(id).s,
		    name, trust_mark_text(bit), about[0] != '\0' ? " (" : "",
		    about, about[0] != '\0' ? ")" : "");
		if (l->warned == WARNINGS_MAX)
			client_warn("warning: there are more; see: mig agents "
				    "-json");
		if ((bit & TRUST_STICKY) != 0)
			client_warn("when that is explained: mig trust %s %s",
			    (bit & TRUST_NAMES) != 0 ? "accept" : "forget",
			    id_short(id).s);
	}
}

/* Holds a verified hello against what is known of the agent. */
static void
agent_trust(struct listing *l, struct agent_row *a)
{
	struct trust_other other;
	struct id id;

	if (id_parse(a->id, &id) != 0)
		return;
	(void)seen_add(&l->listed, &id, &id);
	if (!a->verified)
		return;
	a->marks = trust_see_hello(&l->trust, &a->hello, &other);
	agent_warn(l, &id, a->hello.row.name, a->marks, &other);
	a->token = tokens_check(
	    &l->tokens, &a->hello.token, &a->hello.proof, a->hello.pub);
	if (a->token == TOKEN_FORGED)
		client_warn("warning: %s (%s) says it was enrolled with a "
			    "token of yours, and cannot prove it: somebody "
			    "without the token made it",
		    a->hello.row.name, id_short(&id).s);
}

/* Without tokens nobody is checked; a damaged file must not look like none. */
static int
agents_tokens(struct listing *l, struct err *e)
{
	char *path = client_path(DIR_DATA, "tokens", e);
	struct buf text;
	int r;

	if (path == NULL)
		return ERR_NOTFOUND;
	buf_init(&text, TOKENS_FILE_MAX);
	r = file_read(path, &text, e);
	if (r == ERR_NOTFOUND)
		r = 0;
	else if (r == 0 &&
	    (r = tokens_parse(text.data, text.len, &l->tokens, e)) != 0)
		err_wrap(e, "%s", path);
	if (text.data != NULL)
		secret_wipe(text.data, text.cap);
	buf_release(&text);
	free(path);
	return r;
}

static int
agent_line(const char *text, size_t len, void *arg)
{
	struct listing *l = arg;
	struct agent_row a = { .name = "" };
	const char *hello = NULL;
	json_t *j;
	int r;

	j = json_strict(text, len, 1024 * 1024, &l->err);
	if (j == NULL || json_need_str(j, "", "id", &a.id, &l->err) != 0 ||
	    json_opt_str(j, "", "name", &a.name, &l->err) != 0 ||
	    json_opt_bool(j, "", "online", &a.online, &l->err) != 0 ||
	    json_opt_int(j, "", "lastseen", 0, INT64_C(1) << 52, &a.lastseen,
		&l->err) != 0 ||
	    json_opt_str(j, "", "trouble", &a.trouble, &l->err) != 0 ||
	    json_opt_str(j, "", "hello", &hello, &l->err) != 0) {
		json_decref(j);
		return err_wrap(&l->err, "the server's list of agents");
	}
	if (l->online_only && !a.online) {
		json_decref(j);
		return 0;
	}
	a.verified = hello_listed(a.id, hello, &a.hello);
	agent_trust(l, &a);
	l->n++;
	l->online += a.online;
	l->bad += !a.verified;
	agent_show(l, &a);
	if (a.verified)
		hello_release(&a.hello);
	json_decref(j);
	r = l->out.len > 1024 * 1024 ? client_out(&l->out, &l->err) : 0;
	if (r == 0 && l->out.len > 1024 * 1024)
		buf_clear(&l->out);
	return r;
}

/* "all", "online", a name of the configuration, or a condition. */
static int
agents_path(struct client *c, const struct opts *o, struct buf *out,
    struct listing *l, struct err *e)
{
	const char *t, *named;
	struct buf rest;
	bool online = opts_has(o, "online"), split = false;
	int r;

	r = question_whom(o, &t, e);
	if (r == 0)
		r = client_conf_load(c, e);
	if (r != 0)
		return r;
	l->revoked = opts_has(o, "revoked");
	if (l->revoked && (t != NULL || online))
		return err_set(e, ERR_INVALID,
		    "-revoked lists all of them: without -t and -online");
	if (l->revoked)
		return buf_add_str(out, "/api/v1/agents?revoked=1") == 0 &&
			buf_str(out) != NULL
		    ? 0
		    : err_set(e, ERR_NOMEM, "out of memory");
	if (t == NULL)
		t = "all";
	if (strcmp(t, "local") == 0)
		return err_set(e, ERR_INVALID,
		    "-t local: this machine is no agent of the server");
	if (strcmp(t, "online") == 0) {
		online = true;
		t = "all";
	}
	named = conf_map_find(c->conf.targets, t);
	buf_init(&rest, 64 * 1024);
	r = action_target_split(named != NULL ? named : t, &rest, &split, e);
	online = online || split;
	buf_add_str(out, "/api/v1/agents?target=");
	if (r == 0 && buf_str(&rest) != NULL)
		r = http_escape(out, rest.len > 0 ? buf_str(&rest) : "all");
	if (online)
		buf_add_str(out, "&online=1");
	l->online_only = online;
	if (r == 0)
		buf_add_str(&l->target, rest.len > 0 ? buf_str(&rest) : "all");
	buf_release(&rest);
	if (r == 0 && buf_str(out) == NULL)
		r = err_set(e, ERR_TOOBIG, "the target is too long");
	return r;
}

static void
agent_missed(struct trust_entry *te, unsigned int mark, void *arg)
{
	struct agent_row a = { .trouble = "the server does not list it",
		.marks = mark };
	struct id_hex id = id_hex(&te->id);
	struct listing *l = arg;

	a.id = id.s;
	a.name = te->name != NULL ? te->name : "";
	a.lastseen = te->row_s * 1000;
	l->n++;
	if (mark == TRUST_LAPSED)
		trust_lapsed(te);
	agent_warn(l, &te->id, a.name, a.marks, NULL);
	agent_show(l, &a);
}

/* A server may only leave out who is away when those who are there are asked
 * for. */
static void
agents_known(struct client *c, struct listing *l)
{
	bool all = !l->online_only && !l->revoked;
	const char *target = all ? buf_str(&l->target) : NULL;
	struct err e = { 0 };
	int r = all && target == NULL ? ERR_NOMEM : 0;

	if (target != NULL) {
		trust_refresh(c, &l->trust, target, &l->listed, NULL);
		r = trust_missed(
		    &l->trust, target, &l->listed, NULL, agent_missed, l);
	}
	if (r != 0)
		client_warn("warning: whether the server left out agents is "
			    "not known: the target: %s",
		    err_text(r));
	if (client_mkdir_for(l->trust.path, &e) != 0 ||
	    trust_save(&l->trust, &e) != 0)
		client_warn(
		    "warning: these agents are not remembered: %s", e.msg);
}

static int
cmd_agents(struct client *c, const struct opts *o, struct err *e)
{
	static const char *const head[] = { "NAME", "ID", "STATE", "LAST SEEN",
		"SYSTEM", "VERSION", "ENROLMENT", "TAGS", NULL };
	struct listing l = { .json = opts_has(o, "json"),
		.csv = opts_has(o, "csv") };
	struct buf path;
	int r;

	table_init(&l.table, head);
	buf_init(&l.out, 512u * 1024 * 1024);
	buf_init(&path, 64 * 1024);
	buf_init(&l.target, 64 * 1024);
	seen_init(&l.listed);
	r = l.json && l.csv
	    ? err_set(e, ERR_INVALID, "choose one of -json and -csv")
	    : agents_path(c, o, &path, &l, e);
	if (l.csv)
		buf_add_str(&l.out, AGENTS_CSV);
	if (r == 0)
		r = trust_open(&l.trust, e);
	if (r == 0)
		r = agents_tokens(&l, e);
	if (r == 0) {
		r = api_lines(c, buf_str(&path), agent_line, &l, e);
		if (l.err.code != 0 && r != 0)
			*e = l.err;
	}
	if (r == 0)
		agents_known(c, &l);
	if (r == 0 && !l.json && !l.csv && l.n > 0)
		table_print_fit(&l.table, &l.out);
	if (r == 0)
		r = client_out(&l.out, e);
	if (r == 0 && !l.json && !l.csv) {
		fprintf(stderr, "%zu %s, %zu online\n", l.n,
		    l.n == 1 ? "agent" : "agents", l.online);
		if (l.bad > 0)
			client_warn("warning: the hello of %zu of them does "
				    "not verify; their names are only the "
				    "server's word",
			    l.bad);
	}
	if (r == 0 && l.n == 0)
		r = EXIT_NOTFOUND;
	table_release(&l.table);
	buf_release(&l.out);
	buf_release(&l.target);
	trust_release(&l.trust);
	seen_release(&l.listed);
	tokens_release(&l.tokens);
	buf_release(&path);
	return r;
}

/* By what is known here; "" when it is none, or several begin so. */
static void
known_name(const char *prefix, char ret[static TRUST_NAME_MAX + 1])
{
	const struct trust_entry *found = NULL;
	size_t i, n = 0, len = strlen(prefix);
	struct err ignored;
	struct trust t;

	if (trust_open(&t, &ignored) == 0)
		for (i = 0; i < t.n; i++)
			if (strncasecmp(id_hex(&t.list[i].id).s, prefix, len) ==
			    0) {
				found = &t.list[i];
				n++;
			}
	(void)str_copy(ret, TRUST_NAME_MAX + 1,
	    n == 1 && found->name != NULL ? found->name : "");
	trust_release(&t);
}

/* There is no way back: it can never enrol with this identity again. */
static int
revoke_confirm(const struct opts *o, struct err *e)
{
	char name[TRUST_NAME_MAX + 1];

	if (opts_has(o, "y") || !client_interactive())
		return 0;
	known_name(o->words[0], name);
	if (client_confirm("Revoke agent %s (%s) for good? [y/N] ", o->words[0],
		name[0] != '\0' ? name : "not known here"))
		return 0;
	return err_set(e, ERR_CLOSED, "not revoked");
}

static int
cmd_revoke(struct client *c, const struct opts *o, struct err *e)
{
	char said[sizeof(e->msg)];
	int r = revoke_confirm(o, e);

	if (r == 0)
		r = api_send_to(
		    c, "DELETE", "/api/v1/agents/", o->words[0], "", e);

	if (r == ERR_NOTFOUND || r == ERR_INVALID) {
		str_copy(said, sizeof(said), e->msg);
		return err_set(e, r, "%s (see: mig agents)", said);
	}
	if (r == 0)
		fprintf(stderr,
		    "revoked: its connection is ended, and the relay takes "
		    "its certificates no more\n");
	return r;
}

static const struct opt agents_opts[] = {
	{ "t", "target", "TARGET",
	    "all (default), online, a name of the configuration, or a "
	    "condition" },
	{ "online", NULL, NULL, "only those that are connected now" },
	{ "revoked", NULL, NULL, "those that were revoked, and no others" },
	{ "json", NULL, NULL, "one JSON object a line" },
	{ "csv", NULL, NULL, "comma separated values with a header line" },
	{ NULL, NULL, NULL, NULL },
};

static const struct opt revoke_opts[] = {
	{ "y", "yes", NULL, "do not ask" },
	{ NULL, NULL, NULL, NULL },
};

const struct command agents_commands[] = {
	{ "agents revoke", "ID",
	    "let an agent connect no more: by its id or the beginning of it",
	    cmd_revoke, revoke_opts, NULL, 1, 1,
	    "It cannot enrol again with the same identity." },
	{ "agents", "", "list agents: name, id, state, system, tags",
	    cmd_agents, agents_opts, NULL, 0, 0,
	    "Shown is what agents have signed and this client has verified. "
	    "ENROLMENT: checked,\nwith a token of mig token make that is "
	    "known here; unchecked, with any other; forged,\nwhen one names "
	    "such a token and cannot prove it. Exit code 1 when no agent "
	    "matches." },
	{ .name = NULL },
};
