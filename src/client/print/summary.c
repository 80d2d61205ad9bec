/* SPDX-License-Identifier: MPL-2.0 */
#include "client/print/summary.h"

#include "base/jsonw.h"

#include <inttypes.h>
#include <string.h>

#define REASONS_MAX 64
#define REASON_BYTES_MAX (64 * 1024)

void
summary_init(struct summary *s)
{
	memset(s, 0, sizeof(*s));
	s->expected = -1;
	groups_init(&s->refusals, REASONS_MAX, REASON_BYTES_MAX);
	groups_init(&s->failures, REASONS_MAX, REASON_BYTES_MAX);
	groups_init(&s->errors, REASONS_MAX, REASON_BYTES_MAX);
	groups_init(&s->partials, REASONS_MAX, REASON_BYTES_MAX);
	groups_init(&s->missing, REASONS_MAX, REASON_BYTES_MAX);
	groups_init(&s->marks, REASONS_MAX, REASON_BYTES_MAX);
	groups_init(&s->leftout, REASONS_MAX, REASON_BYTES_MAX);
}

void
summary_release(struct summary *s)
{
	groups_release(&s->refusals);
	groups_release(&s->failures);
	groups_release(&s->errors);
	groups_release(&s->partials);
	groups_release(&s->missing);
	groups_release(&s->marks);
	groups_release(&s->leftout);
}

void
summary_add(struct groups *g, const char *reason, const char *name)
{
	static const char other[] = "other reasons";
	size_t limit;

	if (groups_add(g, reason, strlen(reason), name) == 0)
		return;
	/* The last place is for everything that has none of its own. */
	limit = g->max_groups;
	g->max_groups = limit + 1;
	g->max_bytes += sizeof(other);
	(void)groups_add(g, other, strlen(other), name);
	g->max_bytes -= sizeof(other);
	g->max_groups = limit;
}

void
summary_forget_missing(struct summary *s)
{
	groups_clear(&s->missing);
}

int64_t
summary_answered(const struct summary *s)
{
	return s->done + s->failed + s->refused;
}

int64_t
summary_unanswered(const struct summary *s)
{
	int64_t n = s->expected - summary_answered(s);

	return s->expected < 0 || n < 0 ? 0 : n;
}

int
summary_exit(const struct summary *s)
{
	if (s->failed > 0 || s->refused > 0 || s->forged > 0 ||
	    s->interrupted || s->done == 0 || summary_unanswered(s) > 0 ||
	    s->leftout.n > 0)
		return EXIT_INCOMPLETE;
	if (s->found > 0)
		return EXIT_FOUND;
	return s->partial > 0 ? EXIT_INCOMPLETE : EXIT_NOTFOUND;
}

static void
summary_reasons(
    struct groups *g, const char *what, size_t names_max, struct buf *out)
{
	size_t i;

	groups_sort(g);
	for (i = 0; i < g->n; i++) {
		buf_add_fmt(out, "  %s: %s: %zu (", what, g->list[i].text,
		    g->list[i].count);
		group_names(&g->list[i], names_max, out);
		buf_add_str(out, ")\n");
	}
}

static void
summary_count(struct buf *out, int64_t n, const char *what)
{
	if (n > 0)
		buf_add_fmt(out, ", %" PRId64 " %s", n, what);
}

int
summary_text(struct summary *s, size_t names_max, struct buf *out)
{
	int64_t expected = s->expected < 0 ? summary_answered(s) : s->expected;

	if (expected == 0 && s->leftout.n == 0)
		return buf_add_str(out, "No agent was asked.\n");
	buf_add_fmt(out,
	    "%" PRId64 " %s asked, %" PRId64 " done, %" PRId64 " found",
	    expected, expected == 1 ? "agent" : "agents", s->done, s->found);
	buf_add_fmt(out, ", %" PRId64 " failed, %" PRId64 " not answered",
	    s->failed, summary_unanswered(s));
	summary_count(out, s->refused, "refused");
	summary_count(out, s->partial, "could not see everything");
	summary_count(out, s->absent, "without a path asked for");
	summary_count(out, s->forged, "not believed");
	buf_add_str(out, "\n");
	summary_reasons(&s->failures, "failed", names_max, out);
	summary_reasons(&s->errors, "error", names_max, out);
	summary_reasons(&s->refusals, "refused", names_max, out);
	summary_reasons(&s->partials, "not everything seen", names_max, out);
	summary_reasons(&s->missing, "not answered", names_max, out);
	summary_reasons(&s->marks, "marked", names_max, out);
	summary_reasons(&s->leftout, "left out", names_max, out);
	return out->error;
}

static void
summary_json_reasons(struct groups *g, const char *key, struct jsonw *w)
{
	size_t i, j;

	groups_sort(g);
	jsonw_array(w, key);
	for (i = 0; i < g->n; i++) {
		jsonw_object(w, NULL);
		jsonw_str(w, "reason", g->list[i].text);
		jsonw_u64(w, "count", g->list[i].count);
		jsonw_array(w, "agents");
		for (j = 0; j < g->list[i].nnames; j++)
			jsonw_str(w, NULL, g->list[i].names[j]);
		jsonw_array_end(w);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

int
summary_json(struct summary *s, const char *action, struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_bool(&w, "summary", true);
	if (action != NULL)
		jsonw_str(&w, "id", action);
	jsonw_i64(
	    &w, "sent", s->expected < 0 ? summary_answered(s) : s->expected);
	jsonw_i64(&w, "done", s->done);
	jsonw_i64(&w, "found", s->found);
	jsonw_i64(&w, "failed", s->failed);
	jsonw_i64(&w, "refused", s->refused);
	jsonw_i64(&w, "partial", s->partial);
	jsonw_i64(&w, "absent", s->absent);
	jsonw_i64(&w, "unanswered", summary_unanswered(s));
	jsonw_i64(&w, "notbelieved", s->forged);
	jsonw_bool(&w, "interrupted", s->interrupted);
	jsonw_i64(&w, "exitcode", summary_exit(s));
	summary_json_reasons(&s->failures, "failures", &w);
	summary_json_reasons(&s->refusals, "refusals", &w);
	summary_json_reasons(&s->partials, "partials", &w);
	summary_json_reasons(&s->missing, "missing", &w);
	summary_json_reasons(&s->marks, "marks", &w);
	summary_json_reasons(&s->leftout, "leftout", &w);
	jsonw_object_end(&w);
	return buf_add_str(out, "\n");
}
