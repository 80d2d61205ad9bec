/* SPDX-License-Identifier: MPL-2.0 */
/* One try to reach a host, by one of the protocols. */
#ifndef MIG_MODULES_PING_PROBE_H
#define MIG_MODULES_PING_PROBE_H

#include "modules/common/resolve.h"
#include "modules/ping/question.h"
#include "os/echo.h"

struct watch;

#define PROBE_WHY_MAX 256

enum probe_end {
	PROBE_ANSWERED,
	PROBE_NO_ANSWER,
	PROBE_REFUSED,
	PROBE_UNREACHABLE,
	PROBE_FAILED, /* it was not tried, for a reason of this host */
	PROBE_ENDED,  /* the watch has */
};

struct probe {
	const struct ping_question *question; /* borrowed, as all here */
	const struct netaddr *to;
	const struct os_echo_socket *echo; /* connected to it; PING_ICMP */
	struct watch *watch;
};

struct probe_result {
	enum probe_end end;
	int64_t ns;              /* PROBE_ANSWERED: how long that took */
	char why[PROBE_WHY_MAX]; /* what else there is to say, or "" */
};

/* Before the first one: for PING_ICMP. False: why says why not. */
bool probe_prepare(const struct probe *p, char why[static PROBE_WHY_MAX]);
/* number: of this try, from 0. */
void probe_once(
    const struct probe *p, unsigned int number, struct probe_result *ret);

#endif
