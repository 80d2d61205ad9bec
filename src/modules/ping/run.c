/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The ping module's work: a few tries, one after the other, to reach one host.
 *
 *   elements: {"latencies": [ms], "protocol", "resolvedhost": "h:p (addr)",
 *              "failures": ["try N: why"] | null}
 *
 * A latency that is none is 9999999 (no answer), -1 (refused, unreachable) or 0
 * (not tried).
 */
#include "modules/run.h"

#include "base/err.h"
#include "base/jsonw.h"
#include "modules/common/netwait.h"
#include "modules/common/outcome.h"
#include "modules/common/resolve.h"
#include "modules/ping/probe.h"

#include <stdio.h>
#include <string.h>

#define PAUSE_NS 100000000 /* between tries */
#define TEXT_MAX (64 * 1024)

/* The first ones are in the order of enum watch_end. */
enum gap {
	GAP_NONE,
	GAP_TIME,
	GAP_CPU,
	GAP_STOPPED,
	GAP_UNRESOLVED,
	GAP_NOT_PERMITTED,
	GAP_FAILED,
	GAP_OUTPUT,
	GAPS
};

static const struct outcome_kind kinds[GAPS] = {
	[GAP_NONE] = { "none", NULL, true },
	[GAP_TIME] = { "timelimit", NULL, false },
	[GAP_CPU] = { "cpulimit", NULL, false },
	[GAP_STOPPED] = { "stopped", NULL, false },
	[GAP_UNRESOLVED] = { "unresolved", NULL, false },
	[GAP_NOT_PERMITTED] = { "notpermitted", NULL, false },
	[GAP_FAILED] = { "failed", NULL, true }, /* "failures" tells */
	[GAP_OUTPUT] = { "outputlimit", NULL, false },
};

struct run {
	const struct run_context *ctx;
	struct ping_question q;
	struct outcome out;
	struct watch watch;
	struct netaddrs to;
	struct buf latencies, failures; /* JSON with commas between */
	unsigned int sent, answered, found;
};

static bool
resolve(struct run *r)
{
	struct err e;

	err_clear(&e);
	resolve_init();
	if (resolve_host(&r->q.host, r->q.family, r->q.port, &r->to, &e) == 0)
		return true;
	outcome_gap(&r->out, GAP_UNRESOLVED, r->q.host.name, e.msg);
	return false;
}

static void
add_failure(struct run *r, const struct probe_result *res)
{
	static const char *const words[] = {
		[PROBE_ANSWERED] = "answered",
		[PROBE_NO_ANSWER] = "no answer",
		[PROBE_REFUSED] = "refused",
		[PROBE_UNREACHABLE] = "unreachable",
		[PROBE_FAILED] = "failed",
		[PROBE_ENDED] = "ended",
	};
	char text[PROBE_WHY_MAX + 64];
	size_t before = r->failures.len;
	struct jsonw w;

	if (res->end == PROBE_ANSWERED)
		return;
	snprintf(text, sizeof(text), "try %u: %s%s%s", r->sent, words[res->end],
	    res->why[0] != '\0' ? ": " : "", res->why);
	if (res->end == PROBE_NO_ANSWER)
		snprintf(text, sizeof(text), "try %u: no answer within %u s%s",
		    r->sent, r->q.timeout,
		    r->q.protocol == PING_UDP
			? ", and no refusal: open, or dropped on the way"
			: "");
	jsonw_init(&w, &r->failures);
	w.comma = before > 0;
	jsonw_str(&w, NULL, text);
	(void)outcome_keep(&r->out, &r->failures, before);
}

static void
add_latency(struct run *r, const struct probe_result *res)
{
	size_t before = r->latencies.len;
	double ms = PING_REFUSED;

	if (res->end == PROBE_ANSWERED)
		ms = res->ns > 0 ? (double)res->ns / 1e6 : 1e-6;
	else if (res->end == PROBE_NO_ANSWER)
		ms = PING_NO_ANSWER;
	else if (res->end == PROBE_FAILED)
		ms = PING_FAILED;
	buf_add_fmt(&r->latencies,
	    res->end == PROBE_ANSWERED ? "%s%.6f" : "%s%.0f",
	    before > 0 ? "," : "", ms);
	(void)outcome_keep(&r->out, &r->latencies, before);
}

static void
count(struct run *r, const struct probe_result *res)
{
	if (res->end == PROBE_ANSWERED)
		r->answered++;
	else if (res->end == PROBE_FAILED)
		outcome_gap(&r->out, GAP_FAILED, NULL, NULL);
	/* as in the original: silence may be all that UDP gets */
	if (res->end == PROBE_ANSWERED ||
	    (res->end == PROBE_NO_ANSWER && r->q.protocol == PING_UDP))
		r->found++;
}

static void
note_end(struct run *r)
{
	outcome_gap(&r->out, (unsigned int)r->watch.end, NULL, r->watch.text);
}

static void
try_all(struct run *r, const struct probe *p)
{
	struct probe_result res;
	unsigned int i;

	for (i = 0; i < r->q.count; i++) {
		if (i > 0 &&
		    net_wait(NULL, 0, net_now() + PAUSE_NS, &r->watch) ==
			NETWAIT_ENDED) {
			note_end(r);
			return;
		}
		probe_once(p, i, &res);
		if (res.end == PROBE_ENDED) {
			note_end(r);
			return;
		}
		r->sent++;
		add_latency(r, &res);
		add_failure(r, &res);
		count(r, &res);
		if (r->out.full) {
			outcome_gap(&r->out, GAP_OUTPUT, NULL,
			    "the answer's size limit is reached: it is not "
			    "tried again");
			return;
		}
	}
}

/* False: nothing could be tried. */
static bool
look(struct run *r)
{
	const struct netaddr *to = &r->to.list[0];
	struct probe p = { .question = &r->q,
		.to = to,
		.echo = to->u.sa.sa_family == AF_INET ? &r->ctx->echo->v4
						      : &r->ctx->echo->v6,
		.watch = &r->watch };
	char why[PROBE_WHY_MAX];

	if (!probe_prepare(&p, why)) {
		outcome_gap(&r->out, GAP_NOT_PERMITTED,
		    ping_protocols[r->q.protocol], why);
		return false;
	}
	try_all(r, &p);
	return true;
}

static void
write_host(const struct run *r, struct jsonw *w)
{
	char text[HOST_TEXT_SIZE + NETADDR_TEXT_MAX + 3];
	struct host asked = r->q.host;
	size_t n;

	asked.port = r->q.port;
	host_text(&asked, text);
	n = strlen(text);
	if (r->to.n > 0)
		snprintf(
		    text + n, sizeof(text) - n, " (%s)", r->to.list[0].text);
	jsonw_str(w, "resolvedhost", text);
}

static int
answer(struct run *r, bool success, struct buf *out, struct err *e)
{
	struct jsonw w;

	jsonw_init(&w, out);
	outcome_begin(&r->out, &w, r->found > 0, success);
	jsonw_array(&w, "latencies");
	buf_add(out, r->latencies.data, r->latencies.len);
	jsonw_array_end(&w);
	jsonw_str(&w, "protocol", ping_protocols[r->q.protocol]);
	write_host(r, &w);
	if (r->failures.len > 0) {
		jsonw_array(&w, "failures");
		buf_add(out, r->failures.data, r->failures.len);
		jsonw_array_end(&w);
	} else {
		jsonw_null(&w, "failures");
	}
	outcome_statistics(&r->out, &w);
	jsonw_u64(&w, "tries", r->sent);
	jsonw_u64(&w, "answered", r->answered);
	outcome_rights(&w, "ping", r->ctx->rights);
	return outcome_end(&r->out, &w, e);
}

int
module_ping_run(const json_t *params, const struct run_context *ctx,
    struct buf *out, struct err *e)
{
	struct run r = { .ctx = ctx };
	bool success;
	int rc;

	ping_question(params, &r.q);
	watch_begin(&r.watch, ctx);
	outcome_init(&r.out, kinds, GAPS, 0, ctx->output_max);
	buf_init(&r.latencies, TEXT_MAX);
	buf_init(&r.failures, TEXT_MAX);
	success = resolve(&r) && look(&r);
	rc = answer(&r, success, out, e);
	buf_release(&r.latencies);
	buf_release(&r.failures);
	outcome_release(&r.out);
	return rc;
}
