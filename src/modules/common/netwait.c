/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/common/netwait.h"

#include <errno.h>
#include <time.h>

#define NS_PER_MS 1000000
/* Between looks at the watch, should a signal be missed. */
#define SLICE_MS 250

int64_t
net_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

enum netwait
net_wait(struct pollfd *fds, nfds_t n, int64_t until_ns, struct watch *w)
{
	int64_t left;
	int ready;

	for (;;) {
		if (watch_stop_now(w))
			return NETWAIT_ENDED;
		/* a little longer rather than a busy loop at the end */
		left = (until_ns - net_now() + NS_PER_MS - 1) / NS_PER_MS;
		if (left < 0)
			left = 0;
		ready = poll(fds, n, (int)(left < SLICE_MS ? left : SLICE_MS));
		if (ready > 0)
			return NETWAIT_READY;
		if (ready < 0 && errno != EINTR)
			return NETWAIT_FAILED;
		if (ready == 0 && left == 0)
			return NETWAIT_TIMEOUT;
	}
}
