/* SPDX-License-Identifier: MPL-2.0 */
#include "client/ask/collect.h"

#include "action/refusal.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/str.h"
#include "client/api/api.h"
#include "client/ask/interrupt.h"
#include "client/policy/policy_file.h"
#include "client/ask/question.h"
#include "client/trust/trust_target.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define QUIET_MS 2000     /* nothing to wait for, for so long: look closer */
#define WARNINGS_MAX 100  /* more are only counted */
#define RETRIES_MAX 8     /* lost connections without any news in between */
#define MUCH 8192         /* bytes at once: more are on their way */
#define OVERDUE_MS 120000 /* after its end: clocks differ, but not for ever */

static openings_take collect_take;
static stream_on_event collect_event;
static stream_on_bad collect_bad;

static void __attribute__((format(printf, 2, 3)))
collect_warn(struct collect *k, const char *fmt, ...);

/* Without one nothing can be said of the policy of those who answer. */
static void
collect_policy(struct collect *k)
{
	struct policy_file f;

	if (policy_known(k->client, &f, NULL) == 0) {
		k->policy_version = f.policy.version;
		k->policy_hash = f.policy.hash;
	}
	policy_file_release(&f);
}

int
collect_init(struct collect *k, struct client *c, const struct action *a,
    const struct id *id, struct err *e)
{
	memset(k, 0, sizeof(*k));
	k->client = c;
	k->action = a;
	k->id = *id;
	output_init(&k->output);
	summary_init(&k->summary);
	seen_init(&k->seen);
	seen_init(&k->ran);
	seen_init(&k->asked);
	stream_init(&k->stream, collect_event, collect_bad, k);
	collect_policy(k);
	if (openings_new(
		a, id, k->seal_secret, collect_take, k, &k->openings, e) != 0)
		return ERR_NOMEM;
	return trust_open(&k->trust, e);
}

void
collect_release(struct collect *k)
{
	openings_free(k->openings);
	secret_wipe(k->seal_secret, sizeof(k->seal_secret));
	output_release(&k->output);
	summary_release(&k->summary);
	seen_release(&k->seen);
	seen_release(&k->ran);
	seen_release(&k->asked);
	stream_release(&k->stream);
	trust_release(&k->trust);
	trust_release(&k->hints);
}

static void __attribute__((format(printf, 2, 3)))
collect_warn(struct collect *k, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	if (++k->warned > WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	progress_erase(&k->progress);
	client_warn("warning: %s", text);
	if (k->warned == WARNINGS_MAX)
		client_warn("warning: there are more; from here on they are "
			    "only counted");
}

static void
collect_bad(const char *why, void *arg)
{
	collect_warn(arg, "the server sent a line that is no answer: %s", why);
}

static void
collect_forged(struct collect *k, const struct id *agent, const char *why)
{
	k->summary.forged++;
	collect_warn(k, "an answer in the name of agent %s is not believed: %s",
	    id_short(agent).s, why);
}

/* What is to be printed of it. An answer that is too large for that is one that
 * failed: it must not end the question for all others. */
static int
collect_format(struct collect *k, struct answer *a, struct buf *out)
{
	int r;

	if (k->silent)
		return 0;
	if (k->save != NULL)
		return output_save(k->save, a, &k->out_error);
	r = output_answer(&k->output, a, out, &k->out_error);
	if (r != ERR_TOOBIG)
		return r;
	err_clear(&k->out_error);
	buf_clear(out);
	a->failed = true;
	str_copy(a->why, sizeof(a->why),
	    "the answer is too large to be shown (mig results ID -o DIR)");
	return 0;
}

static void
collect_count(struct collect *k, const struct answer *a)
{
	struct summary *s = &k->summary;

	if (a->refusal != NULL) {
		s->refused++;
		summary_add(&s->refusals, a->refusal, a->name);
	} else if (a->failed) {
		s->failed++;
		summary_add(&s->failures, a->why, a->name);
		output_errors(&k->output, a, &s->errors);
	} else {
		s->done++;
	}
	if (a->partial && !a->failed) {
		s->partial++;
		summary_add(&s->partials, a->why, a->name);
	}
	s->found += a->found;
	s->absent += a->absent;
	k->progress.answered = summary_answered(s);
	k->progress.found = s->found;
	k->progress.failed = s->failed + s->refused;
}

/* Prints the answer and counts it. */
static int
collect_show(struct collect *k, struct answer *a)
{
	struct buf out;
	int r;

	buf_init(&out, ANSWER_SHOWN_MAX);
	r = collect_format(k, a, &out);
	collect_count(k, a);
	if (r == 0 && out.len > 0) {
		progress_erase(&k->progress);
		r = client_out(&out, &k->out_error);
	}
	buf_release(&out);
	if (k->verbose && (a->refusal != NULL || a->failed))
		collect_warn(k, "%s %s", a->name,
		    a->refusal != NULL ? a->refusal : a->why);
	return r;
}

static void
collect_warn_trust(struct collect *k, const struct id *id, const char *name,
    unsigned int marks, const struct trust_other *other)
{
	if ((marks & TRUST_RENAMED) != 0)
		collect_warn(k,
		    "agent %s was known as %s, now it is %s (until: mig trust "
		    "accept %s)",
		    id_short(id).s,
		    other->name[0] != '\0' ? other->name : "something else",
		    name, id_short(id).s);
	if ((marks & TRUST_NAME_TAKEN) != 0)
		collect_warn(k,
		    "%s was agent %s, now agent %s answers by that name: "
		    "installed anew, or somebody else? (until: mig trust "
		    "accept %s)",
		    name, other->id.s[0] != '\0' ? other->id.s : "another",
		    id_short(id).s, id_short(id).s);
	if ((marks & (TRUST_COPIED | TRUST_WENT_BACK)) != 0)
		collect_warn(k,
		    "agent %s (%s): %s (until: mig trust forget %s)",
		    id_short(id).s, name,
		    trust_mark_text((marks & TRUST_COPIED) != 0
			    ? TRUST_COPIED
			    : TRUST_WENT_BACK),
		    id_short(id).s);
}

/* A newer one than is known here cannot be judged. */
static bool
collect_other_policy(const struct collect *k, const struct result_header *h)
{
	return h->policy_version < k->policy_version ||
	    (h->policy_version == k->policy_version && k->policy_version > 0 &&
		!id_equal(&h->policy_hash, &k->policy_hash));
}

/* Holds a verified answer against what is known of the agent. name NULL: it
 * does not say. */
static unsigned int
collect_trust(struct collect *k, const struct result_header *h,
    const char *name, bool twice)
{
	const struct trust_entry *hint = trust_find(&k->hints, &h->agent);
	struct trust_sight s = { .id = &h->agent,
		.name = name,
		.head = &h->record_head,
		.position = h->record_position,
		.agent_ms = h->time_ms,
		.connection = -1,
		.twice = twice,
		.asked_s = k->action->valid_from };
	struct trust_other other;
	const char *shown = name;
	unsigned int marks, bit;

	marks = trust_see(&k->trust, &s, &other);
	if (hint != NULL &&
	    hint->first_s > k->action->valid_from + DRAFT_CLOCK_SLACK)
		marks |= TRUST_LATE;
	if (collect_other_policy(k, h))
		marks |= TRUST_POLICY;
	if (shown == NULL)
		shown = trust_name(&k->trust, &h->agent);
	if (shown == NULL)
		shown = hint != NULL && hint->name != NULL
		    ? hint->name
		    : id_short(&h->agent).s;
	collect_warn_trust(k, &h->agent, shown, marks, &other);
	if ((marks & TRUST_NEW) != 0)
		k->summary.firstseen++;
	for (bit = 1; bit < 1u << TRUST_MARKS; bit <<= 1)
		if ((marks & bit) != 0 && bit != TRUST_NEW)
			summary_add(
			    &k->summary.marks, trust_mark_word(bit), shown);
	return marks;
}

static int
collect_opened(struct collect *k, struct opened *o)
{
	struct answer *a = o->answer;

	if (o->inside != 0) {
		collect_forged(k, &o->agent, o->e.msg);
		return 0;
	}
	a->marks = collect_trust(k, &o->header, a->name, false);
	fault_point("mig.opened");
	return collect_show(k, a);
}

static int
collect_refused(struct collect *k, const struct result_header *h)
{
	const char *name = trust_name(&k->trust, &h->agent);
	struct answer *a = malloc(sizeof(*a));
	int r;

	if (name == NULL)
		name = trust_name(&k->hints, &h->agent);

	if (a == NULL)
		return err_set(&k->out_error, ERR_NOMEM, "out of memory");
	answer_init(
	    a, id_hex(&h->agent).s, name != NULL ? name : "", h->status);
	a->refusal = refusal_text(h->reason);
	a->marks = collect_trust(k, h, NULL, false);
	r = collect_show(k, a);
	answer_release(a);
	free(a);
	return r;
}

/* An agent whose answer was lost refuses: two that ran are of two agents. */
static void
collect_second(
    struct collect *k, const struct result_header *h, const struct id *hash)
{
	collect_warn(k,
	    "agent %s has signed a second, different answer; only the first "
	    "counts",
	    id_short(&h->agent).s);
	if (h->status != RESULT_REFUSED &&
	    seen_add(&k->ran, &h->agent, hash) == SEEN_DIFFERENT)
		(void)collect_trust(k, h, NULL, true);
}

/* In the order in which they came; what one says may depend on the others. */
static int
collect_take(struct opened *o, void *arg)
{
	const struct result_header *h = &o->header;
	struct collect *k = arg;

	if (o->code != 0) {
		collect_forged(k, &o->agent, o->e.msg);
		return 0;
	}
	fault_point("mig.answer");
	switch (seen_add(&k->seen, &h->agent, &o->hash)) {
	case SEEN_SAME:
		return 0;
	case SEEN_DIFFERENT:
		collect_second(k, h, &o->hash);
		return 0;
	case SEEN_FULL:
		return err_set(&k->out_error, ERR_TOOBIG,
		    "more than %u agents answered", SEEN_MAX);
	default:
		break;
	}
	if (h->status == RESULT_REFUSED)
		return collect_refused(k, h);
	(void)seen_add(&k->ran, &h->agent, &o->hash);
	return collect_opened(k, o);
}

static int
collect_add(struct collect *k, const struct stream_event *ev)
{
	int r;

	if (ev->cursor > k->cursor)
		k->cursor = ev->cursor;
	r = openings_add(k->openings, &ev->agent, ev->answer, ev->answer_len);
	if (r == ERR_NOMEM && k->out_error.code == 0)
		err_set(&k->out_error, r, "out of memory");
	return r;
}

int
collect_answer(struct collect *k, const struct stream_event *ev)
{
	int r = collect_add(k, ev);

	return r != 0 ? r : openings_flush(k->openings);
}

static int
collect_event(const struct stream_event *ev, void *arg)
{
	struct collect *k = arg;
	int r;

	if (ev->kind == STREAM_ANSWER)
		return collect_add(k, ev);
	/* what is counted stands behind the answers */
	if ((r = openings_flush(k->openings)) != 0)
		return r;
	/* who was asked does not become fewer, whatever the server says */
	if (ev->expected > k->summary.expected) {
		k->summary.expected = ev->expected;
		k->progress.expected = ev->expected;
	}
	if (ev->kind == STREAM_PROGRESS) {
		k->progress.online = ev->online;
		k->progress.reconnecting = ev->reconnecting;
	}
	return 0;
}

static int
collect_data(const void *data, size_t len, void *arg)
{
	struct collect *k = arg;
	int fed, r;

	k->progress.note = NULL;
	fed = stream_feed(&k->stream, data, len);
	k->more = len >= MUCH;
	r = k->more && fed == 0 ? openings_ready(k->openings)
				: openings_flush(k->openings);
	return fed != 0 ? fed : r;
}

/* True when nobody who is online owes an answer, for a while. */
static bool
collect_is_quiet(struct collect *k)
{
	const struct progress *p = &k->progress;
	int64_t now = clock_mono_ms();

	if (k->wait || !k->follow || p->online < 0 || p->reconnecting > 0 ||
	    p->answered < p->online || p->answered >= p->expected) {
		k->quiet_ms = 0;
		return false;
	}
	if (k->quiet_ms == 0)
		k->quiet_ms = now;
	return now - k->quiet_ms >= QUIET_MS;
}

/* What was added waits for no more than a tick without news. */
static int
collect_shown(struct collect *k)
{
	bool more = k->more;

	k->more = false;
	return more || k->out_error.code != 0 ? 0 : openings_flush(k->openings);
}

static int
collect_tick(void *arg)
{
	struct collect *k = arg;
	int r = collect_shown(k);

	if (r != 0)
		return r;
	if (interrupt_seen()) {
		k->summary.interrupted = true;
		return ERR_CLOSED;
	}
	if (collect_is_quiet(k)) {
		k->enough = true;
		return ERR_CLOSED;
	}
	if (k->live &&
	    clock_wall_ms() > k->action->expire_after * 1000 + OVERDUE_MS) {
		k->overdue = true;
		collect_warn(k,
		    "the action has ended, and the server does not end its "
		    "answers: not waited for any longer");
		return ERR_CLOSED;
	}
	progress_draw(&k->progress, false);
	return 0;
}

/* Waits before the next try; false when interrupted. */
static bool
collect_pause(struct collect *k, int tries)
{
	int64_t until = clock_mono_ms() + 500 * (INT64_C(1) << tries);

	k->progress.note = "connection lost, trying again";
	while (clock_mono_ms() < until) {
		if (collect_tick(k) == ERR_CLOSED)
			return false;
		poll(NULL, 0, 100);
	}
	return true;
}

static bool
collect_temporary(int code)
{
	return code == ERR_CLOSED || code == ERR_TIMEOUT || code == ERR_IO ||
	    code == ERR_BUSY || code == ERR_INTERNAL;
}

/* One connection. *ret_done when there is nothing more to follow. */
static int
collect_once(struct collect *k, bool *ret_done, struct err *e)
{
	char path[256];
	int r;

	snprintf(path, sizeof(path),
	    "/api/v1/actions/%s/results?after=%" PRId64 "%s", id_hex(&k->id).s,
	    k->cursor, k->follow ? "&follow=1" : "");
	stream_restart(&k->stream);
	r = api_stream(k->client, path, collect_data, collect_tick, k, e);
	k->more = false;
	(void)collect_shown(k); /* out_error says why not */
	*ret_done = true;
	if (k->out_error.code != 0) {
		*e = k->out_error;
		return k->out_error.code;
	}
	if (k->stream.nbad >= STREAM_BAD_MAX)
		return err_set(e, ERR_INVALID,
		    "the server sends too many lines that are no answers");
	if (k->summary.interrupted || k->enough || k->overdue ||
	    k->stream.ended)
		return 0;
	*ret_done = false;
	return r;
}

int
collect_run(struct collect *k, struct err *e)
{
	int64_t before;
	bool done = false;
	int r = 0, tries = 0;

	while (!done) {
		before = k->cursor;
		r = collect_once(k, &done, e);
		if (done || (r != 0 && !collect_temporary(r)))
			break;
		tries = k->cursor > before ? 0 : tries + 1;
		if (tries > RETRIES_MAX)
			return r != 0 ? r
				      : err_set(e, ERR_CLOSED,
					    "the server keeps ending the "
					    "stream of results too early");
		r = 0;
		if (!collect_pause(k, tries < 5 ? tries : 5))
			break;
	}
	return r;
}
