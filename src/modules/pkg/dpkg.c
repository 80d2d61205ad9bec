/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/pkg/dpkg.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define READ_LEN 65536

static const char *const field_names[DPKG_FIELDS] = { "Package", "Status",
	"Architecture", "Version" };

/* The third word of Status. */
static const char *const absent[] = { "not-installed", "config-files", NULL };
static const char *const partial[] = { "half-installed", "unpacked",
	"half-configured", "triggers-awaited", "triggers-pending", NULL };

static bool
is_one_of(const char *word, const char *const *list)
{
	for (; *list != NULL; list++) {
		if (strcmp(word, *list) == 0)
			return true;
	}
	return false;
}

void
dpkg_begin(struct dpkg_parser *p, const struct pkg_reader *r)
{
	memset(p, 0, sizeof(*p));
	p->reader = r;
	p->line = 1;
}

static void
paragraph_clear(struct dpkg_parser *p)
{
	size_t i;

	p->any = false;
	p->bad = false;
	for (i = 0; i < DPKG_FIELDS; i++)
		p->field[i][0] = '\0';
}

static void
damaged(struct dpkg_parser *p, const char *what)
{
	const char *name = p->field[DPKG_PACKAGE];

	reader_damaged(p->reader, "line %llu: %s%s%s",
	    (unsigned long long)p->begin, what, *name != '\0' ? ": " : "",
	    name);
}

/* NULL: there is no such state. */
static const char *
state_of(const struct dpkg_parser *p)
{
	const char *status = p->field[DPKG_STATUS], *word;

	if (*status == '\0')
		return p->all_installed ? "installed" : "not-installed";
	word = strrchr(status, ' ');
	word = word != NULL ? word + 1 : status;
	if (strcmp(word, "installed") != 0 && !is_one_of(word, absent) &&
	    !is_one_of(word, partial))
		return NULL;
	return word;
}

static void
tell(struct dpkg_parser *p, const char *state)
{
	struct package found = { .type = PKG_DPKG,
		.name = p->field[DPKG_PACKAGE],
		.version = p->field[DPKG_VERSION],
		.arch = p->field[DPKG_ARCHITECTURE],
		.state = state };

	if (!p->any_state && strcmp(state, "installed") == 0)
		found.state = "";
	p->reader->package(&found, p->reader->arg);
}

static void
paragraph_end(struct dpkg_parser *p)
{
	const char *state = state_of(p);

	if (!p->any)
		return;
	if (p->bad)
		damaged(p, "a line that is no field");
	else if (p->field[DPKG_PACKAGE][0] == '\0')
		damaged(p, "a paragraph without the name of a package");
	else if (state == NULL)
		damaged(p, "an unknown state of a package");
	else if (is_one_of(state, absent)) {
		if (p->any_state)
			tell(p, state);
	} else if (p->field[DPKG_VERSION][0] == '\0')
		damaged(p, "an installed package without a version");
	else
		tell(p, state);
	paragraph_clear(p);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The value of a field that is wanted; the line is terminated. */
static void
take_field(struct dpkg_parser *p, char *colon)
{
	char *value = colon + 1, *end = p->text + strlen(p->text);
	size_t i, name = (size_t)(colon - p->text);

	for (i = 0; i < DPKG_FIELDS; i++) {
		if (strlen(field_names[i]) == name &&
		    strncasecmp(field_names[i], p->text, name) == 0)
			break;
	}
	if (i == DPKG_FIELDS)
		return;
	while (is_blank(*value))
		value++;
	while (end > value && is_blank(end[-1]))
		end--;
	*end = '\0';
	if (p->len > DPKG_LINE_MAX)
		p->bad = true;
	memcpy(p->field[i], value, (size_t)(end - value) + 1);
}

static void
line_end(struct dpkg_parser *p)
{
	size_t kept = p->len < DPKG_LINE_MAX ? p->len : DPKG_LINE_MAX, i = 0;
	char *colon;

	p->text[kept] = '\0';
	while (i < kept && is_blank(p->text[i]))
		i++;
	if (i == p->len) {
		paragraph_end(p);
	} else {
		if (!p->any)
			p->begin = p->line;
		colon = memchr(p->text, ':', kept);
		if (memchr(p->text, '\0', kept) != NULL ||
		    (i == 0 && colon == NULL) || (i > 0 && !p->any))
			p->bad = true;
		else if (i == 0)
			take_field(p, colon);
		p->any = true;
	}
	p->len = 0;
	p->line++;
}

void
dpkg_feed(struct dpkg_parser *p, const void *data, size_t len)
{
	const char *s = data, *end = s + len, *stop;
	size_t n, room;

	while (s < end) {
		stop = memchr(s, '\n', (size_t)(end - s));
		n = (size_t)((stop != NULL ? stop : end) - s);
		room = p->len < DPKG_LINE_MAX ? DPKG_LINE_MAX - p->len : 0;
		memcpy(
		    p->text + (DPKG_LINE_MAX - room), s, n < room ? n : room);
		p->len += n;
		s += n;
		if (stop != NULL) {
			line_end(p);
			s++;
		}
	}
}

void
dpkg_end(struct dpkg_parser *p)
{
	bool cut = p->len > 0;

	if (cut)
		line_end(p);
	p->bad = p->bad || cut;
	if (cut && p->any) {
		damaged(p, "the file ends in the middle of a line");
		paragraph_clear(p);
	}
	paragraph_end(p);
}

int
dpkg_feed_file(struct dpkg_parser *p, int fd, uint64_t max, struct err *e)
{
	char *data = malloc(READ_LEN);
	uint64_t left = max;
	ssize_t n = 1;
	int rc = 0;

	if (data == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	while (n > 0 && !p->reader->stop(p->reader->arg)) {
		n = read(fd, data, READ_LEN);
		if (n < 0 && errno == EINTR) {
			n = 1;
		} else if (n > 0 && (uint64_t)n > left) {
			rc = err_set(e, ERR_TOOBIG, "more than %llu bytes",
			    (unsigned long long)max);
			break;
		} else if (n > 0) {
			dpkg_feed(p, data, (size_t)n);
			left -= (uint64_t)n;
		}
	}
	if (n < 0)
		rc = err_errno(e, "reading it");
	else if (n == 0)
		dpkg_end(p);
	free(data);
	return rc;
}
