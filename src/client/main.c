/* SPDX-License-Identifier: MPL-2.0 */
/* mig, the investigator's program: finds the command and runs it. */
#include "client/client.h"

#include "base/core.h"
#include "base/file.h"
#include "base/str.h"
#include "modules/module.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <sodium.h>

#define WORDS_MAX 256 /* more than there are */
#define WORD_MAX 24   /* of a command's first word */

/* Names of modules and commands, and the first words of those that have two,
 * for "did you mean"; returns how many. */
static size_t
known_words(const char **known, char (*first)[WORD_MAX])
{
	const struct command *const *t, *c;
	const struct module *const *m;
	size_t n, i, len;

	m = module_all(&n);
	for (i = 0; i < n; i++)
		known[i] = m[i]->name;
	for (t = command_tables; *t != NULL; t++)
		for (c = *t; c->name != NULL && n + 2 < WORDS_MAX; c++) {
			known[n++] = c->name;
			len = strcspn(c->name, " ");
			if (c->name[len] == '\0' || len >= WORD_MAX)
				continue;
			memcpy(*first, c->name, len);
			(*first)[len] = '\0';
			known[n++] = *first++;
		}
	return n;
}

/* "show|sign" of "action"; false: no command begins so. */
static bool
second_words(const char *word, struct buf *out)
{
	const struct command *const *t, *c;
	size_t len = strlen(word);
	bool any = false;

	for (t = command_tables; *t != NULL; t++)
		for (c = *t; c->name != NULL; c++) {
			if (strncmp(c->name, word, len) != 0 ||
			    c->name[len] != ' ')
				continue;
			buf_add_fmt(
			    out, "%s%s", any ? "|" : "", c->name + len + 1);
			any = true;
		}
	return any;
}

int
command_unknown(const char *word, const char *second, struct err *e)
{
	char first[WORDS_MAX / 2][WORD_MAX];
	const char *known[WORDS_MAX], *near;
	struct buf subs;
	int r;

	buf_init(&subs, 4096);
	near = cli_nearest(word, known, known_words(known, first));
	if (second_words(word, &subs) && second != NULL)
		r = err_set(e, ERR_INVALID,
		    "there is no '%s %s'; say which: mig %s %s", word, second,
		    word, buf_str(&subs));
	else if (subs.len > 0)
		r = err_set(e, ERR_INVALID, "%s: say which: mig %s %s", word,
		    word, buf_str(&subs));
	else if (near != NULL)
		r = err_set(e, ERR_INVALID,
		    "there is no command or module '%s', did you mean '%s'?",
		    word, near);
	else
		r = err_set(e, ERR_INVALID,
		    "there is no command or module '%s'; see: mig help", word);
	buf_release(&subs);
	return r;
}

/* Too few words, or one too many. */
static int
wrong_words(const struct command *cmd, const struct opts *o, struct err *e)
{
	const char *space = cmd->args[0] != '\0' ? " " : "";

	if (o->nwords > cmd->max_words)
		return err_set(e, ERR_INVALID,
		    "unexpected word '%s'; usage: mig %s [options]%s%s",
		    o->words[cmd->max_words], cmd->name, space, cmd->args);
	return err_set(e, ERR_INVALID, "usage: mig %s [options]%s%s", cmd->name,
	    space, cmd->args);
}

static int
run_command(struct client *c, const struct command *cmd, int argc,
    char *const *argv, struct err *e)
{
	static const struct opt none[] = { { NULL, NULL, NULL, NULL } };
	const struct opt *tables[4] = { cmd->opts != NULL ? cmd->opts : none,
		cmd->more_opts != NULL ? cmd->more_opts : none, common_opts,
		NULL };
	struct buf out;
	struct opts o;
	int r;

	r = opts_parse(tables, argc, argv, &o, e);
	if (r != 0) {
		err_wrap(e, "%s", cmd->name);
		return r;
	}
	r = client_use_conf(c, opts_get(&o, "c"), e);
	if (r != 0) {
		;
	} else if (o.help) {
		buf_init(&out, 256 * 1024);
		help_command(cmd, &out);
		r = client_out(&out, e);
		buf_release(&out);
	} else if (o.nwords < cmd->min_words || o.nwords > cmd->max_words) {
		r = wrong_words(cmd, &o, e);
	} else {
		r = cmd->run(c, &o, e);
	}
	opts_release(&o);
	return r;
}

static bool
is_help(const char *word)
{
	return strcmp(word, "-h") == 0 || strcmp(word, "-help") == 0 ||
	    strcmp(word, "--help") == 0;
}

/* mig trust --help; false: there is no such group. */
static bool
print_group(const char *word, int *ret, struct err *e)
{
	struct buf out;
	bool found;

	buf_init(&out, 64 * 1024);
	found = help_of_group(word, &out);
	if (found)
		*ret = client_out(&out, e);
	buf_release(&out);
	return found;
}

/* Of options that stand before their module; NULL: they ask what is in a file,
 * or of nothing. */
static const char *
module_behind(int argc, char *const *argv)
{
	const char *found = NULL;
	int i;

	for (i = 0; i < argc; i++) {
		if (strncmp(argv[i], "-i", 2) == 0 ||
		    strncmp(argv[i], "--i", 3) == 0)
			return NULL;
		if (found == NULL && module_find(argv[i]) != NULL)
			found = argv[i];
	}
	return found;
}

static int
dispatch(struct client *c, int argc, char *const *argv, struct err *e)
{
	static char help[] = "help", version[] = "version";
	char *words[] = { help, NULL };
	const struct command *cmd;
	const char *module;
	int used = 1, r;

	if (argc == 0 || is_help(argv[0]))
		return run_command(
		    c, command_find(1, words, &used), 0, words, e);
	if (strcmp(argv[0], "-V") == 0 || strcmp(argv[0], "--version") == 0 ||
	    strcmp(argv[0], "-version") == 0) {
		words[0] = version;
		return run_command(
		    c, command_find(1, words, &used), 0, words, e);
	}
	if (argv[0][0] == '-' && (module = module_behind(argc, argv)) != NULL)
		return err_set(e, ERR_INVALID,
		    "the module stands first, then its options: mig %s %s ...",
		    module, argv[0]);
	if (argv[0][0] == '-') /* the original's: mig -i FILE ... */
		return run_command(c, &run_commands[0], argc, argv, e);
	if (module_find(argv[0]) != NULL)
		return ask_module(c, argc, argv, e);
	cmd = command_find(argc, argv, &used);
	if (cmd == NULL && argc == 2 && is_help(argv[1]) &&
	    print_group(argv[0], &r, e))
		return r;
	if (cmd == NULL)
		return command_unknown(
		    argv[0], argc > 1 && argv[1][0] != '-' ? argv[1] : NULL, e);
	return run_command(c, cmd, argc - used, argv + used, e);
}

/* What commands have printed by themselves. */
static bool
flush_output(void)
{
	if (fflush(stdout) == 0)
		return true;
	if (errno != EPIPE)
		client_warn(
		    "cannot write to standard output: %s", strerror(errno));
	return false;
}

int
main(int argc, char **argv)
{
	const char *conf = NULL;
	struct client c;
	struct err e = { 0 };
	int r;

	if (fd_hold_standard() != 0)
		return EXIT_ERROR;
	core_forbid();
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	/* ignored by who started us, no child would have a status: what was
	 * killed would have ended well */
	signal(SIGCHLD, SIG_DFL);
	argc--;
	argv++;
	if (argc > 2 && strcmp(argv[0], "-c") == 0) {
		conf = argv[1];
		argc -= 2;
		argv += 2;
	}
	if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
		client_warn("the cryptographic libraries do not start");
		return EXIT_ERROR;
	}
	r = client_init(&c, conf, &e);
	if (r == 0)
		r = dispatch(&c, argc, argv, &e);
	client_release(&c);
	/* a reader that has seen enough (mig ... | head) needs no message */
	if (r < 0 && !client_reader_left())
		client_warn("%s", e.msg[0] != '\0' ? e.msg : err_text(r));
	if (r >= 0 && !flush_output())
		r = EXIT_ERROR;
	curl_global_cleanup();
	return r < 0 ? EXIT_ERROR : r;
}
