/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What test_sandbox tries in children and must work there: the honest work of
 * each profile, and the identity and limits the child should have.
 */
#ifndef TESTS_SANDBOX_HONEST_H
#define TESTS_SANDBOX_HONEST_H

#include <stdbool.h>

/* uid of the sandboxed child; no such user needs to exist */
#define TEST_UID 64321

/* An attempt returns true when it could do what it wanted. */
typedef bool attempt(void);

attempt honest_compute, honest_read, honest_dlopen, honest_net;
attempt right_identity, right_limits;

#endif
