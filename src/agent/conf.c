/* SPDX-License-Identifier: MPL-2.0 */
/* The table of agent.conf(5) and what its values mean; see conf.h. */
#include "agent/conf.h"

#include "base/err.h"
#include "base/path.h"
#include "base/str.h"
#include "conf/conf_check.h"
#include "mqtt/tunnel.h"

#include <errno.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 255 /* as in a hello */

static const struct conf_entry table[] = {
#define CONF_ROW(key, type, member, def, min, max, help) \
	{ key, type, offsetof(struct agent_conf, member), def, min, max, help },
	AGENT_CONF(CONF_ROW)
#undef CONF_ROW
};

#define TABLE_LEN (sizeof(table) / sizeof(table[0]))

int
agent_conf_peer(
    const char *what, const char *text, struct tunnel_peer *ret, struct err *e)
{
	const char *colon = strrchr(text, ':'), *host = text;
	size_t len = colon == NULL ? 0 : (size_t)(colon - text);
	uint64_t port;

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		host++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(ret->host) ||
	    strcspn(host, "/@ ") < len ||
	    str_u64(colon + 1, 1, 65535, &port) != 0)
		return err_set(
		    e, ERR_INVALID, "%s: '%s' is not host:port", what, text);
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->host, host, len);
	ret->port = (uint16_t)port;
	return 0;
}

static int
check_name(const char *value, struct err *e)
{
	if (value[0] == '\0' || strlen(value) > NAME_MAX_BYTES)
		return err_set(e, ERR_INVALID,
		    "expected a name of 1 to %d bytes", NAME_MAX_BYTES);
	return 0;
}

/* A name, or a number other than root's. */
static int
check_net_user(const char *value, struct err *e)
{
	uint64_t number;

	if (str_u64(value, 0, UINT64_MAX, &number) != 0)
		return conf_check_user(value, e);
	if (number < 1 || number > INT32_MAX)
		return err_set(e, ERR_INVALID,
		    "expected a user's name or a number from 1 to %d, not "
		    "'%s'",
		    INT32_MAX, value);
	return 0;
}

static int
check_notice(const char *value, struct err *e)
{
	if (strcmp(value, "none") != 0 && strcmp(value, "syslog") != 0 &&
	    strcmp(value, "desktop") != 0)
		return err_set(e, ERR_INVALID,
		    "expected none, syslog or desktop, not '%s'", value);
	return 0;
}

static const struct conf_check checks[] = {
	{ "state", conf_check_path },
	{ "hide", conf_check_path },
	{ "relay", conf_check_peer },
	{ "proxy", conf_check_peer },
	{ "name", check_name },
	{ "net_user", check_net_user },
	{ "notice", check_notice },
	{ "notice_socket", conf_check_path },
	{ "log", conf_check_log_level },
	{ NULL, NULL },
};

/* What several values say together. */
static int
check(const char *path, const struct agent_conf *c, struct err *e)
{
	if (c->proxies->n > TUNNEL_PROXIES_MAX)
		return err_set(e, ERR_INVALID,
		    "%s: proxy: at most %d proxies, not %zu", path,
		    TUNNEL_PROXIES_MAX, c->proxies->n);
	if (c->hide != NULL &&
	    (strcmp(c->hide, "/") == 0 || !path_is_clean(c->hide) ||
		!path_is_clean(c->state) || !path_below(c->state, c->hide)))
		return err_set(e, ERR_INVALID,
		    "%s: hide: expected a directory that state is in, both "
		    "without '//' and '..', not '%s'",
		    path, c->hide);
	if (c->worker_uid + c->worker_uids > INT32_MAX)
		return err_set(e, ERR_INVALID,
		    "%s: worker_uid: the last of %lld user numbers from %lld "
		    "on is not one",
		    path, (long long)c->worker_uids, (long long)c->worker_uid);
	return 0;
}

int
agent_conf_load(const char *path, struct agent_conf *ret, struct err *e)
{
	struct agent_conf c;
	const char *file = path == NULL ? AGENT_CONF_PATH : path;
	int rc;

	memset(&c, 0, sizeof(c));
	conf_defaults(table, TABLE_LEN, &c);
	rc = conf_load_checked(table, TABLE_LEN, checks, file, &c, e);
	if (rc == ERR_NOTFOUND && path == NULL) {
		err_clear(e);
		rc = 0;
	}
	if (rc == 0)
		rc = check(file, &c, e);
	if (rc != 0) {
		agent_conf_release(&c);
		return rc;
	}
	*ret = c;
	return 0;
}

const char *
agent_conf_hidden(const struct agent_conf *c)
{
	return c->hide != NULL ? c->hide : c->state;
}

int
agent_conf_dump(const struct agent_conf *c, struct buf *out)
{
	return conf_dump(table, TABLE_LEN, c, out);
}

void
agent_conf_release(struct agent_conf *c)
{
	conf_release(table, TABLE_LEN, c);
}

int
agent_conf_user(
    const struct agent_conf *c, uid_t *ret_uid, gid_t *ret_gid, struct err *e)
{
	struct passwd *pw;
	uint64_t number;
	FILE *f;
	int rc;

	if (str_u64(c->net_user, 1, INT32_MAX, &number) == 0) {
		*ret_uid = (uid_t)number;
		*ret_gid = (gid_t)number;
		return 0;
	}
	rc = err_set(e, ERR_NOTFOUND,
	    "net_user: no user '%s' in /etc/passwd; name one or give a number",
	    c->net_user);
	f = fopen("/etc/passwd", "re");
	if (f == NULL)
		return err_errno(e, "/etc/passwd");
	while ((pw = fgetpwent(f)) != NULL) {
		if (strcmp(pw->pw_name, c->net_user) != 0)
			continue;
		*ret_uid = pw->pw_uid;
		*ret_gid = pw->pw_gid;
		err_clear(e);
		rc = 0;
		break;
	}
	/* at its end that is ENOENT */
	if (rc != 0 && (errno == ENOMEM || errno == EIO))
		rc = err_errno(e, "/etc/passwd");
	fclose(f);
	if (rc == 0 && *ret_uid == 0)
		rc = err_set(e, ERR_INVALID, "net_user: must not be root");
	/* some systems have such: operator, sync */
	else if (rc == 0 && *ret_gid == 0)
		rc = err_set(e, ERR_INVALID,
		    "net_user: the group of '%s' must not be root's",
		    c->net_user);
	return rc;
}

enum log_level
agent_conf_log(const struct agent_conf *c)
{
	enum log_level level = LOG_LEVEL_INFO;

	(void)log_level_parse(c->log, &level);
	return level;
}
