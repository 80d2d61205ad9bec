/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Commands for administrators on the server's own machine. They use the store
 * directly, beside the running server: SQLite lets one write at a time, and
 * the server notices what changed when it next needs it.
 */
#include "server/cmd/admin.h"

#include "action/policy.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "crypto/x509.h"
#include "server/audit.h"
#include "server/cmd/commands.h"
#include "server/cmd/enrolcmd.h"
#include "server/investigators.h"
#include "server/lock.h"
#include "server/policies.h"
#include "server/store/actions.h"
#include "server/store/people.h"
#include "server/store/policies.h"
#include "server/store/store.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TOKEN_USES_MAX 1000000

/* A server of the version before, which still runs, is not to find a store that
 * it does not know: its core could not be started anew. */
static int
check_running(const struct server_conf *c, const char *path, struct err *e)
{
	struct store *s;
	int rc;

	if (server_lock_holder(c) == 0)
		return (0);
	rc = store_open(path, STORE_READ, &s, e);
	if (rc == 0)
		store_close(s);
	else if (rc == ERR_EXPIRED)
		err_wrap(e,
		    "the server that runs is of an older version: restart it"
		    " first");
	return (rc);
}

int
admin_open(
    struct admin *a, const char *conf, enum store_mode mode, struct err *e)
{
	char path[SERVER_PATH_MAX];
	int rc;

	a->s = NULL;
	if ((rc = server_conf_load(conf, &a->conf, e)) != 0)
		return (rc);
	server_file(&a->conf, FILE_DB, path);
	if (access(path, F_OK) != 0)
		rc = err_set(e, ERR_NOTFOUND,
		    "%s: no store: run `mig-server init` first", path);
	else if (mode == STORE_READ ||
	    (rc = check_running(&a->conf, path, e)) == 0)
		rc = store_open(path, mode, &a->s, e);
	if (rc != 0)
		server_conf_release(&a->conf);
	return (rc);
}

void
admin_close(struct admin *a)
{
	store_close(a->s);
	server_conf_release(&a->conf);
}

int
admin_fail(const struct err *e)
{
	fprintf(stderr, "mig-server: %s\n", e->msg);
	return (1);
}

/* --- token -------------------------------------------------------------- */

static int
ca_fingerprint(struct admin *a, struct id *ret, struct err *e)
{
	char path[SERVER_PATH_MAX];
	struct buf pem;
	int rc;

	/* The roles' own copy is for who may not look into ca/: root pins what
	 * no role can have changed. */
	buf_init(&pem, X509_PEM_MAX);
	rc = file_read(server_file(&a->conf, FILE_CA_CERT, path), &pem, e);
	if (rc == ERR_DENIED)
		rc = file_read_foreign(
		    server_file(&a->conf, FILE_RELAY_CA, path), &pem, e);
	if (rc == 0 && buf_str(&pem) == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	if (rc == 0)
		rc = x509_fingerprint(buf_str(&pem), ret, e);
	buf_release(&pem);
	return (rc);
}

static int
token_note(struct store *s, const struct id *hash, int64_t uses,
    int64_t seconds, struct err *e)
{
	char detail[AUDIT_DETAIL_MAX];

	snprintf(detail, sizeof(detail), "%lld uses, %lld s", (long long)uses,
	    (long long)seconds);
	return (audit_local(s, "token_made", id_hex(hash).s, detail, e));
}

static int
token_make(struct admin *a, int64_t uses, int64_t seconds, struct err *e)
{
	char token[TOKEN_HEX_LEN + 1], when[RFC3339_LEN + 1];
	int64_t now = clock_wall_ms();
	struct id hash, ca, policy;
	struct buf command;
	bool has;
	int rc;

	if ((rc = ca_fingerprint(a, &ca, e)) != 0 ||
	    (rc = token_new(token, &hash, e)) != 0)
		return (rc);
	has = store_policy_get(a->s, NULL, &policy, NULL, NULL) == 0;
	buf_init(&command, 4096);
	enrol_command(&a->conf, &ca, token, has ? &policy : NULL, &command);
	/* before there is a token that nobody has been told */
	if (command.error != 0)
		rc = err_code(e, command.error, "the token's command");
	if (rc != 0 || (rc = store_begin(a->s, e)) != 0)
		goto out;
	rc = store_token_put(a->s, &hash, uses, now, now + seconds * 1000, e);
	if (rc == 0)
		rc = token_note(a->s, &hash, uses, seconds, e);
	if (rc != 0 || (rc = store_commit(a->s, e)) != 0) {
		store_rollback(a->s);
		goto out;
	}
	rfc3339_format(now / 1000 + seconds, when);
	printf("token   %s\nuses    %lld\nexpires %s\n\n%.*s\n", token,
	    (long long)uses, when, (int)command.len,
	    (const char *)command.data);
	if (!has)
		printf("\nNo policy is set: the agent needs one from a file"
		       " (mig-server policy set FILE).\n");
out:
	buf_release(&command);
	explicit_bzero(token, sizeof(token));
	return (rc);
}

int
command_token(const char *conf, int argc, char **argv)
{
	static const struct option options[] = {
		{ "uses", required_argument, NULL, 'u' },
		{ "expires", required_argument, NULL, 'e' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t uses = 1;
	int64_t seconds = 3600;
	struct admin a;
	struct err e;
	int opt, rc;

	err_clear(&e);
	while ((opt = getopt_long_only(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'u' &&
		    str_u64(optarg, 1, TOKEN_USES_MAX, &uses) == 0)
			continue;
		if (opt == 'e' &&
		    duration_option("--expires", optarg,
			"a duration such as 1h or 7d", &seconds, &e) == 0)
			continue;
		if (opt == 'u')
			fprintf(stderr,
			    "mig-server: --uses %s: expected a number from 1"
			    " to %d\n",
			    optarg, TOKEN_USES_MAX);
		if (opt == 'e')
			(void)admin_fail(&e);
		return (admin_usage("token"));
	}
	if (optind != argc)
		return (admin_usage("token"));
	if (admin_open(&a, conf, STORE_EXISTING, &e) != 0)
		return (admin_fail(&e));
	rc = token_make(&a, (int64_t)uses, seconds, &e);
	admin_close(&a);
	return (rc != 0 ? admin_fail(&e) : 0);
}

/* --- investigator ------------------------------------------------------- */

static int
print_investigator(const struct store_investigator *i, void *arg)
{
	struct buf name;

	buf_init(&name, 4096);
	str_add_printable(&name, i->name, strlen(i->name));
	printf("%s  %-12s  %.*s\n", i->fpr, person_role_text(i->role),
	    (int)name.len, (const char *)name.data);
	buf_release(&name);
	return (0);
}

static int
investigator_add(
    struct admin *a, const char *path, enum person_role role, struct err *e)
{
	char who[AUDIT_WHO_MAX];
	struct investigators_add add = { .fpr = "",
		.name = "",
		.role = role,
		.now = clock_wall_ms(),
		.who = who };
	struct buf text;
	size_t n = 0;
	int rc;

	audit_who_local(who);
	buf_init(&text, KEYRING_TEXT_MAX);
	if ((rc = file_read(path, &text, e)) != 0 ||
	    (rc = store_begin(a->s, e)) != 0)
		goto out;
	add.text = text.data;
	add.len = text.len;
	if ((rc = investigators_add(a->s, &add, &n, e)) != 0)
		err_wrap(e, "%s", path);
	else
		rc = store_commit(a->s, e);
	if (rc != 0)
		store_rollback(a->s);
	else
		printf("added %zu investigator%s\n", n, n == 1 ? "" : "s");
out:
	buf_release(&text);
	return (rc);
}

static int
investigator_remove(struct admin *a, const char *fpr, struct err *e)
{
	char who[AUDIT_WHO_MAX];
	int rc;

	audit_who_local(who);
	if ((rc = store_begin(a->s, e)) != 0)
		return (rc);
	if ((rc = investigators_remove(a->s, fpr, who, e)) == 0)
		rc = store_commit(a->s, e);
	if (rc != 0)
		store_rollback(a->s);
	else
		printf("removed %s; make and hand out a new policy so that"
		       " agents forget the key as well\n",
		    fpr);
	return (rc);
}

static int
investigator_role(
    struct admin *a, const char *fpr, enum person_role role, struct err *e)
{
	char who[AUDIT_WHO_MAX];
	int rc;

	audit_who_local(who);
	if ((rc = store_begin(a->s, e)) != 0)
		return (rc);
	if ((rc = investigators_role(a->s, fpr, role, who, e)) == 0)
		rc = store_commit(a->s, e);
	if (rc != 0)
		store_rollback(a->s);
	else
		printf("%s is %s now\n", fpr, person_role_text(role));
	return (rc);
}

/* The options of "add", which may stand anywhere; the words move to the
 * front. -1: what else there is is none. */
static int
take_role(int argc, char **argv, enum person_role *ret, struct err *e)
{
	int i, n = 0;

	for (i = 0; i < argc; i++) {
		const char *s = argv[i] + (strncmp(argv[i], "--", 2) == 0);

		if (strcmp(s, "-role") == 0 && i + 1 < argc) {
			if (person_role_parse(argv[++i], ret, e) != 0)
				return (-1);
		} else if (strncmp(s, "-role=", 6) == 0) {
			if (person_role_parse(s + 6, ret, e) != 0)
				return (-1);
		} else {
			argv[n++] = argv[i];
		}
	}
	return (n);
}

static int
investigator_run(struct admin *a, const char *what, char **words,
    enum person_role role, struct err *e)
{
	if (strcmp(what, "list") == 0)
		return (store_investigators(a->s, print_investigator, NULL, e));
	if (strcmp(what, "add") == 0)
		return (investigator_add(a, words[0], role, e));
	if (strcmp(what, "role") == 0)
		return (investigator_role(a, words[0], role, e));
	return (investigator_remove(a, words[0], e));
}

int
command_investigator(const char *conf, int argc, char **argv)
{
	static const struct {
		const char *what;
		int words;
	} kinds[] = { { "list", 0 }, { "add", 1 }, { "role", 2 },
		{ "remove", 1 } };
	const char *what = argc > 1 ? argv[1] : "";
	enum person_role role = 0;
	int words = argc - 2, rc;
	struct admin a;
	struct err e;
	size_t i;

	err_clear(&e);
	if (strcmp(what, "add") == 0)
		words = take_role(argc - 2, argv + 2, &role, &e);
	for (i = 0; i < 4; i++)
		if (strcmp(kinds[i].what, what) == 0 && kinds[i].words == words)
			break;
	if (words == 2 && strcmp(what, "role") == 0)
		(void)person_role_parse(argv[3], &role, &e);
	if (e.code != 0)
		return (admin_fail(&e));
	if (i == 4)
		return (admin_usage("investigator"));
	if (admin_open(&a, conf, i == 0 ? STORE_READ : STORE_EXISTING, &e) != 0)
		return (admin_fail(&e));
	rc = investigator_run(&a, what, argv + 2, role, &e);
	admin_close(&a);
	return (rc != 0 ? admin_fail(&e) : 0);
}

/* --- policy ------------------------------------------------------------- */

static int
policy_set(struct admin *a, const char *path, struct err *e)
{
	struct id hash;
	int rc;

	if ((rc = store_begin(a->s, e)) != 0)
		return (rc);
	if ((rc = policies_set(a->s, path, &hash, e)) == 0 &&
	    (rc = audit_local(a->s, "policy_set", id_hex(&hash).s, "", e)) == 0)
		rc = store_commit(a->s, e);
	if (rc != 0)
		store_rollback(a->s);
	else
		printf("policy %s\n", id_hex(&hash).s);
	return (rc);
}

static int
policy_show(struct admin *a, struct err *e)
{
	struct buf text;
	int rc;

	buf_init(&text, POLICY_MAX);
	rc = store_policy_get(a->s, NULL, NULL, &text, e);
	if (rc == ERR_NOTFOUND)
		err_set(e, rc, "no policy is set: mig-server policy set FILE");
	if (rc == 0)
		fwrite(text.data, 1, text.len, stdout);
	buf_release(&text);
	return (rc);
}

int
command_policy(const char *conf, int argc, char **argv)
{
	bool set = argc == 3 && strcmp(argv[1], "set") == 0;
	struct admin a;
	struct err e;
	int rc;

	if (!set && (argc != 2 || strcmp(argv[1], "show") != 0))
		return (admin_usage("policy"));
	if (admin_open(&a, conf, set ? STORE_EXISTING : STORE_READ, &e) != 0)
		return (admin_fail(&e));
	rc = set ? policy_set(&a, argv[2], &e) : policy_show(&a, &e);
	admin_close(&a);
	return (rc != 0 ? admin_fail(&e) : 0);
}

/* --- status ------------------------------------------------------------- */

struct tally {
	size_t all, registered, online, revoked, silent;
	int64_t last;
};

static int
count_agent(const struct store_agent *x, void *arg)
{
	struct tally *t = arg;

	t->all++;
	t->registered += !x->revoked;
	t->online += x->online;
	t->revoked += x->revoked;
	t->silent += !x->revoked && !x->said_hello;
	t->last = x->n;
	return (0);
}

/* Who was connected when the server ended is not any more. */
static void
print_agents(const struct server_conf *c, const struct tally *t)
{
	printf("agents         %zu registered, ", t->registered);
	if (server_lock_holder(c) != 0)
		printf("%zu online", t->online);
	else
		printf("none online (the server does not run)");
	printf(", %zu revoked, %zu never connected\n", t->revoked, t->silent);
}

int
command_status(const char *conf, int argc, char **argv)
{
	struct tally t = { 0 };
	struct admin a;
	struct id hash;
	struct err e;
	size_t before;
	char origin[300];
	int rc;

	if (argc != 1)
		return (admin_usage("status"));
	if (admin_open(&a, conf, STORE_READ, &e) != 0)
		return (admin_fail(&e));
	do {
		before = t.all;
		rc = store_agents(a.s, t.last, 500, count_agent, &t, &e);
	} while (rc == 0 && t.all > before);
	if (rc == 0 && (rc = ca_fingerprint(&a, &hash, &e)) == 0) {
		server_origin(&a.conf, origin, sizeof(origin));
		printf("address        %s\n", origin);
		printf("CA fingerprint %s\n", id_hex(&hash).s);
		print_agents(&a.conf, &t);
		printf("actions        %lld\nanswers        %lld\n",
		    (long long)store_actions_total(a.s),
		    (long long)store_answers_total(a.s));
		if (store_policy_get(a.s, NULL, &hash, NULL, NULL) == 0)
			printf("policy         %s\n", id_hex(&hash).s);
		else
			printf("policy         none\n");
	}
	admin_close(&a);
	return (rc != 0 ? admin_fail(&e) : 0);
}
