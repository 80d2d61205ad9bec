/* SPDX-License-Identifier: MPL-2.0 */
/* `mig audit show`, `mig audit verify`. The head that was seen last is kept in
 * ~/.local/share/mig/audit/CA, a file for each server. */
#include "client/api/api.h"
#include "client/trust/auditlog.h"
#include "client/print/table.h"

#include "base/file.h"
#include "base/str.h"
#include "json/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHOWN_DEFAULT 50
#define SHOWN_MAX 1000000
#define OUT_MAX (512u * 1024 * 1024)

struct show {
	bool json;
	struct table table;
	struct buf out;
};

static char *
head_path(struct client *c, struct err *e)
{
	char name[16 + ID_HEX_LEN];
	struct id ca;

	if (client_need_server(c, e) != 0)
		return NULL;
	if (id_parse(c->conf.ca, &ca) != 0) {
		err_set(e, ERR_INVALID, "the configuration pins no CA");
		return NULL;
	}
	snprintf(name, sizeof(name), "audit/%s", id_hex(&ca).s);
	return client_path(DIR_DATA, name, e);
}

/* A file that is there and cannot be read must not pass for none. */
static int
head_load(const char *path, struct audit_head *ret, struct err *e)
{
	struct buf b;
	int r;

	memset(ret, 0, sizeof(*ret));
	buf_init(&b, 256);
	r = file_read(path, &b, e);
	if (r == ERR_NOTFOUND) {
		r = 0;
	} else if (r == 0 && auditlog_head_parse(b.data, b.len, ret) != 0) {
		r = err_set(e, ERR_INVALID,
		    "%s is damaged: move it away to begin anew with what the "
		    "server has now",
		    path);
	}
	buf_release(&b);
	return r;
}

/* What a mig beside this one has seen meanwhile may be newer, and stays. */
static int
head_save(const char *path, const struct audit_head *h, struct err *e)
{
	char line[AUDITLOG_HEAD_MAX];
	size_t len = auditlog_head_write(h, line);
	struct audit_head now;
	int lock, r = client_lock_for(path, &lock, e);

	if (r != 0)
		return r;
	r = head_load(path, &now, e);
	if (r == 0 && now.n < h->n)
		r = file_write(path, line, len, 0600, e);
	close(lock);
	return r;
}

/* --- showing ---------------------------------------------------------------
 */

static void
show_row(
    struct show *s, const struct audit_head *head, const char *text, size_t len)
{
	static const char *const keys[] = { "time", "who", "what", "object",
		"detail" };
	json_t *j = json_strict(text, len, AUDIT_TEXT_MAX, NULL);
	char n[24];
	size_t i;

	snprintf(n, sizeof(n), "%" PRIu64, head->n);
	table_cell(&s->table, n);
	for (i = 0; i < 5; i++)
		table_cell(
		    &s->table, json_string_value(json_object_get(j, keys[i])));
	json_decref(j);
}

static int
show_entry(
    const struct audit_head *head, const char *text, size_t len, void *arg)
{
	struct show *s = arg;
	char *again;
	json_t *j;

	if (!s->json) {
		show_row(s, head, text, len);
		return s->table.cells.error;
	}
	buf_add_fmt(&s->out,
	    "{\"n\":%" PRIu64 ",\"chain\":\"%s\",\"entry\":", head->n,
	    id_hex(&head->chain).s);
	/* it was written by jsonw, but the server may say anything */
	j = json_strict(text, len, AUDIT_TEXT_MAX, NULL);
	again = json_text(j, JSON_COMPACT);
	buf_add_fmt(&s->out, "%s}\n", again != NULL ? again : "null");
	free(again);
	json_decref(j);
	return s->out.error;
}

/* --- reading ---------------------------------------------------------------
 */

static int
read_log(struct client *c, const char *query, struct auditlog *l, struct err *e)
{
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/api/v1/audit%s", query);
	r = api_lines(c, path, auditlog_line, l, e);
	if (l->err.code != 0) {
		*e = l->err;
		return l->err.code;
	}
	if (r == 0 && (r = auditlog_end(l)) != 0)
		*e = l->err;
	return r;
}

static int
cmd_show(struct client *c, const struct opts *o, struct err *e)
{
	static const char *const head[] = { "N", "TIME", "WHO", "WHAT",
		"OBJECT", "DETAIL", NULL };
	struct show s = { .json = opts_has(o, "json") };
	struct auditlog l = { .on_entry = show_entry, .arg = &s };
	const char *last = opts_get(o, "last");
	uint64_t n = SHOWN_DEFAULT;
	char query[32], *path;
	int r;

	if (last != NULL && str_u64(last, 1, SHOWN_MAX, &n) != 0)
		return err_set(e, ERR_INVALID,
		    "-last %s: expected a number "
		    "from 1 to %d",
		    last, SHOWN_MAX);
	if ((path = head_path(c, e)) == NULL)
		return e->code;
	snprintf(query, sizeof(query), "?last=%" PRIu64, n);
	table_init(&s.table, head);
	buf_init(&s.out, OUT_MAX);
	r = head_load(path, &l.known, e);
	if (r == 0)
		r = read_log(c, query, &l, e);
	if (r == 0 && !s.json)
		table_print_fit(&s.table, &s.out);
	if (r == 0)
		r = client_out(&s.out, e);
	table_release(&s.table);
	buf_release(&s.out);
	free(path);
	return r;
}

static int
cmd_verify(struct client *c, const struct opts *o, struct err *e)
{
	struct auditlog l = { .on_entry = NULL };
	char *path = head_path(c, e);
	int r;

	if (path == NULL)
		return e->code;
	r = head_load(path, &l.known, e);
	if (r == 0)
		r = read_log(c, "", &l, e);
	if (r == 0 && l.at.n > 0)
		r = head_save(path, &l.at, e);
	free(path);
	if (r != 0)
		return r;
	if (l.at.n == 0) {
		fprintf(stderr, "there are no entries yet\n");
		return 0;
	}
	printf("entries  %" PRIu64 " to %" PRIu64 "\nhead     %s\n",
	    l.start.n + 1, l.at.n, id_hex(&l.at.chain).s);
	if (l.known.n == 0) {
		fprintf(stderr,
		    "the chain is whole; seen for the first time, "
		    "and remembered from now on\n");
		return 0;
	}
	if (auditlog_reached_known(&l)) {
		fprintf(stderr,
		    "the chain is whole, and goes on from entry "
		    "%" PRIu64 ", which was seen before\n",
		    l.known.n);
		return 0;
	}
	client_warn("warning: entries up to %" PRIu64
		    " are removed, and this machine had seen only those up to "
		    "%" PRIu64 ": what lies between cannot be checked",
	    l.start.n, l.known.n);
	return EXIT_INCOMPLETE;
}

static const struct opt show_opts[] = {
	{ "last", NULL, "N", "so many of the newest entries (default 50)" },
	{ "json", NULL, NULL, "one JSON object a line" },
	{ NULL, NULL, NULL, NULL },
};

const struct command audit_commands[] = {
	{ "audit show", "", "who did what at the server, newest last", cmd_show,
	    show_opts, NULL, 0, 0, NULL },
	{ "audit verify", "",
	    "check that the audit log is whole, and the one seen before",
	    cmd_verify, NULL, NULL, 0, 0,
	    "Computes the chain of all entries here and compares it with the "
	    "newest one that\nthis machine has seen: a log that was changed, "
	    "cut or written anew is exit code 2.\nExit code 3: entries were "
	    "removed by age before this machine had seen what follows." },
	{ .name = NULL },
};
