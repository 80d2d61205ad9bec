/* SPDX-License-Identifier: MPL-2.0 */
/* `mig MODULE ...` and `mig run FILE`: from the command line to the answer. */
#include "client/ask/ask.h"

#include "client/policy/aclview.h"
#include "client/ask/interrupt.h"
#include "client/ask/local.h"
#include "modules/module.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE_OPTS_MAX 128

const struct opt show_opts[] = {
	{ "show", NULL, "found|notfound|all",
	    "which answers to print (default found)" },
	{ "json", NULL, NULL,
	    "one JSON object a line for each answer, the last is the "
	    "summary" },
	{ "csv", NULL, NULL, "comma separated values with a header line" },
	{ "group", NULL, NULL,
	    "equal answers of many agents once, at the end, with their names" },
	{ "v", NULL, NULL,
	    "tell every failure as it happens, and all names at the end" },
	{ "nowait", NULL, NULL,
	    "leave when everybody online has answered, do not wait for the "
	    "others" },
	{ NULL, NULL, NULL, NULL },
};

const struct opt ask_opts[] = {
	{ "t", "target", "TARGET",
	    "all (default), online (who is connected now), local (this "
	    "machine, "
	    "no server), or a condition: \"name LIKE 'web%'\"" },
	{ "e", "expire", "DURATION",
	    "how long agents may answer (default 5m): 90s, 10m, 1h30m" },
	{ "n", NULL, "NAME", "name of the action (default: the command line)" },
	{ "y", "yes", NULL, "do not ask before launching" },
	{ "p", "print", NULL, "print the action and do not send it" },
	{ "s", "sign", NULL, "sign and print the action, do not send it" },
	{ "o", "output", "FILE",
	    "where -p and -s write (default: standard "
	    "output)" },
	{ "i", NULL, "FILE", "ask what is in an action file" },
	{ "weight", NULL, "N",
	    "how much weight of signatures the action needs (default 1)" },
	{ "cosign", NULL, NULL,
	    "leave it on the server until others have signed it, too (mig "
	    "action cosign)" },
	{ "cosign-by", NULL, "NAME|FPR",
	    "who must have signed it, too; may be repeated" },
	{ "reader", NULL, "FPR",
	    "one more person who may read the answers, by full fingerprint or "
	    "x25519:... key" },
	{ "target-found", NULL, "ID|last",
	    "only agents that found something in this earlier action" },
	{ "target-notfound", NULL, "ID|last",
	    "only agents that looked and found nothing in it" },
	{ NULL, NULL, NULL, NULL },
};

int
ask_output(struct output *out, const struct opts *o, struct err *e)
{
	const char *show = opts_get(o, "show");
	bool json = opts_has(o, "json"), csv = opts_has(o, "csv");

	out->group = opts_has(o, "group");
	if (json + csv + out->group > 1)
		return err_set(
		    e, ERR_INVALID, "choose one of -json, -csv and -group");
	out->format = json ? OUTPUT_JSON : csv ? OUTPUT_CSV : OUTPUT_TEXT;
	/* programs sort for themselves */
	out->show = json ? SHOW_ALL : SHOW_FOUND;
	if (show == NULL)
		return 0;
	if (strcmp(show, "found") == 0)
		out->show = SHOW_FOUND;
	else if (strcmp(show, "notfound") == 0)
		out->show = SHOW_NOTFOUND;
	else if (strcmp(show, "all") == 0)
		out->show = SHOW_ALL;
	else
		return err_set(e, ERR_INVALID,
		    "-show %s: expected found, notfound or all", show);
	return 0;
}

/* --- on this machine --------------------------------------------------------
 */

static void
local_count(
    struct summary *s, const struct output *show, const struct answer *a)
{
	s->expected = 1;
	s->found += a->found;
	s->absent += a->absent;
	if (a->failed) {
		s->failed++;
		summary_add(&s->failures, a->why, a->name);
		output_errors(show, a, &s->errors);
		return;
	}
	s->done++;
	if (a->partial) {
		s->partial++;
		summary_add(&s->partials, a->why, a->name);
	}
}

/* What is to be run; nothing is when one of them is wrong. */
static int
local_prepare(const json_t *operations, struct local_op *ops, struct err *e)
{
	const struct module *m;
	const char *name;
	json_t *op;
	size_t i;

	json_array_foreach (operations, i, op) {
		name = json_string_value(json_object_get(op, "module"));
		m = name != NULL ? module_find(name) : NULL;
		if (m == NULL)
			return err_set(e, ERR_UNSUPPORTED,
			    "operations[%zu]: there is no module '%s'", i,
			    name != NULL ? name : "");
		ops[i].module = name;
		ops[i].parameters = json_object_get(op, "parameters");
		if (m->check(ops[i].parameters, e) != 0)
			return err_wrap(e, "operations[%zu]", i);
	}
	return 0;
}

static int
local_operations(const json_t *operations, struct answer *a, struct err *e)
{
	struct local_op ops[ACTION_OPERATIONS_MAX] = { 0 };
	size_t n = json_array_size(operations), i;
	int r;

	if (n > ACTION_OPERATIONS_MAX)
		return err_set(e, ERR_INVALID, "operations: more than %d",
		    ACTION_OPERATIONS_MAX);
	for (i = 0; i < n; i++)
		buf_init(&ops[i].out, LOCAL_OUTPUT_MAX);
	r = local_prepare(operations, ops, e);
	if (r == 0)
		r = local_run(ops, n, e);
	for (i = 0; i < n; i++) {
		if (r == 0)
			answer_add(a, module_find(ops[i].module), ops[i].status,
			    ops[i].out.data, ops[i].out.len);
		buf_release(&ops[i].out);
	}
	return r;
}

static int
local_report(
    struct output *show, struct answer *a, struct summary *s, struct err *e)
{
	struct buf out;
	int r;

	buf_init(&out, RESULT_PLAIN_MAX);
	r = output_answer(show, a, &out, e);
	if (r == 0)
		r = output_end(show, &out, e);
	if (r == 0 && show->format == OUTPUT_JSON)
		summary_json(s, NULL, &out);
	if (r == 0)
		r = client_out(&out, e);
	buf_clear(&out);
	if (r == 0 && show->format != OUTPUT_JSON) {
		summary_text(s, 0, &out);
		if (buf_str(&out) != NULL)
			client_err(buf_str(&out));
	}
	buf_release(&out);
	return r;
}

static int
ask_local(const struct question *q, const struct opts *o, struct err *e)
{
	struct answer *a = calloc(1, sizeof(*a));
	char host[256] = "localhost";
	struct output show;
	struct summary s;
	int r;

	if (a == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	gethostname(host, sizeof(host) - 1);
	output_init(&show);
	summary_init(&s);
	answer_init(a, "", host, RESULT_DONE);
	interrupt_install();
	r = ask_output(&show, o, e);
	if (r == 0)
		r = local_operations(q->draft.operations, a, e);
	s.interrupted = interrupt_seen();
	interrupt_restore();
	if (r == 0) {
		local_count(&s, &show, a);
		r = local_report(&show, a, &s, e);
	}
	if (r == 0)
		r = summary_exit(&s);
	answer_release(a);
	free(a);
	output_release(&show);
	summary_release(&s);
	return r;
}

/* --- printing and signing ----------------------------------------------------
 */

/* What cannot be read is a matter of the agents' alone. */
static void
fill_validity(struct client *c, struct question *q)
{
	struct aclview v;

	if (aclview_known(c, &v, NULL) == 0)
		q->max_validity = v.limits.max_validity;
	aclview_release(&v);
}

static int
ask_print(
    struct client *c, struct question *q, const struct opts *o, struct err *e)
{
	uint8_t secret[SEAL_KEY_LEN];
	struct buf doc, out;
	int r;

	buf_init(&doc, 2 * 1024 * 1024);
	buf_init(&out, 8 * 1024 * 1024);
	if (opts_has(o, "s")) {
		if (q->online)
			client_warn("note: who is online is known only when an "
				    "action is sent: whoever sends this one "
				    "asks all that the target fits");
		fill_validity(c, q);
		r = question_build(q, c, o, &doc, secret, e);
		secret_wipe(secret, sizeof(secret));
		if (r == 0)
			r = sign_new_envelope(
			    c, PURPOSE_ACTION, doc.data, doc.len, &out, e);
	} else {
		r = question_draft_text(q, c, o, &out, e);
	}
	if (r == 0)
		r = client_write(opts_get(o, "o"), &out, e);
	buf_release(&doc);
	buf_release(&out);
	return r;
}

/* Narrows the target to agents of an earlier action. */
static int
ask_narrow(
    struct client *c, struct question *q, const struct opts *o, struct err *e)
{
	static const char *const flags[] = { "target-found",
		"target-notfound" };
	const char *id;
	struct buf t;
	size_t i;
	int r = 0;

	for (i = 0; i < 2 && r == 0; i++) {
		id = opts_get(o, flags[i]);
		if (id == NULL)
			continue;
		buf_init(&t, 8 * 1024 * 1024);
		if (strcmp(q->target, "all") != 0)
			buf_add_fmt(&t, "(%s) AND ", q->target);
		r = results_condition(c, id, i == 0, &t, e);
		if (r == 0 && t.len > ACTION_TARGET_MAX)
			r = err_set(e, ERR_TOOBIG,
			    "-%s %s: too many agents for one target (%zu "
			    "bytes, at most %d)",
			    flags[i], id, t.len, ACTION_TARGET_MAX);
		if (r == 0 && buf_str(&t) != NULL) {
			free(q->target);
			q->target = strdup(buf_str(&t));
			q->draft.target = q->target;
		}
		buf_release(&t);
	}
	return r;
}

static bool
several_modules(const json_t *operations)
{
	const json_t *first =
	    json_object_get(json_array_get(operations, 0), "module");
	size_t i;

	for (i = 1; i < json_array_size(operations); i++) {
		if (!json_equal(first,
			json_object_get(
			    json_array_get(operations, i), "module")))
			return true;
	}
	return false;
}

/* The first of these options that was given; NULL: none. */
static const char *
given(const struct opts *o, const char *const *names)
{
	for (; *names != NULL; names++)
		if (opts_has(o, *names))
			return *names;
	return NULL;
}

/* What would be passed by is refused: who said it meant it. */
static int
check_printed(const struct opts *o, struct err *e)
{
	bool p = opts_has(o, "p"), s = opts_has(o, "s");

	if (p && s)
		return err_set(e, ERR_INVALID, "choose one of -p and -s");
	if (opts_has(o, "o") && !p && !s)
		return err_set(e, ERR_INVALID,
		    "-o is where -p and -s write; answers go to standard "
		    "output, or later into files: mig results ID -o DIR");
	if ((opts_has(o, "cosign") || opts_has(o, "cosign-by")) && (p || s))
		return err_set(e, ERR_INVALID,
		    "-cosign leaves the action on the server; -s and -p do not "
		    "send it (mig action sign adds a signature to a file)");
	return 0;
}

static int
check_signed(const struct opts *o, struct err *e)
{
	static const char *const names[] = { "t", "n", "e", "p", "s", "weight",
		"reader", "target-found", "target-notfound", NULL };
	const char *name = given(o, names);

	return name == NULL
	    ? 0
	    : err_set(e, ERR_INVALID,
		  "the file is signed: -%s cannot change it (mig action sign "
		  "adds a signature)",
		  name);
}

static int
check_local(const struct opts *o, struct err *e)
{
	static const char *const names[] = { "s", "cosign", "cosign-by",
		"target-found", "target-notfound", NULL };
	const char *name = given(o, names);

	return name == NULL
	    ? 0
	    : err_set(e, ERR_INVALID,
		  "-%s is about agents, and -t local looks at this machine "
		  "alone: leave one of them out",
		  name);
}

int
ask_question(
    struct client *c, struct question *q, const struct opts *o, struct err *e)
{
	int r = check_printed(o, e);

	if (r != 0)
		return r;
	if (opts_has(o, "csv") && several_modules(q->draft.operations))
		return err_set(e, ERR_INVALID,
		    "-csv shows the answers of one module; ask them one by "
		    "one, or use -json");
	if (q->envelope.len > 0) {
		r = check_signed(o, e);
		return r == 0 ? launch_question(c, q, o, e) : r;
	}
	r = question_complete(q, c, o, e);
	if (r == 0 && q->local)
		r = check_local(o, e);
	if (r == 0)
		r = ask_narrow(c, q, o, e);
	if (r != 0)
		return r;
	if (opts_has(o, "p") || opts_has(o, "s"))
		return ask_print(c, q, o, e);
	if (q->local)
		return ask_local(q, o, e);
	return launch_question(c, q, o, e);
}

/* --- commands ----------------------------------------------------------------
 */

/* The module's parameters as options; room for the terminator is left. */
static size_t
module_opts(const struct module *m, struct opt *out)
{
	const struct param *p;
	size_t n = 0;

	for (p = m->params; p->help != NULL && n < MODULE_OPTS_MAX; p++)
		if (p->flag != NULL)
			out[n++] = (struct opt){ p->flag, NULL,
				param_takes_value(p) ? p->arg : NULL, p->help };
	out[n] = (struct opt){ NULL, NULL, NULL, NULL };
	return n;
}

static int
module_help(const struct module *m, const struct opt *opts, struct err *e)
{
	struct buf out;
	int r;

	buf_init(&out, 256 * 1024);
	buf_add_fmt(&out,
	    "usage: mig %s [-t TARGET] [options] [+ MODULE [options] ...]\n\n"
	    "%s.\n\nWhat to look for:\n",
	    m->name, m->summary);
	opts_help(opts, &out);
	buf_add_str(&out, "\nWhom to ask, and how:\n");
	opts_help(ask_opts, &out);
	buf_add_str(&out, "\nWhat to print:\n");
	opts_help(show_opts, &out);
	buf_add_str(&out,
	    "\nSeveral modules are asked at once with + between them: mig file "
	    "... + memory ...\n"
	    "Options may be written -x, --x, -x=VALUE or -x VALUE. Every "
	    "registered agent\n"
	    "that the target fits is asked; those that are offline now may "
	    "answer until the\n"
	    "action expires, and mig waits for them (-nowait, Ctrl-C: leave, "
	    "and come back\n"
	    "with mig results).\n"
	    "Exit code: 0 found, 1 not found, 2 error, 3 incomplete; see mig "
	    "--help.\n");
	r = client_out(&out, e);
	buf_release(&out);
	return r;
}

/* One module of the command line with its flags. */
static int
ask_segment(struct question *q, const struct module *m, const struct opts *o,
    int argc, struct err *e)
{
	int r;

	if (o->nwords > 0)
		return err_set(e, ERR_INVALID,
		    "%s: unexpected word '%s'; every value needs its option "
		    "(see: mig %s --help)",
		    m->name, o->words[0], m->name);
	if (opts_get(o, "i") != NULL)
		return err_set(e, ERR_INVALID,
		    "an action file says its modules itself: mig -i %s",
		    opts_get(o, "i"));
	r = question_add(q, m, o, e);
	if (r == ERR_INVALID && argc == 0)
		err_set(e, r, "%s: nothing to look for; see: mig %s --help",
		    m->name, m->name);
	return r;
}

static bool
wants_help(const struct opts *o)
{
	return o->help || (o->nwords == 1 && strcmp(o->words[0], "help") == 0);
}

/* "MODULE flags + MODULE flags ...": one operation each; flags that are not
 * the module's own are of the whole, wherever they stand. */
static int
ask_segments(struct client *c, int argc, char *const *argv, struct question *q,
    struct opts *all, struct err *e)
{
	struct opt params[MODULE_OPTS_MAX + 1];
	const struct opt *const tables[] = { params, ask_opts, show_opts,
		common_opts, NULL };
	const struct module *m;
	struct opts o;
	int n, r = 0;

	for (; r == 0 && argc > 0; argc -= n, argv += n) {
		m = module_find(argv[0]);
		if (m == NULL)
			return err_set(e, ERR_INVALID,
			    "there is no module '%s'; see: mig modules",
			    argv[0]);
		module_opts(m, params);
		n = 1 + opts_segment(tables, argc - 1, argv + 1);
		r = opts_parse(tables, n - 1, argv + 1, &o, e);
		if (r != 0) {
			err_wrap(e, "%s", m->name);
			return r;
		}
		if (wants_help(&o)) {
			r = client_use_conf(c, opts_get(&o, "c"), e);
			if (r == 0)
				r = module_help(m, params, e);
			all->help = true;
			opts_release(&o);
			return r;
		}
		r = ask_segment(q, m, &o, n - 1, e);
		if (r == 0)
			r = opts_collect(&o, tables, 1, all, e);
		opts_release(&o);
		if (r == 0 && n < argc && ++n == argc)
			r = err_set(e, ERR_INVALID,
			    "which module after the last %s?", CLI_AND);
	}
	return r;
}

int
ask_module(struct client *c, int argc, char *const *argv, struct err *e)
{
	struct opts all = { 0 };
	struct question q;
	int r;

	r = question_begin(&q, argc, argv, e);
	if (r == 0)
		r = ask_segments(c, argc, argv, &q, &all, e);
	if (r == 0 && !all.help &&
	    (r = client_use_conf(c, opts_get(&all, "c"), e)) == 0)
		r = ask_question(c, &q, &all, e);
	question_release(&q);
	opts_release(&all);
	return r;
}

static int
cmd_run(struct client *c, const struct opts *o, struct err *e)
{
	const char *file = o->nwords > 0 ? o->words[0] : opts_get(o, "i");
	struct question q = { 0 };
	int r;

	if (file == NULL)
		return err_set(
		    e, ERR_INVALID, "which file? mig run FILE, or mig -i FILE");
	r = question_from_file(&q, file, e);
	if (r == 0)
		r = ask_question(c, &q, o, e);
	question_release(&q);
	return r;
}

const struct command run_commands[] = {
	{ "run", "[FILE]", "ask what is in an action file (also: mig -i FILE)",
	    cmd_run, ask_opts, show_opts, 0, 1,
	    "The file is a draft or document of version 3, a signed action "
	    "(sent as it is),\nor an action of the original's format "
	    "(syntaxversion 2), which is completed and\nsigned anew." },
	{ .name = NULL },
};
