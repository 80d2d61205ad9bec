/* SPDX-License-Identifier: MPL-2.0 */
/*
 * mig-server prune: what the server does by itself every ten minutes, by hand
 * and with other times. Beside the running server: each piece is a short
 * transaction of its own.
 */
#include "server/cmd/commands.h"

#include "base/clock.h"
#include "base/err.h"
#include "server/cmd/admin.h"
#include "server/store/upkeep.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

struct prune {
	int64_t results, actions; /* seconds; -1: as configured */
	bool dry_run, vacuum;
};

static int
parse(struct prune *p, int argc, char **argv)
{
	static const struct option options[] = {
		{ "results", required_argument, NULL, 'r' },
		{ "actions", required_argument, NULL, 'a' },
		{ "dry-run", no_argument, NULL, 'd' },
		{ "vacuum", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	struct err e;
	int opt;

	err_clear(&e);
	p->results = p->actions = -1;
	while ((opt = getopt_long_only(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'd')
			p->dry_run = true;
		else if (opt == 'v')
			p->vacuum = true;
		else if (opt != 'r' && opt != 'a')
			return (EXIT_USAGE);
		else if (duration_option(opt == 'r' ? "--results" : "--actions",
			     optarg, "a duration such as 12h or 90d",
			     opt == 'r' ? &p->results : &p->actions, &e) != 0) {
			(void)admin_fail(&e);
			return (EXIT_USAGE);
		}
	}
	return (optind == argc ? 0 : EXIT_USAGE);
}

static int
run(struct store *s, const struct prune_cut *cut, struct prune_done *all,
    struct err *e)
{
	struct prune_done d;
	int rc;

	do {
		if ((rc = store_begin(s, e)) != 0)
			return (rc);
		rc = store_prune_step(s, cut, &d, e);
		if (rc != 0 || (rc = store_commit(s, e)) != 0) {
			store_rollback(s);
			return (rc);
		}
		all->answers += d.answers;
		all->actions += d.actions;
	} while (d.more);
	all->over = d.over;
	return (0);
}

static void
say(const char *what, uint64_t answers, uint64_t actions, const char *why)
{
	printf("%s %llu answer%s and %llu action%s%s\n", what,
	    (unsigned long long)answers, answers == 1 ? "" : "s",
	    (unsigned long long)actions, actions == 1 ? "" : "s", why);
}

static void
say_over(bool over, const char *is)
{
	if (over)
		printf("the store %s still larger than store_max; nothing"
		       " else in it may go\n",
		    is);
}

static int
dry_run(struct store *s, const struct prune_cut *cut, struct err *e)
{
	struct prune_count n;
	int rc;

	if ((rc = store_prune_count(s, cut, &n, e)) != 0)
		return (rc);
	say("would remove", n.answers, n.actions, "");
	if (n.early_answers + n.early_actions > 0)
		say("and about", n.early_answers, n.early_actions,
		    " more, as the store is larger than store_max");
	say_over(n.over, "would be");
	return (0);
}

static int
prune(struct admin *a, const struct prune *p, struct err *e)
{
	struct prune_done done = { 0 };
	int64_t now = clock_wall_ms() / 1000;
	struct prune_cut cut = { .now = now, .bytes_max = a->conf.store_max };
	int rc;

	cut.results_before =
	    now - (p->results >= 0 ? p->results : a->conf.keep_results);
	cut.actions_before =
	    now - (p->actions >= 0 ? p->actions : a->conf.keep_actions);
	if (p->dry_run)
		return (dry_run(a->s, &cut, e));
	if ((rc = run(a->s, &cut, &done, e)) != 0)
		return (rc);
	say("removed", done.answers, done.actions, "");
	say_over(done.over, "is");
	return (p->vacuum ? store_vacuum(a->s, e) : 0);
}

int
command_prune(const char *conf, int argc, char **argv)
{
	struct prune p = { 0 };
	struct admin a;
	struct err e;
	int rc;

	if (parse(&p, argc, argv) != 0)
		return (admin_usage("prune"));
	if (admin_open(&a, conf, STORE_EXISTING, &e) != 0)
		return (admin_fail(&e));
	rc = prune(&a, &p, &e);
	admin_close(&a);
	return (rc != 0 ? admin_fail(&e) : 0);
}
