/* SPDX-License-Identifier: MPL-2.0 */
/* mig-server renew: the certificates of API and relay, made anew now. */
#include "server/commands.h"

#include "base/err.h"
#include "base/log.h"
#include "server/admin.h"
#include "server/certs.h"
#include "server/lock.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

int
command_renew(const char *conf, int argc, char **argv)
{
	struct server_conf c;
	struct err e;
	pid_t pid;
	int n, rc;

	if (argc != 1)
		return (admin_usage("renew"));
	log_init("server", LOG_LEVEL_WARN, NULL);
	umask(022);
	if (server_conf_load(conf, &c, &e) != 0)
		return (admin_fail(&e));
	rc = certs_renew(&c, true, &n, &e);
	pid = server_lock_holder(&c);
	server_conf_release(&c);
	if (rc != 0)
		return (admin_fail(&e));
	printf("%d certificates were made anew\n", n);
	if (pid > 1 && kill(pid, SIGHUP) == 0)
		printf("the running server (pid %d) was told\n", (int)pid);
	return (0);
}
