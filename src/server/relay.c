/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The relay is mosquitto with two doors: TLS 1.3 with client certificates for
 * agents, who may use their own topics only, and a Unix socket in a directory
 * of the server's user for the core, who may use all.
 *
 * It moves the whole fleet's answers through one connection (the core's), so
 * the number of messages in flight is not limited (max_inflight_messages 0).
 * Their bytes are, and so is what may queue up behind them, on any connection:
 * what no longer fits is dropped, and agents and core send it again. What all
 * connections hold together is bounded too, as what a connection may hold is
 * more than all may hold at once.
 */
#include "server/relay.h"

#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "proc/proc.h"

#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONF_MAX 16384
#define ACL_MAX ((size_t)64 * 1024 * 1024)
/* Of one connection; the queue holds an answer or a hello of each agent. */
#define INFLIGHT_BYTES (4 * 1024 * 1024)
#define QUEUED_MIN (16 * 1024 * 1024)
#define QUEUED_AGENT 4096
#define QUEUED_MESSAGES_MIN 1000
#define QUEUED_MESSAGES_AGENT 4
#define CONNECTIONS_MORE 256
/* Of all together, without what TLS needs. */
#define MEMORY_MIN (128 * 1024 * 1024)
#define MEMORY_AGENT 16384

static const char acl[] =
    "# Written by mig-server; the revoked stand at the end.\n"
    "# %u is the name in the agent's certificate: its id.\n"
    "pattern read mig/1/all\n"
    "pattern read mig/1/a/%u/in\n"
    "pattern write mig/1/a/%u/out\n"
    "pattern write mig/1/a/%u/hello\n"
    "pattern write mig/1/a/%u/presence\n";

/* A full disk does not keep a platform from starting with what it has. */
static int
write_changed(const char *path, const struct buf *b, struct err *e)
{
	struct buf old;
	bool same;

	buf_init(&old, ACL_MAX);
	same = file_read_foreign(path, &old, NULL) == 0 && old.len == b->len &&
	    memcmp(old.data, b->data, b->len) == 0;
	buf_release(&old);
	return (same ? 0 : file_write(path, b->data, b->len, 0644, e));
}

static void
add_agents_listener(const struct server_conf *c, struct buf *b)
{
	char path[SERVER_PATH_MAX];

	buf_add_fmt(b, "\nlistener %d%s%s\n", (int)c->relay_port,
	    c->relay_listen[0] != '\0' ? " " : "", c->relay_listen);
	/* whoever reaches the port can hold connections that say nothing; an
	 * agent that comes back may have its old one for a while */
	buf_add_fmt(b, "max_connections %lld\n",
	    (long long)(c->relay_agents + c->relay_agents / 4 +
		CONNECTIONS_MORE));
	buf_add_fmt(b, "cafile %s\n", server_file(c, FILE_RELAY_CA, path));
	buf_add_fmt(b, "certfile %s\n", server_file(c, FILE_RELAY_CERT, path));
	buf_add_fmt(b, "keyfile %s\n", server_file(c, FILE_RELAY_KEY, path));
	buf_add_fmt(b, "crlfile %s\n", server_file(c, FILE_RELAY_CRL, path));
	buf_add_str(b,
	    "tls_version tlsv1.3\n"
	    "require_certificate true\n"
	    "use_identity_as_username true\n"
	    "use_username_as_clientid true\n"
	    "allow_anonymous false\n");
	buf_add_fmt(b, "acl_file %s\n", server_file(c, FILE_RELAY_ACL, path));
}

static void
add_core_listener(const struct server_conf *c, struct buf *b)
{
	char path[SERVER_PATH_MAX];

	buf_add_fmt(
	    b, "\nlistener 0 %s\n", server_file(c, FILE_RELAY_SOCKET, path));
	buf_add_str(b, "allow_anonymous true\n");
}

int
relay_write_acl(const struct server_conf *c, const struct id *revoked, size_t n,
    struct err *e)
{
	char path[SERVER_PATH_MAX];
	struct buf b;
	size_t i;
	int rc;

	buf_init(&b, ACL_MAX);
	buf_add_str(&b, acl);
	for (i = 0; i < n; i++)
		buf_add_fmt(
		    &b, "user %s\ntopic deny #\n", id_hex(&revoked[i]).s);
	server_file(c, FILE_RELAY_ACL, path);
	rc = b.error;
	if (rc == 0)
		rc = write_changed(path, &b, e);
	else
		err_code(e, rc, "%s", path);
	buf_release(&b);
	return (rc);
}

static void
add_bounds(int64_t agents, struct buf *b)
{
	int64_t messages = agents * QUEUED_MESSAGES_AGENT;
	int64_t bytes = agents * QUEUED_AGENT;

	if (messages < QUEUED_MESSAGES_MIN)
		messages = QUEUED_MESSAGES_MIN;
	if (bytes > INT32_MAX)
		bytes = INT32_MAX;
	if (bytes < QUEUED_MIN)
		bytes = QUEUED_MIN;
	buf_add_fmt(b, "max_inflight_bytes %d\n", INFLIGHT_BYTES);
	buf_add_fmt(b, "max_queued_messages %lld\n", (long long)messages);
	buf_add_fmt(b, "max_queued_bytes %lld\n", (long long)bytes);
	buf_add_fmt(b, "memory_limit %lld\n",
	    (long long)(MEMORY_MIN + agents * MEMORY_AGENT));
}

/* The relay would wait at a pipe. */
static bool
is_file(const char *path)
{
	struct stat st;

	return (lstat(path, &st) == 0 && S_ISREG(st.st_mode));
}

int
relay_write(const struct server_conf *c, struct err *e)
{
	char path[SERVER_PATH_MAX];
	struct buf b;
	int rc;

	/* One that is there names the revoked: only the core knows them. */
	if (!is_file(server_file(c, FILE_RELAY_ACL, path))) {
		server_put_aside(c, FILE_RELAY_ACL);
		if ((rc = relay_write_acl(c, NULL, 0, e)) != 0)
			return (rc);
	}
	buf_init(&b, CONF_MAX);
	buf_add_str(&b,
	    "# Written by mig-server at every start.\n"
	    "per_listener_settings true\n"
	    "persistence false\n"
	    "log_dest stderr\n"
	    "log_type error\n"
	    "connection_messages false\n"
	    "set_tcp_nodelay true\n"
	    "max_inflight_messages 0\n"
	    "max_packet_size 131200\n"
	    "retain_available false\n"
	    "queue_qos0_messages false\n"
	    "sys_interval 0\n");
	add_bounds(c->relay_agents, &b);
	if (geteuid() == 0)
		buf_add_fmt(&b, "user %s\n", c->user);
	add_agents_listener(c, &b);
	add_core_listener(c, &b);
	rc = b.error;
	if (rc == 0)
		rc =
		    write_changed(server_file(c, FILE_RELAY_CONF, path), &b, e);
	else
		err_code(e, rc, "%s", path);
	buf_release(&b);
	return (rc);
}

int
relay_spawn(const struct server_conf *c, int exe, pid_t *ret_pid, struct err *e)
{
	char conf[SERVER_PATH_MAX], sock[SERVER_PATH_MAX], ids[64];
	char name[] = "mig-server", opt[] = "--relay";
	char *argv[] = { name, opt, c->mosquitto, conf, ids, NULL };
	struct proc_spawn s = {
		.exec_fd = exe, .argv = argv, .keep_stderr = true
	};
	uid_t uid;
	gid_t gid;
	int rc;

	if (access(c->mosquitto, X_OK) != 0)
		return (err_errno(e,
		    "mosquitto: %s (install the package mosquitto, or set"
		    " mosquitto in the configuration)",
		    c->mosquitto));
	if ((rc = server_user(c, &uid, &gid, e)) != 0)
		return (rc);
	/* Below 1024 it must bind as root; it drops to the user itself then. */
	if (c->relay_port < 1024)
		uid = (uid_t)-1;
	snprintf(ids, sizeof(ids), "%lld:%lld", (long long)(int)uid,
	    (long long)(int)gid);
	server_file(c, FILE_RELAY_CONF, conf);
	/* A socket left behind by a relay that was killed. */
	server_put_aside(c, FILE_RELAY_SOCKET);
	unlink(server_file(c, FILE_RELAY_SOCKET, sock));
	if ((rc = proc_spawn(&s, ret_pid, e)) != 0)
		return (err_wrap(e, "mosquitto"));
	return (0);
}

int
relay_exec(char **argv)
{
	char name[] = "mosquitto", opt[] = "-c";
	char *args[] = { name, opt, argv[1], NULL };
	int uid, gid;

	if (sscanf(argv[2], "%d:%d", &uid, &gid) != 2)
		return (2);
	if (uid != -1 &&
	    (setgroups(0, NULL) != 0 || setgid((gid_t)gid) != 0 ||
		setuid((uid_t)uid) != 0)) {
		perror("mig-server: relay: user");
		return (1);
	}
	/* After the change of user, which would clear it. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	execv(argv[0], args);
	perror(argv[0]);
	return (1);
}
