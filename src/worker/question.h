/* SPDX-License-Identifier: MPL-2.0 */
/* Which module is to answer what: from standard input or from an action. */
#ifndef MIG_WORKER_QUESTION_H
#define MIG_WORKER_QUESTION_H

#include "action/document.h"
#include "modules/order.h"

#include <jansson.h>

struct err;

#define QUESTION_FD 3              /* a long action document */
#define QUESTION_MAX (1024 * 1024) /* bytes of JSON */

struct question {
	unsigned int module;
	const json_t *params;  /* checked by the module */
	json_t *root;          /* owned, by hand */
	struct action *action; /* owned, from the agent */
	void *document;        /* mapped, what action was made of; NULL */
	size_t document_len;
};

/* Parameters as they are, or in the original's message {"class":
 * "parameters", "parameters": ...}. */
int
question_from_stdin(const char *module, struct question *ret, struct err *e);
/* The operation of the order's document, or of the one on QUESTION_FD. */
int question_from_action(
    const struct order *o, struct question *ret, struct err *e);
void question_release(struct question *q);

#endif
