/* SPDX-License-Identifier: MPL-2.0 */
/* How answers are shown: lines of text, equal ones together, JSON, CSV. */
#include "client/print/answer.h"

#include "base/csv.h"
#include "base/err.h"
#include "base/file.h"
#include "base/jsonw.h"
#include "client/trust/trust.h"
#include "json/json.h"
#include "modules/narrow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_GROUPS_MAX 100000
#define OUTPUT_GROUP_BYTES (64u * 1024 * 1024)

void
output_init(struct output *o)
{
	memset(o, 0, sizeof(*o));
	groups_init(&o->groups, OUTPUT_GROUPS_MAX, OUTPUT_GROUP_BYTES);
}

void
output_release(struct output *o)
{
	groups_release(&o->groups);
}

static int
print_part(const struct answer_part *p, const char *prefix,
    enum print_show show, struct buf *out)
{
	struct err e = { 0 };
	int r;

	if (p->result == NULL)
		return 0; /* failures are told in the summary */
	r = narrow_print(p->module, p->result, prefix, show, out, &e);
	if (r != 0)
		return buf_add_fmt(out,
		    "%s%s: the answer cannot be shown: "
		    "%s\n",
		    prefix, p->module->name, e.msg);
	return out->error;
}

/* The lines of one operation after the other; of several modules each line
 * says whose it is. */
static void
print_parts(const struct answer *a, const char *lead, enum print_show show,
    struct buf *out)
{
	char prefix[ANSWER_NAME_MAX + 80];
	size_t i;

	for (i = 0; i < a->nparts; i++) {
		snprintf(prefix, sizeof(prefix), "%s%s%s", lead,
		    a->nparts > 1 ? a->parts[i].module->name : "",
		    a->nparts > 1 ? ": " : "");
		print_part(&a->parts[i], prefix, show, out);
	}
}

void
output_errors(
    const struct output *o, const struct answer *a, struct groups *ret)
{
	bool shown = o->format == OUTPUT_TEXT && o->show == SHOW_ALL;

	if (o->format != OUTPUT_JSON && !shown)
		answer_errors(a, ret);
}

static int
output_text(struct output *o, const struct answer *a, struct buf *out)
{
	char lead[ANSWER_NAME_MAX + 2];
	struct buf text;

	if (o->show == SHOW_NOTFOUND && a->found)
		return 0;
	snprintf(lead, sizeof(lead), "%s ", a->name);
	if (!o->group) {
		print_parts(a, lead, o->show, out);
		return out->error;
	}
	buf_init(&text, ANSWER_SHOWN_MAX);
	print_parts(a, "  ", o->show, &text);
	if (text.error != 0)
		out->error = text.error;
	else if (text.len > 0 &&
	    groups_add(
		&o->groups, (const char *)text.data, text.len, a->name) != 0) {
		o->ungrouped++;
		print_parts(a, lead, o->show, out);
	}
	buf_release(&text);
	return out->error;
}

static const char *
status_word(unsigned int status)
{
	return status == RESULT_DONE   ? "done"
	    : status == RESULT_REFUSED ? "refused"
				       : "stopped";
}

static const char *
part_word(unsigned int status)
{
	static const char *const words[] = { [PART_DONE] = "done",
		[PART_FAILED] = "failed",
		[PART_TIMEOUT] = "timeout",
		[PART_LIMIT] = "limit",
		[PART_INTERRUPTED] = "interrupted" };

	return status >= PART_DONE && status <= PART_INTERRUPTED ? words[status]
								 : "unknown";
}

/* The module's own answer, and beside it what ran and how. */
static void
add_part(struct jsonw *w, const struct answer_part *p)
{
	json_t *j = p->result != NULL ? json_copy(p->result) : json_object();
	char *text = NULL;

	if (json_object_set_new(j, "module", json_string(p->module->name)) ==
		0 &&
	    json_object_set_new(
		j, "status", json_string(part_word(p->status))) == 0 &&
	    (p->why[0] == '\0' ||
		json_object_set_new(j, "error", json_string(p->why)) == 0))
		text = json_text(j, JSON_COMPACT);
	if (text != NULL)
		jsonw_raw(w, NULL, text, strlen(text));
	else if (w->out->error == 0)
		w->out->error = ERR_NOMEM;
	free(text);
	json_decref(j);
}

int
output_object(const struct answer *a, struct buf *out)
{
	struct jsonw w;
	size_t i;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "agent", a->agent);
	jsonw_str(&w, "name", a->name);
	jsonw_str(&w, "status", status_word(a->status));
	if (a->refusal != NULL)
		jsonw_str(&w, "reason", a->refusal);
	else if (a->status == RESULT_STOPPED)
		jsonw_str(&w, "reason", a->why);
	jsonw_bool(&w, "found", a->found);
	trust_json_marks(&w, a->marks);
	jsonw_array(&w, "operations");
	for (i = 0; i < a->nparts; i++)
		add_part(&w, &a->parts[i]);
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	return buf_add_str(out, "\n");
}

static int
output_json(const struct output *o, const struct answer *a, struct buf *out)
{
	if ((o->show == SHOW_FOUND && !a->found) ||
	    (o->show == SHOW_NOTFOUND && a->found))
		return 0;
	return output_object(a, out);
}

/* Each module has columns of its own: the first has the table. */
static int
output_csv(struct output *o, const struct answer *a, struct buf *out)
{
	const struct answer_part *p;
	struct buf prefix;
	int r = 0;
	size_t i;

	if (o->show == SHOW_NOTFOUND && a->found)
		return 0;
	buf_init(&prefix, 4 * ANSWER_NAME_MAX);
	buf_add_fmt(&prefix, "%s,", a->agent);
	csv_field(&prefix, a->name);
	buf_add_str(&prefix, ",");
	for (i = 0; i < a->nparts && r == 0; i++) {
		p = &a->parts[i];
		if (p->module->csv == NULL || buf_str(&prefix) == NULL)
			continue;
		if (o->csv_module == NULL)
			buf_add_fmt(
			    out, "agent,name,%s\n", p->module->csv_header);
		else if (o->csv_module != p->module)
			r = ERR_UNSUPPORTED;
		o->csv_module = p->module;
		if (p->result != NULL && r == 0)
			narrow_csv(
			    p->module, p->result, buf_str(&prefix), out, NULL);
	}
	buf_release(&prefix);
	return r != 0 ? r : out->error;
}

int
output_answer(
    struct output *o, const struct answer *a, struct buf *out, struct err *e)
{
	int r;

	switch (o->format) {
	case OUTPUT_JSON:
		r = output_json(o, a, out);
		break;
	case OUTPUT_CSV:
		r = output_csv(o, a, out);
		break;
	default:
		r = output_text(o, a, out);
	}
	if (r == ERR_UNSUPPORTED)
		return err_set(e, r,
		    "-csv shows the answers of one module, these have "
		    "several: use -json");
	return r == 0
	    ? 0
	    : err_code(e, r, "the answer of %s cannot be shown", a->name);
}

int
output_end(struct output *o, struct buf *out, struct err *e)
{
	struct group *g;
	size_t i;

	groups_sort(&o->groups);
	for (i = 0; i < o->groups.n; i++) {
		g = &o->groups.list[i];
		buf_add_fmt(out, "%zu %s: ", g->count,
		    g->count == 1 ? "agent" : "agents");
		group_names(g, 0, out);
		buf_add_str(out, "\n");
		buf_add(out, g->text, g->text_len);
	}
	if (o->ungrouped > 0)
		buf_add_fmt(out,
		    "(%zu answers were too many to group and "
		    "stand above)\n",
		    o->ungrouped);
	return out->error == 0 ? 0 : err_code(e, out->error, "the output");
}

/* --- a file an agent -------------------------------------------------------
 */

#define FILE_NAME_MAX 64 /* of the agent's name */

static void
file_name(const struct answer *a, struct buf *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t i;

	for (i = 0; a->name[i] != '\0' && i < FILE_NAME_MAX; i++)
		buf_add_u8(out,
		    strchr(plain, a->name[i]) == NULL ||
			    (i == 0 && strchr(".-", a->name[i]) != NULL)
			? '_'
			: (uint8_t)a->name[i]);
	buf_add_fmt(out, "-%.*s.json", ID_SHORT_LEN, a->agent);
}

int
output_save(const char *dir, const struct answer *a, struct err *e)
{
	struct buf path, text;
	int r;

	buf_init(&path, 8192);
	buf_init(&text, ANSWER_SHOWN_MAX);
	buf_add_fmt(&path, "%s/", dir);
	file_name(a, &path);
	r = output_object(a, &text);
	if (r == 0 && buf_str(&path) == NULL)
		r = ERR_TOOBIG;
	if (r != 0)
		err_code(e, r, "the answer of %s cannot be saved", a->name);
	else
		r = file_mkdirs(dir, 0700, e);
	if (r == 0)
		r = file_write(buf_str(&path), text.data, text.len, 0600, e);
	buf_release(&path);
	buf_release(&text);
	return r;
}
