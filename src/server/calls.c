/* SPDX-License-Identifier: MPL-2.0 */
#include "server/calls.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>

static const struct {
	enum server_call call;
	const char *name;
	enum person_role role;
	enum call_kind kind;
} table[] = {
#define CALL_ROW(number, call, name, role, kind) { call, name, role, kind },
	SERVER_CALLS(CALL_ROW)
#undef CALL_ROW
};

#define NCALLS (sizeof(table) / sizeof(table[0]))

static const char *const roles[] = { [PERSON_READER] = "reader",
	[PERSON_INVESTIGATOR] = "investigator",
	[PERSON_ADMIN] = "admin" };

static uint64_t
bit(enum server_call call)
{
	return (UINT64_C(1) << call);
}

/* Rows stand in the order of their numbers, from 1. */
static bool
is_call(enum server_call call)
{
	return (call >= 1 && call <= NCALLS);
}

bool
call_allowed(enum server_call call, enum person_role role, uint64_t calls)
{
	if (!is_call(call))
		return (false);
	if (role >= PERSON_READER)
		return (role >= table[call - 1].role);
	return (table[call - 1].kind == FOR_ALL && (calls & bit(call)) != 0);
}

const char *
call_name(enum server_call call)
{
	return (is_call(call) ? table[call - 1].name : "?");
}

void
call_why_not(
    enum server_call call, enum person_role role, char out[static CALL_WHY_MAX])
{
	if (role >= PERSON_READER)
		snprintf(out, CALL_WHY_MAX,
		    "'%s' needs the role %s, and yours is %s: an admin can"
		    " give it",
		    call_name(call), person_role_text(call_role(call)),
		    person_role_text(role));
	else if (is_call(call) && table[call - 1].kind == FOR_PERSON)
		snprintf(out, CALL_WHY_MAX,
		    "'%s' is for people who log in, not for API keys",
		    call_name(call));
	else
		snprintf(out, CALL_WHY_MAX,
		    "this API key is not for '%s': an admin can make one that"
		    " is",
		    call_name(call));
}

enum person_role
call_role(enum server_call call)
{
	return (is_call(call) ? table[call - 1].role : PERSON_ADMIN);
}

static int
unknown(const char *word, size_t len, struct err *e)
{
	char known[CALLS_TEXT_MAX];
	uint64_t all = 0;
	size_t i;

	for (i = 0; i < NCALLS; i++)
		all |= table[i].kind == FOR_ALL ? bit(table[i].call) : 0;
	calls_text(all, known);
	return (err_set(e, ERR_INVALID,
	    "'%.*s' is no call of an API key; there are %s",
	    len > 40 ? 40 : (int)len, word, known));
}

int
calls_parse(const char *text, uint64_t *ret, struct err *e)
{
	const char *p = text;
	uint64_t calls = 0;
	size_t i, n;

	for (;; p += n + 1) {
		n = strcspn(p, ",");
		for (i = 0; i < NCALLS; i++)
			if (table[i].kind == FOR_ALL &&
			    strlen(table[i].name) == n &&
			    memcmp(table[i].name, p, n) == 0)
				break;
		if (i == NCALLS)
			return (unknown(p, n, e));
		calls |= bit(table[i].call);
		if (p[n] == '\0')
			break;
	}
	*ret = calls;
	return (0);
}

void
calls_text(uint64_t calls, char out[static CALLS_TEXT_MAX])
{
	size_t i, used = 0;

	out[0] = '\0';
	for (i = 0; i < NCALLS; i++) {
		if ((calls & bit(table[i].call)) == 0)
			continue;
		used += (size_t)snprintf(out + used, CALLS_TEXT_MAX - used,
		    "%s%s", used > 0 ? "," : "", table[i].name);
	}
}

const char *
person_role_text(enum person_role role)
{
	if (role < PERSON_READER || role > PERSON_ADMIN)
		return ("?");
	return (roles[role]);
}

int
person_role_parse(const char *text, enum person_role *ret, struct err *e)
{
	enum person_role r;

	for (r = PERSON_READER; r <= PERSON_ADMIN; r++) {
		if (strcmp(roles[r], text) != 0)
			continue;
		*ret = r;
		return (0);
	}
	return (err_set(e, ERR_INVALID,
	    "role: expected reader, investigator or admin, not '%.40s'", text));
}
