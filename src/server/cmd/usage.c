/* SPDX-License-Identifier: MPL-2.0 */
/* What each command takes: for --help, and for who got it wrong. */
#include "server/cmd/admin.h"
#include "server/cmd/commands.h"

#include <stdio.h>
#include <string.h>

struct usage {
	const char *name, *takes, *says;
};

static const struct usage usages[] = {
	{ "init",
	    " --name HOST[,IP...] [--port N] [--relay-port N]\n"
	    "       [--policy FILE] [--investigator FILE ...] [--state DIR]"
	    " [--user NAME]\n",
	    "Makes CA, certificates, store and configuration (-c FILE) of a new"
	    " platform.\n\n"
	    "  --name HOST,...      by which clients and agents reach it; they"
	    " are told\n"
	    "                       the first one\n"
	    "  --port N             of the API (8443)\n"
	    "  --relay-port N       of the relay (8883)\n"
	    "  --policy FILE        that new agents receive (mig policy make)\n"
	    "  --investigator FILE  a keyring (mig keyring export); the first"
	    " person of\n"
	    "                       the first one is the admin\n"
	    "  --state DIR          where all is kept (/var/lib/mig-server)\n"
	    "  --user NAME          whom the roles run as (mig-server)\n" },
	{ "run", "\n",
	    "Serves until SIGTERM; SIGHUP has the certificates read again.\n" },
	{ "token", " [--uses N] [--expires DURATION]\n",
	    "Makes an enrolment token for N agents (1), good for an hour or as"
	    " said (30m, 7d;\nat most ten years), and prints the command for"
	    " the endpoints. `mig token make`\nis the better way: its agents"
	    " can be checked.\n" },
	{ "investigator",
	    " add FILE [--role ROLE] | list |\n"
	    "       role FINGERPRINT ROLE | remove FINGERPRINT\n",
	    "People and what they may do here. FILE is a keyring (mig keyring"
	    " export). ROLE:\nreader (looks), investigator (asks; who is new),"
	    " admin (says who may).\n" },
	{ "policy", " set FILE | show\n",
	    "The policy that new agents receive (mig policy make). Agents that"
	    " are enrolled\nget another one by `mig policy edit`, sign and"
	    " push.\n" },
	{ "audit", " show | verify\n",
	    "Who did what, an entry a line; or whether that log is whole.\n" },
	{ "check", " [--json]\n",
	    "Looks at everything, changes nothing. Exit status: 0 all is well,"
	    " 1 a warning,\n2 a problem.\n" },
	{ "backup", " FILE | --verify FILE\n",
	    "Writes store, keys, certificates and configuration into one tar"
	    " file, or checks\none; \"-\" is standard output or input. It"
	    " holds the CA's key. The server may run.\n" },
	{ "restore", " [--force] FILE\n",
	    "Puts a backup into the state directory of the configuration. The"
	    " server must not\nrun. --force moves what is there aside.\n" },
	{ "renew", " [--ca]\n",
	    "Makes the certificates of API and relay anew, with --ca the CA's"
	    " before them (its\nkey stays), and tells the running server.\n" },
	{ "prune",
	    " [--results DURATION] [--actions DURATION]\n"
	    "       [--dry-run] [--vacuum]\n",
	    "Removes answers and actions that ended longer ago than so much"
	    " (12h, 90d), or as\nthe configuration says, which the server does"
	    " by itself.\n\n"
	    "  --dry-run  only counts\n"
	    "  --vacuum   gives the room back to the disk: needs as much again,"
	    " and the server\n             can write nothing meanwhile\n" },
	{ "status", "\n", "What the store knows: address, CA, how many.\n" },
};

static const struct usage *
find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(usages) / sizeof(usages[0]); i++)
		if (strcmp(usages[i].name, name) == 0)
			return (&usages[i]);
	return (NULL);
}

static void
print(FILE *to, const struct usage *u)
{
	fprintf(to, "usage: mig-server [-c FILE] %s%s", u->name, u->takes);
}

int
admin_usage(const char *name)
{
	const struct usage *u = find(name);

	if (u != NULL)
		print(stderr, u);
	return (EXIT_USAGE);
}

bool
command_help(const char *name)
{
	const struct usage *u = find(name);

	if (u == NULL)
		return (false);
	print(stdout, u);
	printf("\n%s", u->says);
	return (true);
}
