/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Requests to the server (doc/protocol.md 5), with the session: a missing or
 * expired token means a new login, once. Answers are strictly parsed.
 */
#ifndef MIG_CLIENT_API_API_H
#define MIG_CLIENT_API_API_H

#include "client/client.h"
#include "client/print/lines.h"
#include "http/http.h"

#include <jansson.h>

#define API_JSON_MAX (16u * 1024 * 1024)

/* Opens the connection (no request yet). */
int api_open(struct client *c, struct err *e);

/* A request without a session. ret_json (owned by the caller) may be NULL
 * when the body does not matter. An error status is an error: the server's
 * own sentence, made safe for a terminal. */
int api_plain(struct client *c, const char *method, const char *path,
    const struct buf *body, json_t **ret_json, struct err *e);
/* The same with a session. */
int api_json(struct client *c, const char *method, const char *path,
    const struct buf *body, json_t **ret_json, struct err *e);
/* The session's end; ERR_EXPIRED: it has ended. */
int api_end_session(struct client *c, struct err *e);
/* A POST that on_tick may end. */
int api_post(struct client *c, const char *path, const struct buf *body,
    http_on_tick *on_tick, json_t **ret_json, struct err *e);
/* Does the answer name under key what was sent? ERR_AUTH: another. */
int api_need_id(const json_t *answer, const char *key, const struct id *sent,
    struct err *e);
/* "PREFIX", the word escaped, "SUFFIX" as a path; ERR_TOOBIG. */
int api_word_path(struct buf *out, const char *prefix, const char *word,
    const char *suffix, struct err *e);
/* Such a request without a body, whose answer does not matter. */
int api_send_to(struct client *c, const char *method, const char *prefix,
    const char *word, const char *suffix, struct err *e);
/* GET of something that streams. on_data sees successful bodies only. */
int api_stream(struct client *c, const char *path, http_on_data *on_data,
    http_on_tick *on_tick, void *arg, struct err *e);
/* GET of NDJSON, a line at a time. A line over 1 MiB is an error. */
int api_lines(struct client *c, const char *path, lines_on_line *on_line,
    void *arg, struct err *e);

/* --- session.c -------------------------------------------------------------
 */
/* Fills c->token from the file, or by logging in. */
int session_ensure(struct client *c, struct err *e);
/* A login in any case. Stores the token, mode 0600. */
int session_login(struct client *c, struct err *e);
/* Ends the session at the server (when it can be reached) and here. */
int session_logout(struct client *c, struct err *e);
void session_forget(struct client *c);

#endif
