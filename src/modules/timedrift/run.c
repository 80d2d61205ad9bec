/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The timedrift module's work: the local time, and if a drift is given, how far
 * it is from that of time servers, all asked side by side.
 *
 *   elements: {"hascheckeddrift", "iswithindrift", "drifts": ["1.5s"],
 *              "localtime"}
 *   statistics: {"ntpstats": [{"host", "port", "source", "address",
 *              "reachable", "time", "latency", "drift", "distance",
 *              "stratum", "agrees", "why"}]}
 *
 * A drift is how far the local clock is ahead. Found is what is outside. Where
 * no group of servers is more than half there is no verdict and no success.
 */
#include "modules/run.h"

#include "base/err.h"
#include "base/jsonw.h"
#include "modules/common/gofmt.h"
#include "modules/common/netwait.h"
#include "modules/common/outcome.h"
#include "modules/params.h"
#include "modules/timedrift/choose.h"
#include "modules/timedrift/exchange.h"
#include "modules/timedrift/question.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define TURN_LEAST (NS_PER_S / 5) /* of one address of several */
#define TIME_MAX 48

/* The first ones are in the order of enum watch_end. */
enum gap {
	GAP_NONE,
	GAP_TIME,
	GAP_CPU,
	GAP_STOPPED,
	GAP_UNUSABLE,
	GAP_MORE,
	GAP_SETTINGS,
	GAP_DISAGREE,
	GAP_UNCHECKED,
	GAPS
};

static const struct outcome_kind kinds[GAPS] = {
	[GAP_NONE] = { "none", NULL, true },
	[GAP_TIME] = { "timelimit", NULL, false },
	[GAP_CPU] = { "cpulimit", NULL, false },
	[GAP_STOPPED] = { "stopped", NULL, false },
	[GAP_UNUSABLE] = { "unusable", NULL, false },
	[GAP_MORE] = { "serverlimit", NULL, true },
	[GAP_SETTINGS] = { "settings", NULL, false },
	[GAP_DISAGREE] = { "disagree", NULL, false },
	[GAP_UNCHECKED] = { "unchecked", NULL, false },
};

struct run {
	const json_t *params;
	const struct run_context *ctx;
	struct outcome out;
	struct watch watch;
	int64_t limit; /* nanoseconds */
	bool asked;    /* for the drift */
	struct clockservers servers;
	struct exchange exchanges[TIMEDRIFT_SERVERS_MAX];
	bool agrees[TIMEDRIFT_SERVERS_MAX];
	struct choice choice;
	struct ntp_sample samples[TIMEDRIFT_SERVERS_MAX]; /* of the usable */
};

/* --- which servers -------------------------------------------------------- */

static void
on_gap(const char *path, const char *why, void *arg)
{
	struct run *r = arg;

	outcome_gap(&r->out, GAP_SETTINGS, path, why);
}

static void
find_servers(struct run *r)
{
	const json_t *list = params_get(r->params, "servers");
	struct host h;
	struct err e;
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		BUG_ON(host_parse(json_string_value(json_array_get(list, i)),
			   &h, &e) != 0);
		clockservers_add(&r->servers, &h, "");
	}
	if (json_array_size(list) == 0)
		clockfiles_read("", &r->servers, on_gap, r);
	for (i = 0; i < r->servers.more; i++)
		outcome_gap(&r->out, GAP_MORE, NULL, NULL);
	if (r->servers.n == 0)
		outcome_gap(&r->out, GAP_UNCHECKED, NULL,
		    "no time server is known: neither chrony, ntpd nor "
		    "systemd-timesyncd is set up here; name one (-server)");
}

/* --- asking --------------------------------------------------------------- */

static void
note_end(struct run *r)
{
	outcome_gap(&r->out, (unsigned int)r->watch.end, NULL, r->watch.text);
}

static bool
ask_all(struct run *r)
{
	size_t i;

	resolve_init();
	for (i = 0; i < r->servers.n; i++) {
		if (watch_stop_now(&r->watch))
			return false;
		exchange_ask(&r->exchanges[i]);
	}
	return true;
}

/* False: nothing is awaited. */
static bool
awaited(struct run *r, struct pollfd *fds)
{
	bool any = false;
	size_t i;

	for (i = 0; i < r->servers.n; i++) {
		fds[i] = (struct pollfd){ .fd = r->exchanges[i].fd,
			.events = POLLIN };
		any |= fds[i].fd >= 0;
	}
	return any;
}

static void
ask_next(struct run *r)
{
	size_t i;

	for (i = 0; i < r->servers.n; i++)
		exchange_next(&r->exchanges[i]);
}

/* Until all have answered, or the time is over. An address has half of what is
 * left of it, where there is another. */
static void
take_all(struct run *r)
{
	int64_t now = net_now();
	int64_t until = now + timedrift_timeout(r->params) * NS_PER_S;
	int64_t turn = now + (until - now) / 2;
	struct pollfd fds[TIMEDRIFT_SERVERS_MAX];
	enum netwait end;
	size_t i;

	for (; awaited(r, fds) && now < until; now = net_now()) {
		if (now >= turn) {
			ask_next(r);
			turn = until - now > TURN_LEAST
			    ? now + (until - now) / 2
			    : until;
			continue;
		}
		end = net_wait(fds, r->servers.n, turn, &r->watch);
		if (end != NETWAIT_READY && end != NETWAIT_TIMEOUT)
			return;
		for (i = 0; i < r->servers.n; i++) {
			if (fds[i].fd >= 0 && fds[i].revents != 0)
				exchange_take(&r->exchanges[i]);
		}
	}
}

static void
unusable(struct run *r, const struct exchange *x)
{
	char text[HOST_TEXT_SIZE];

	host_text(&x->server->host, text);
	outcome_gap(&r->out, GAP_UNUSABLE, text, x->why);
}

static void
end_all(struct run *r)
{
	char why[96];
	struct exchange *x;
	size_t i;

	snprintf(why, sizeof(why), "no answer within %lld s",
	    (long long)timedrift_timeout(r->params));
	if (r->watch.end != WATCH_GOES_ON)
		snprintf(why, sizeof(why),
		    "no answer until the question's own "
		    "limit");
	for (i = 0; i < r->servers.n; i++) {
		x = &r->exchanges[i];
		if (x->fd >= 0)
			exchange_give_up(x, why);
		if (!x->usable && x->why[0] == '\0')
			(void)snprintf(x->why, sizeof(x->why), "not asked");
		if (!x->usable)
			unusable(r, x);
	}
}

/* --- what it means -------------------------------------------------------- */

static void
decide(struct run *r)
{
	bool agrees[TIMEDRIFT_SERVERS_MAX];
	size_t i, n = 0;

	for (i = 0; i < r->servers.n; i++) {
		if (r->exchanges[i].usable)
			r->samples[n++] = r->exchanges[i].sample;
	}
	choose(r->samples, n, agrees, &r->choice);
	for (i = 0, n = 0; i < r->servers.n; i++) {
		if (r->exchanges[i].usable)
			r->agrees[i] = agrees[n++] && r->choice.majority;
	}
	if (n == 0 && r->servers.n > 0)
		outcome_gap(&r->out, GAP_UNCHECKED, NULL,
		    "no time server gave a usable answer");
	else if (n > 0 && !r->choice.majority)
		outcome_gap(&r->out, GAP_DISAGREE, NULL,
		    "the servers disagree, and no group of them is more than "
		    "half: it cannot be told whose time is right");
}

/* The smallest number has no positive one. */
static bool
is_outside(const struct run *r, int64_t offset)
{
	return offset > r->limit || offset < -r->limit;
}

static void
look(struct run *r)
{
	size_t i;

	find_servers(r);
	for (i = 0; i < r->servers.n; i++)
		exchange_init(&r->exchanges[i], &r->servers.list[i]);
	if (ask_all(r))
		take_all(r);
	if (r->watch.end != WATCH_GOES_ON)
		note_end(r);
	end_all(r);
	decide(r);
}

/* --- the answer ----------------------------------------------------------- */

static void
duration(int64_t ns, char out[static GO_DURATION_MAX + 1])
{
	out[0] = '-';
	go_duration(ns < 0 ? -ns : ns, ns < 0 ? out + 1 : out);
}

/* As time.RFC3339Nano of the original: no zeros at the end of the fraction. */
static void
rfc3339(int64_t ns, char out[static TIME_MAX])
{
	int64_t s = ns / NS_PER_S, part = ns % NS_PER_S;
	struct tm tm;
	time_t t;
	int n;

	if (part < 0) {
		part += NS_PER_S;
		s--;
	}
	t = s;
	memset(&tm, 0, sizeof(tm));
	gmtime_r(&t, &tm);
	n = snprintf(out, TIME_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%09lld",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec, (long long)part);
	while (out[n - 1] == '0')
		n--;
	if (out[n - 1] == '.')
		n--;
	snprintf(out + n, TIME_MAX - (size_t)n, "Z");
}

static void
write_duration(struct jsonw *w, const char *key, int64_t ns)
{
	char text[GO_DURATION_MAX + 1];

	duration(ns, text);
	jsonw_str(w, key, text);
}

/* Those that count and are beyond the limit. */
static void
write_drifts(const struct run *r, struct jsonw *w)
{
	const struct exchange *x;
	size_t i;

	jsonw_array(w, "drifts");
	for (i = 0; i < r->servers.n; i++) {
		x = &r->exchanges[i];
		if (x->usable && r->agrees[i] &&
		    is_outside(r, x->sample.offset))
			write_duration(w, NULL, -x->sample.offset);
	}
	jsonw_array_end(w);
}

static void
write_server(const struct run *r, size_t i, struct jsonw *w)
{
	const struct exchange *x = &r->exchanges[i];
	char text[TIME_MAX];

	jsonw_object(w, NULL);
	jsonw_str(w, "host", x->server->host.name);
	if (x->server->host.port != 0)
		jsonw_u64(w, "port", x->server->host.port);
	if (x->server->source[0] != '\0')
		jsonw_str(w, "source", x->server->source);
	if (x->to.n > 0)
		jsonw_str(w, "address", x->to.list[x->at].text);
	jsonw_bool(w, "reachable", x->usable);
	if (x->usable) {
		rfc3339(x->reply.sent, text);
		jsonw_str(w, "time", text);
		write_duration(w, "latency", x->sample.delay);
		write_duration(w, "drift", -x->sample.offset);
		write_duration(w, "distance", x->sample.distance);
		jsonw_u64(w, "stratum", x->reply.stratum);
		jsonw_bool(w, "agrees", r->agrees[i]);
	} else {
		jsonw_str(w, "why", x->why);
	}
	jsonw_object_end(w);
}

static int
answer(struct run *r, struct buf *out, struct err *e)
{
	bool checked = r->choice.best != NULL && r->choice.majority;
	bool outside = checked && is_outside(r, r->choice.best->offset);
	char text[TIME_MAX];
	struct timespec now;
	struct jsonw w;
	size_t i;

	clock_gettime(CLOCK_REALTIME, &now);
	rfc3339(now.tv_sec * NS_PER_S + now.tv_nsec, text);
	jsonw_init(&w, out);
	outcome_begin(
	    &r->out, &w, r->asked ? outside : true, !r->asked || checked);
	jsonw_bool(&w, "hascheckeddrift", checked);
	if (checked)
		jsonw_bool(&w, "iswithindrift", !outside);
	if (outside)
		write_drifts(r, &w);
	jsonw_str(&w, "localtime", text);
	outcome_statistics(&r->out, &w);
	if (r->asked) {
		jsonw_array(&w, "ntpstats");
		for (i = 0; i < r->servers.n; i++)
			write_server(r, i, &w);
		jsonw_array_end(&w);
	}
	outcome_rights(&w, "timedrift", r->ctx->rights);
	return outcome_end(&r->out, &w, e);
}

int
module_timedrift_run(const json_t *params, const struct run_context *ctx,
    struct buf *out, struct err *e)
{
	struct run *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	r->params = params;
	r->ctx = ctx;
	watch_begin(&r->watch, ctx);
	outcome_init(&r->out, kinds, GAPS, 0, ctx->output_max);
	r->asked = timedrift_limit(params, &r->limit);
	if (r->asked)
		look(r);
	rc = answer(r, out, e);
	outcome_release(&r->out);
	free(r);
	return rc;
}
