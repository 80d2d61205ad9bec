/* SPDX-License-Identifier: MPL-2.0 */
/* The server's configuration (mig-server.conf(5)) and where its files are. */
#ifndef MIG_SERVER_CONFIG_H
#define MIG_SERVER_CONFIG_H

#include "conf/conf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct passwd;

#define SERVER_CONF_PATH "/etc/mig/server.conf"
#define SERVER_PATH_MAX 512

struct server_conf {
	char *state;  /* directory of everything below */
	char *name;   /* comma separated host names and addresses */
	char *listen; /* address of the API; "" all */
	int64_t port;
	char *relay_listen; /* address of the relay; "" all */
	int64_t relay_port;
	int64_t relay_agents; /* its bounds are for so many */
	char *relay_name;     /* "host:port" told to agents; "" from name */
	char *user;           /* roles and relay run as this user when root */
	char *mosquitto;      /* program */
	int64_t session_lifetime, agent_certificate; /* seconds */
	int64_t keep_results, keep_actions;          /* seconds after the end */
	int64_t keep_audit;                          /* seconds */
	uint64_t store_max, disk_reserve;            /* bytes; 0: none */
	int64_t connections, connections_per_ip, request_timeout;
	int64_t rate_caller, rate_address; /* calls a minute; 0: any number */
	char *metrics_open;                /* "no", "loopback" or "yes" */
	char *metrics_token; /* SHA-256 of a token for metrics alone; "" */
	char *log_level, *trace;
};

extern const struct conf_entry server_conf_table[];
extern const size_t server_conf_entries;

/* Reads and checks; path NULL: the default one, and only then may it be
 * missing when state is there. */
int server_conf_load(const char *path, struct server_conf *ret, struct err *e);
int server_conf_check(const struct server_conf *c, struct err *e);
void server_conf_release(struct server_conf *c);

/* Parts of the state directory. */
enum server_file {
	FILE_DB_DIR, /* db: owned by the user */
	FILE_DB,
	FILE_CA_DIR, /* ca: root's; the key for the ca role alone */
	FILE_CA_CERT,
	FILE_CA_KEY,
	FILE_TLS_CERT, /* of the API */
	FILE_TLS_KEY,
	FILE_RELAY_DIR, /* relay: owned by the user */
	FILE_RELAY_CA,
	FILE_RELAY_CERT,
	FILE_RELAY_KEY,
	FILE_RELAY_CONF, /* root's: it may name plugins */
	FILE_RELAY_ACL,
	FILE_RELAY_CRL,
	FILE_RELAY_SOCKET,
};
/* In the relay's directory, where the server's user may put anything. */
static inline bool
server_file_of_relay(enum server_file f)
{
	return (f > FILE_RELAY_DIR);
}
/* Returns out. */
const char *server_file(const struct server_conf *c, enum server_file f,
    char out[static SERVER_PATH_MAX]);

/* What a role made into a directory where a file belongs no file can replace:
 * it is removed, or renamed to NAME.aside-TIME when something is in it. */
void server_put_aside(const struct server_conf *c, enum server_file f);

/* First of the comma separated names. */
void server_first_name(const struct server_conf *c, char *out, size_t size);
/* Is this one of the names? */
bool server_has_name(const struct server_conf *c, const char *host, size_t len);
/* "host:port" for agents. */
void server_relay_address(const struct server_conf *c, char *out, size_t size);
/* Is the host of that address one of the names? Agents check that the relay's
 * certificate, which has these, is for the host that they were told. */
bool server_relay_is_named(const struct server_conf *c);
/* getpwnam(3); *ret is NULL when there is no such user. That the system could
 * not look is an error. */
int server_find_user(const char *name, struct passwd **ret, struct err *e);
/* The user's ids; both -1 when not running as root or the user is root.
 * ERR_NOTFOUND when there is no such user. */
int server_user(
    const struct server_conf *c, uid_t *ret_uid, gid_t *ret_gid, struct err *e);

#endif
