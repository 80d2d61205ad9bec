/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What was launched from here: ~/.local/share/mig/actions, a line an action,
 *   "<64 hex id> <RFC 3339 time>[,all|,online] <name>"
 * The word after the time is missing where it was not this client that said
 * whom to ask, and in lines of versions before.
 */
#include "client/ask/ask.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define HISTORY_MAX (16u * 1024 * 1024)
#define WORD_AT (ID_HEX_LEN + 1 + RFC3339_LEN)

static const char *const words[] = {
	[ASKED_UNKNOWN] = "",
	[ASKED_ALL] = ",all",
	[ASKED_ONLINE] = ",online",
};

void
launch_remember(const struct id *id, const char *name, enum asked asked)
{
	char now[RFC3339_LEN + 1], *path;
	struct err e;
	struct buf b;
	int r;

	path = client_path(DIR_DATA, "actions", NULL);
	if (path == NULL)
		return;
	rfc3339_format(clock_wall_ms() / 1000, now);
	buf_init(&b, 16 * 1024);
	buf_add_fmt(&b, "%s %s%s ", id_hex(id).s, now, words[asked]);
	str_add_printable(&b, name, strlen(name));
	buf_add_str(&b, "\n");
	r = b.error != 0 ? err_code(&e, b.error, "the name")
			 : client_mkdir_for(path, &e);
	if (r == 0)
		r = file_append(path, b.data, b.len, 0600, &e);
	if (r != 0)
		client_warn("warning: this action is not remembered here (mig "
			    "results %s shows its answers): %s",
		    id_short(id).s, e.msg);
	buf_release(&b);
	free(path);
}

static int
history_read(struct buf *out, struct err *e)
{
	char *path = client_path(DIR_DATA, "actions", e);
	int r;

	if (path == NULL)
		return ERR_NOTFOUND;
	r = file_read(path, out, NULL);
	free(path);
	return r;
}

int
launch_last(char ret_hex[static ID_HEX_LEN + 1], struct err *e)
{
	struct buf b;
	struct id id;
	char *p;
	int r;

	buf_init(&b, HISTORY_MAX);
	r = history_read(&b, e);
	while (b.len > 0 && b.data[b.len - 1] == '\n')
		b.len--;
	p = r == 0 && b.len > 0 ? memrchr(b.data, '\n', b.len) : NULL;
	p = p != NULL ? p + 1 : (char *)b.data;
	r = ERR_NOTFOUND;
	if (p != NULL && b.len - (size_t)(p - (char *)b.data) > ID_HEX_LEN) {
		memcpy(ret_hex, p, ID_HEX_LEN);
		ret_hex[ID_HEX_LEN] = '\0';
		r = id_parse(ret_hex, &id) == 0 ? 0 : ERR_NOTFOUND;
	}
	if (r != 0)
		err_set(e, r,
		    "nothing was launched from here yet; give an id "
		    "(see: mig actions)");
	buf_release(&b);
	return r;
}

static enum asked
asked_word(const char *word)
{
	if (str_starts(word, ",all "))
		return ASKED_ALL;
	return str_starts(word, ",online ") ? ASKED_ONLINE : ASKED_UNKNOWN;
}

enum asked
launch_asked(const struct id *id)
{
	enum asked found = ASKED_UNKNOWN, is;
	const char *line, *end;
	struct buf b;

	buf_init(&b, HISTORY_MAX);
	line = history_read(&b, NULL) == 0 ? buf_str(&b) : NULL;
	for (; line != NULL && *line != '\0'; line = end + (*end == '\n')) {
		end = strchrnul(line, '\n');
		if ((size_t)(end - line) <= WORD_AT ||
		    memcmp(line, id_hex(id).s, ID_HEX_LEN) != 0)
			continue;
		/* sent twice: whoever was to be asked by one of them was */
		is = asked_word(line + WORD_AT);
		if (is != ASKED_UNKNOWN && found != ASKED_ALL)
			found = is;
	}
	buf_release(&b);
	return found;
}
