/* SPDX-License-Identifier: MPL-2.0 */
/* An action in words, for whoever signs it or wants to know what was signed:
 * every text of it as str_add_marked() shows it. */
#ifndef MIG_CLIENT_SIGN_DESCRIBE_H
#define MIG_CLIENT_SIGN_DESCRIBE_H

#include "action/document.h"

#include <jansson.h>
#include <stdio.h>

/* Appends who is asked what, until when, within which limits, and, if readers,
 * who can read the answers. *marked becomes true when a text had to be
 * marked. */
int describe_action(const struct action *a, const struct id *id, bool readers,
    struct buf *out, bool *marked);
/* What the marks mean; nothing when there are none. */
void describe_marks(struct buf *out, bool marked);
/* Prints what is to be signed on standard error, whole, and says so when it is
 * long. An error when that cannot be: then nothing may be signed. */
int describe_show(struct buf *text);
/* What it waits for, as the server says. */
void describe_waiting(const json_t *waiting, struct buf *out);
/* A line a signature that the server says does not count, or has left out; each
 * with head before it. of: its answer, or "waiting" of an action. */
void describe_uncounted(const json_t *of, const char *head, struct buf *out);
/* Who ended it before its time, as the server says. */
void describe_cancel(const json_t *cancel, struct buf *out);

#endif
