/* SPDX-License-Identifier: MPL-2.0 */
#include "client/ask/posted.h"

#include "base/clock.h"
#include "base/str.h"
#include "client/api/api.h"
#include "client/sign/describe.h"
#include "client/ask/interrupt.h"
#include "json/json.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POST_MS 30000 /* a server that restarts is waited for */
#define POST_PAUSE_MS 250
#define COMPLETE "nothing: " /* what the server says is missing then */
#define NUMBER_MAX (INT64_C(1) << 40)

int
targeted_get(struct client *c, const char *target, bool online_only,
    struct targeted *ret, struct err *e)
{
	json_t *body;
	struct buf b;
	char *text;
	int r;

	memset(ret, 0, sizeof(*ret));
	body = json_pack(
	    "{s:s, s:b}", "target", target, "online", (int)online_only);
	text = body != NULL ? json_text(body, JSON_COMPACT) : NULL;
	buf_init(&b, 64 * 1024);
	r = text != NULL ? buf_add_str(&b, text) : ERR_NOMEM;
	if (r != 0)
		err_code(e, r, "the target");
	else
		r = api_json(c, "POST", "/api/v1/targets", &b, &ret->root, e);
	if (r == 0)
		r = json_need_int(
		    ret->root, "", "count", 0, NUMBER_MAX, &ret->count, e);
	if (r == 0)
		r = json_need_int(
		    ret->root, "", "online", 0, NUMBER_MAX, &ret->online, e);
	if (r == 0)
		r = json_opt_array(ret->root, "", "agents", &ret->agents, e);
	free(text);
	json_decref(body);
	buf_release(&b);
	return r;
}

static int
post_tick(void *arg)
{
	return interrupt_seen() ? ERR_CLOSED : 0;
}

static int
send_until(struct client *c, const char *path, const struct buf *body,
    const struct id *id, json_t **ret, struct err *e)
{
	int64_t start = clock_mono_ms();
	int pause = POST_PAUSE_MS;
	bool unknown = false;
	int r;

	for (;;) {
		r = api_post(c, path, body, post_tick, ret, e);
		if (r != ERR_CLOSED && r != ERR_TIMEOUT && r != ERR_IO &&
		    r != ERR_BUSY)
			break;
		unknown = unknown || r != ERR_BUSY;
		if (interrupt_seen()) {
			err_set(e, r, "interrupted");
			break;
		}
		if (clock_mono_ms() - start + pause > POST_MS)
			break;
		client_warn("%s; sending it again", e->msg);
		poll(NULL, 0, pause);
		pause *= 2;
	}
	if (r != 0 && unknown)
		err_wrap(e,
		    "whether the action was launched is not known (mig "
		    "results %s tells)",
		    id_short(id).s);
	return r;
}

static int
read_answer(const struct id *id, struct posted *p, struct err *e)
{
	const char *status = NULL;
	json_t *weight;
	int r;

	if ((r = api_need_id(p->root, "id", id, e)) == 0)
		r = json_opt_str(p->root, "", "status", &status, e);
	if (r != 0)
		return r;
	p->waits = status != NULL && strcmp(status, "waiting") == 0;
	if (!p->waits)
		return json_need_int(
		    p->root, "", "expected", 0, NUMBER_MAX, &p->expected, e);
	r = json_need_object(p->root, "", "weight", &weight, e);
	if (r == 0)
		r = json_need_int(
		    weight, "weight", "has", 0, NUMBER_MAX, &p->has, e);
	if (r == 0)
		r = json_need_int(
		    weight, "weight", "needs", 0, NUMBER_MAX, &p->needs, e);
	return r;
}

int
posted_send(struct client *c, const char *path, const struct buf *body,
    const struct id *id, struct posted *ret, struct err *e)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	r = send_until(c, path, body, id, &ret->root, e);
	return r == 0 ? read_answer(id, ret, e) : r;
}

void
posted_tell_uncounted(const struct posted *p)
{
	struct buf out;

	buf_init(&out, 64 * 1024);
	describe_uncounted(p->root, "", &out);
	if (buf_str(&out) != NULL)
		client_err(buf_str(&out));
	buf_release(&out);
}

/* Nothing is missing; it waits for agents that have not got a policy yet. */
static int
tell_complete(const struct posted *p, const struct id *id, const char *what,
    const char *rest, struct err *e)
{
	struct buf out;
	int r;

	buf_init(&out, 64 * 1024);
	buf_add_fmt(&out, "%saction %s has weight %" PRId64 " of %" PRId64 ": ",
	    what, id_short(id).s, p->has, p->needs);
	str_add_printable(&out, rest, strlen(rest));
	buf_add_fmt(&out, " (mig results %s)\n", id_short(id).s);
	describe_uncounted(p->root, "", &out);
	r = client_out(&out, e);
	buf_release(&out);
	return r;
}

int
posted_tell_waiting(const struct posted *p, const struct id *id,
    const char *what, bool json, struct err *e)
{
	const char *missing = NULL;
	struct buf out;
	bool stuck;
	int r;

	if (json)
		return client_out_json(p->root, JSON_COMPACT, e);
	(void)json_opt_str(p->root, "", "missing", &missing, NULL);
	if (missing != NULL && p->has >= p->needs &&
	    str_starts(missing, COMPLETE))
		return tell_complete(
		    p, id, what, missing + strlen(COMPLETE), e);
	buf_init(&out, 64 * 1024);
	buf_add_fmt(&out,
	    "%saction %s waits for weight %" PRId64 ", has %" PRId64 "\n", what,
	    id_short(id).s, p->needs, p->has);
	stuck = json_is_false(json_object_get(p->root, "possible"));
	if (missing != NULL && (p->has >= p->needs || stuck)) {
		buf_add_str(&out,
		    stuck ? "no signature can complete it: " : "missing: ");
		str_add_printable(&out, missing, strlen(missing));
		buf_add_str(&out, "\n");
	}
	describe_uncounted(p->root, "", &out);
	buf_add_fmt(
	    &out, "who may sign it: mig action cosign %s\n", id_short(id).s);
	r = client_out(&out, e);
	buf_release(&out);
	return r;
}
