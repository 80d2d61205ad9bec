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
#include <stdint.h>
#include <stdlib.h>

#define BITS_FIRST 6

static _Thread_local bool no_memory;

/* Of the text that is being read: what is allocated, as an open hash table that
 * is half full at most. Of a text that is refused at its end all is given back
 * in the order in which it was taken: a list would be searched for each. */
static _Thread_local struct {
	bool now;
	jmp_buf end;
	void **slots; /* (size_t)1 << bits; NULL: none yet */
	unsigned int bits;
	size_t n;
} reading;

static size_t
mask(void)
{
	return ((size_t)1 << reading.bits) - 1;
}

static size_t
home(const void *p)
{
	return (size_t)((uint64_t)(uintptr_t)p * UINT64_C(0x9e3779b97f4a7c15) >>
	    (64 - reading.bits));
}

static void
put(void *p)
{
	size_t i = home(p);

	while (reading.slots[i] != NULL)
		i = (i + 1) & mask();
	reading.slots[i] = p;
}

static bool
grow(void)
{
	unsigned int bits =
	    reading.slots == NULL ? BITS_FIRST : reading.bits + 1;
	size_t old = reading.slots == NULL ? 0 : mask() + 1, i;
	void **slots = calloc((size_t)1 << bits, sizeof(*slots));
	void **from = reading.slots;

	if (slots == NULL)
		return false;
	reading.slots = slots;
	reading.bits = bits;
	for (i = 0; i < old; i++) {
		if (from[i] != NULL)
			put(from[i]);
	}
	free(from);
	return true;
}

static bool
remember(void *p)
{
	if ((reading.slots == NULL || 2 * (reading.n + 1) > mask()) && !grow())
		return false;
	put(p);
	reading.n++;
	return true;
}

/* What follows without a gap moves up, as far as it then is at its place or
 * behind it. */
static void
forget(const void *p)
{
	size_t i, k;

	if (reading.n == 0)
		return;
	for (i = home(p); reading.slots[i] != p; i = (i + 1) & mask()) {
		if (reading.slots[i] == NULL)
			return;
	}
	for (k = (i + 1) & mask(); reading.slots[k] != NULL;
	     k = (k + 1) & mask()) {
		if (((k - home(reading.slots[k])) & mask()) >=
		    ((k - i) & mask())) {
			reading.slots[i] = reading.slots[k];
			i = k;
		}
	}
	reading.slots[i] = NULL;
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
	free(reading.slots);
	reading.slots = NULL;
	reading.n = 0;
	reading.now = false;
}

json_t *
json_read(const void *text, size_t len, size_t flags, json_error_t *ret_error)
{
	json_t *v;
	size_t i;

	no_memory = false;
	if (setjmp(reading.end) != 0) {
		for (i = 0; reading.n > 0; i++) {
			if (reading.slots[i] == NULL)
				continue;
			free(reading.slots[i]);
			reading.n--;
		}
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
