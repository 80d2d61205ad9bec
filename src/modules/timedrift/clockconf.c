/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/timedrift/clockconf.h"

#include "base/err.h"
#include "base/str.h"
#include "modules/host.h"

#include <string.h>
#include <strings.h>

#define WORDS_MAX 64
#define SPACES " \t\r\v\f"

struct parser {
	clockconf_on_item *on_item;
	void *arg;
	bool in_time; /* of timesyncd.conf: the section */
	size_t odd;
};

/* In place. More words than there is room for: the rest is left out. */
static size_t
split(char *line, char *words[WORDS_MAX])
{
	char *rest = NULL, *w;
	size_t n = 0;

	for (w = strtok_r(line, SPACES, &rest); w != NULL && n < WORDS_MAX;
	     w = strtok_r(NULL, SPACES, &rest))
		words[n++] = w;
	return n;
}

static void
give_server(
    struct parser *p, enum clockconf_item item, const char *name, uint16_t port)
{
	struct host h;
	struct err e;

	if (host_parse_only(name, &h, &e) != 0)
		p->odd++;
	else
		p->on_item(item, h.name, port, p->arg);
}

/* --- chrony --------------------------------------------------------------- */

static void
chrony_server(struct parser *p, char *const *words, size_t n)
{
	uint64_t port = 0;
	size_t i;

	if (n < 2) {
		p->odd++;
		return;
	}
	for (i = 2; i + 1 < n; i++) {
		if (strcasecmp(words[i], "port") == 0 &&
		    str_u64(words[i + 1], 1, UINT16_MAX, &port) != 0) {
			p->odd++;
			return;
		}
	}
	give_server(p, CLOCKCONF_SERVER, words[1], (uint16_t)port);
}

static void
chrony_line(struct parser *p, char *line)
{
	static const struct {
		const char *word;
		enum clockconf_item item;
	} others[] = { { "include", CLOCKCONF_INCLUDE },
		{ "confdir", CLOCKCONF_CONFDIR },
		{ "sourcedir", CLOCKCONF_SOURCEDIR } };
	char *words[WORDS_MAX];
	size_t n = split(line, words), i, k;

	if (n == 0 || strchr("!;#%", words[0][0]) != NULL)
		return;
	if (strcasecmp(words[0], "server") == 0 ||
	    strcasecmp(words[0], "pool") == 0 ||
	    strcasecmp(words[0], "peer") == 0) {
		chrony_server(p, words, n);
		return;
	}
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strcasecmp(words[0], others[i].word) != 0)
			continue;
		for (k = 1; k < n; k++)
			p->on_item(others[i].item, words[k], 0, p->arg);
	}
}

/* --- ntpd ----------------------------------------------------------------- */

static void
ntp_line(struct parser *p, char *line)
{
	static const char *const sources[] = { "server", "servers", "pool",
		"peer", NULL };
	char *words[WORDS_MAX];
	size_t n, at = 1, i;

	line[strcspn(line, "#")] = '\0';
	n = split(line, words);
	if (n == 0)
		return;
	if (strcmp(words[0], "includefile") == 0 && n > 1)
		p->on_item(CLOCKCONF_INCLUDE, words[1], 0, p->arg);
	for (i = 0; sources[i] != NULL; i++) {
		if (strcmp(words[0], sources[i]) == 0)
			break;
	}
	if (sources[i] == NULL)
		return;
	while (at < n &&
	    (strcmp(words[at], "-4") == 0 || strcmp(words[at], "-6") == 0))
		at++;
	if (at == n)
		p->odd++;
	/* such an address stands for a clock that is built in */
	else if (!str_starts(words[at], "127.127."))
		give_server(p, CLOCKCONF_SERVER, words[at], 0);
}

/* --- systemd -------------------------------------------------------------- */

static void
give_list(struct parser *p, enum clockconf_item item, char *list)
{
	char *words[WORDS_MAX];
	size_t n = split(list, words), i;

	if (n == 0 && item == CLOCKCONF_SERVER)
		p->on_item(CLOCKCONF_NO_SERVER, "", 0, p->arg);
	if (n == 0 && item == CLOCKCONF_FALLBACK)
		p->on_item(CLOCKCONF_NO_FALLBACK, "", 0, p->arg);
	for (i = 0; i < n; i++)
		give_server(p, item, words[i], 0);
}

/* The value when the line is "KEY = value". */
static char *
value_of(char *line, const char *key)
{
	size_t len = strlen(key);

	if (strncmp(line, key, len) != 0)
		return NULL;
	line += len;
	line += strspn(line, SPACES);
	return *line == '=' ? line + 1 : NULL;
}

/* The packaged file shows what is built in as comments (timesyncd.conf(5)). */
static void
timesyncd_comment(struct parser *p, char *line)
{
	char *value = value_of(line + 1, "FallbackNTP");

	if (value != NULL && p->in_time)
		give_list(p, CLOCKCONF_BUILT_IN, value);
}

static void
timesyncd_line(struct parser *p, char *line)
{
	char *value;

	line += strspn(line, SPACES);
	if (*line == '#' || *line == ';') {
		timesyncd_comment(p, line);
		return;
	}
	if (*line == '[') {
		p->in_time = str_starts(line, "[Time]");
		return;
	}
	if (!p->in_time)
		return;
	if ((value = value_of(line, "NTP")) != NULL ||
	    (value = value_of(line, "Servers")) != NULL)
		give_list(p, CLOCKCONF_SERVER, value);
	else if ((value = value_of(line, "FallbackNTP")) != NULL)
		give_list(p, CLOCKCONF_FALLBACK, value);
}

static void
link_line(struct parser *p, char *line)
{
	char *value = value_of(line, "NTP");

	/* empty on a link that names none, which voids nothing */
	if (value != NULL && value[strspn(value, SPACES)] != '\0')
		give_list(p, CLOCKCONF_SERVER, value);
}

/* -------------------------------------------------------------------------- */

static void
take_line(struct parser *p, enum clockconf_kind kind, char *line)
{
	switch (kind) {
	case CLOCKCONF_CHRONY:
		chrony_line(p, line);
		return;
	case CLOCKCONF_NTP:
		ntp_line(p, line);
		return;
	case CLOCKCONF_TIMESYNCD:
		timesyncd_line(p, line);
		return;
	case CLOCKCONF_LINK:
		link_line(p, line);
		return;
	}
}

size_t
clockconf_parse(enum clockconf_kind kind, const void *text, size_t len,
    clockconf_on_item *on_item, void *arg)
{
	struct parser p = { .on_item = on_item, .arg = arg };
	const char *s = text, *end;
	char line[CLOCKCONF_LINE_MAX];
	size_t n;

	for (; len > 0; s += n, len -= n) {
		end = memchr(s, '\n', len);
		n = end != NULL ? (size_t)(end - s) : len;
		if (n >= sizeof(line) || memchr(s, '\0', n) != NULL) {
			p.odd++;
		} else {
			memcpy(line, s, n);
			line[n] = '\0';
			take_line(&p, kind, line);
		}
		n += end != NULL;
	}
	return p.odd;
}
