/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The mounts module's work: /proc/self/mountinfo (proc(5)), line by line.
 *
 *   elements: {"mounts": [{"point", "type", "source"}]}
 */
#include "modules/run.h"

#include "base/err.h"
#include "base/jsonw.h"
#include "modules/common/outcome.h"
#include "modules/common/watch.h"
#include "modules/params.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOUNTINFO "/proc/self/mountinfo"

/* The first ones are in the order of enum watch_end. */
enum gap {
	GAP_NONE,
	GAP_TIME,
	GAP_CPU,
	GAP_STOPPED,
	GAP_UNREADABLE,
	GAP_LIMIT,
	GAP_OUTPUT,
	GAPS
};

static const struct outcome_kind kinds[GAPS] = {
	[GAP_NONE] = { "none", NULL, true },
	[GAP_TIME] = { "timelimit", NULL, false },
	[GAP_CPU] = { "cpulimit", NULL, false },
	[GAP_STOPPED] = { "stopped", NULL, false },
	[GAP_UNREADABLE] = { "unreadable", NULL, false },
	[GAP_LIMIT] = { "matchlimit", NULL, false },
	[GAP_OUTPUT] = { "outputlimit", NULL, false },
};

struct run {
	const json_t *params;
	struct outcome out;
	struct watch watch;
	struct buf entries; /* JSON objects with commas between */
	uint64_t seen, hits;
};

struct mount {
	char *point, *type, *source;
};

/* In place: \040 and the like become the byte they stand for. */
static char *
unescape(char *text)
{
	char *in = text, *out = text;

	for (; *in != '\0'; out++) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' &&
		    in[2] >= '0' && in[2] <= '7' && in[3] >= '0' &&
		    in[3] <= '7') {
			*out = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 +
			    (in[3] - '0'));
			in += 4;
		} else {
			*out = *in++;
		}
	}
	*out = '\0';
	return text;
}

/* "ID PARENT DEV ROOT POINT OPTIONS [TAG ...] - TYPE SOURCE OPTIONS" */
static bool
parse_line(char *line, struct mount *ret)
{
	char *rest, *word, *tail = strstr(line, " - ");
	int i;

	if (tail == NULL)
		return false;
	*tail = '\0';
	word = strtok_r(line, " ", &rest);
	for (i = 0; i < 4 && word != NULL; i++)
		word = strtok_r(NULL, " ", &rest);
	ret->point = word;
	ret->type = strtok_r(tail + 3, " ", &rest);
	ret->source = strtok_r(NULL, " \n", &rest);
	if (ret->point == NULL || ret->source == NULL)
		return false;
	unescape(ret->point);
	unescape(ret->source);
	return true;
}

static bool
is_below(const char *point, const char *path)
{
	size_t len = strlen(path);

	while (len > 0 && path[len - 1] == '/')
		len--;
	return strncmp(point, path, len) == 0 &&
	    (point[len] == '/' || point[len] == '\0');
}

/* One value of the list fits, or the list is not there. */
static bool
fits(const json_t *list, const char *text, bool below)
{
	const char *value;
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		value = json_string_value(json_array_get(list, i));
		if (below ? is_below(text, value) : strcmp(text, value) == 0)
			return true;
	}
	return list == NULL;
}

/* Returns false when there is nothing more to look at. */
static bool
add(struct run *r, const struct mount *m)
{
	int64_t limit = params_num(r->params, "options.matchlimit", 0);
	size_t before = r->entries.len;
	struct jsonw w;

	if (limit > 0 && r->hits == (uint64_t)limit) {
		outcome_gap(&r->out, GAP_LIMIT, m->point,
		    "the limit of mounts to return was reached before this");
		return false;
	}
	jsonw_init(&w, &r->entries);
	w.comma = before > 0;
	jsonw_object(&w, NULL);
	jsonw_str(&w, "point", m->point);
	jsonw_str(&w, "type", m->type);
	jsonw_str(&w, "source", m->source);
	jsonw_object_end(&w);
	if (!outcome_keep(&r->out, &r->entries, before)) {
		outcome_gap(&r->out, GAP_OUTPUT, m->point,
		    "the answer has no room from here on");
		return false;
	}
	r->hits++;
	return true;
}

static void
look(struct run *r, FILE *f)
{
	struct mount m;
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, f) > 0) {
		if (watch_stop(&r->watch)) {
			outcome_gap(&r->out, (unsigned int)r->watch.end, NULL,
			    r->watch.text);
			break;
		}
		r->seen++;
		if (!parse_line(line, &m))
			outcome_gap(
			    &r->out, GAP_UNREADABLE, MOUNTINFO, "a line");
		else if (fits(params_get(r->params, "types"), m.type, false) &&
		    fits(params_get(r->params, "below"), m.point, true) &&
		    !add(r, &m))
			break;
	}
	free(line);
}

static int
answer(struct run *r, struct buf *out, struct err *e)
{
	struct jsonw w;

	jsonw_init(&w, out);
	outcome_begin(&r->out, &w, r->hits > 0, true);
	jsonw_array(&w, "mounts");
	buf_add(out, r->entries.data, r->entries.len);
	jsonw_array_end(&w);
	outcome_statistics(&r->out, &w);
	jsonw_u64(&w, "seen", r->seen);
	jsonw_u64(&w, "totalhits", r->hits);
	return outcome_end(&r->out, &w, e);
}

int
module_mounts_run(const json_t *params, const struct run_context *ctx,
    struct buf *out, struct err *e)
{
	struct run r = { .params = params };
	FILE *f;
	int rc;

	watch_begin(&r.watch, ctx);
	outcome_init(&r.out, kinds, GAPS, 0, ctx->output_max);
	buf_init(&r.entries, r.out.output_max);
	f = fopen(MOUNTINFO, "re");
	if (f == NULL) {
		outcome_gap(&r.out, GAP_UNREADABLE, MOUNTINFO, strerror(errno));
	} else {
		look(&r, f);
		fclose(f);
	}
	rc = answer(&r, out, e);
	buf_release(&r.entries);
	outcome_release(&r.out);
	return rc;
}
