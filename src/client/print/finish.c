/* SPDX-License-Identifier: MPL-2.0 */
/* The end of an investigation: who is missing, the numbers, how to go on. */
#include "client/ask/collect.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/str.h"
#include "client/api/api.h"
#include "client/ask/interrupt.h"
#include "client/trust/trust_target.h"
#include "json/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUMMARY_NAMES 10
#define SUMMARY_TEXT_MAX (64 * 1024 * 1024)
#define SUMMARY_OUT_MAX                                       \
	(512u * 1024 * 1024) /* and answers that were grouped \
			      */
#define ROSTER_LINE_MAX (64 * 1024)

struct roster {
	struct collect *k;
	size_t online, bad, lines;
};

/* " since 14:02" style detail for an agent that is away. */
static void
roster_name(const char *name, int64_t lastseen_ms, char *out, size_t size)
{
	char when[RFC3339_LEN + 1];

	if (lastseen_ms <= 0) {
		snprintf(out, size, "%s never seen", name);
		return;
	}
	rfc3339_format(lastseen_ms / 1000, when);
	snprintf(out, size, "%s since %s", name, when);
}

static void
roster_missing(
    struct roster *ro, const json_t *j, const char *name, const char *state)
{
	struct groups *g = &ro->k->summary.missing;
	char detail[TRUST_NAME_MAX + 64];
	int64_t lastseen = 0;
	bool online = false;

	(void)json_opt_bool(j, "", "online", &online, NULL);
	(void)json_opt_int(
	    j, "", "lastseen", 0, INT64_C(1) << 52, &lastseen, NULL);
	if (strcmp(state, "answered") == 0) {
		summary_add(g, "answered, but the answer is not here", name);
		return;
	}
	if (strcmp(state, "expired") == 0) {
		summary_add(g,
		    online ? "online, but silent until the action expired"
			   : "offline until the action expired",
		    name);
		return;
	}
	if (!online) {
		roster_name(name, lastseen, detail, sizeof(detail));
		summary_add(g, "offline", detail);
		return;
	}
	ro->online++;
	summary_add(g,
	    strcmp(state, "sent") == 0 ? "online, was asked, no answer yet"
				       : "online, not asked yet",
	    name);
}

static int
roster_line(const char *text, size_t len, void *arg)
{
	struct roster *ro = arg;
	const char *agent, *name = "", *state, *known;
	struct trust_entry *hint;
	int64_t enrolled = 0;
	struct buf safe;
	struct id id;
	json_t *j;

	ro->lines++;
	buf_init(&safe, 4 * TRUST_NAME_MAX);
	j = json_strict(text, len, ROSTER_LINE_MAX, NULL);
	if (j == NULL || json_need_str(j, "", "agent", &agent, NULL) != 0 ||
	    json_need_str(j, "", "state", &state, NULL) != 0 ||
	    json_opt_str(j, "", "name", &name, NULL) != 0 ||
	    json_opt_int(
		j, "", "enrolled", 0, INT64_C(1) << 52, &enrolled, NULL) != 0 ||
	    id_parse(agent, &id) != 0) {
		ro->bad++;
		goto out;
	}
	known = trust_name(&ro->k->trust, &id);
	str_add_printable(&safe, name, strnlen(name, TRUST_NAME_MAX));
	if (safe.len == 0)
		buf_add_str(&safe, id_short(&id).s);
	if (buf_str(&safe) == NULL)
		goto out;
	(void)seen_add(&ro->k->asked, &id, &id);
	hint = trust_hint(&ro->k->hints, &id, buf_str(&safe));
	if (hint != NULL)
		hint->first_s = enrolled / 1000;
	if (!seen_has(&ro->k->seen, &id))
		roster_missing(
		    ro, j, known != NULL ? known : buf_str(&safe), state);
out:
	buf_release(&safe);
	json_decref(j);
	return ro->bad > 100 ? ERR_INVALID : 0;
}

int
collect_roster(struct collect *k, size_t *ret_online, struct err *e)
{
	struct roster ro = { .k = k };
	char path[160];

	int r;

	summary_forget_missing(&k->summary);
	snprintf(
	    path, sizeof(path), "/api/v1/actions/%s/agents", id_hex(&k->id).s);
	r = api_lines(k->client, path, roster_line, &ro, e);
	*ret_online = ro.online;
	k->roster = r == 0 && ro.bad == 0;
	/* who was asked does not become fewer */
	if (r == 0 && k->summary.expected < (int64_t)ro.lines)
		k->summary.expected = (int64_t)ro.lines;
	return r;
}

int
collect_follow(struct collect *k, struct err *e)
{
	size_t online = 0;
	int r;

	k->live = k->follow && clock_wall_ms() < k->action->expire_after * 1000;
	do {
		k->enough = false;
		k->quiet_ms = 0;
		r = collect_run(k, e);
		if (r != 0 || !k->enough)
			return r;
		r = collect_roster(k, &online, e);
	} while (r == 0 && online > 0 && !interrupt_seen());
	return r;
}

static void
finish_missed(struct trust_entry *te, unsigned int mark, void *arg)
{
	struct collect *k = arg;

	summary_add(&k->summary.leftout, trust_mark_text(mark),
	    te->name != NULL ? te->name : id_short(&te->id).s);
}

/* When it is known who was asked: this is what people are told. */
static void
finish_told(struct trust_entry *te, unsigned int mark, void *arg)
{
	finish_missed(te, mark, arg);
	if (mark == TRUST_LAPSED)
		trust_lapsed(te);
}

static int
finish_look(struct collect *k, const struct seen *asked, struct err *e)
{
	int r = trust_missed(&k->trust, k->action->target, &k->seen, asked,
	    asked != NULL ? finish_told : finish_missed, k);

	return r == 0 ? 0 : err_set(e, r, "the target: %s", err_text(r));
}

/* Agents known here that the target fits and the server does not ask. Its list
 * is fetched only when there are any. */
static void
finish_left_out(struct collect *k)
{
	struct err why = { 0 };
	size_t online;
	int r = 0;

	if (k->online_only)
		return;
	if (!k->roster) {
		r = finish_look(k, NULL, &why);
		if (r == 0 && k->summary.leftout.n == 0)
			return;
		groups_clear(&k->summary.leftout);
		if (r == 0)
			r = collect_roster(k, &online, &why);
	}
	if (r == 0)
		trust_refresh(k->client, &k->trust, k->action->target, &k->seen,
		    &k->asked);
	if (r == 0)
		r = finish_look(k, &k->asked, &why);
	if (r != 0)
		client_warn("warning: whether the server left out agents is "
			    "not known: %s",
		    why.msg);
}

static void
finish_hints(struct collect *k, struct buf *out)
{
	struct summary *s = &k->summary;
	char until[RFC3339_LEN + 1];

	if (s->firstseen > 0 && s->firstseen < summary_answered(s))
		buf_add_fmt(out,
		    "%" PRId64 " of these agents answered here for the first "
		    "time.\n",
		    s->firstseen);
	if (summary_unanswered(s) == 0 ||
	    k->action->expire_after * 1000 < clock_wall_ms())
		return;
	rfc3339_format(k->action->expire_after, until);
	buf_add_fmt(out,
	    "Answers are taken until %s. To see them: mig results %s\n", until,
	    id_short(&k->id).s);
}

static void
finish_remember(struct collect *k)
{
	struct err why = { 0 };

	if (client_mkdir_for(k->trust.path, &why) != 0 ||
	    trust_save(&k->trust, &why) != 0)
		client_warn("warning: the names of these agents are not "
			    "remembered: %s",
		    why.msg);
}

void
collect_abandon(struct collect *k)
{
	struct err ignored;
	struct buf out;

	progress_erase(&k->progress);
	interrupt_restore();
	finish_remember(k);
	buf_init(&out, SUMMARY_OUT_MAX);
	if (k->out_error.code == 0 &&
	    output_end(&k->output, &out, &ignored) == 0)
		(void)client_out(&out, &ignored);
	buf_release(&out);
}

int
collect_finish(struct collect *k, struct err *e)
{
	struct err ignored = { 0 };
	size_t online;
	struct buf out, text;
	int r;

	progress_erase(&k->progress);
	interrupt_restore();
	summary_forget_missing(&k->summary);
	if (summary_unanswered(&k->summary) > 0 &&
	    collect_roster(k, &online, &ignored) != 0)
		client_warn("warning: who has not answered is not known: %s",
		    ignored.msg);
	finish_left_out(k);
	fault_point("mig.followed");
	finish_remember(k);
	fault_point("mig.trusted");
	buf_init(&out, SUMMARY_OUT_MAX);
	buf_init(&text, SUMMARY_TEXT_MAX);
	r = output_end(&k->output, &out, e);
	if (r == 0 && k->output.format == OUTPUT_JSON)
		summary_json(&k->summary, id_hex(&k->id).s, &out);
	if (r == 0)
		r = client_out(&out, e);
	if (r == 0 && k->output.format != OUTPUT_JSON) {
		summary_text(
		    &k->summary, k->verbose ? 0 : SUMMARY_NAMES, &text);
		finish_hints(k, &text);
		if (buf_str(&text) != NULL)
			client_err(buf_str(&text));
		else
			client_warn("warning: the summary is too large to be "
				    "shown (-json has it)");
	}
	buf_release(&out);
	buf_release(&text);
	return r != 0 ? r : summary_exit(&k->summary);
}
