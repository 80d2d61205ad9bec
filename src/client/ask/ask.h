/* SPDX-License-Identifier: MPL-2.0 */
/* Asking: the options of every question, and the ways it can go. */
#ifndef MIG_CLIENT_ASK_ASK_H
#define MIG_CLIENT_ASK_ASK_H

#include "client/ask/collect.h"
#include "client/ask/question.h"

/* The options every question takes; those that choose how answers are shown
 * are also the ones of `mig results`. */
extern const struct opt ask_opts[];
extern const struct opt show_opts[];

/* -show, -json, -csv, -group of the command line. */
int ask_output(struct output *out, const struct opts *o, struct err *e);

/* Prints, signs, runs here or launches, as the options say. Returns an exit
 * code or an error. */
int ask_question(
    struct client *c, struct question *q, const struct opts *o, struct err *e);

/* launch.c: builds (or takes the signed document), asks the person, posts,
 * follows. */
int launch_question(
    struct client *c, struct question *q, const struct opts *o, struct err *e);

/* --- history.c -------------------------------------------------------------
 */
enum asked { ASKED_UNKNOWN, ASKED_ALL, ASKED_ONLINE };
/* Remembers an action that was launched here; `mig results` finds it. */
void launch_remember(const struct id *id, const char *name, enum asked asked);
/* Whether it was sent from here to all, or to those online only. */
enum asked launch_asked(const struct id *id);
/* The id of the newest one; ERR_NOTFOUND when there is none. */
int launch_last(char ret_hex[static ID_HEX_LEN + 1], struct err *e);

/* The filter -target-found, -target-notfound: fetches and opens the answers
 * of an earlier action; appends a condition on ids. */
int results_condition(struct client *c, const char *action_id, bool found,
    struct buf *out, struct err *e);

#endif
