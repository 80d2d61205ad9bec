/* SPDX-License-Identifier: MPL-2.0 */
/* Waiting for other hosts, as long as a module's watch allows. */
#ifndef MIG_MODULES_COMMON_NETWAIT_H
#define MIG_MODULES_COMMON_NETWAIT_H

#include "modules/common/watch.h"

#include <poll.h>

enum netwait {
	NETWAIT_READY,
	NETWAIT_TIMEOUT,
	NETWAIT_ENDED, /* the watch has: say so */
	NETWAIT_FAILED /* errno is set */
};

/* Nanoseconds of a clock that never jumps. */
int64_t net_now(void);
/* Until one of the descriptors is ready (revents are set; negative ones are
 * passed over), or until then by net_now(). Ends early with the watch. */
enum netwait
net_wait(struct pollfd *fds, nfds_t n, int64_t until_ns, struct watch *w);

#endif
