/* SPDX-License-Identifier: MPL-2.0 */
/* The table of the server's configuration, and what is derived from it. */
#include "server/config.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/id.h"
#include "base/log.h"
#include "base/str.h"
#include "conf/conf_check.h"
#include "crypto/sha256.h"

#include <errno.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define AT(field) offsetof(struct server_conf, field)
#define YEAR (INT64_C(365) * 86400)

const struct conf_entry server_conf_table[] = {
	{ "state", CONF_STR, AT(state), "/var/lib/mig-server", 0, 0,
	    "directory of the store, certificates and the relay's files" },
	{ "name", CONF_STR, AT(name), "localhost", 0, 0,
	    "host names and addresses of this server, comma separated" },
	{ "listen", CONF_STR, AT(listen), "", 0, 0,
	    "address on which the API listens; empty: all" },
	{ "port", CONF_INT, AT(port), "8443", 1, 65535, "port of the API" },
	{ "relay_listen", CONF_STR, AT(relay_listen), "", 0, 0,
	    "address on which the relay listens; empty: all" },
	{ "relay_port", CONF_INT, AT(relay_port), "8883", 1, 65535,
	    "port of the relay" },
	{ "relay_name", CONF_STR, AT(relay_name), "", 0, 0,
	    "host:port by which agents reach the relay; empty: the first name"
	    " and relay_port" },
	{ "relay_agents", CONF_INT, AT(relay_agents), "20000", 1, 1000000,
	    "agents that the relay's queues and memory are bounded for" },
	{ "user", CONF_STR, AT(user), "mig-server", 0, 0,
	    "user the roles and the relay run as, when started as root" },
	{ "mosquitto", CONF_STR, AT(mosquitto), "/usr/sbin/mosquitto", 0, 0,
	    "the relay's program" },
	{ "session_lifetime", CONF_DURATION, AT(session_lifetime), "12h", 60,
	    YEAR, "how long a login lasts" },
	{ "keep_results", CONF_DURATION, AT(keep_results), "90d", 3600,
	    10 * YEAR, "how long answers are kept after their action's end" },
	{ "keep_actions", CONF_DURATION, AT(keep_actions), "365d", 3600,
	    10 * YEAR,
	    "how long actions and whom they expected are kept after their"
	    " end; not shorter than keep_results" },
	{ "keep_audit", CONF_DURATION, AT(keep_audit), "1825d", 30 * 86400,
	    10 * YEAR, "how long entries of the audit log are kept" },
	{ "store_max", CONF_SIZE, AT(store_max), "0", 0, 0,
	    "size beyond which what ended longest ago goes early: answers,"
	    " then actions; 0: none" },
	{ "disk_reserve", CONF_SIZE, AT(disk_reserve), "256m", 0, 0,
	    "with less free space than this nothing new is taken; 0: none" },
	{ "agent_certificate", CONF_DURATION, AT(agent_certificate), "365d", 10,
	    10 * YEAR,
	    "validity of an agent's certificate; agents renew it themselves"
	    " when a third is left" },
	{ "connections", CONF_INT, AT(connections), "4096", 8, 100000,
	    "connections to the API at once" },
	{ "connections_per_ip", CONF_INT, AT(connections_per_ip), "1024", 1,
	    100000, "of these from one address" },
	{ "request_timeout", CONF_DURATION, AT(request_timeout), "60s", 1, 3600,
	    "an idle connection to the API is closed after this" },
	{ "rate_caller", CONF_INT, AT(rate_caller), "6000", 0, 1000000,
	    "calls to the API a minute by one person, or with one API key;"
	    " 0: any number" },
	{ "rate_address", CONF_INT, AT(rate_address), "6000", 0, 1000000,
	    "calls without a session (logins, enrolments) or with a wrong one"
	    " a minute from one address; 0: any number" },
	{ "metrics_open", CONF_STR, AT(metrics_open), "no", 0, 0,
	    "who needs no session for GET /metrics: no (nobody), loopback,"
	    " yes (anybody)" },
	{ "metrics_token", CONF_STR, AT(metrics_token), "", 0, 0,
	    "SHA-256 of a token that is good for GET /metrics only" },
	{ "log_level", CONF_STR, AT(log_level), "info", 0, 0,
	    "error, warn, info or debug" },
	{ "trace", CONF_STR, AT(trace), "", 0, 0,
	    "categories to trace: http, relay, sched, store" },
};
const size_t server_conf_entries =
    sizeof(server_conf_table) / sizeof(server_conf_table[0]);

static const char *const files[] = {
	[FILE_DB_DIR] = "db",
	[FILE_DB] = "db/store.sqlite",
	[FILE_CA_DIR] = "ca",
	[FILE_CA_CERT] = "ca/ca.crt",
	[FILE_CA_KEY] = "ca/ca.key",
	[FILE_TLS_CERT] = "tls/server.crt",
	[FILE_TLS_KEY] = "tls/server.key",
	[FILE_RELAY_DIR] = "relay",
	[FILE_RELAY_CA] = "relay/ca.crt",
	[FILE_RELAY_CERT] = "relay/relay.crt",
	[FILE_RELAY_KEY] = "relay/relay.key",
	[FILE_RELAY_CONF] = "mosquitto.conf",
	[FILE_RELAY_ACL] = "relay/acl",
	[FILE_RELAY_CRL] = "relay/revoked.crl",
	[FILE_RELAY_SOCKET] = "relay/core.sock",
};

const char *
server_file(const struct server_conf *c, enum server_file f,
    char out[static SERVER_PATH_MAX])
{
	snprintf(out, SERVER_PATH_MAX, "%s/%s", c->state, files[f]);
	return (out);
}

static int
check_state(const char *value, struct err *e)
{
	if (strlen(value) > SERVER_PATH_MAX - 64)
		return (err_set(e, ERR_INVALID,
		    "expected a path of at most %d bytes",
		    SERVER_PATH_MAX - 64));
	/* mosquitto's listener would be at what stands before it */
	if (strchr(value, ' ') != NULL)
		return (err_set(e, ERR_INVALID,
		    "expected a path without blanks, not '%s': the relay"
		    " cannot have a socket there",
		    value));
	return (conf_check_path(value, e));
}

static int
check_names(const char *value, struct err *e)
{
	const char *p = value;
	char one[256];
	size_t n;

	for (;; p += n + 1) {
		n = strcspn(p, ",");
		if (n == strspn(p, " ") || n >= sizeof(one))
			return (err_set(e, ERR_INVALID,
			    "expected host names and addresses, separated by"
			    " commas, not '%s'",
			    value));
		snprintf(one, sizeof(one), "%.*s", (int)n, p);
		if (conf_check_address(one + strspn(one, " "), e) != 0)
			return (e->code);
		if (p[n] == '\0')
			return (0);
	}
}

static int
check_relay_name(const char *value, struct err *e)
{
	return (value[0] == '\0' ? 0 : conf_check_peer(value, e));
}

static int
check_metrics_open(const char *value, struct err *e)
{
	if (strcmp(value, "no") != 0 && strcmp(value, "loopback") != 0 &&
	    strcmp(value, "yes") != 0)
		return (err_set(e, ERR_INVALID,
		    "expected no, loopback or yes, not '%s'", value));
	return (0);
}

static int
check_metrics_token(const char *value, struct err *e)
{
	struct id token, nothing;

	sha256("", 0, &nothing);
	if (value[0] != '\0' && id_parse(value, &token) != 0)
		return (err_set(e, ERR_INVALID,
		    "expected 64 hex digits: printf %%s TOKEN | sha256sum"));
	if (value[0] != '\0' && id_equal(&token, &nothing))
		return (err_set(e, ERR_INVALID,
		    "expected the hash of a token: this is that of an empty "
		    "one"));
	return (0);
}

static int
check_trace(const char *value, struct err *e)
{
	static const char *const names[] = { "http", "relay", "sched",
		"store" };
	const char *p = value;
	size_t i, n;

	for (;;) {
		p += strspn(p, ", ");
		n = strcspn(p, ", ");
		if (n == 0)
			return (0);
		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			if (strlen(names[i]) == n &&
			    strncmp(names[i], p, n) == 0)
				break;
		}
		if (i == sizeof(names) / sizeof(names[0]))
			return (err_set(e, ERR_INVALID,
			    "expected some of http, relay, sched, store,"
			    " not '%s'",
			    value));
		p += n;
	}
}

static const struct conf_check checks[] = {
	{ "state", check_state },
	{ "name", check_names },
	{ "listen", conf_check_address },
	{ "relay_listen", conf_check_address },
	{ "relay_name", check_relay_name },
	{ "user", conf_check_user },
	{ "mosquitto", conf_check_path },
	{ "metrics_open", check_metrics_open },
	{ "metrics_token", check_metrics_token },
	{ "log_level", conf_check_log_level },
	{ "trace", check_trace },
	{ NULL, NULL },
};

static const char *
value_of(const struct server_conf *c, const char *key)
{
	const char *value = "";
	size_t i;

	for (i = 0; i < server_conf_entries; i++) {
		if (strcmp(server_conf_table[i].key, key) == 0)
			memcpy(&value,
			    (const char *)c + server_conf_table[i].offset,
			    sizeof(value));
	}
	return (value);
}

int
server_conf_check(const struct server_conf *c, struct err *e)
{
	const struct conf_check *k;
	char path[SERVER_PATH_MAX];

	/* those that no file had, as of mig-server init */
	for (k = checks; k->key != NULL; k++) {
		if (k->check(value_of(c, k->key), e) != 0)
			return (err_wrap(e, "%s", k->key));
	}
	if (strlen(server_file(c, FILE_RELAY_SOCKET, path)) >=
	    sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return (err_set(e, ERR_INVALID,
		    "state: '%s' is too long for a socket in it: at most %zu"
		    " bytes",
		    c->state,
		    sizeof(((struct sockaddr_un *)NULL)->sun_path) -
			strlen("/relay/core.sock") - 1));
	if (c->keep_actions < c->keep_results)
		return (err_set(e, ERR_INVALID,
		    "keep_actions: must not be shorter than keep_results"));
	if (c->port == c->relay_port)
		return (err_set(e, ERR_INVALID,
		    "relay_port: the API has port %lld already: give another",
		    (long long)c->port));
	return (0);
}

int
server_conf_load(const char *path, struct server_conf *ret, struct err *e)
{
	int rc;

	memset(ret, 0, sizeof(*ret));
	conf_defaults(server_conf_table, server_conf_entries, ret);
	if (path == NULL)
		path = SERVER_CONF_PATH;
	rc = conf_load_checked(
	    server_conf_table, server_conf_entries, checks, path, ret, e);
	if (rc == 0 && (rc = server_conf_check(ret, e)) != 0)
		err_wrap(e, "%s", path);
	else if (rc == ERR_NOTFOUND)
		err_set(e, rc,
		    "%s: no such file: make it with `mig-server init`, or name"
		    " another with -c",
		    path);
	if (rc != 0)
		server_conf_release(ret);
	return (rc);
}

void
server_conf_release(struct server_conf *c)
{
	conf_release(server_conf_table, server_conf_entries, c);
	memset(c, 0, sizeof(*c));
}

void
server_put_aside(const struct server_conf *c, enum server_file f)
{
	char path[SERVER_PATH_MAX], to[SERVER_PATH_MAX + 32];
	struct stat st;

	server_file(c, f, path);
	if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode) || rmdir(path) == 0)
		return;
	snprintf(to, sizeof(to), "%s.aside-%lld", path,
	    (long long)(clock_wall_ms() / 1000));
	if (rename(path, to) == 0)
		log_warn("put_aside path=%s to=%s why=%s", log_quote(path),
		    log_quote(to), log_quote("a directory, not a file"));
	else
		log_error("put_aside path=%s error=%s", log_quote(path),
		    log_quote(strerror(errno)));
}

void
server_first_name(const struct server_conf *c, char *out, size_t size)
{
	size_t len = strcspn(c->name, ",");

	snprintf(out, size, "%.*s", (int)len, c->name);
}

bool
server_has_name(const struct server_conf *c, const char *host, size_t len)
{
	const char *p = c->name;
	size_t n;

	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	for (;;) {
		p += strspn(p, ", ");
		if (*p == '\0')
			return (false);
		n = strcspn(p, ", ");
		if (n == len && strncasecmp(p, host, n) == 0)
			return (true);
		p += n;
	}
}

void
server_relay_address(const struct server_conf *c, char *out, size_t size)
{
	char name[256];

	if (c->relay_name[0] != '\0') {
		str_copy(out, size, c->relay_name);
		return;
	}
	server_first_name(c, name, sizeof(name));
	snprintf(out, size, strchr(name, ':') != NULL ? "[%s]:%d" : "%s:%d",
	    name, (int)c->relay_port);
}

bool
server_relay_is_named(const struct server_conf *c)
{
	char address[300];
	const char *port;

	server_relay_address(c, address, sizeof(address));
	port = strrchr(address, ':');
	return (port != NULL &&
	    server_has_name(c, address, (size_t)(port - address)));
}

int
server_find_user(const char *name, struct passwd **ret, struct err *e)
{
	errno = 0;
	*ret = fault_error("user.look_up", name) == 0 ? getpwnam(name) : NULL;
	if (*ret != NULL)
		return (0);
	switch (errno) {
	case EINTR:
	case EIO:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return (err_errno(e, "user %s cannot be looked up", name));
	default: /* what says that there is none differs by source */
		return (0);
	}
}

int
server_user(
    const struct server_conf *c, uid_t *ret_uid, gid_t *ret_gid, struct err *e)
{
	struct passwd *pw;
	int rc;

	*ret_uid = (uid_t)-1;
	*ret_gid = (gid_t)-1;
	if (geteuid() != 0)
		return (0);
	if ((rc = server_find_user(c->user, &pw, e)) != 0)
		return (rc);
	if (pw == NULL)
		return (err_set(e, ERR_NOTFOUND,
		    "user: there is no user '%s': make it (useradd --system"
		    " --shell /usr/sbin/nologin %s) or name another",
		    c->user, c->user));
	if (pw->pw_uid != 0) {
		*ret_uid = pw->pw_uid;
		*ret_gid = pw->pw_gid;
	}
	return (0);
}
