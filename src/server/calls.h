/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Who may call what: the only table of it. The api asks it for a request, and
 * the core, which believes nobody, asks it again for the message that came of
 * the request.
 *
 * A person has one role; each includes those before it. A program has an API
 * key, which names its calls one by one and has no role: what changes who may
 * do what (PERSON below) no key can do.
 */
#ifndef MIG_SERVER_CALLS_H
#define MIG_SERVER_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* Stored as numbers. */
enum person_role {
	PERSON_READER = 1,       /* looks: agents, actions, sealed answers */
	PERSON_INVESTIGATOR = 2, /* and asks */
	PERSON_ADMIN = 3,        /* and says who may */
};

enum call_kind {
	FOR_ALL,    /* persons of the role, keys that name it */
	FOR_PERSON, /* persons of the role only */
};

/* X(number, call, name, least role, kind); the numbers are stored as bits. */
#define SERVER_CALLS(X)                                                      \
	X(1, CALL_OWN_SESSION, "session", PERSON_READER, FOR_PERSON)         \
	X(2, CALL_STATUS, "status", PERSON_READER, FOR_ALL)                  \
	X(3, CALL_METRICS, "metrics", PERSON_READER, FOR_ALL)                \
	X(4, CALL_EVENTS, "events", PERSON_READER, FOR_ALL)                  \
	X(5, CALL_AGENTS, "agents", PERSON_READER, FOR_ALL)                  \
	X(6, CALL_ACTIONS_READ, "actions:read", PERSON_READER, FOR_ALL)      \
	X(7, CALL_RESULTS, "results", PERSON_READER, FOR_ALL)                \
	X(8, CALL_PEOPLE_READ, "investigators:read", PERSON_READER, FOR_ALL) \
	X(9, CALL_ACTIONS_LAUNCH, "actions:launch", PERSON_INVESTIGATOR,     \
	    FOR_ALL)                                                         \
	X(10, CALL_TOKENS, "tokens", PERSON_ADMIN, FOR_ALL)                  \
	X(11, CALL_AGENTS_REVOKE, "agents:revoke", PERSON_ADMIN, FOR_ALL)    \
	X(12, CALL_AUDIT, "audit", PERSON_ADMIN, FOR_ALL)                    \
	X(13, CALL_SESSIONS, "sessions", PERSON_ADMIN, FOR_PERSON)           \
	X(14, CALL_PEOPLE_CHANGE, "investigators:change", PERSON_ADMIN,      \
	    FOR_PERSON)                                                      \
	X(15, CALL_KEYS, "apikeys", PERSON_ADMIN, FOR_PERSON)                \
	X(16, CALL_POLICIES_READ, "policies:read", PERSON_READER, FOR_ALL)   \
	X(17, CALL_POLICIES_PUSH, "policies:push", PERSON_INVESTIGATOR,      \
	    FOR_ALL)                                                         \
	X(18, CALL_SHARES, "shares", PERSON_READER, FOR_PERSON)

enum server_call {
	CALL_OPEN = 0, /* needs nobody: never allowed by call_allowed() */
#define CALL_NUMBER(number, call, name, role, kind) call = (number),
	SERVER_CALLS(CALL_NUMBER)
#undef CALL_NUMBER
};

/* May a person of this role (0: none), or a key with these calls, do it? */
bool call_allowed(enum server_call call, enum person_role role, uint64_t calls);
const char *call_name(enum server_call call);
#define CALL_WHY_MAX 200
/* Why it is not allowed, in a sentence. */
void call_why_not(enum server_call call, enum person_role role,
    char out[static CALL_WHY_MAX]);
enum person_role call_role(enum server_call call);

/* "status,results" of what keys may do; ERR_INVALID with the words there are.*/
int calls_parse(const char *text, uint64_t *ret, struct err *e);
#define CALLS_TEXT_MAX 512
/* The same text back. */
void calls_text(uint64_t calls, char out[static CALLS_TEXT_MAX]);

const char *person_role_text(enum person_role role);
/* ERR_INVALID with the words there are. */
int person_role_parse(const char *text, enum person_role *ret, struct err *e);

#endif
