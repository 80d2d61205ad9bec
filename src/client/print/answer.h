/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One agent's answer, opened: what it means (found, failed, not everything
 * seen) and how it is shown.
 */
#ifndef MIG_CLIENT_PRINT_ANSWER_H
#define MIG_CLIENT_PRINT_ANSWER_H

#include "action/result.h"
#include "client/ask/groups.h"
#include "modules/module.h"

#include <jansson.h>

#define ANSWER_NAME_MAX 1024
#define ANSWER_WHY_MAX 512
/* As JSON every answer fits; as lines, each with the agent's name, not each. */
#define ANSWER_SHOWN_MAX (RESULT_PLAIN_MAX + 1024 * 1024)

struct answer_part {
	const struct module *module;
	unsigned int status;      /* enum part_status */
	json_t *result;           /* owned; NULL when there is none */
	char why[ANSWER_WHY_MAX]; /* why it was cut short; printable */
};

struct answer {
	char agent[ID_HEX_LEN + 1]; /* "" for this machine */
	char name[ANSWER_NAME_MAX]; /* printable */
	unsigned int status;        /* enum result_status */
	const char *refusal;        /* words; NULL unless refused */
	size_t nparts;
	struct answer_part parts[ACTION_OPERATIONS_MAX];
	bool found, failed, partial;
	bool absent;              /* it lacks a place that was asked for */
	unsigned int marks;       /* enum trust_mark */
	bool explained;           /* why says by what it was stopped */
	char why[ANSWER_WHY_MAX]; /* first reason of failed or partial */
};

void answer_init(
    struct answer *a, const char *agent, const char *name, unsigned int status);
void answer_release(struct answer *a);
/* Takes in one operation's output (from outside) and judges it. */
void answer_add(struct answer *a, const struct module *m, unsigned int status,
    const void *data, size_t len);

/* Adds the errors of operations that failed, beside the one that why tells,
 * each once. */
void answer_errors(const struct answer *a, struct groups *ret);

enum output_format { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_CSV };

struct output {
	enum output_format format;
	enum print_show show;
	bool group; /* text only: equal answers together, at the end */
	const struct module *csv_module; /* whose header was put */
	struct groups groups;
	size_t ungrouped; /* answers printed at once for lack of room */
};

void output_init(struct output *o);
void output_release(struct output *o);
/* Appends what is to be printed now. ERR_TOOBIG: this answer is more than
 * out takes; others may fit. */
int output_answer(
    struct output *o, const struct answer *a, struct buf *out, struct err *e);
/* Adds to ret the errors that are not shown with the answer (answer_errors). */
void output_errors(
    const struct output *o, const struct answer *a, struct groups *ret);
/* Appends the answer as one JSON object and a newline. */
int output_object(const struct answer *a, struct buf *out);
/* Writes it to a file of its own in the directory, which is made, mode 0600;
 * the file is named after agent and id, in letters that mean nothing anywhere.
 */
int output_save(const char *dir, const struct answer *a, struct err *e);
/* Appends what was kept for the end. */
int output_end(struct output *o, struct buf *out, struct err *e);

#endif
