/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Jansson does not look at every allocation that fails. What it writes comes
 * out shorter then; and when the text of a string it reads lost its end, it
 * reads and writes on behind its buffer. So an allocation that fails is noted
 * here, nothing that was written is used, and reading ends right there: what
 * it had allocated until then is known, and given back.
 */
#include "json/json.h"

#include <setjmp.h>
#include <stdlib.h>

#define LIST_FIRST 64

static _Thread_local bool no_memory;

/* Of the text that is being read. */
static _Thread_local struct {
	bool now;
	jmp_buf end;
	void **list; /* what was allocated; NULL: given back since */
	size_t n, cap;
} reading;

static bool
remember(void *p)
{
	size_t cap = reading.cap == 0 ? LIST_FIRST : 2 * reading.cap;
	void **list;

	if (reading.n == reading.cap) {
		list = reallocarray(reading.list, cap, sizeof(*list));
		if (list == NULL)
			return false;
		reading.list = list;
		reading.cap = cap;
	}
	reading.list[reading.n++] = p;
	return true;
}

/* What is given back is mostly what came last. */
static void
forget(const void *p)
{
	size_t i;

	for (i = reading.n; i > 0; i--) {
		if (reading.list[i - 1] == p) {
			reading.list[i - 1] = NULL;
			break;
		}
	}
	while (reading.n > 0 && reading.list[reading.n - 1] == NULL)
		reading.n--;
}

static void *
note_malloc(size_t size)
{
	void *p = malloc(size);

	if (p == NULL)
		no_memory = true;
	if (!reading.now)
		return p;
	if (p == NULL || !remember(p)) {
		no_memory = true;
		free(p);
		longjmp(reading.end, 1);
	}
	return p;
}

static void
note_free(void *p)
{
	if (reading.now && p != NULL)
		forget(p);
	free(p);
}

static void __attribute__((constructor)) watch_memory(void)
{
	json_set_alloc_funcs(note_malloc, note_free);
}

static void
over(void)
{
	free(reading.list);
	reading.list = NULL;
	reading.n = reading.cap = 0;
	reading.now = false;
}

json_t *
json_read(const void *text, size_t len, size_t flags, json_error_t *ret_error)
{
	json_t *v;

	no_memory = false;
	if (setjmp(reading.end) != 0) {
		while (reading.n > 0)
			free(reading.list[--reading.n]);
		over();
		return NULL;
	}
	reading.now = true;
	v = json_loadb(text, len, flags, ret_error);
	over();
	return v;
}

bool
json_no_memory(void)
{
	return no_memory;
}

char *
json_text(const json_t *v, size_t flags)
{
	char *text;

	no_memory = false;
	text = json_dumps(v, flags);
	if (!no_memory)
		return text;
	free(text);
	return NULL;
}
