/* SPDX-License-Identifier: MPL-2.0 */
/* The configuration file and where the client's files lie. */
#include "client/client.h"

#include "base/file.h"
#include "base/id.h"
#include "client/sign/readkey.h"
#include "client/ssh/signer.h"
#include "conf/conf_check.h"
#include "crypto/x509.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CONF_TEXT_MAX (1024 * 1024)

static const struct conf_entry conf_table[] = {
	{ "server", CONF_STR, offsetof(struct client_conf, server), NULL, 0, 0,
	    "address of the server: https://HOST:PORT" },
	{ "ca", CONF_STR, offsetof(struct client_conf, ca), NULL, 0, 0,
	    "SHA-256 fingerprint of the server's CA; no other is trusted" },
	{ "key", CONF_STR, offsetof(struct client_conf, key), NULL, 0, 0,
	    "primary fingerprint of your OpenPGP key" },
	{ "gpghome", CONF_STR, offsetof(struct client_conf, gpghome), NULL, 0,
	    0, "gpg's home directory, when it is not the usual one" },
	{ "signer", CONF_STR, offsetof(struct client_conf, signer), NULL, 0, 0,
	    "the SSH key that signs: ssh:SHA256:..., or its public file" },
	{ "apikey", CONF_STR, offsetof(struct client_conf, apikey), NULL, 0, 0,
	    "file of an API key, for a program: nobody logs in" },
	{ "expire", CONF_DURATION, offsetof(struct client_conf, expire), "5m",
	    1, 365 * 86400,
	    "how long an action is valid when -e is not given" },
	{ "reader", CONF_LIST, offsetof(struct client_conf, readers), NULL, 0,
	    0,
	    "fingerprint, or x25519:... key, of one more person who may read "
	    "your results" },
	{ "target", CONF_MAP, offsetof(struct client_conf, targets), NULL, 0, 0,
	    "NAME CONDITION: a short name for a target" },
};
#define CONF_N (sizeof(conf_table) / sizeof(conf_table[0]))

char *
client_path(enum client_dir dir, const char *name, struct err *e)
{
	static const struct {
		const char *env, *below_home;
	} dirs[] = {
		[DIR_CONFIG] = { "XDG_CONFIG_HOME", ".config" },
		[DIR_DATA] = { "XDG_DATA_HOME", ".local/share" },
		[DIR_CACHE] = { "XDG_CACHE_HOME", ".cache" },
	};
	const char *base = getenv(dirs[dir].env), *home = getenv("HOME");
	struct buf b;
	uint8_t *p;
	size_t len;

	buf_init(&b, 8192);
	if (base != NULL && base[0] == '/')
		buf_add_fmt(&b, "%s/mig/%s", base, name);
	else if (home != NULL && home[0] == '/')
		buf_add_fmt(
		    &b, "%s/%s/mig/%s", home, dirs[dir].below_home, name);
	else {
		err_set(e, ERR_NOTFOUND,
		    "neither HOME nor %s is set to an absolute path",
		    dirs[dir].env);
		return NULL;
	}
	buf_add_u8(&b, 0);
	if (b.error != 0) {
		err_code(e, b.error, "the path of %s", name);
		buf_release(&b);
		return NULL;
	}
	buf_take(&b, &p, &len);
	return (char *)p;
}

int
client_mkdir_for(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	int r;

	if (slash == NULL || slash == path)
		return 0;
	dir = strndup(path, (size_t)(slash - path));
	if (dir == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	r = file_mkdirs(dir, 0700, e);
	free(dir);
	if (r == 0)
		file_remove_stale(path);
	return r;
}

int
client_lock_for(const char *path, int *ret_fd, struct err *e)
{
	int r = client_mkdir_for(path, e);

	return r == 0 ? file_lock(path, ret_fd, e) : r;
}

int
client_init(struct client *c, const char *conf_path, struct err *e)
{
	struct err why;

	memset(c, 0, sizeof(*c));
	conf_defaults(conf_table, CONF_N, &c->conf);
	if (conf_path != NULL)
		return client_use_conf(c, conf_path, e);
	/* Without HOME there may still be commands that need no file. */
	err_clear(&why);
	c->conf_path = client_path(DIR_CONFIG, "config", &why);
	if (c->conf_path == NULL && why.code == ERR_NOMEM)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

int
client_use_conf(struct client *c, const char *path, struct err *e)
{
	char *copy;

	if (path == NULL)
		return 0;
	if (path[0] == '\0')
		return err_set(e, ERR_INVALID,
		    "-c: the name of the configuration file is empty");
	copy = strdup(path);
	if (copy == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	free(c->conf_path);
	c->conf_path = copy;
	c->conf_loaded = false;
	return 0;
}

static int
check_server(const char *value, struct err *e)
{
	static const char scheme[] = "https://";
	size_t n = strlen(scheme), host;

	if (strncmp(value, scheme, n) != 0)
		host = 0;
	else
		host = strcspn(value + n, "/?#@ \t\r\n\"");
	if (host == 0 ||
	    (value[n + host] != '\0' && strcmp(value + n + host, "/") != 0))
		return err_set(e, ERR_INVALID,
		    "expected https://HOST:PORT, not '%s'", value);
	return 0;
}

static int
check_ca(const char *value, struct err *e)
{
	return conf_check_hex(value, 32, "a SHA-256 fingerprint", e);
}

static int
check_fingerprint(const char *value, struct err *e)
{
	return conf_check_hex(value, 20, "a full fingerprint", e);
}

static int
check_reader(const char *value, struct err *e)
{
	uint8_t pub[SEAL_KEY_LEN];

	return readkey_parse(value, pub)
	    ? 0
	    : conf_check_hex(value, 20,
		  "a full fingerprint, or " READKEY_PREFIX " and a key,", e);
}

static int
check_condition(const char *value, struct err *e)
{
	return value[0] != '\0'
	    ? 0
	    : err_set(e, ERR_INVALID, "expected a condition, not nothing");
}

static const struct conf_check checks[] = {
	{ "server", check_server },
	{ "ca", check_ca },
	{ "key", check_fingerprint },
	{ "gpghome", conf_check_path },
	{ "apikey", conf_check_path },
	{ "signer", signer_check_name },
	{ "reader", check_reader },
	{ "target", check_condition },
	{ NULL, NULL },
};

/* Words of -t that mean something by themselves: a name that hid one would ask
 * others than it says. */
static int
check_target_names(const struct client *c, struct err *e)
{
	static const char *const words[] = { "all", "online", "local" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (conf_map_find(c->conf.targets, words[i]) != NULL)
			return err_set(e, ERR_INVALID,
			    "%s: target: '%s' means something already: choose "
			    "another name",
			    c->conf_path, words[i]);
	return 0;
}

int
client_conf_load(struct client *c, struct err *e)
{
	int r;

	if (c->conf_loaded)
		return 0;
	if (c->conf_path == NULL)
		return err_set(e, ERR_NOTFOUND,
		    "HOME is not set: say where the configuration is, -c FILE");
	conf_release(conf_table, CONF_N, &c->conf);
	memset(&c->conf, 0, sizeof(c->conf));
	conf_defaults(conf_table, CONF_N, &c->conf);
	r = conf_load_checked(
	    conf_table, CONF_N, checks, c->conf_path, &c->conf, e);
	if (r != 0 && r != ERR_NOTFOUND)
		return r;
	if ((r = check_target_names(c, e)) != 0)
		return r;
	err_clear(e);
	c->conf_loaded = true;
	return 0;
}

static const char *
no_file(const struct client *c)
{
	return access(c->conf_path, F_OK) != 0 ? ", which is not there" : "";
}

int
client_need_server(struct client *c, struct err *e)
{
	int r = client_conf_load(c, e);

	if (r != 0)
		return r;
	if (c->conf.server == NULL || c->conf.ca == NULL)
		return err_set(e, ERR_NOTFOUND,
		    "no server in %s%s; run: mig init -server "
		    "https://HOST:PORT (or look at this machine only: -t "
		    "local)",
		    c->conf_path, no_file(c));
	return 0;
}

int
client_need_key(struct client *c, struct err *e)
{
	int r = client_conf_load(c, e);

	if (r != 0)
		return r;
	if (c->conf.key == NULL && c->conf.signer == NULL)
		return err_set(e, ERR_NOTFOUND,
		    "no key in %s%s; run: mig init -key FINGERPRINT",
		    c->conf_path, no_file(c));
	return 0;
}

const char *
client_signer(const struct client *c)
{
	return c->conf.signer != NULL ? c->conf.signer : c->conf.key;
}

#define HEADER                                                          \
	"# mig's configuration, see mig(1). Written by mig init; edit " \
	"as you like.\n"

/* Lines of the file that is there which are comments: somebody wrote them. */
static int
keep_comments(const char *path, struct buf *out, struct err *e)
{
	struct buf was;
	const char *p, *end;
	int r;

	buf_init(&was, CONF_TEXT_MAX);
	r = file_read(path, &was, e);
	if (r == ERR_NOTFOUND)
		r = 0;
	p = r == 0 ? buf_str(&was) : NULL;
	for (; p != NULL && *p != '\0'; p = end) {
		end = strchrnul(p, '\n');
		end += *end == '\n';
		if (p[strspn(p, " \t")] == '#' &&
		    strncmp(p, HEADER, (size_t)(end - p)) != 0)
			buf_add(out, p, (size_t)(end - p));
	}
	if (out->len > 0 && out->data[out->len - 1] != '\n')
		buf_add_u8(out, '\n');
	buf_release(&was);
	return r;
}

int
client_conf_save(struct client *c, struct err *e)
{
	struct buf b;
	int r;

	buf_init(&b, CONF_TEXT_MAX);
	buf_add_str(&b, HEADER);
	r = keep_comments(c->conf_path, &b, e);
	if (r != 0) {
		buf_release(&b);
		return r;
	}
	r = conf_dump(conf_table, CONF_N, &c->conf, &b);
	if (r != 0)
		err_code(e, r, "the configuration");
	if (r == 0)
		r = client_mkdir_for(c->conf_path, e);
	if (r == 0)
		r = file_write(c->conf_path, b.data, b.len, 0600, e);
	buf_release(&b);
	return r;
}

char *
client_beside(const struct client *c, const char *name, struct err *e)
{
	const char *slash = strrchr(c->conf_path, '/');
	struct buf b;
	uint8_t *p;
	size_t len;

	buf_init(&b, 8192);
	if (slash != NULL)
		buf_add(&b, c->conf_path, (size_t)(slash - c->conf_path) + 1);
	buf_add_str(&b, name);
	buf_add_u8(&b, 0);
	if (b.error != 0) {
		err_code(e, b.error, "the path of %s", name);
		buf_release(&b);
		return NULL;
	}
	buf_take(&b, &p, &len);
	return (char *)p;
}

char *
client_ca_path(const struct client *c, struct err *e)
{
	return client_beside(c, "ca.pem", e);
}

int
client_ca_load(struct client *c, struct err *e)
{
	char *path = client_ca_path(c, e);
	struct id have;
	struct buf b;
	uint8_t *p;
	size_t len;
	int r;

	if (path == NULL)
		return ERR_NOMEM;
	buf_init(&b, X509_PEM_MAX);
	r = file_read(path, &b, e);
	if (r == 0)
		r = buf_add_u8(&b, 0);
	if (r == ERR_NOTFOUND)
		err_set(e, r,
		    "the server's CA is not in %s; run mig init again", path);
	if (r == 0 && (r = x509_fingerprint((char *)b.data, &have, e)) != 0)
		err_wrap(e, "%s", path);
	if (r == 0 && strcasecmp(id_hex(&have).s, c->conf.ca) != 0)
		r = err_set(e, ERR_AUTH,
		    "%s is not the CA that %s names (%s); if the server has a "
		    "new CA, run mig init again with its fingerprint",
		    path, c->conf_path, c->conf.ca);
	if (r == 0) {
		buf_take(&b, &p, &len);
		free(c->ca_pem);
		c->ca_pem = (char *)p;
	}
	buf_release(&b);
	free(path);
	return r;
}

void
client_conf_release(struct client *c)
{
	conf_release(conf_table, CONF_N, &c->conf);
}
