/* SPDX-License-Identifier: MPL-2.0 */
/* `mig trust`: what this client knows of agents, by itself. */
#include "client/client.h"
#include "client/print/table.h"
#include "client/trust/trust_target.h"

#include "base/file.h"
#include "base/jsonw.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define IMPORT_MAX (256u * 1024 * 1024)

static int
by_name(const void *a, const void *b)
{
	const struct trust_entry *x = *(struct trust_entry *const *)a;
	const struct trust_entry *y = *(struct trust_entry *const *)b;
	int d = strverscmp(
	    x->name != NULL ? x->name : "", y->name != NULL ? y->name : "");

	return d != 0 ? d : memcmp(x->id.b, y->id.b, ID_LEN);
}

/* "copied, went back" */
static void
sticky_words(const struct trust_entry *te, struct buf *out)
{
	unsigned int bit;

	for (bit = 1; bit < 1u << TRUST_MARKS; bit <<= 1)
		if ((te->sticky & bit) != 0)
			buf_add_fmt(out, "%s%s", out->len > 0 ? ", " : "",
			    trust_mark_word(bit));
}

/* "12:<head>", as mig-agent report verify takes it */
static void
record_words(const struct trust_entry *te, struct buf *out)
{
	if (te->has_record)
		buf_add_fmt(
		    out, "%" PRIu64 ":%s", te->position, id_hex(&te->head).s);
}

static void
list_json(const struct trust_entry *te, struct buf *out)
{
	struct buf b;
	struct jsonw w;

	buf_init(&b, 1024);
	record_words(te, &b);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "agent", id_hex(&te->id).s);
	jsonw_str(&w, "name", te->name != NULL ? te->name : "");
	jsonw_i64(&w, "first", te->first_s);
	jsonw_i64(&w, "seen", te->seen_s);
	if (b.len > 0)
		jsonw_str(&w, "record", buf_str(&b));
	buf_clear(&b);
	sticky_words(te, &b);
	jsonw_str(&w, "marks", b.len > 0 ? buf_str(&b) : "");
	jsonw_object_end(&w);
	buf_add_u8(out, '\n');
	buf_release(&b);
}

static void
list_row(struct table *t, const struct trust_entry *te)
{
	struct buf b;

	buf_init(&b, 1024);
	table_cell(t, te->name);
	table_cell(t, id_short(&te->id).s);
	table_time(t, te->first_s * 1000);
	table_time(t, te->seen_s * 1000);
	sticky_words(te, &b);
	table_cell(t, b.len > 0 ? buf_str(&b) : "");
	buf_clear(&b);
	if (te->has_record)
		buf_add_fmt(
		    &b, "%" PRIu64 ":%s", te->position, id_short(&te->head).s);
	table_cell(t, b.len > 0 ? buf_str(&b) : "");
	buf_release(&b);
}

static int
cmd_list(struct client *c, const struct opts *o, struct err *e)
{
	static const char *const head[] = { "NAME", "ID", "FIRST SEEN",
		"LAST SEEN", "MARKS", "RECORD", NULL };
	struct trust_entry **order;
	bool json = opts_has(o, "json");
	struct table table;
	struct trust t;
	struct buf out;
	size_t i;
	int r;

	table_init(&table, head);
	buf_init(&out, 512u * 1024 * 1024);
	r = trust_open(&t, e);
	order = calloc(t.n + 1, sizeof(struct trust_entry *));
	if (r == 0 && order == NULL)
		r = err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; r == 0 && i < t.n; i++)
		order[i] = &t.list[i];
	if (r == 0 && t.n > 0)
		qsort(order, t.n, sizeof(struct trust_entry *), by_name);
	for (i = 0; r == 0 && i < t.n; i++) {
		if (json)
			list_json(order[i], &out);
		else
			list_row(&table, order[i]);
	}
	if (r == 0 && !json && t.n > 0)
		table_print_fit(&table, &out);
	if (r == 0)
		r = client_out(&out, e);
	if (r == 0 && t.n == 0)
		r = EXIT_NOTFOUND;
	free(order);
	trust_release(&t);
	table_release(&table);
	buf_release(&out);
	return r;
}

/* --- forgetting and accepting -----------------------------------------------
 */

struct choice {
	const struct opts *opts;
	bool all;
	size_t *matched; /* by word */
};

static bool
word_names(const char *word, const struct trust_entry *te)
{
	size_t n = strlen(word);

	if (te->name != NULL && strcmp(te->name, word) == 0)
		return true;
	return n >= 8 && n <= ID_HEX_LEN &&
	    strncasecmp(id_hex(&te->id).s, word, n) == 0;
}

static bool
is_chosen(const struct trust_entry *te, void *arg)
{
	struct choice *f = arg;
	bool found = f->all;
	size_t i;

	for (i = 0; i < f->opts->nwords; i++)
		if (word_names(f->opts->words[i], te)) {
			f->matched[i]++;
			found = true;
		}
	return found;
}

/* change: trust_remove() or trust_accept(); done: "forgotten". */
static int
change_chosen(const struct opts *o, const char *verb, const char *done,
    int (*change)(const char *path, trust_choose *choose, void *arg,
	size_t *ret_n, struct err *e),
    struct err *e)
{
	struct choice f = { .opts = o, .all = opts_has(o, "all") };
	char *path = client_path(DIR_DATA, "known", e);
	size_t n = 0, i;
	int r = ERR_NOTFOUND;

	if (path == NULL)
		return r;
	if (o->nwords == 0 && !f.all) {
		r = err_set(e, ERR_INVALID,
		    "which? mig trust %s NAME|ID ..., or -all", verb);
		goto out;
	}
	if (f.all && !opts_has(o, "y") && client_interactive() &&
	    !client_confirm(
		"trust %s: all agents that are known here? [y/N] ", verb)) {
		r = err_set(e, ERR_CLOSED, "none %s", done);
		goto out;
	}
	f.matched = calloc(o->nwords + 1, sizeof(*f.matched));
	if (f.matched == NULL) {
		r = err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	r = client_mkdir_for(path, e);
	if (r == 0)
		r = change(path, is_chosen, &f, &n, e);
	for (i = 0; r == 0 && i < o->nwords; i++)
		if (f.matched[i] == 0)
			r = err_set(e, ERR_NOTFOUND,
			    "no agent '%s' is known here (an exact name, or 8 "
			    "digits of its id or more; see: mig trust "
			    "list)%s%s",
			    o->words[i], n > 0 ? "; others were " : "",
			    n > 0 ? done : "");
	if (r == 0)
		fprintf(stderr, "%zu %s %s\n", n, n == 1 ? "agent" : "agents",
		    done);
out:
	free(f.matched);
	free(path);
	return r;
}

static int
cmd_forget(struct client *c, const struct opts *o, struct err *e)
{
	return change_chosen(o, "forget", "forgotten", trust_remove, e);
}

static int
cmd_accept(struct client *c, const struct opts *o, struct err *e)
{
	return change_chosen(o, "accept", "accepted", trust_accept, e);
}

/* --- to and from others ------------------------------------------------------
 */

static int
cmd_export(struct client *c, const struct opts *o, struct err *e)
{
	struct trust t;
	struct buf out;
	size_t i;
	int r;

	buf_init(&out, 512u * 1024 * 1024);
	r = trust_open(&t, e);
	for (i = 0; r == 0 && i < t.n; i++)
		r = trust_line(&t.list[i], &out);
	if (r == 0)
		r = client_write(opts_get(o, "o"), &out, e);
	trust_release(&t);
	buf_release(&out);
	return r;
}

static int
cmd_import(struct client *c, const struct opts *o, struct err *e)
{
	struct trust_import im;
	struct trust t;
	struct buf in;
	int r;

	buf_init(&in, IMPORT_MAX);
	r = file_read(o->words[0], &in, e);
	if (r == 0) {
		r = trust_open(&t, e);
		if (r == 0)
			r = trust_import(&t, in.data, in.len, &im, e);
		if (r == 0 && im.bad == SIZE_MAX)
			r = err_set(e, ERR_INVALID,
			    "%s: its last line is not finished; nothing was "
			    "imported",
			    o->words[0]);
		else if (r == 0 && im.bad > 0)
			r = err_set(e, ERR_INVALID,
			    "%s: line %zu is damaged; nothing was imported",
			    o->words[0], im.bad);
		if (r == 0)
			r = client_mkdir_for(t.path, e);
		if (r == 0)
			r = trust_save(&t, e);
		if (r == 0)
			fprintf(stderr,
			    "%zu new, %zu newer, %zu already known, %zu told "
			    "otherwise than here and left out\n",
			    im.added, im.newer, im.same, im.conflicts);
		if (r == 0 && im.conflicts > 0)
			r = EXIT_INCOMPLETE;
		trust_release(&t);
	}
	buf_release(&in);
	return r;
}

static const struct opt list_opts[] = {
	{ "json", NULL, NULL, "one JSON object a line" },
	{ NULL, NULL, NULL, NULL },
};

static const struct opt forget_opts[] = {
	{ "all", NULL, NULL, "every agent" },
	{ "y", "yes", NULL, "do not ask" },
	{ NULL, NULL, NULL, NULL },
};

static const struct opt export_opts[] = {
	{ "o", "output", "FILE", "where to write (default: standard output)" },
	{ NULL, NULL, NULL, NULL },
};

const struct command trust_commands[] = {
	{ "trust list", "", "the agents this client has seen, and their marks",
	    cmd_list, list_opts, NULL, 0, 0,
	    "What agents signed and this client verified: id, name, and how "
	    "far an agent's own\nrecord was. What mig-agent report verify "
	    "takes on "
	    "the agent is the \"record\" of -json;\nRECORD is its beginning. "
	    "Exit code 1 when nothing is known." },
	{ "trust forget", "[NAME|ID ...]",
	    "forget agents: those that are gone, or were installed anew",
	    cmd_forget, forget_opts, NULL, 0, 1000, NULL },
	{ "trust accept", "[NAME|ID ...]",
	    "agents have their names rightly: end renamed and name taken",
	    cmd_accept, forget_opts, NULL, 0, 1000,
	    "They stay known. copied and went back are about an agent's "
	    "record, and end with\nmig trust forget." },
	{ "trust export", "", "what is known here, for another client",
	    cmd_export, export_opts, NULL, 0, 0, NULL },
	{ "trust import", "FILE", "take in what another client has exported",
	    cmd_import, NULL, NULL, 1, 1,
	    "What is told otherwise there than here (a name with another id) "
	    "is left out and\ncounted; exit code 3 then." },
	{ .name = NULL },
};
