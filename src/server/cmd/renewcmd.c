/* SPDX-License-Identifier: MPL-2.0 */
/* mig-server renew: the certificates of API and relay made anew now, and with
 * --ca the CA's own before them. */
#include "server/cmd/commands.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "crypto/x509.h"
#include "server/cmd/admin.h"
#include "server/certs.h"
#include "server/lock.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int
print_ca(const struct server_conf *c, struct err *e)
{
	char when[RFC3339_LEN + 1];
	struct id fpr;
	struct buf ca;
	int64_t end;
	int rc;

	if ((rc = certs_read_ca(c, &ca, e)) == 0 &&
	    (rc = x509_fingerprint(buf_str(&ca), &fpr, e)) == 0 &&
	    (rc = x509_expires(buf_str(&ca), &end, e)) == 0) {
		rfc3339_format(end, when);
		printf("CA fingerprint %s, good until %s; the earlier ones"
		       " stay good\n",
		    id_hex(&fpr).s, when);
	}
	buf_release(&ca);
	return (rc);
}

int
command_renew(const char *conf, int argc, char **argv)
{
	struct server_conf c;
	struct err e;
	pid_t pid;
	bool ca = argc == 2 &&
	    (strcmp(argv[1], "--ca") == 0 || strcmp(argv[1], "-ca") == 0);
	int n, rc;

	if (argc != 1 && !ca)
		return (admin_usage("renew"));
	log_init("server", LOG_LEVEL_WARN, NULL);
	umask(022);
	if (server_conf_load(conf, &c, &e) != 0)
		return (admin_fail(&e));
	rc = ca ? certs_renew_ca(&c, &n, &e) : certs_renew(&c, true, &n, &e);
	if (rc == 0 && ca)
		rc = print_ca(&c, &e);
	pid = server_lock_holder(&c);
	server_conf_release(&c);
	if (rc != 0)
		return (admin_fail(&e));
	printf("%d certificates were made anew\n", n);
	if (pid > 1 && kill(pid, SIGHUP) == 0)
		printf("the running server (pid %d) was told\n", (int)pid);
	return (0);
}
