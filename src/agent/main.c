/* SPDX-License-Identifier: MPL-2.0 */
/* mig-agent: the command line. Each command is a row of the table; options
 * stand before or after it. */
#include "agent/cmd/checkout.h"
#include "agent/conf.h"
#include "agent/cmd/enrolcmd.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/once.h"
#include "base/core.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE AGENT_USAGE

enum option_key {
	OPT_ONCE = 256,
	OPT_JSON,
	OPT_TABLE,
	OPT_CA,
	OPT_TOKEN,
	OPT_POLICY,
	OPT_POLICY_HASH,
	OPT_SINCE,
	OPT_FORCE,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "once", required_argument, NULL, OPT_ONCE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "table", no_argument, NULL, OPT_TABLE },
	{ "ca", required_argument, NULL, OPT_CA },
	{ "token", required_argument, NULL, OPT_TOKEN },
	{ "policy", required_argument, NULL, OPT_POLICY },
	{ "policy-hash", required_argument, NULL, OPT_POLICY_HASH },
	{ "since", required_argument, NULL, OPT_SINCE },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

struct args {
	const char *conf, *once, *since;
	bool json, table, test, dump, force, help;
	uint32_t given; /* bits of the options from OPT_ONCE on */
	struct enrol_options enrol;
	char **operands;
	int noperands;
};

static int
cmd_run(const struct args *a)
{
	return agent_main(a->conf, false);
}

static int
cmd_checkin(const struct args *a)
{
	return agent_main(a->conf, true);
}

static int
cmd_init(const struct args *a)
{
	return init_main(a->conf);
}

static int
cmd_policy(const struct args *a)
{
	return policy_main(a->conf, a->operands[0], a->force);
}

static int
cmd_check(const struct args *a)
{
	if (a->table) {
		checkrights_table();
		return 0;
	}
	return check_main(a->conf, a->json);
}

#define REPORT_USAGE                                  \
	"report [--json] [--since TIME|DURATION] |\n" \
	"  report verify [--json] [POSITION:HEAD]"

static int
cmd_report(const struct args *a)
{
	if (a->noperands == 0)
		return report_main(a->conf, a->since, a->json);
	if (strcmp(a->operands[0], "verify") != 0 || a->since != NULL) {
		fprintf(stderr, "usage: mig-agent %s\n", REPORT_USAGE);
		return EXIT_USAGE;
	}
	return report_verify_main(
	    a->conf, a->noperands > 1 ? a->operands[1] : NULL, a->json);
}

static int
cmd_enrol(const struct args *a)
{
	struct enrol_options o = a->enrol;

	o.url = a->operands[0];
	if (o.ca == NULL || o.token == NULL) {
		fprintf(stderr,
		    "mig-agent: enrol needs --ca and --token, as 'mig-server' "
		    "printed them\n");
		return EXIT_USAGE;
	}
	return enrol_main(a->conf, &o);
}

static const struct command {
	const char *name;
	int operands, more; /* needed; and allowed beside them */
	int (*run)(const struct args *a);
	const char *usage, *help;
} commands[] = {
	{ "run", 0, 0, cmd_run, "run", "stay connected and answer" },
	{ "checkin", 0, 0, cmd_checkin, "checkin",
	    "connect, do what is waiting, leave" },
	{ "enrol", 1, 0, cmd_enrol,
	    "enrol URL --ca HEX --token TOKEN [--policy FILE | --policy-hash "
	    "HEX]",
	    "get a certificate from a server" },
	{ "policy", 1, 0, cmd_policy, "policy [--force] FILE",
	    "put a policy (who may ask what) in force; --force: also an older "
	    "one" },
	{ "init", 0, 0, cmd_init, "init", "make an identity without a server" },
	{ "check", 0, 0, cmd_check, "check [--json | --table]",
	    "show sandbox, rights, policy, identity" },
	{ "report", 0, 2, cmd_report, REPORT_USAGE,
	    "show what was asked and answered; check that record" },
};

#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
usage(FILE *f)
{
	size_t i;

	fprintf(f,
	    "usage: mig-agent [-c FILE] COMMAND\n"
	    "       mig-agent [-c FILE] --once FILE\n"
	    "       mig-agent [-c FILE] -n | -nv\n"
	    "       mig-agent -V | --help\n\ncommands:\n");
	for (i = 0; i < NCOMMANDS; i++)
		fprintf(
		    f, "  %s\n      %s\n", commands[i].usage, commands[i].help);
	fprintf(f,
	    "\noptions:\n"
	    "  -c FILE      configuration, default " AGENT_CONF_PATH "\n"
	    "  --once FILE  judge and run one signed action, print the answer\n"
	    "  -n           check the configuration; with -v print it\n"
	    "  -h, --help   this; after a command, what that takes\n"
	    "  -V, --version\n");
}

static int
test_conf(const struct args *a)
{
	struct agent_conf c;
	struct buf out;
	struct err e;

	memset(&c, 0, sizeof(c));
	err_clear(&e);
	if (agent_conf_load(a->conf, &c, &e) != 0) {
		fprintf(stderr, "mig-agent: %s\n", e.msg);
		return 1;
	}
	buf_init(&out, 1024 * 1024);
	if (!a->dump)
		fprintf(stderr, "configuration OK\n");
	else if (agent_conf_dump(&c, &out) == 0)
		fwrite(out.data, 1, out.len, stdout);
	buf_release(&out);
	agent_conf_release(&c);
	return 0;
}

/* -1: go on, otherwise the exit code. */
static int
parse_option(int key, struct args *a)
{
	switch (key) {
	case 'c':
		a->conf = optarg;
		return -1;
	case 'n':
		a->test = true;
		return -1;
	case 'v':
		a->dump = true;
		return -1;
	case OPT_ONCE:
		a->once = optarg;
		return -1;
	case OPT_JSON:
		a->json = true;
		return -1;
	case OPT_TABLE:
		a->table = true;
		return -1;
	case OPT_CA:
		a->enrol.ca = optarg;
		return -1;
	case OPT_TOKEN:
		a->enrol.token = optarg;
		return -1;
	case OPT_POLICY:
		a->enrol.policy_file = optarg;
		return -1;
	case OPT_POLICY_HASH:
		a->enrol.policy_hash = optarg;
		return -1;
	case OPT_SINCE:
		a->since = optarg;
		return -1;
	case OPT_FORCE:
		a->force = true;
		return -1;
	case 'V':
	case OPT_VERSION:
		printf("mig-agent %s\n", MIG_VERSION);
		return 0;
	case 'h':
	case OPT_HELP:
		a->help = true;
		return -1;
	}
	fprintf(stderr, "mig-agent: see mig-agent --help\n");
	return EXIT_USAGE;
}

/* NULL: there is none. */
static const struct command *
command_find(const char *name)
{
	size_t i;

	for (i = 0; i < NCOMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int
command_unknown(const char *name)
{
	const char *near = NULL;
	size_t i;

	for (i = 0; i < NCOMMANDS; i++)
		near = str_nearer(name, near, commands[i].name);
	fprintf(stderr, "mig-agent: unknown command '%s'%s%s%s", name,
	    near != NULL ? ", did you mean '" : "; see mig-agent --help\n",
	    near != NULL ? near : "", near != NULL ? "'?\n" : "");
	return EXIT_USAGE;
}

/* name: a command, or NULL. */
static int
help(const char *name)
{
	const struct command *c = name != NULL ? command_find(name) : NULL;

	if (c == NULL)
		usage(stdout);
	else
		printf("usage: mig-agent [-c FILE] %s\n\n  %s\n", c->usage,
		    c->help);
	return 0;
}

/* Of those given the first that its usage does not have: it would do nothing.
 */
static const char *
foreign_option(const struct args *a, const struct command *c)
{
	const struct option *o;
	char word[32];

	for (o = long_options; o->name != NULL; o++) {
		if (o->val < OPT_ONCE || o->val >= OPT_HELP ||
		    (a->given & (1U << (o->val - OPT_ONCE))) == 0)
			continue;
		snprintf(word, sizeof(word), "--%s", o->name);
		if (strstr(c->usage, word) == NULL)
			return o->name;
	}
	return NULL;
}

static int
run_command(const struct args *a, const char *name)
{
	const struct command *c = command_find(name);
	const char *foreign;

	if (strcmp(name, "help") == 0 && a->noperands <= 1) {
		if (a->noperands == 0)
			return help(NULL);
		name = a->operands[0];
		if (command_find(name) != NULL)
			return help(name);
	}
	if (c == NULL)
		return command_unknown(name);
	foreign = foreign_option(a, c);
	if (foreign != NULL)
		fprintf(stderr, "mig-agent: %s takes no --%s\n", name, foreign);
	if (foreign != NULL || a->noperands < c->operands ||
	    a->noperands > c->operands + c->more) {
		fprintf(stderr, "usage: mig-agent %s\n", c->usage);
		return EXIT_USAGE;
	}
	return c->run(a);
}

static int
run(int argc, char **argv)
{
	struct args a;
	int key, rc;

	memset(&a, 0, sizeof(a));
	while ((key = getopt_long_only(
		    argc, argv, "c:nvVh", long_options, NULL)) != -1) {
		rc = parse_option(key, &a);
		if (rc >= 0)
			return rc;
		if (key >= OPT_ONCE && key < OPT_HELP)
			a.given |= 1U << (key - OPT_ONCE);
	}
	if (a.help)
		return help(optind < argc ? argv[optind] : NULL);
	if (a.test && optind < argc) {
		fprintf(stderr,
		    "mig-agent: -n takes no command: '%s'; see mig-agent "
		    "--help\n",
		    argv[optind]);
		return EXIT_USAGE;
	}
	if (a.test)
		return test_conf(&a);
	if (a.once != NULL && optind == argc)
		return once_main(a.conf, a.once);
	if (optind == argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	a.operands = argv + optind + 1;
	a.noperands = argc - optind - 1;
	return run_command(&a, argv[optind]);
}

int
main(int argc, char **argv)
{
	int rc;

	if (fd_hold_standard() != 0)
		return 1;
	core_forbid();
	/* ignored by who started us, no child would have a status */
	signal(SIGCHLD, SIG_DFL);
	log_init("agent", LOG_LEVEL_INFO, NULL);
	rc = run(argc, argv);
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return rc;
	if (errno != EPIPE)
		fprintf(stderr,
		    "mig-agent: standard output does not take all of it\n");
	return rc == 0 ? 1 : rc;
}
