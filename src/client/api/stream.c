/* SPDX-License-Identifier: MPL-2.0 */
#include "client/api/stream.h"

#include "base/hex.h"
#include "base/str.h"
#include "json/json.h"

#include <string.h>

#define COUNT_MAX (INT64_C(1) << 40)

static int
stream_answer(struct stream *s, const json_t *root, const struct json_cut *cut,
    struct stream_event *ev, struct err *e)
{
	const char *agent, *answer;
	size_t len = cut->len;
	int r;

	if ((r = json_need_int(root, "", "cursor", 0, INT64_C(1) << 53,
		 &ev->cursor, e)) != 0 ||
	    (r = json_need_str(root, "", "agent", &agent, e)) != 0 ||
	    (r = json_need_str(root, "", "answer", &answer, e)) != 0 ||
	    (r = json_opt_int(root, "", "received", 0, INT64_C(1) << 53,
		 &ev->received_ms, e)) != 0)
		return r;
	if (id_parse(agent, &ev->agent) != 0)
		return err_set(e, ERR_INVALID, "agent: expected 64 hex digits");
	if (cut->text != NULL)
		answer = cut->text;
	else
		len = strlen(answer);
	buf_clear(&s->answer);
	if (b64_decode(&s->answer, answer, len) != 0)
		return s->answer.error == ERR_NOMEM
		    ? err_code(e, ERR_NOMEM, "answer")
		    : err_set(e, ERR_INVALID, "answer: expected base64");
	ev->answer = s->answer.data;
	ev->answer_len = s->answer.len;
	return 0;
}

static int
stream_counts(const json_t *root, struct stream_event *ev, struct err *e)
{
	const struct {
		const char *key;
		int64_t *out;
	} fields[] = {
		{ "expected", &ev->expected },
		{ "sent", &ev->sent },
		{ "answered", &ev->answered },
		{ "online", &ev->online },
		{ "reconnecting", &ev->reconnecting },
		{ "left", &ev->left_s },
	};
	size_t i;
	int r;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		*fields[i].out = -1;
		r = json_opt_int(
		    root, "", fields[i].key, -1, COUNT_MAX, fields[i].out, e);
		if (r != 0)
			return r;
	}
	return 0;
}

/* Newer servers may send more fields and kinds of lines: unknown fields are
 * ignored, an unknown kind is a line with nothing for us. */
static int
stream_parse(struct stream *s, const char *text, size_t len,
    struct stream_event *ev, bool *ret_known, struct err *e)
{
	struct json_cut cut = { .key = "answer" };
	const char *type, *reason = "";
	json_t *root;
	int r;

	memset(ev, 0, sizeof(*ev));
	*ret_known = true;
	root = json_strict_cut(text, len, STREAM_LINE_MAX, &cut, e);
	if (root == NULL)
		return ERR_INVALID;
	r = json_need_str(root, "", "type", &type, e);
	if (r != 0)
		goto out;
	if (strcmp(type, "answer") == 0) {
		ev->kind = STREAM_ANSWER;
		r = stream_answer(s, root, &cut, ev, e);
	} else if (strcmp(type, "progress") == 0) {
		ev->kind = STREAM_PROGRESS;
		r = stream_counts(root, ev, e);
	} else if (strcmp(type, "end") == 0) {
		ev->kind = STREAM_END;
		r = stream_counts(root, ev, e);
		if (r == 0)
			r = json_opt_str(root, "", "reason", &reason, e);
		if (r == 0)
			str_copy(ev->reason, sizeof(ev->reason), reason);
	} else {
		*ret_known = false;
	}
out:
	json_decref(root);
	return r;
}

static int
stream_bad(struct stream *s, const char *why)
{
	s->nbad++;
	if (s->on_bad != NULL)
		s->on_bad(why, s->arg);
	return s->nbad >= STREAM_BAD_MAX ? ERR_INVALID : 0;
}

static int
stream_line(const char *text, size_t len, void *arg)
{
	struct stream *s = arg;
	struct stream_event ev;
	struct err e = { 0 };
	bool known;

	if (text == NULL)
		return stream_bad(s,
		    s->lines.why == ERR_NOMEM ? "no memory for a line"
					      : "a line is too long");
	if (stream_parse(s, text, len, &ev, &known, &e) != 0)
		return stream_bad(s, e.msg);
	if (!known)
		return 0;
	if (ev.kind == STREAM_END)
		s->ended = true;
	return s->on_event(&ev, s->arg);
}

void
stream_init(struct stream *s, stream_on_event *on_event, stream_on_bad *on_bad,
    void *arg)
{
	memset(s, 0, sizeof(*s));
	lines_init(&s->lines, STREAM_LINE_MAX, stream_line, s);
	buf_init(&s->answer, STREAM_LINE_MAX);
	s->on_event = on_event;
	s->on_bad = on_bad;
	s->arg = arg;
}

void
stream_release(struct stream *s)
{
	lines_release(&s->lines);
	buf_release(&s->answer);
}

void
stream_restart(struct stream *s)
{
	s->lines.skipping = false;
	buf_clear(&s->lines.line);
}

int
stream_feed(struct stream *s, const void *data, size_t len)
{
	return lines_feed(&s->lines, data, len);
}
