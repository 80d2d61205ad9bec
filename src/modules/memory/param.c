/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/memory/param.h"

#include "base/err.h"
#include "base/hex.h"
#include "modules/params.h"
#include "modules/regex.h"

#include <stdlib.h>
#include <string.h>

const struct search_kind memory_kind_names[MEMORY_KINDS] = {
	[MEMORY_NAME] = { "names", "name" },
	[MEMORY_LIBRARY] = { "libraries", "lib" },
	[MEMORY_BYTES] = { "bytes", "bytes" },
	[MEMORY_CONTENT] = { "contents", "content" },
};

static int
is_bytes(const char *value, struct err *e)
{
	size_t n = strlen(value);

	if (n > 0 && n % 2 == 0 && n / 2 <= MEMORY_BYTES_MAX &&
	    strspn(value, "0123456789abcdefABCDEF") == n)
		return 0;
	return err_set(e, ERR_INVALID,
	    "'%.64s' is no byte string: expected 1 to %d bytes as pairs of "
	    "hexadecimal digits",
	    value, MEMORY_BYTES_MAX);
}

const struct param memory_param_table[] = {
	{ NULL, "description", PARAM_ONE, NULL, "for people" },
	{ "name", "names", PARAM_STR, "REGEX",
	    "path of the process's program matches; [comm] where there is none",
	    params_is_regex },
	{ "lib", "libraries", PARAM_STR, "REGEX",
	    "path of a file that the process has mapped matches",
	    params_is_regex },
	{ "bytes", "bytes", PARAM_STR, "HEX", "these bytes are in its memory",
	    is_bytes },
	{ "content", "contents", PARAM_STR, "REGEX",
	    "something in its memory matches (newlines are ordinary)",
	    params_is_regex },
	{ "offset", "options.offset", PARAM_NUM, "ADDRESS",
	    "where in the memory of each process to begin (0x..., or decimal)",
	    .hex = true },
	{ "maxlength", "options.maxlength", PARAM_NUM, "N",
	    "bytes of memory to read of each process (0: all)" },
	{ "matchall", "options.matchall", PARAM_BOOL, NULL,
	    "a process must pass all checks (the default)" },
	{ "matchany", "options.matchall", PARAM_NOT, NULL,
	    "a process must pass one check; each is answered by itself" },
	{ "residentonly", "options.residentonly", PARAM_BOOL, NULL,
	    "leave out what of mapped files is not in memory" },
	{ "logfailures", "options.logfailures", PARAM_BOOL, NULL,
	    "name every process that could not be looked into (else 30)" },
	{ .help = NULL },
};

struct parse {
	struct memory_params *p;
	size_t nchecks;
};

static int
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
}

/* What the table cannot say: all expressions together. */
static int
add_cost(struct parse *ps, const char *value, const char *where, struct err *e)
{
	uint64_t cost = 0;
	int rc = regex_check(value, &cost, e);

	if (rc != 0)
		return err_wrap(e, "%s", where);
	ps->p->cost += cost;
	if (ps->p->cost > PARAMS_COST_MAX)
		return err_set(e, ERR_TOOBIG,
		    "%s: the expressions are too much together; ask in parts",
		    where);
	return 0;
}

static int
add_checks(
    struct parse *ps, struct memory_search *s, const char *where, struct err *e)
{
	const json_t *list;
	struct memory_check *c;
	size_t k, i, n = 0;
	int rc;

	for (k = 0; k < MEMORY_KINDS; k++)
		n += json_array_size(
		    params_get(s->json, memory_kind_names[k].field));
	ps->nchecks += n;
	if (ps->nchecks > MEMORY_CHECKS_MAX)
		return err_set(e, ERR_TOOBIG,
		    "%s: more than %d checks in all searches together", where,
		    MEMORY_CHECKS_MAX);
	s->checks = calloc(n + 1, sizeof(*s->checks));
	if (s->checks == NULL)
		return no_memory(e);
	for (k = 0; k < MEMORY_KINDS; k++) {
		list = params_get(s->json, memory_kind_names[k].field);
		for (i = 0; i < json_array_size(list); i++) {
			c = &s->checks[s->nchecks++];
			c->kind = (enum memory_kind)k;
			c->value = json_string_value(json_array_get(list, i));
			if (k != MEMORY_BYTES &&
			    (rc = add_cost(ps, c->value, where, e)) != 0)
				return rc;
		}
	}
	return 0;
}

static int
find_window(struct memory_params *p, struct memory_search *s, const char *where,
    struct err *e)
{
	struct memory_window w = {
		.offset = (uint64_t)params_num(s->json, "options.offset", 0),
		.maxlength =
		    (uint64_t)params_num(s->json, "options.maxlength", 0),
		.residentonly = s->residentonly,
	};
	size_t i;

	if (w.maxlength == 0)
		w.maxlength = UINT64_MAX;
	for (i = 0; i < p->nwindows; i++) {
		if (p->windows[i].offset == w.offset &&
		    p->windows[i].maxlength == w.maxlength &&
		    p->windows[i].residentonly == w.residentonly)
			break;
	}
	if (i == MEMORY_WINDOWS_MAX)
		return err_set(e, ERR_TOOBIG,
		    "%s.options: more than %d different pairs of offset and "
		    "maxlength",
		    where, MEMORY_WINDOWS_MAX);
	if (i == p->nwindows)
		p->windows[p->nwindows++] = w;
	s->window = (uint32_t)i;
	return 0;
}

static int
parse_search(const char *label, const json_t *json, const char *where,
    void *arg, struct err *e)
{
	struct parse *ps = arg;
	struct memory_search *s = &ps->p->searches[ps->p->n];
	int rc = params_check(memory_param_table, json, where, e);

	if (rc != 0)
		return rc;
	s->label = label;
	s->json = json;
	s->matchall = params_bool(json, "options.matchall");
	s->logfailures = params_bool(json, "options.logfailures");
	s->residentonly = params_bool(json, "options.residentonly");
	ps->p->n++;
	rc = add_checks(ps, s, where, e);
	return rc == 0 ? find_window(ps->p, s, where, e) : rc;
}

int
memory_params_parse(
    const json_t *json, struct memory_params *ret, struct err *e)
{
	struct memory_params p = { .n = 0 };
	struct parse ps = { .p = &p };
	size_t n = json_object_size(json_object_get(json, "searches"));
	int rc;

	p.searches =
	    calloc((n < PARAMS_SEARCHES_MAX ? n : PARAMS_SEARCHES_MAX) + 1,
		sizeof(*p.searches));
	if (p.searches == NULL)
		return no_memory(e);
	rc = params_searches(json, parse_search, &ps, e);
	if (rc != 0) {
		memory_params_release(&p);
		return rc;
	}
	*ret = p;
	return 0;
}

void
memory_params_release(struct memory_params *p)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		free(p->searches[i].checks);
	free(p->searches);
	memset(p, 0, sizeof(*p));
}

size_t
memory_check_bytes(const struct memory_check *c, uint8_t out[MEMORY_BYTES_MAX])
{
	size_t n = strlen(c->value) / 2;

	return hex_decode(c->value, out, n) == 0 ? n : 0;
}
