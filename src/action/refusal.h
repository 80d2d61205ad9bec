/* SPDX-License-Identifier: MPL-2.0 */
/* Why an agent did not run an action: numbers on the wire (doc/protocol.md),
 * words for people. Shared by judge, monitor, server and client. */
#ifndef MIG_ACTION_REFUSAL_H
#define MIG_ACTION_REFUSAL_H

#define REFUSALS(X)                                                           \
	X(REFUSAL_NONE, 0, "not refused")                                     \
	X(REFUSAL_MALFORMED, 1, "the action is malformed")                    \
	X(REFUSAL_SIGNATURE, 2, "no valid signature by a known investigator") \
	X(REFUSAL_WEIGHT, 3, "the signers may not ask this of this agent")    \
	X(REFUSAL_NOT_TARGETED, 4, "this agent is not targeted")              \
	X(REFUSAL_TARGET_ERROR, 5, "the target cannot be evaluated here")     \
	X(REFUSAL_TOO_EARLY, 6, "the action is not valid yet")                \
	X(REFUSAL_EXPIRED, 7, "the action has expired")                       \
	X(REFUSAL_TOO_LONG, 8, "the action is valid for too long")            \
	X(REFUSAL_POLICY_OLD, 9, "the action needs a newer policy")           \
	X(REFUSAL_POLICY_EXPIRED, 10, "this agent's policy has expired")      \
	X(REFUSAL_MODULE, 11, "a module is not available on this agent")      \
	X(REFUSAL_PARAMETERS, 12, "a module's parameters are wrong")          \
	X(REFUSAL_REPLAY_FLOOR, 13, "older than what this agent remembers")   \
	X(REFUSAL_BUSY, 14, "the agent's queue is full")                      \
	X(REFUSAL_NO_ROOM, 15, "the agent's disk quota for results is full")  \
	X(REFUSAL_JOURNAL, 16, "the agent cannot write its journal")          \
	X(REFUSAL_INTERNAL, 17, "the agent failed to examine the action")     \
	X(REFUSAL_TIMEOUT, 18, "examining the action took too long")          \
	X(REFUSAL_CANCELLED, 19, "cancelled by an investigator")              \
	X(REFUSAL_POLICY_CHANGED, 20,                                         \
	    "the agent's policy changed before it could run")                 \
	X(REFUSAL_DAMAGED, 21,                                                \
	    "it ran, but the stored answer was damaged on the agent's disk")

enum refusal {
#define REFUSAL_ENUM(name, value, text) name = (value),
	REFUSALS(REFUSAL_ENUM)
#undef REFUSAL_ENUM
};

/* Never NULL; "unknown reason" for numbers of newer agents. */
const char *refusal_text(unsigned int reason);

#endif
