/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The agent module's work. What the agent is comes from the monitor with the
 * order (run_context.agent_state, its own JSON); the other agents of the host
 * are seen in /proc. When the monitor asked one of them to end, the worker
 * watches it go.
 *
 *   elements: {"agent": {...}, "duplicates": [{pid, version, mode, id, user,
 *     uptime, sameid}], "stop": {"pid", "version", "result"}}
 */
#include "modules/agent/peers.h"
#include "modules/agent/wish.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "json/json.h"
#include "modules/common/outcome.h"
#include "modules/common/watch.h"
#include "modules/params.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROC "/proc"
#define STATE_MAX (64 * 1024)
/* An agent that was told to end finishes what runs, up to 30 s. */
#define END_MS 40000
#define LOOK_MS 50

enum gap { GAP_PROC, GAP_MORE, GAPS };

static const struct outcome_kind kinds[GAPS] = {
	[GAP_PROC] = { "unreadable", NULL, false },
	[GAP_MORE] = { "outputlimit", NULL, false },
};

struct run {
	const json_t *params;
	struct watch watch;
	struct outcome out;
	json_t *state; /* NULL: by hand, or of an agent that said nothing */
	pid_t self;
	struct peers peers;
	struct agent_wish wish;
	const char *stopped; /* what became of the wish; NULL: no wish */
	char said[128];
	bool ended;
};

static void
find_peers(struct run *r)
{
	if (peers_find(PROC, &r->peers) != 0) {
		outcome_gap(&r->out, GAP_PROC, PROC,
		    "the processes of this host cannot all be read");
		return;
	}
	if (r->peers.hidden)
		outcome_gap(&r->out, GAP_PROC, PROC,
		    "processes of other users are hidden (hidepid)");
	if (r->peers.more)
		outcome_gap(&r->out, GAP_MORE, NULL, "there are more agents");
}

/* Until it has gone, or for as long as may be. */
static bool
wait_for_end(struct run *r, pid_t pid, uint64_t start)
{
	const struct timespec nap = { .tv_nsec = LOOK_MS * 1000000L };
	int64_t until = clock_mono_ms() + END_MS;

	while (peer_runs(PROC, pid, start)) {
		if (clock_mono_ms() >= until || watch_stop(&r->watch))
			return false;
		nanosleep(&nap, NULL);
	}
	return true;
}

static void
follow_wish(struct run *r)
{
	const json_t *said = json_object_get(r->state, "stop");
	const char *result = json_string_value(json_object_get(said, "result"));
	const json_t *start = json_object_get(said, "start");

	agent_wish(r->params, &r->wish);
	if (r->wish.pid == 0)
		return;
	if (result == NULL) {
		r->stopped = "not done: only an agent can stop another one";
		return;
	}
	/* the state's member goes before the answer is written */
	str_copy(r->said, sizeof(r->said), result);
	r->stopped = r->said;
	if (!json_is_integer(start))
		return;
	r->ended = wait_for_end(
	    r, (pid_t)r->wish.pid, (uint64_t)json_integer_value(start));
	r->stopped = r->ended ? "ended" : "asked to end, still there";
}

static bool
is_self(const struct run *r, const struct peer *p)
{
	return r->self != 0 && p->pid == r->self;
}

static void
write_duplicates(const struct run *r, struct jsonw *w)
{
	const char *id = json_string_value(json_object_get(r->state, "id"));
	const struct peer *p;
	size_t i;

	jsonw_array(w, "duplicates");
	for (i = 0; i < r->peers.n; i++) {
		p = &r->peers.list[i];
		if (is_self(r, p))
			continue;
		jsonw_object(w, NULL);
		jsonw_i64(w, "pid", p->pid);
		jsonw_str(w, "version", p->version);
		jsonw_str(w, "mode", p->mode);
		jsonw_str(w, "id", p->id);
		jsonw_u64(w, "user", p->uid);
		jsonw_i64(w, "uptime", p->age);
		jsonw_bool(w, "sameid", id != NULL && strcmp(id, p->id) == 0);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static void
write_elements(const struct run *r, struct jsonw *w)
{
	char *text;

	if (r->state != NULL) {
		json_object_del(r->state, "stop");
		text = json_text(r->state, JSON_COMPACT);
		if (text != NULL)
			jsonw_raw(w, "agent", text, strlen(text));
		else
			w->out->error = ERR_NOMEM;
		free(text);
	}
	write_duplicates(r, w);
	if (r->stopped == NULL)
		return;
	jsonw_object(w, "stop");
	jsonw_u64(w, "pid", r->wish.pid);
	jsonw_str(w, "version", r->wish.version);
	jsonw_str(w, "result", r->stopped);
	jsonw_object_end(w);
}

static bool
found(const struct run *r)
{
	size_t i, others = 0;

	for (i = 0; i < r->peers.n; i++)
		others += !is_self(r, &r->peers.list[i]);
	if (r->stopped != NULL)
		return r->ended;
	return others > 0 ||
	    (r->state != NULL && !params_bool(r->params, "duplicates"));
}

static int
answer(struct run *r, struct buf *out, struct err *e)
{
	struct jsonw w;

	if (r->stopped != NULL && !r->ended)
		outcome_note(&r->out, "stop %u: %s", r->wish.pid, r->stopped);
	jsonw_init(&w, out);
	outcome_begin(&r->out, &w, found(r), r->stopped == NULL || r->ended);
	write_elements(r, &w);
	outcome_statistics(&r->out, &w);
	jsonw_u64(&w, "agents", r->peers.n);
	return outcome_end(&r->out, &w, e);
}

int
module_agent_run(const json_t *params, const struct run_context *ctx,
    struct buf *out, struct err *e)
{
	struct run *r = calloc(1, sizeof(*r));
	int rc = 0;

	if (r == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	r->params = params;
	watch_begin(&r->watch, ctx);
	outcome_init(&r->out, kinds, GAPS, 0, ctx->output_max);
	if (ctx->agent_state != NULL) {
		r->state = json_strict(
		    ctx->agent_state, strlen(ctx->agent_state), STATE_MAX, e);
		rc = r->state != NULL ? 0 : ERR_INVALID;
	}
	if (rc == 0) {
		r->self =
		    (pid_t)json_integer_value(json_object_get(r->state, "pid"));
		follow_wish(r);
		find_peers(r); /* without the one that has ended */
		rc = answer(r, out, e);
	}
	json_decref(r->state);
	outcome_release(&r->out);
	free(r);
	return rc;
}
