/* SPDX-License-Identifier: MPL-2.0 */
/* Cuts a stream of bytes into lines of at most a stated length. */
#ifndef MIG_CLIENT_PRINT_LINES_H
#define MIG_CLIENT_PRINT_LINES_H

#include "base/buf.h"

#include <stdbool.h>

struct err;

/* One line without its newline; text NULL: a line that was too long, or for
 * which there was no memory (.why), and was thrown away. Non-zero (an ERR_*
 * code) stops the feed. */
typedef int lines_on_line(const char *text, size_t len, void *arg);

struct lines {
	struct buf line;
	bool skipping; /* inside a line that is thrown away */
	int why;       /* ERR_TOOBIG or ERR_NOMEM, of the last such line */
	lines_on_line *on_line;
	void *arg;
};

void lines_init(struct lines *l, size_t max, lines_on_line *on_line, void *arg);
void lines_release(struct lines *l);
/* Empty lines are dropped. Returns 0 or what on_line returned. */
int lines_feed(struct lines *l, const void *data, size_t len);
/* True when the input ended inside a line. */
bool lines_partial(const struct lines *l);

#endif
