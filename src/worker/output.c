/* SPDX-License-Identifier: MPL-2.0 */
#include "worker/output.h"

#include "base/file.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROOM (256 << 10) /* bytes held back until more come */
#define PAGE 4096

/* There from the start: later a search may have left no memory, and to map it
 * for each order costs more than a short answer. */
static uint8_t room[ROOM] __attribute__((aligned(PAGE)));

static int
write_on(const void *data, size_t len, void *arg)
{
	struct output *o = arg;

	if (len > o->max - o->written)
		return err_set(&o->err, ERR_TOOBIG, "no room for the answer");
	if (!o->begun) {
		o->begun = 1;
		if (o->own_file && lseek(STDOUT_FILENO, 0, SEEK_SET) != 0)
			return err_errno(&o->err, "lseek");
	}
	o->written += len;
	return fd_write_all(STDOUT_FILENO, data, len, &o->err);
}

void
output_begin(struct output *o, size_t max, bool whole, bool own_file)
{
	memset(o, 0, sizeof(*o));
	o->max = max;
	o->own_file = own_file;
	if (whole) {
		buf_init(&o->text, max);
	} else {
		buf_init_sink(&o->text, ROOM, write_on, o);
		o->text.data = room;
		o->text.cap = ROOM;
	}
}

void
output_release(struct output *o)
{
	if (o->text.data != room)
		buf_release(&o->text);
	else if (o->written > PAGE)
		/* a process that waits holds no more than it must */
		(void)madvise(room + PAGE, ROOM - PAGE, MADV_DONTNEED);
}

int
output_again(struct output *o, struct err *e)
{
	if (o->err.code != 0)
		*e = o->err;
	if (o->begun && !o->own_file)
		return e->code;
	o->again = o->begun;
	o->begun = 0;
	o->written = 0;
	err_clear(&o->err);
	buf_clear(&o->text);
	return 0;
}

void
output_indent(struct output *o)
{
	struct buf *b = &o->text;
	json_t *v = json_read(b->data, b->len, 0, NULL);
	char *text = v != NULL ? json_text(v, JSON_INDENT(2)) : NULL;
	size_t len = text != NULL ? strlen(text) : 0;

	json_decref(v);
	if (text == NULL || len >= b->max) { /* the line end is to fit, too */
		free(text);
		return;
	}
	free(b->data);
	b->data = (uint8_t *)text;
	b->len = len;
	b->cap = len + 1;
}

/* The sandbox lets no file be cut. What is left of the answer that failed
 * becomes blanks, which mean nothing behind JSON. */
static int
blank_rest(struct output *o)
{
	static char blanks[4096];
	off_t at = lseek(STDOUT_FILENO, 0, SEEK_CUR),
	      end = lseek(STDOUT_FILENO, 0, SEEK_END);
	size_t n;
	int rc = 0;

	if (at < 0 || end < 0 || lseek(STDOUT_FILENO, at, SEEK_SET) < 0)
		return err_errno(&o->err, "lseek");
	memset(blanks, ' ', sizeof(blanks));
	for (; rc == 0 && at < end; at += (off_t)n) {
		n = end - at < (off_t)sizeof(blanks) ? (size_t)(end - at)
						     : sizeof(blanks);
		rc = fd_write_all(STDOUT_FILENO, blanks, n, &o->err);
	}
	return rc;
}

int
output_end(struct output *o, struct err *e)
{
	struct buf *b = &o->text;
	int rc = buf_add_u8(b, '\n');

	if (rc == 0 && !o->begun && !o->again && b->len <= o->hold) {
		o->held = true;
		return 0;
	}
	if (rc == 0)
		rc = b->sink != NULL ? buf_hand_on(b)
				     : write_on(b->data, b->len, o);
	if (rc == 0 && o->again)
		rc = blank_rest(o);
	if (rc != 0 && o->err.code == 0)
		return err_set(e, rc, "%s", err_text(rc));
	if (rc != 0)
		*e = o->err;
	return rc;
}

int
output_put(struct output *o, struct err *e)
{
	int rc = o->held ? buf_hand_on(&o->text) : 0;

	o->held = false;
	if (rc != 0)
		*e = o->err;
	return rc;
}
