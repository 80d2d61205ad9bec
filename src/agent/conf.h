/* SPDX-License-Identifier: MPL-2.0 */
/* The agent's configuration, agent.conf(5): one table. */
#ifndef MIG_AGENT_CONF_H
#define MIG_AGENT_CONF_H

#include "base/log.h"
#include "conf/conf.h"

#include <sys/types.h>

struct err;
struct tunnel_peer;

#define AGENT_CONF_PATH "/etc/mig/agent.conf"

/* X(key, type, member, default, min, max, help) */
#define AGENT_CONF(X)                                                        \
	X("state", CONF_STR, state, "/var/lib/mig-agent", 0, 0,              \
	    "directory of identity, policy, journal and answers")            \
	X("hide", CONF_STR, hide, NULL, 0, 0,                                \
	    "directory that workers do not see; state is in it")             \
	X("relay", CONF_STR, relay, NULL, 0, 0,                              \
	    "host:port of the relay, instead of the one enrolment gave")     \
	X("proxy", CONF_LIST, proxies, NULL, 0, 0,                           \
	    "host:port of an HTTP CONNECT proxy, tried in order, then none") \
	X("name", CONF_STR, name, NULL, 0, 0,                                \
	    "name of this agent; default: the host name")                    \
	X("tag", CONF_MAP, tags, NULL, 0, 0,                                 \
	    "tag KEY VALUE, repeatable: targets can ask for it")             \
	X("keepalive", CONF_DURATION, keepalive, "60s", 5, 3600,             \
	    "how often a silent connection is probed")                       \
	X("hello_interval", CONF_DURATION, hello_interval, "10m", 5, 86400,  \
	    "how often the agent describes itself to the server")            \
	X("workers", CONF_INT, workers, "2", 1, 64,                          \
	    "operations at once; the policy's limit wins where smaller")     \
	X("worker_memory", CONF_SIZE, worker_memory, "64m", 16777216,        \
	    INT64_MAX,                                                       \
	    "memory of one operation; the policy's limit wins "              \
	    "where smaller")                                                 \
	X("worker_cpu", CONF_INT, worker_cpu, "50", 1, 10000,                \
	    "percent of one core that an operation may use")                 \
	X("privacy", CONF_BOOL, privacy, "no", 0, 0,                         \
	    "mask names, paths and addresses in answers")                    \
	X("quota", CONF_SIZE, quota, "256m", 1048576, INT64_MAX,             \
	    "disk space for answers")                                        \
	X("rate", CONF_INT, rate, "20", 1, 10000,                            \
	    "actions examined a second; what comes faster waits")            \
	X("net_user", CONF_STR, net_user, "nobody", 0, 0,                    \
	    "user (name or number) of the roles that read outside bytes")    \
	X("worker_uid", CONF_INT, worker_uid, "60800", 1, 2147483647,        \
	    "first user number of workers, when started as root")            \
	X("worker_uids", CONF_INT, worker_uids, "64", 1, 65536,              \
	    "how many user numbers workers have")                            \
	X("notice", CONF_STR, notice, "none", 0, 0,                          \
	    "where each accepted action is told: none, syslog, desktop")     \
	X("notice_socket", CONF_STR, notice_socket, "/dev/log", 0, 0,        \
	    "socket of syslog")                                              \
	X("log", CONF_STR, log, "info", 0, 0, "error, warn, info or debug")

struct agent_conf {
	char *state, *hide, *relay, *name, *net_user, *log;
	char *notice, *notice_socket;
	struct conf_map *tags;
	struct conf_list *proxies;
	int64_t keepalive, hello_interval; /* seconds */
	int64_t workers, worker_cpu, rate, worker_uid, worker_uids;
	uint64_t worker_memory, quota; /* bytes */
	bool privacy;
};

/* Defaults, then the file. path NULL: AGENT_CONF_PATH, which may be missing;
 * a path that was given must be there. */
int agent_conf_load(const char *path, struct agent_conf *ret, struct err *e);
int agent_conf_dump(const struct agent_conf *c, struct buf *out);
void agent_conf_release(struct agent_conf *c);
/* What workers do not see. Borrowed. */
const char *agent_conf_hidden(const struct agent_conf *c);
/* "host:port" or "[v6]:port"; what names the key in messages. */
int agent_conf_peer(
    const char *what, const char *text, struct tunnel_peer *ret, struct err *e);
/* net_user as numbers, read from /etc/passwd without loading name services.*/
int agent_conf_user(
    const struct agent_conf *c, uid_t *ret_uid, gid_t *ret_gid, struct err *e);
enum log_level agent_conf_log(const struct agent_conf *c);

#endif
