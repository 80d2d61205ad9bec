/* SPDX-License-Identifier: MPL-2.0 */
#include "worker/options.h"

#include "base/path.h"
#include "base/str.h"
#include "modules/narrow.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define OUTPUT_DEFAULT (64ll * 1024 * 1024)
#define OUTPUT_MAX (1024ll * 1024 * 1024)

static void
usage(FILE *f)
{
	const struct module *const *m;
	size_t n, i;

	fprintf(f,
	    "usage: mig-worker [-p] [limits] MODULE < parameters\n"
	    "       mig-worker --serve [--uid N] [--cover DIR] [--needs N]\n"
	    "                  [--threads N]\n"
	    "       mig-worker --rights [--uid N] [--cover DIR]\n\n"
	    "  -p, --pretty     print the answer with indentation, once it is "
	    "whole\n"
	    "  --privacy        mask the answer, as agents with \"privacy "
	    "yes\" "
	    "do\n"
	    "  --detail WORD    full, metadata or found-only, as a policy's "
	    "ACL says\n"
	    "  --within PATH    look there only, as a policy's ACL says; "
	    "repeatable\n"
	    "  --seconds N      stop after N seconds and answer\n"
	    "  --cpu N          stop after N seconds of CPU time and answer\n"
	    "  --share PERCENT  on average at most so much of one core\n"
	    "  --threads N      read with so many threads, one for each core "
	    "at "
	    "most\n"
	    "  --memory BYTES   most memory\n"
	    "  --read BYTES     most bytes of content to read\n"
	    "  --output BYTES   most bytes of the answer\n"
	    "  --serve          take the agent's orders on descriptor 4\n"
	    "  --rights         say what is there of the rights (mig-agent "
	    "check)\n"
	    "  --uid N          run as this user and group\n"
	    "  --cover DIR      hide this directory (the agent's state)\n"
	    "  --needs N        open first what modules need (the agent knows "
	    "N)\n"
	    "  -V, --version    print the version\n\nmodules:\n");
	m = module_all(&n);
	for (i = 0; i < n; i++)
		fprintf(f, "  %-16s %s\n", m[i]->name, m[i]->summary);
}

static int
number(const char *name, const char *text, uint64_t max, int64_t *ret)
{
	uint64_t v;

	if (str_u64(text, 0, max, &v) != 0) {
		fprintf(stderr,
		    "mig-worker: --%s: '%s' is not a number from "
		    "0 to %llu\n",
		    name, text, (unsigned long long)max);
		return -1;
	}
	*ret = (int64_t)v;
	return 0;
}

static int
detail(const char *word, struct options *o)
{
	enum detail d;

	if (detail_find(word, &d) != 0) {
		fprintf(stderr,
		    "mig-worker: --detail: '%s' is none of full, metadata and "
		    "found-only\n",
		    word);
		return -1;
	}
	o->detail = (uint8_t)d;
	return 0;
}

static int
within(const char *path, struct options *o)
{
	size_t have = strlen(o->paths), n = strlen(path);

	if (!path_is_clean(path) || strchr(path, '\n') != NULL) {
		fprintf(stderr,
		    "mig-worker: --within: '%s' is not an absolute path "
		    "without \"..\", \".\" and doubled or last slashes\n",
		    path);
		return -1;
	}
	if (have + n + 2 > sizeof(o->paths)) {
		fprintf(stderr, "mig-worker: --within: too many paths\n");
		return -1;
	}
	snprintf(o->paths + have, sizeof(o->paths) - have, "%s%s",
	    have > 0 ? "\n" : "", path);
	return 0;
}

/* A module that does not keep within paths must not seem to. */
static int
check_within(const struct options *o)
{
	const struct module *m =
	    o->module != NULL ? module_find(o->module) : NULL;

	if (o->paths[0] == '\0' || m == NULL || m->paths != NULL)
		return 0;
	fprintf(stderr, "mig-worker: --within: the module %s takes no paths\n",
	    m->name);
	return -1;
}

static const struct option long_options[] = {
	{ "serve", no_argument, NULL, 'f' },
	{ "seconds", required_argument, NULL, 's' },
	{ "cpu", required_argument, NULL, 'c' },
	{ "rights", no_argument, NULL, 'R' },
	{ "share", required_argument, NULL, 'S' },
	{ "threads", required_argument, NULL, 't' },
	{ "memory", required_argument, NULL, 'm' },
	{ "read", required_argument, NULL, 'r' },
	{ "output", required_argument, NULL, 'w' },
	{ "uid", required_argument, NULL, 'u' },
	{ "cover", required_argument, NULL, 'C' },
	{ "needs", required_argument, NULL, 'n' },
	{ "privacy", no_argument, NULL, 'P' },
	{ "detail", required_argument, NULL, 'd' },
	{ "within", required_argument, NULL, 'W' },
	{ "pretty", no_argument, NULL, 'p' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int
one_option(int c, struct options *o)
{
	switch (c) {
	case 'f':
		o->serve = true;
		return 0;
	case 'P':
		o->privacy = true;
		return 0;
	case 'd':
		return detail(optarg, o);
	case 'W':
		return within(optarg, o);
	case 's':
		return number("seconds", optarg, 1 << 30, &o->seconds);
	case 'c':
		return number("cpu", optarg, 1 << 30, &o->cpu);
	case 'R':
		o->rights = true;
		return 0;
	case 'S':
		return number("share", optarg, 100000, &o->share);
	case 't':
		return number(
		    "threads", optarg, ORDER_THREADS_MAX, &o->threads);
	case 'm':
		return number("memory", optarg, 1ull << 50, &o->memory);
	case 'r':
		return number("read", optarg, 1ull << 60, &o->read);
	case 'w':
		return number("output", optarg, OUTPUT_MAX, &o->output);
	case 'u':
		return number("uid", optarg, UINT32_MAX - 1, &o->uid);
	case 'C':
		o->cover = optarg;
		return 0;
	case 'n':
		return number("needs", optarg, NEED_ANY, &o->needs);
	case 'p':
		o->pretty = true;
		return 0;
	default:
		return -1;
	}
}

int
options_parse(int argc, char **argv, struct options *ret, int *ret_status)
{
	struct options o = { .output = OUTPUT_DEFAULT };
	int c;

	*ret_status = 0;
	while ((c = getopt_long(argc, argv, "phV", long_options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return 1;
		}
		if (c == 'V') {
			printf("mig-worker %s\n", MIG_VERSION);
			return 1;
		}
		*ret_status = 2;
		if (one_option(c, &o) != 0)
			return 1;
	}
	*ret_status = 2;
	if (!o.serve && !o.rights && optind == argc - 1)
		o.module = argv[optind];
	if ((o.serve || o.rights) == (o.module != NULL) ||
	    (o.serve && o.rights) || (o.module == NULL && optind < argc)) {
		usage(stderr);
		return 1;
	}
	if (check_within(&o) != 0)
		return 1;
	if (o.output == 0)
		o.output = OUTPUT_DEFAULT;
	*ret = o;
	return 0;
}
