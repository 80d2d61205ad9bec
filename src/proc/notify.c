/* SPDX-License-Identifier: MPL-2.0 */
/* The service manager's protocol of readiness and life (sd_notify(3),
 * sd_watchdog_enabled(3)), without its library: a datagram to the socket named
 * in the environment. */
#include "proc/proc.h"

#include "base/str.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void
proc_notify(const char *state)
{
	const char *name = secure_getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun;
	size_t len;
	int fd;

	if (name == NULL || (name[0] != '/' && name[0] != '@'))
		return;
	len = strlen(name);
	memset(&sun, 0, sizeof(sun));
	if (len < 2 || len >= sizeof(sun.sun_path))
		return;
	sun.sun_family = AF_UNIX;
	memcpy(sun.sun_path, name, len);
	if (name[0] == '@')
		sun.sun_path[0] = '\0'; /* abstract: no terminator counts */
	else
		len++;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	/* nothing can be done about a manager that does not listen */
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL,
	    (const struct sockaddr *)&sun,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

static uint64_t
env_number(const char *name)
{
	const char *text = secure_getenv(name);
	uint64_t n;

	if (text == NULL || str_u64(text, 1, INT64_MAX, &n) != 0)
		return (0);
	return (n);
}

int64_t
proc_watchdog_ms(void)
{
	uint64_t pid = env_number("WATCHDOG_PID");

	/* inherited from somebody whose life it is about */
	if (pid != 0 && pid != (uint64_t)getpid())
		return (0);
	return ((int64_t)(env_number("WATCHDOG_USEC") / 1000));
}

void
proc_watchdog(void)
{
	if (proc_watchdog_ms() > 0)
		proc_notify("WATCHDOG=1");
}
