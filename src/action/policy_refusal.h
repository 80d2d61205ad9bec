/* SPDX-License-Identifier: MPL-2.0 */
/* Why an agent did not take a policy: numbers in hellos and in its own record,
 * words for people. */
#ifndef MIG_ACTION_POLICY_REFUSAL_H
#define MIG_ACTION_POLICY_REFUSAL_H

#define POLICY_REFUSALS(X)                                               \
	X(POLICY_TAKEN, 0, "taken")                                      \
	X(POLICY_MALFORMED, 1, "it cannot be read")                      \
	X(POLICY_UNSIGNED, 2, "nobody of the policy in force signed it") \
	X(POLICY_WEIGHT, 3, "its signers may not change the policy")     \
	X(POLICY_OLDER, 4, "it is not newer than the policy in force")   \
	X(POLICY_SKIPS, 5,                                               \
	    "policies between it and the one in force are "              \
	    "missing")                                                   \
	X(POLICY_FOREIGN, 6, "it does not follow the policy in force")   \
	X(POLICY_OVER, 7, "it has expired")                              \
	X(POLICY_LOCKS_OUT, 8, "nobody could change it any more")        \
	X(POLICY_KEYS, 9, "its keyring is not usable")                   \
	X(POLICY_FAILED, 10, "the agent failed to examine it")           \
	X(POLICY_DISK, 11, "the agent could not write it")

enum policy_refusal {
#define POLICY_ENUM(name, value, text) name = (value),
	POLICY_REFUSALS(POLICY_ENUM)
#undef POLICY_ENUM
};

/* Never NULL. */
const char *policy_refusal_text(unsigned int reason);

#endif
