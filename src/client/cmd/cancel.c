/* SPDX-License-Identifier: MPL-2.0 */
/* `mig action cancel`. What is signed is made here: id and end of the action
 * are those of the document that was fetched and verified. */
#include "client/api/api.h"
#include "client/cmd/fetched.h"
#include "client/ask/interrupt.h"
#include "client/sign/sign.h"

#include "action/cancel.h"
#include "base/clock.h"
#include "base/str.h"
#include "json/json.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_PAUSE_MS 250
#define BUSY_PAUSE_MAX_MS 2000

static int
cancel_fill(const struct fetched *f, const struct opts *o, struct cancel *ret,
    struct err *e)
{
	const char *reason = opts_get(o, "reason");
	int64_t now = clock_wall_ms() / 1000;

	memset(ret, 0, sizeof(*ret));
	ret->action = f->id;
	ret->time = now;
	ret->expire_after = f->action.expire_after;
	if (client_not_ended(ret->expire_after, now, "this action",
		"there is nothing to cancel", e) != 0)
		return ERR_EXPIRED;
	if (reason != NULL &&
	    !str_copy(ret->reason, sizeof(ret->reason), reason))
		return err_set(e, ERR_INVALID, "-reason: at most %d bytes",
		    CANCEL_REASON_MAX);
	return 0;
}

static int
cancel_confirm(const struct fetched *f, const struct opts *o, struct err *e)
{
	if (opts_has(o, "y") || !client_interactive() ||
	    client_confirm("Cancel action %s (%s)? [y/N] ", id_short(&f->id).s,
		f->action.name))
		return 0;
	return err_set(e, ERR_CLOSED, "not cancelled");
}

/* Busy: its last signature may launch it at this very moment. */
static int
cancel_post(struct client *c, const struct fetched *f, const struct buf *body,
    json_t **ret, struct err *e)
{
	char path[ID_HEX_LEN + 64];
	int r, pause;

	snprintf(
	    path, sizeof(path), "/api/v1/actions/%s/cancel", id_hex(&f->id).s);
	for (pause = BUSY_PAUSE_MS;; pause *= 2) {
		r = api_json(c, "POST", path, body, ret, e);
		if (r != ERR_BUSY || pause > BUSY_PAUSE_MAX_MS ||
		    interrupt_seen())
			return r;
		client_warn("%s; sending it again", e->msg);
		poll(NULL, 0, pause);
	}
}

static int
cancel_tell(const struct fetched *f, const json_t *answer, const struct opts *o,
    struct err *e)
{
	int64_t expected = 0, answered = 0;
	struct buf out;
	int r;

	if ((r = api_need_id(answer, "id", &f->id, e)) != 0 ||
	    (r = json_need_int(answer, "", "expected", 0, INT64_C(1) << 40,
		 &expected, e)) != 0 ||
	    (r = json_need_int(answer, "", "answered", 0, INT64_C(1) << 40,
		 &answered, e)) != 0)
		return r;
	if (opts_has(o, "json"))
		return client_out_json(answer, JSON_COMPACT, e);
	buf_init(&out, 4096);
	/* whether the server hands it on, only the agents can say */
	if (expected > 0 && answered >= expected)
		buf_add_fmt(&out,
		    "All had answered (%" PRId64 " of %" PRId64
		    "), as the server says: there is nothing to stop.\n"
		    "Cancelled %s: an agent that comes later will not start "
		    "it\n",
		    answered, expected, id_short(&f->id).s);
	else
		buf_add_fmt(&out,
		    "cancelled %s, as the server says: %" PRId64 " of %" PRId64
		    " agents had answered.\n"
		    "No agent has confirmed it yet: those online stop now, the "
		    "others will not start it,\n"
		    "and each says so in its answer (mig results %s)\n",
		    id_short(&f->id).s, answered, expected, id_short(&f->id).s);
	r = client_out(&out, e);
	buf_release(&out);
	return r;
}

static int
cmd_action_cancel(struct client *c, const struct opts *o, struct err *e)
{
	json_t *answer = NULL;
	struct cancel doc;
	struct fetched f;
	struct buf text, body;
	int r;

	buf_init(&text, CANCEL_DOC_MAX);
	buf_init(&body, 128 * 1024);
	r = fetched_get(c, o->words[0], &f, e);
	if (r == 0)
		r = cancel_fill(&f, o, &doc, e);
	if (r == 0)
		r = cancel_confirm(&f, o, e);
	if (r == 0)
		r = cancel_build(&doc, &text, e);
	if (r == 0)
		r = sign_new_envelope(
		    c, PURPOSE_CANCEL, text.data, text.len, &body, e);
	if (r == 0)
		r = cancel_post(c, &f, &body, &answer, e);
	if (r == 0)
		r = cancel_tell(&f, answer, o, e);
	json_decref(answer);
	fetched_release(&f);
	buf_release(&text);
	buf_release(&body);
	return r;
}

static const struct opt cancel_opts[] = {
	{ "reason", NULL, "TEXT",
	    "why, for those who asked and the agents' "
	    "owners" },
	{ "y", "yes", NULL, "do not ask" },
	{ "json", NULL, NULL, "what the server says, as JSON" },
	{ NULL, NULL, NULL, NULL },
};

const struct command cancel_commands[] = {
	{ "action cancel", "ID|last", "stop an action everywhere",
	    cmd_action_cancel, cancel_opts, NULL, 1, 1,
	    "Workers on connected agents stop within a second and answer what "
	    "they have found;\nagents that come later never start it. You must "
	    "have signed the action with weight\nfor it, or have the right "
	    "\"cancel\" in the policy." },
	{ .name = NULL },
};
