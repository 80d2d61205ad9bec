/* SPDX-License-Identifier: MPL-2.0 */
#include "client/api/api.h"

#include "base/clock.h"
#include "base/str.h"
#include "client/api/apikey.h"
#include "client/ask/interrupt.h"
#include "http/apiversion.h"
#include "json/json.h"

#include <poll.h>
#include <string.h>

#define LINE_MAX_BYTES (1024 * 1024)
#define WAIT_MAX_S 90
#define WAIT_TRIES 5

int
api_open(struct client *c, struct err *e)
{
	struct http_options o = { 0 };
	int r;

	if (c->http != NULL)
		return 0;
	r = client_need_server(c, e);
	if (r == 0)
		r = client_ca_load(c, e);
	if (r != 0)
		return r;
	o.base = c->conf.server;
	o.ca_pem = c->ca_pem;
	return http_new(&o, &c->http, e);
}

static int
api_code_of(int status)
{
	switch (status) {
	case 401:
		return ERR_EXPIRED;
	case 403:
		return ERR_DENIED;
	case 404:
		return ERR_NOTFOUND;
	case 409:
		return ERR_EXISTS;
	case 413:
		return ERR_TOOBIG;
	case 429:
	case 503:
		return ERR_BUSY;
	default:
		return status >= 500 ? ERR_INTERNAL : ERR_INVALID;
	}
}

/* "target: target: x" is "target: x": what both sides put before a reason
 * stands there once. */
static const char *
api_without_echo(const char *message)
{
	const char *colon = strstr(message, ": ");
	size_t n;

	while (colon != NULL) {
		n = (size_t)(colon - message) + 2;
		if (strncmp(message, message + n, n) != 0)
			break;
		message += n;
		colon = strstr(message, ": ");
	}
	return message;
}

/* The server's sentence about what was wrong; it is only text to us. */
static int
api_error(const struct http_response *res, struct err *e)
{
	const char *message = NULL;
	json_t *root, *inner = NULL;
	struct buf safe;

	root = json_strict(res->body.data, res->body.len, API_JSON_MAX, NULL);
	if (json_is_object(root))
		inner = json_object_get(root, "error");
	if (json_is_object(inner))
		message = json_string_value(json_object_get(inner, "message"));
	buf_init(&safe, ERR_MSG_MAX * 4);
	if (message != NULL)
		str_add_printable(
		    &safe, message, strnlen(message, ERR_MSG_MAX / 2));
	if (message != NULL && buf_str(&safe) != NULL)
		err_set(e, api_code_of(res->status), "%s",
		    api_without_echo(buf_str(&safe)));
	else
		err_set(e, api_code_of(res->status),
		    "the server answered with HTTP status %d", res->status);
	buf_release(&safe);
	json_decref(root);
	return api_code_of(res->status);
}

static void
api_unreachable(int code, struct err *e)
{
	struct err first;

	if (e == NULL)
		return;
	first = *e;
	err_set(e, code,
	    "%s; is mig-server running there, and the address "
	    "right (mig init -server)?",
	    first.msg);
}

/* Before anything else: what else is wrong may only follow from it. */
static int
api_version(
    const struct client *c, const struct http_response *res, struct err *e)
{
	if (res->api_newest == 0 ||
	    (res->api_oldest <= API_VERSION && API_VERSION <= res->api_newest))
		return 0;
	return err_set(e, ERR_UNSUPPORTED,
	    "%s speaks API version %u to %u, this mig (" MIG_VERSION
	    ") version %d: upgrade %s",
	    c->conf.server, res->api_oldest, res->api_newest, API_VERSION,
	    res->api_oldest > API_VERSION ? "mig on this machine"
					  : "the server, which comes first");
}

/* The server says when it takes more: waited for, if that is soon. */
static bool
api_wait(const struct http_response *res, int tries)
{
	unsigned int s = res->retry_after;
	int64_t until;

	if (res->status != 429 || s == 0 || s > WAIT_MAX_S ||
	    tries >= WAIT_TRIES)
		return false;
	client_warn("the server takes no more just now: going on in %u %s", s,
	    s == 1 ? "second" : "seconds");
	until = clock_mono_ms() + (int64_t)s * 1000;
	while (!interrupt_seen() && clock_mono_ms() < until)
		poll(NULL, 0, 50);
	return !interrupt_seen();
}

/* http_do, again when the server asked to wait. */
static int
api_do(struct client *c, const struct http_request *req,
    struct http_response *res, struct err *e)
{
	int tries, r;

	for (tries = 0;; tries++) {
		r = http_do(c->http, req, res, e);
		if (r != 0 || !api_wait(res, tries))
			return r;
		http_response_release(res);
	}
}

static int
api_request(struct client *c, const struct http_request *req, json_t **ret_json,
    struct err *e)
{
	struct http_response res;
	json_t *j = NULL;
	int r;

	r = api_open(c, e);
	if (r != 0)
		return r;
	r = api_do(c, req, &res, e);
	if (r == ERR_CLOSED || r == ERR_TIMEOUT)
		api_unreachable(r, e);
	if (r == 0)
		r = api_version(c, &res, e);
	if (r == 0 && (res.status < 200 || res.status > 299))
		r = api_error(&res, e);
	if (r == 0 && req->on_data == NULL) {
		j = json_strict(res.body.data, res.body.len, API_JSON_MAX, e);
		/* also where it says nothing: not every 200 is our server's */
		if (j != NULL && !json_is_object(j))
			r = err_set(e, ERR_INVALID, "expected an object");
		if (j == NULL || r != 0)
			r = err_wrap(e, "the server's answer to %s %s",
			    req->method, req->path);
	}
	if (r == 0 && ret_json != NULL)
		*ret_json = j;
	else
		json_decref(j);
	if (res.body.data != NULL)
		explicit_bzero(res.body.data, res.body.len);
	http_response_release(&res);
	return r;
}

static int
set_body(struct http_request *req, const struct buf *body, struct err *e)
{
	if (body == NULL)
		return 0;
	if (body->error != 0)
		return err_code(e, body->error, "the request");
	req->body = body->data;
	req->body_len = body->len;
	return 0;
}

int
api_plain(struct client *c, const char *method, const char *path,
    const struct buf *body, json_t **ret_json, struct err *e)
{
	struct http_request req = { .method = method, .path = path };
	int r = set_body(&req, body, e);

	return r != 0 ? r : api_request(c, &req, ret_json, e);
}

int
api_end_session(struct client *c, struct err *e)
{
	struct http_request req = { .method = "DELETE",
		.path = "/api/v1/sessions",
		.token = c->token };

	return api_request(c, &req, NULL, e);
}

/* The same with an API key, which is not made anew. */
static int
api_with_key(struct client *c, struct http_request *req, json_t **ret_json,
    struct err *e)
{
	int r;

	req->token = c->api_key;
	r = api_request(c, req, ret_json, e);
	if (r == ERR_EXPIRED)
		err_set(e, r,
		    "the server does not take the API key in %s: it has ended "
		    "or was revoked (an admin makes another: mig apikey make)",
		    apikey_path(c));
	else if (r == ERR_DENIED)
		err_wrap(e, "with the API key in %s", apikey_path(c));
	return r;
}

/* Runs a request with the session; a token that is not accepted any more is
 * replaced once. */
static int
api_with_session(struct client *c, struct http_request *req, json_t **ret_json,
    struct err *e)
{
	int r, again;

	if ((r = apikey_ensure(c, e)) != 0)
		return r;
	if (c->api_key != NULL)
		return api_with_key(c, req, ret_json, e);
	for (again = 0; again < 2; again++) {
		r = session_ensure(c, e);
		if (r != 0)
			return r;
		req->token = c->token;
		r = api_request(c, req, ret_json, e);
		if (r != ERR_EXPIRED)
			return r;
		session_forget(c);
	}
	return r;
}

int
api_json(struct client *c, const char *method, const char *path,
    const struct buf *body, json_t **ret_json, struct err *e)
{
	struct http_request req = { .method = method, .path = path };
	int r = set_body(&req, body, e);

	return r != 0 ? r : api_with_session(c, &req, ret_json, e);
}

int
api_post(struct client *c, const char *path, const struct buf *body,
    http_on_tick *on_tick, json_t **ret_json, struct err *e)
{
	struct http_request req = {
		.method = "POST", .path = path, .on_tick = on_tick
	};
	int r = set_body(&req, body, e);

	return r != 0 ? r : api_with_session(c, &req, ret_json, e);
}

int
api_need_id(
    const json_t *answer, const char *key, const struct id *sent, struct err *e)
{
	const char *text;
	struct id is;
	int r = json_need_str(answer, "", key, &text, e);

	if (r == 0 && (id_parse(text, &is) != 0 || !id_equal(&is, sent)))
		r = err_set(e, ERR_AUTH,
		    "the server names another %s than what was sent has", key);
	return r != 0 ? err_wrap(e, "the server's answer") : 0;
}

int
api_word_path(struct buf *out, const char *prefix, const char *word,
    const char *suffix, struct err *e)
{
	buf_add_str(out, prefix);
	http_escape(out, word);
	buf_add_str(out, suffix);
	return buf_str(out) != NULL ? 0
				    : err_code(e, out->error, "%.40s", word);
}

int
api_send_to(struct client *c, const char *method, const char *prefix,
    const char *word, const char *suffix, struct err *e)
{
	struct buf path;
	int r;

	buf_init(&path, 4096);
	r = api_word_path(&path, prefix, word, suffix, e);
	if (r == 0)
		r = api_json(c, method, buf_str(&path), NULL, NULL, e);
	buf_release(&path);
	return r;
}

int
api_stream(struct client *c, const char *path, http_on_data *on_data,
    http_on_tick *on_tick, void *arg, struct err *e)
{
	struct http_request req = { 0 };

	req.method = "GET";
	req.path = path;
	req.on_data = on_data;
	req.on_tick = on_tick;
	req.arg = arg;
	req.idle_ms = 30000; /* progress comes every second */
	return api_with_session(c, &req, NULL, e);
}

struct line_reader {
	struct lines lines;
	lines_on_line *on_line;
	void *arg;
	bool lost;
};

static int
reader_line(const char *text, size_t len, void *arg)
{
	struct line_reader *l = arg;

	if (text == NULL) {
		l->lost = true;
		return ERR_INVALID;
	}
	return l->on_line(text, len, l->arg);
}

static int
reader_data(const void *data, size_t len, void *arg)
{
	struct line_reader *l = arg;

	return lines_feed(&l->lines, data, len);
}

int
api_lines(struct client *c, const char *path, lines_on_line *on_line, void *arg,
    struct err *e)
{
	struct line_reader l = { .on_line = on_line, .arg = arg };
	int r;

	lines_init(&l.lines, LINE_MAX_BYTES, reader_line, &l);
	r = api_stream(c, path, reader_data, NULL, &l, e);
	if (l.lost)
		r = err_code(e, l.lines.why, "a line of the server");
	else if (r == 0 && lines_partial(&l.lines))
		r = err_set(e, ERR_INVALID,
		    "the server's answer ends in the middle of a line");
	lines_release(&l.lines);
	return r;
}
