/* SPDX-License-Identifier: MPL-2.0 */
/*
 * mig-server init: everything a platform needs, once. It refuses to run where
 * anything of it is already there.
 *
 *   STATE/ca/     root's: ca.crt ca.key
 *   STATE/tls/    root's: server.crt server.key (the api opens them before it
 *                 drops its rights)
 *   STATE/db/     the user's: store.sqlite
 *   STATE/relay/  the user's: ca.crt relay.crt relay.key, and what is written
 *                 at each start
 */
#include "server/audit.h"
#include "server/cmd/admin.h"
#include "server/cmd/commands.h"
#include "server/certs.h"

#include "action/policy.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "crypto/seal.h"
#include "crypto/x509.h"
#include "server/config.h"
#include "server/cmd/enrolcmd.h"
#include "server/investigators.h"
#include "server/policies.h"
#include "server/store/store.h"

#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INVESTIGATORS_MAX 32
#define CONF_TEXT_MAX 65536

struct init {
	const char *conf_path;
	const char *policy;
	const char *investigators[INVESTIGATORS_MAX];
	size_t ninvestigators;
	struct server_conf conf;
	struct server_conf kept; /* conf_path's, when it was there before */
	bool has_kept, user_given, began; /* began: what is there is ours */
	uid_t uid;
	gid_t gid;
	struct buf ca_cert, ca_key;
	struct id ca_fpr, policy_hash;
};

static int
set_str(char **field, const char *value)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return (ERR_NOMEM);
	free(*field);
	*field = copy;
	return (0);
}

static int
parse_args(struct init *in, int argc, char **argv)
{
	static const struct option options[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "port", required_argument, NULL, 'p' },
		{ "relay-port", required_argument, NULL, 'r' },
		{ "policy", required_argument, NULL, 'P' },
		{ "investigator", required_argument, NULL, 'i' },
		{ "state", required_argument, NULL, 's' },
		{ "user", required_argument, NULL, 'u' },
		{ NULL, 0, NULL, 0 },
	};
	bool named = false;
	uint64_t port;
	int opt, rc = 0;

	while ((opt = getopt_long_only(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'n':
			named = true;
			rc = set_str(&in->conf.name, optarg);
			break;
		case 'p':
		case 'r':
			if (str_u64(optarg, 1, 65535, &port) != 0) {
				fprintf(stderr,
				    "mig-server: '%s' is not a port\n", optarg);
				return (EXIT_USAGE);
			}
			if (opt == 'p')
				in->conf.port = (int64_t)port;
			else
				in->conf.relay_port = (int64_t)port;
			break;
		case 'P':
			in->policy = optarg;
			break;
		case 'i':
			if (in->ninvestigators == INVESTIGATORS_MAX) {
				fprintf(stderr,
				    "mig-server: init: at most %d"
				    " --investigator; more by `mig-server"
				    " investigator add`\n",
				    INVESTIGATORS_MAX);
				return (EXIT_USAGE);
			}
			in->investigators[in->ninvestigators++] = optarg;
			break;
		case 's':
			rc = set_str(&in->conf.state, optarg);
			break;
		case 'u':
			in->user_given = true;
			rc = set_str(&in->conf.user, optarg);
			break;
		default:
			return (admin_usage("init"));
		}
		if (rc != 0) {
			fprintf(stderr, "mig-server: init: out of memory\n");
			return (1);
		}
	}
	if (named && optind == argc)
		return (0);
	if (optind < argc)
		fprintf(
		    stderr, "mig-server: init: what is '%s'?\n", argv[optind]);
	else
		fprintf(stderr,
		    "mig-server: init: --name is missing: the host name by"
		    " which clients and agents reach this server\n");
	return (admin_usage("init"));
}

static int
make_dir(
    struct init *in, const char *name, mode_t mode, bool users, struct err *e)
{
	char path[SERVER_PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", in->conf.state, name);
	if ((rc = file_mkdirs(path, mode, e)) != 0)
		return (rc);
	if (chmod(path, mode) != 0 ||
	    (in->uid != (uid_t)-1 &&
		chown(path, users ? in->uid : geteuid(),
		    users ? in->gid : getegid()) != 0))
		return (err_errno(e, "%s", path));
	return (0);
}

static int
put(struct init *in, enum server_file f, const struct buf *data, mode_t mode,
    struct err *e)
{
	struct file_owner o = { mode, (uid_t)-1, (gid_t)-1 };
	char path[SERVER_PATH_MAX];

	if (server_file_of_relay(f)) {
		o.uid = in->uid;
		o.gid = in->gid;
	}
	server_file(&in->conf, f, path);
	return (file_write_owned(path, data->data, data->len, &o, e));
}

static int
make_ca(struct init *in, struct err *e)
{
	char name[256];
	int rc;

	server_first_name(&in->conf, name, sizeof(name));
	if ((rc = x509_ca_new(name, CA_DAYS, &in->ca_cert, &in->ca_key, e)) !=
	    0)
		return (rc);
	if (buf_str(&in->ca_cert) == NULL || buf_str(&in->ca_key) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if ((rc = x509_fingerprint(buf_str(&in->ca_cert), &in->ca_fpr, e)) !=
		0 ||
	    (rc = put(in, FILE_CA_KEY, &in->ca_key, 0600, e)) != 0 ||
	    (rc = put(in, FILE_CA_CERT, &in->ca_cert, 0644, e)) != 0)
		return (rc);
	return (put(in, FILE_RELAY_CA, &in->ca_cert, 0644, e));
}

static int
make_cert(
    struct init *in, enum server_file cert, enum server_file key, struct err *e)
{
	struct buf c, k;
	int rc;

	buf_init(&c, X509_PEM_MAX);
	buf_init(&k, X509_PEM_MAX);
	if ((rc = x509_key_new(&k, e)) == 0 && buf_str(&k) == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	if (rc == 0)
		rc = x509_issue_server(buf_str(&in->ca_cert),
		    buf_str(&in->ca_key), in->conf.name, buf_str(&k), CERT_DAYS,
		    &c, e);
	/* The chain goes with it: who pins the CA's digest sees it there. */
	if (rc == 0 &&
	    (rc = buf_add(&c, in->ca_cert.data, in->ca_cert.len)) != 0)
		err_code(e, rc, "the certificate");
	if (rc == 0)
		rc = put(in, key, &k, 0600, e);
	if (rc == 0)
		rc = put(in, cert, &c, 0644, e);
	if (k.len > 0)
		secret_wipe(k.data, k.len);
	buf_release(&k);
	buf_release(&c);
	return (rc);
}

static int
add_investigators(
    struct store *s, const char *path, enum person_role first, struct err *e)
{
	char who[AUDIT_WHO_MAX];
	struct investigators_add a = { .fpr = "",
		.name = "",
		.role = PERSON_INVESTIGATOR,
		.first = first,
		.now = clock_wall_ms(),
		.who = who };
	struct buf text;
	size_t n;
	int rc;

	audit_who_local(who);
	buf_init(&text, KEYRING_TEXT_MAX);
	if ((rc = file_read(path, &text, e)) == 0) {
		a.text = text.data;
		a.len = text.len;
		rc = investigators_add(s, &a, &n, e);
	}
	buf_release(&text);
	return (rc != 0 ? err_wrap(e, "%s", path) : 0);
}

static int
fill_store(struct init *in, struct store *s, struct err *e)
{
	size_t i;
	int rc;

	if ((rc = store_begin(s, e)) != 0)
		return (rc);
	for (i = 0; i < in->ninvestigators && rc == 0; i++)
		rc = add_investigators(s, in->investigators[i],
		    i == 0 ? PERSON_ADMIN : PERSON_INVESTIGATOR, e);
	if (rc == 0 && in->policy != NULL)
		rc = policies_set(s, in->policy, &in->policy_hash, e);
	if (rc == 0 && in->policy != NULL)
		rc = audit_local(
		    s, "policy_set", id_hex(&in->policy_hash).s, "", e);
	if (rc == 0)
		return (store_commit(s, e));
	store_rollback(s);
	return (rc);
}

static int
make_store(struct init *in, struct err *e)
{
	char path[SERVER_PATH_MAX];
	struct store *s;
	int rc;

	server_file(&in->conf, FILE_DB, path);
	if ((rc = store_open(path, STORE_WRITE, &s, e)) != 0)
		return (rc);
	if (in->uid != (uid_t)-1 && chown(path, in->uid, in->gid) != 0)
		rc = err_errno(e, "%s", path);
	if (rc == 0 && chmod(path, 0600) != 0)
		rc = err_errno(e, "%s", path);
	if (rc == 0)
		rc = fill_store(in, s, e);
	store_close(s);
	return (rc);
}

static int
write_conf(struct init *in, struct err *e)
{
	struct server_conf *c = &in->conf;
	char dir[SERVER_PATH_MAX], *slash;
	struct buf b;
	int rc;

	if (in->has_kept)
		return (0);
	str_copy(dir, sizeof(dir), in->conf_path);
	if ((slash = strrchr(dir, '/')) != NULL && slash != dir) {
		*slash = '\0';
		if ((rc = file_mkdirs(dir, 0755, e)) != 0)
			return (rc);
	}
	buf_init(&b, CONF_TEXT_MAX);
	buf_add_str(&b,
	    "# mig-server(8); mig-server.conf(5) lists every"
	    " key.\n");
	rc = conf_dump(server_conf_table, server_conf_entries, c, &b);
	if (rc != 0)
		err_code(e, rc, "%s", in->conf_path);
	else
		rc = file_write(in->conf_path, b.data, b.len, 0644, e);
	buf_release(&b);
	return (rc);
}

static int
refuse_existing(const struct server_conf *c, struct err *e)
{
	static const enum server_file files[] = { FILE_CA_KEY, FILE_DB,
		FILE_TLS_KEY, FILE_RELAY_KEY };
	char path[SERVER_PATH_MAX];
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (access(server_file(c, files[i], path), F_OK) == 0)
			return (err_set(e, ERR_EXISTS,
			    "%s is there already: nothing was changed. Remove"
			    " %s to start anew (every agent would have to"
			    " enrol again)",
			    path, c->state));
	return (0);
}

/* A configuration that is there is what the server will read: what it says is
 * what is made, and an option may not say otherwise. */
static int
refuse_others(const struct init *in, struct err *e)
{
	const struct server_conf *c = &in->conf, *k = &in->kept;
	const struct {
		const char *key, *had, *given;
	} words[] = {
		{ "state", k->state, c->state },
		{ "name", k->name, c->name },
		{ "user", k->user, c->user },
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].had, words[i].given) != 0)
			return (err_set(e, ERR_EXISTS,
			    "%s has %s \"%s\", not \"%s\": nothing was changed."
			    " Give what it has, change it, or name another file"
			    " with -c",
			    in->conf_path, words[i].key, words[i].had,
			    words[i].given));
	if (k->port == c->port && k->relay_port == c->relay_port)
		return (0);
	return (err_set(e, ERR_EXISTS,
	    "%s has port %lld and relay_port %lld, not %lld and %lld: nothing"
	    " was changed. Give what it has, change it, or name another file"
	    " with -c",
	    in->conf_path, (long long)k->port, (long long)k->relay_port,
	    (long long)c->port, (long long)c->relay_port));
}

/* Before the options, which are added to what the file says. */
static int
load_kept(struct init *in, struct err *e)
{
	int rc;

	if (access(in->conf_path, F_OK) != 0)
		return (0);
	in->has_kept = true;
	if ((rc = conf_load(server_conf_table, server_conf_entries,
		 in->conf_path, &in->kept, e)) != 0)
		return (rc);
	return (conf_load(server_conf_table, server_conf_entries, in->conf_path,
	    &in->conf, e));
}

/* Packages make the user. Without them, and with no other named, the roles
 * stay root's: in their sandbox and without any capability. */
static int
choose_user(struct init *in, struct err *e)
{
	struct passwd *pw;
	int rc;

	if (in->user_given || in->has_kept || geteuid() != 0)
		return (0);
	if ((rc = server_find_user(in->conf.user, &pw, e)) != 0 || pw != NULL)
		return (rc);
	fprintf(stderr,
	    "mig-server: init: there is no user %s, so the configuration says"
	    " 'user root'.\n"
	    "  Better: useradd --system --shell /usr/sbin/nologin %s, remove"
	    " what\n  this init makes, and init again.\n",
	    in->conf.user, in->conf.user);
	return (set_str(&in->conf.user, "root") == 0
		? 0
		: err_set(e, ERR_NOMEM, "out of memory"));
}

static int
make_all(struct init *in, struct err *e)
{
	int rc;

	if (in->has_kept &&
	    ((rc = refuse_existing(&in->kept, e)) != 0 ||
		(rc = refuse_others(in, e)) != 0))
		return (rc);
	if ((rc = server_conf_check(&in->conf, e)) != 0 ||
	    (rc = choose_user(in, e)) != 0 ||
	    (rc = server_user(&in->conf, &in->uid, &in->gid, e)) != 0 ||
	    (rc = refuse_existing(&in->conf, e)) != 0)
		return (rc);
	in->began = true;
	if ((rc = file_mkdirs(in->conf.state, 0755, e)) != 0 ||
	    (rc = make_dir(in, "ca", 0700, false, e)) != 0 ||
	    (rc = make_dir(in, "tls", 0700, false, e)) != 0 ||
	    (rc = make_dir(in, "db", 0700, false, e)) != 0 ||
	    (rc = make_dir(in, "relay", 0700, true, e)) != 0)
		return (rc);
	/* db/ is the user's when what is in it is, which nobody can have
	 * replaced until then. */
	if ((rc = make_store(in, e)) != 0 ||
	    (rc = make_dir(in, "db", 0700, true, e)) != 0 ||
	    (rc = make_ca(in, e)) != 0 ||
	    (rc = make_cert(in, FILE_TLS_CERT, FILE_TLS_KEY, e)) != 0 ||
	    (rc = make_cert(in, FILE_RELAY_CERT, FILE_RELAY_KEY, e)) != 0)
		return (rc);
	return (write_conf(in, e));
}

/* The unit that is installed starts the platform of the default configuration
 * only. */
static bool
has_unit(const struct init *in)
{
	static const char *const places[] = { "/etc/systemd/system",
		"/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
		"/lib/systemd/system" };
	char path[100];
	size_t i;

	if (strcmp(in->conf_path, SERVER_CONF_PATH) != 0 || geteuid() != 0 ||
	    access("/run/systemd/system", F_OK) != 0)
		return (false);
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(
		    path, sizeof(path), "%s/mig-server.service", places[i]);
		if (access(path, F_OK) == 0)
			return (true);
	}
	return (false);
}

static void
print_next(struct init *in)
{
	char origin[300];
	const char *with =
	    strcmp(in->conf_path, SERVER_CONF_PATH) == 0 ? "" : " -c ";
	const char *path = with[0] == '\0' ? "" : in->conf_path;

	server_origin(&in->conf, origin, sizeof(origin));
	printf("state          %s\n", in->conf.state);
	printf("configuration  %s\n", in->conf_path);
	printf("address        %s\n", origin);
	printf("CA fingerprint %s\n", id_hex(&in->ca_fpr).s);
	if (in->policy != NULL)
		printf("policy         %s\n", id_hex(&in->policy_hash).s);
	printf("\nnext:\n");
	if (in->ninvestigators == 0)
		printf("  mig keyring export > me.keyring    (on your own"
		       " machine)\n"
		       "  mig-server%s%s investigator add me.keyring"
		       " --role admin\n",
		    with, path);
	if (in->policy == NULL)
		printf("  mig-server%s%s policy set FILE\n", with, path);
	if (has_unit(in))
		printf("  systemctl enable --now mig-server\n");
	else
		printf("  mig-server%s%s run\n", with, path);
	printf("  mig-server%s%s token               (a command for each"
	       " endpoint)\n",
	    with, path);
}

/* Only what this run made: a name that was there before is not ours. */
static void
undo(struct init *in)
{
	static const enum server_file files[] = { FILE_CA_KEY, FILE_CA_CERT,
		FILE_DB, FILE_TLS_CERT, FILE_TLS_KEY, FILE_RELAY_CA,
		FILE_RELAY_CERT, FILE_RELAY_KEY };
	static const char *const besides[] = { "-wal", "-shm" };
	char path[SERVER_PATH_MAX], db[SERVER_PATH_MAX];
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(server_file(&in->conf, files[i], path));
	for (i = 0; i < sizeof(besides) / sizeof(besides[0]); i++) {
		snprintf(path, sizeof(path), "%s%s",
		    server_file(&in->conf, FILE_DB, db), besides[i]);
		unlink(path);
	}
}

int
command_init(const char *conf, int argc, char **argv)
{
	struct init in = { .conf_path =
			       conf != NULL ? conf : SERVER_CONF_PATH };
	struct err e;
	int rc;

	conf_defaults(server_conf_table, server_conf_entries, &in.conf);
	conf_defaults(server_conf_table, server_conf_entries, &in.kept);
	err_clear(&e);
	if (load_kept(&in, &e) != 0) {
		fprintf(stderr, "mig-server: init: %s\n", e.msg);
		rc = 1;
		goto out;
	}
	if ((rc = parse_args(&in, argc, argv)) != 0)
		goto out;
	buf_init(&in.ca_cert, X509_PEM_MAX);
	buf_init(&in.ca_key, X509_PEM_MAX);
	umask(022);
	if ((rc = make_all(&in, &e)) != 0) {
		fprintf(stderr, "mig-server: init: %s\n", e.msg);
		if (in.began)
			undo(&in);
		rc = 1;
	} else {
		print_next(&in);
	}
	if (in.ca_key.len > 0)
		secret_wipe(in.ca_key.data, in.ca_key.len);
	buf_release(&in.ca_key);
	buf_release(&in.ca_cert);
out:
	server_conf_release(&in.kept);
	server_conf_release(&in.conf);
	return (rc);
}
