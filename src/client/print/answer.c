/* SPDX-License-Identifier: MPL-2.0 */
/* What an answer means. Everything here comes from an endpoint. */
#include "client/print/answer.h"

#include "base/err.h"
#include "base/str.h"
#include "client/print/summary.h"
#include "json/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of an operation that failed; it is an endpoint that sends them. */
#define ERRORS_MAX 64

/* Copies text from outside, made printable, cut to size. */
static void
printable_copy(char *out, size_t size, const void *text, size_t len)
{
	struct buf b;

	buf_init(&b, size * 8);
	if (len > size)
		len = size;
	str_add_printable(&b, text, len);
	if (b.error == 0 && buf_str(&b) != NULL)
		str_copy(out, size, buf_str(&b));
	else
		str_copy(out, size, "?");
	buf_release(&b);
}

void
answer_init(
    struct answer *a, const char *agent, const char *name, unsigned int status)
{
	memset(a, 0, sizeof(*a));
	str_copy(a->agent, sizeof(a->agent), agent);
	printable_copy(a->name, sizeof(a->name), name, strlen(name));
	if (a->name[0] == '\0')
		snprintf(
		    a->name, sizeof(a->name), "%.*s", ID_SHORT_LEN, a->agent);
	a->status = status;
	if (status == RESULT_STOPPED) {
		a->failed = true;
		str_copy(a->why, sizeof(a->why), "stopped before the end");
	}
}

void
answer_release(struct answer *a)
{
	size_t i;

	for (i = 0; i < a->nparts; i++)
		json_decref(a->parts[i].result);
	a->nparts = 0;
}

static const char *
part_status_text(unsigned int status)
{
	switch (status) {
	case PART_FAILED:
		return "failed";
	case PART_TIMEOUT:
		return "stopped by the time limit";
	case PART_LIMIT:
		return "stopped by the memory, CPU or output limit";
	default:
		return "an unknown status";
	}
}

static void __attribute__((format(printf, 3, 4)))
answer_why(struct answer *a, bool *flag, const char *fmt, ...)
{
	bool first = !a->failed && !a->partial;
	va_list ap;

	*flag = true;
	if (!first)
		return;
	va_start(ap, fmt);
	vsnprintf(a->why, sizeof(a->why), fmt, ap);
	va_end(ap);
}

/* Is it about something not examined that leaves no doubt ("WORD: ...")? */
static bool
is_ordinary(const struct module *m, const char *error)
{
	const char *colon = strstr(error, ": ");
	char word[64];

	if (colon == NULL || (size_t)(colon - error) >= sizeof(word))
		return false;
	memcpy(word, error, (size_t)(colon - error));
	word[colon - error] = '\0';
	return module_is_ordinary(m, word);
}

/* The first entry of "errors" as text, of those that leave doubt when m is
 * given; NULL when there is none. */
static const char *
first_error(const json_t *result, const struct module *m)
{
	const json_t *errors = json_object_get(result, "errors"), *v;
	size_t i;

	json_array_foreach (errors, i, v) {
		if (!json_is_string(v))
			return "?";
		if (m == NULL || !is_ordinary(m, json_string_value(v)))
			return json_string_value(v);
	}
	return NULL;
}

/* What says which limit ended it, without the word before it. */
static const char *
first_limit(const json_t *result)
{
	static const char says[] = "limit reached: ";
	const json_t *errors = json_object_get(result, "errors"), *v;
	const char *text, *colon;
	size_t i;

	json_array_foreach (errors, i, v) {
		text = json_is_string(v) ? json_string_value(v) : "";
		colon = strstr(text, ": ");
		if (str_starts(text, says))
			return text;
		if (colon != NULL && str_starts(colon + 2, says))
			return colon + 2;
	}
	return NULL;
}

static bool
is_counted(const json_t *n)
{
	return json_is_integer(n) && json_integer_value(n) > 0;
}

/* The words of statistics.notexamined that do leave doubt. */
static void
not_examined(
    const struct module *module, const json_t *result, char *out, size_t size)
{
	json_t *list, *n;
	const char *word;
	char safe[64];
	size_t len;

	out[0] = '\0';
	list = json_object_get(
	    json_object_get(result, "statistics"), "notexamined");
	json_object_foreach (list, word, n) {
		if (!is_counted(n) || module_is_ordinary(module, word))
			continue;
		printable_copy(safe, sizeof(safe), word, strlen(word));
		len = strlen(out);
		snprintf(
		    out + len, size - len, "%s%s", len > 0 ? ", " : "", safe);
	}
}

/* Did the agent not have a place that was asked for? */
static bool
lacks_place(const struct module *module, const json_t *result)
{
	const json_t *list = json_object_get(
	    json_object_get(result, "statistics"), "notexamined");

	return module->absent != NULL &&
	    is_counted(json_object_get(list, module->absent));
}

/* {foundanything, success, elements, statistics, errors} */
static void
judge_result(struct answer *a, struct answer_part *p)
{
	bool success = json_is_true(json_object_get(p->result, "success"));
	const char *error = first_error(p->result, p->module);
	char text[ANSWER_WHY_MAX / 2] = "", skipped[ANSWER_WHY_MAX / 2];

	if (error == NULL && !success)
		error = first_error(p->result, NULL);
	if (error != NULL)
		printable_copy(text, sizeof(text), error, strlen(error));
	if (json_is_true(json_object_get(p->result, "foundanything")))
		a->found = true;
	if (lacks_place(p->module, p->result))
		a->absent = true;
	if (!success)
		answer_why(a, &a->failed, "%s: %s", p->module->name,
		    error != NULL ? text : "did not succeed");
	not_examined(p->module, p->result, skipped, sizeof(skipped));
	if (a->failed)
		return;
	if (skipped[0] != '\0')
		answer_why(a, &a->partial, "%s", skipped);
	else if (error != NULL)
		answer_why(a, &a->partial, "%s", text);
}

static void
part_parse(struct answer_part *p, const void *data, size_t len)
{
	struct err e = { 0 };

	p->result = json_strict(data, len, RESULT_PLAIN_MAX, &e);
	if (p->result != NULL && !json_is_object(p->result)) {
		json_decref(p->result);
		p->result = NULL;
		err_set(&e, ERR_INVALID, "expected an object");
	}
	if (p->result == NULL)
		snprintf(p->why, sizeof(p->why),
		    "the answer cannot be read: %.200s", e.msg);
}

/* A part that was cut short may still be a whole, partial answer; of one that
 * was interrupted the line before it says by what (action/result.h). What a
 * limit was is said by the worker, in its first error. */
static void
part_take(struct answer_part *p, const char *data, size_t len)
{
	const char *line = len > 0 ? memchr(data, '\n', len) : NULL;
	const char *error;
	size_t n;

	if (p->status == PART_DONE || (len > 0 && *data == '{')) {
		part_parse(p, data, len);
	} else if (p->status == PART_INTERRUPTED && line != NULL &&
	    (size_t)(line - data) + 1 < len && line[1] == '{') {
		n = (size_t)(line - data) + 1;
		part_parse(p, data + n, len - n);
		printable_copy(p->why, sizeof(p->why), data, n - 1);
	} else {
		printable_copy(p->why, sizeof(p->why), data, len);
	}
	error = first_limit(p->result);
	if (p->status != PART_DONE && p->why[0] == '\0' && error != NULL)
		printable_copy(p->why, sizeof(p->why), error, strlen(error));
}

/* By whom or what, rather than that it was. */
static void
interrupted(struct answer *a, const struct answer_part *p)
{
	answer_why(a, &a->failed, "%s: interrupted", p->module->name);
	if (p->why[0] == '\0' || a->explained)
		return;
	a->explained = true;
	snprintf(a->why, sizeof(a->why), "stopped: %.400s", p->why);
}

void
answer_add(struct answer *a, const struct module *m, unsigned int status,
    const void *data, size_t len)
{
	struct answer_part *p;

	if (a->nparts >= ACTION_OPERATIONS_MAX)
		return;
	p = &a->parts[a->nparts++];
	memset(p, 0, sizeof(*p));
	p->module = m;
	p->status = status;
	part_take(p, data, len);
	if (status == PART_INTERRUPTED)
		interrupted(a, p);
	else if (p->why[0] != '\0' &&
	    (status == PART_TIMEOUT || status == PART_LIMIT))
		answer_why(
		    a, &a->failed, "%s: stopped: %.300s", m->name, p->why);
	else if (status != PART_DONE)
		answer_why(a, &a->failed, "%s: %s%s%.300s", m->name,
		    part_status_text(status), p->why[0] != '\0' ? ": " : "",
		    p->why);
	else if (p->result == NULL)
		answer_why(a, &a->failed, "%s: %.300s", m->name, p->why);
	if (p->result != NULL)
		judge_result(a, p);
}

static bool
is_repeated(const json_t *errors, size_t n)
{
	const json_t *v = json_array_get(errors, n);
	size_t i;

	for (i = 0; i < n; i++)
		if (json_equal(json_array_get(errors, i), v))
			return true;
	return false;
}

static void
part_errors(
    const struct answer *a, const struct answer_part *p, struct groups *ret)
{
	const json_t *errors = json_object_get(p->result, "errors");
	size_t i, n = json_array_size(errors);
	char safe[ANSWER_WHY_MAX / 2];
	const char *text;

	for (i = 0; i < n && i < ERRORS_MAX; i++) {
		text = json_string_value(json_array_get(errors, i));
		if (text == NULL || is_repeated(errors, i))
			continue;
		printable_copy(safe, sizeof(safe), text, strlen(text));
		if (strstr(a->why, safe) == NULL)
			summary_add(ret, safe, a->name);
	}
	if (n > ERRORS_MAX)
		summary_add(ret, "more than are counted here", a->name);
}

void
answer_errors(const struct answer *a, struct groups *ret)
{
	size_t i;

	for (i = 0; i < a->nparts; i++)
		if (a->parts[i].result != NULL &&
		    !json_is_true(
			json_object_get(a->parts[i].result, "success")))
			part_errors(a, &a->parts[i], ret);
}
