/* SPDX-License-Identifier: MPL-2.0 */
/*
 * mig-server: the platform in one program. `run` is the parent; the roles are
 * the same executable started anew with --role. The other commands are for
 * administrators and may be used while it runs.
 */
#include "server/cmd/commands.h"
#include "server/parent.h"
#include "server/relay.h"
#include "server/role.h"

#include "base/core.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage_text[] =
    "usage: mig-server [-c FILE] COMMAND [ARGUMENT ...]\n"
    "       mig-server [-c FILE] -n | -nv\n"
    "\n"
    "  init --name HOST[,IP...]   make CA, certificates, store and"
    " configuration\n"
    "  run                        serve: API, relay, scheduler\n"
    "  token [--uses N] [--expires TIME]\n"
    "                             make an enrolment token for agents\n"
    "  investigator add FILE [--role ROLE] | list | role FINGERPRINT ROLE |\n"
    "               remove FINGERPRINT\n"
    "                             people and what they may do (reader,\n"
    "                             investigator, admin)\n"
    "  policy set FILE | show     the policy that new agents receive\n"
    "  audit show | verify        who did what; is that log whole\n"
    "  prune [--results DURATION] [--actions DURATION] [--dry-run]"
    " [--vacuum]\n"
    "                             remove what was kept long enough\n"
    "  check [--json]             what is well and what is not\n"
    "  backup [--verify] FILE     write or check a backup; - is standard"
    " output\n"
    "  restore [--force] FILE     into an empty state directory\n"
    "  renew [--ca]               make the server's own certificates anew, "
    "and\n"
    "                             the CA's (its key stays)\n"
    "  status                     what the store knows\n"
    "\n"
    "  -c FILE   configuration (default " SERVER_CONF_PATH ")\n"
    "  -n        check the configuration; -nv print it\n"
    "  -h, --help, -V, --version\n"
    "\n"
    "  mig-server COMMAND --help says more of one.\n";

static int
check_conf(const char *path, bool print)
{
	struct server_conf c;
	struct buf out;
	struct err e;

	if (server_conf_load(path, &c, &e) != 0) {
		fprintf(stderr, "mig-server: %s\n", e.msg);
		return (1);
	}
	if (print) {
		buf_init(&out, 65536);
		conf_dump(server_conf_table, server_conf_entries, &c, &out);
		fwrite(out.data, 1, out.len, stdout);
		buf_release(&out);
	} else {
		fprintf(stderr, "configuration OK\n");
	}
	server_conf_release(&c);
	return (0);
}

static int
command_run(const char *path, int argc, char **argv)
{
	enum log_level level = LOG_LEVEL_INFO;
	struct server_conf c;
	struct err e;
	uid_t uid;
	gid_t gid;
	int rc;

	if (argc != 1) {
		fprintf(stderr, "mig-server: run takes no argument\n");
		return (EXIT_USAGE);
	}
	log_init("server", LOG_LEVEL_INFO, NULL);
	if (server_conf_load(path, &c, &e) != 0 ||
	    server_user(&c, &uid, &gid, &e) != 0)
		fatal("conf error=%s", log_quote(e.msg));
	log_level_parse(c.log_level, &level);
	log_init("server", level, NULL);
	rc = parent_run(&c);
	server_conf_release(&c);
	return (rc);
}

static int
role_main(const char *role)
{
	if (strcmp(role, "core") == 0)
		return (core_main());
	if (strcmp(role, "api") == 0)
		return (api_main());
	if (strcmp(role, "ca") == 0)
		return (ca_main());
	fprintf(stderr, "mig-server: no role '%s'\n", role);
	return (EXIT_USAGE);
}

static bool
asks_help(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-help") == 0 || strcmp(argv[i], "-h") == 0)
			return (true);
	return (false);
}

/* What is printed may be a token, or what somebody acts on: that it could not
 * be written is no success. */
static int
end_output(int status)
{
	errno = 0; /* what failed before left its own */
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return (status);
	fprintf(stderr, "mig-server: standard output: %s\n",
	    errno != 0 ? strerror(errno) : "it did not take all of it");
	return (status != 0 ? status : 1);
}

static int
run_command(const char *conf, int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const char *conf, int argc, char **argv);
	} commands[] = {
		{ "init", command_init },
		{ "run", command_run },
		{ "token", command_token },
		{ "investigator", command_investigator },
		{ "policy", command_policy },
		{ "audit", command_audit },
		{ "check", command_check },
		{ "backup", command_backup },
		{ "restore", command_restore },
		{ "renew", command_renew },
		{ "prune", command_prune },
		{ "status", command_status },
	};
	const size_t n = sizeof(commands) / sizeof(commands[0]);
	const char *name = argv[0], *near = NULL;
	char shown[64];
	size_t i;

	if (asks_help(argc, argv) && command_help(name))
		return (0);
	if (strcmp(name, "help") == 0 && argc <= 2) {
		if (argc == 1 || command_help(argv[1])) {
			fputs(argc == 1 ? usage_text : "", stdout);
			return (0);
		}
		name = argv[1];
	}
	for (i = 0; i < n; i++) {
		if (strcmp(argv[0], commands[i].name) == 0) {
			/* by what getopt names who complains */
			snprintf(shown, sizeof(shown), "mig-server: %s", name);
			argv[0] = shown;
			return (commands[i].run(conf, argc, argv));
		}
		near = str_nearer(name, near, commands[i].name);
	}
	fprintf(stderr, "mig-server: no command '%s'%s%s%s", name,
	    near != NULL ? ", did you mean '" : "", near != NULL ? near : "",
	    near != NULL ? "'?\n" : ": mig-server --help lists them\n");
	return (EXIT_USAGE);
}

/* "-c FILE" may also stand after the command: takes it out there. */
static int
take_conf(int argc, char **argv, const char **conf)
{
	int i, n = 0;

	for (i = 0; i < argc; i++) {
		if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
			*conf = argv[++i];
		else
			argv[n++] = argv[i];
	}
	argv[n] = NULL;
	return (n);
}

static int
run(int argc, char **argv)
{
	const char *conf = NULL;
	bool check = false, verbose = false;
	int opt;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage_text, stdout);
		return (0);
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("mig-server " MIG_VERSION);
		return (0);
	}
	while ((opt = getopt(argc, argv, "+c:nvhV")) != -1) {
		switch (opt) {
		case 'c':
			conf = optarg;
			break;
		case 'n':
			check = true;
			break;
		case 'v':
			verbose = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return (0);
		case 'V':
			puts("mig-server " MIG_VERSION);
			return (0);
		default:
			fputs(usage_text, stderr);
			return (EXIT_USAGE);
		}
	}
	if (check && optind < argc) {
		fprintf(stderr,
		    "mig-server: -n takes no command: '%s'; see mig-server"
		    " --help\n",
		    argv[optind]);
		return (EXIT_USAGE);
	}
	if (check)
		return (check_conf(conf, verbose));
	if (optind == argc) {
		fputs(usage_text, stderr);
		return (EXIT_USAGE);
	}
	argv += optind;
	argc = take_conf(argc - optind, argv, &conf);
	if (argc == 0 || argv[0] == NULL) {
		fputs(usage_text, stderr);
		return (EXIT_USAGE);
	}
	optind = 0; /* commands parse their own arguments anew */
	return (run_command(conf, argc, argv));
}

int
main(int argc, char **argv)
{
	if (fd_hold_standard() != 0)
		return (1);
	core_forbid();
	if (argc == 3 && strcmp(argv[1], "--role") == 0)
		return (role_main(argv[2]));
	if (argc == 5 && strcmp(argv[1], "--relay") == 0)
		return (relay_exec(argv + 2));
	return (end_output(run(argc, argv)));
}
