/* SPDX-License-Identifier: MPL-2.0 */
/* mig, the investigator's program: finds the command and runs it. */
#include "client/client.h"

#include "base/str.h"
#include "modules/module.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <sodium.h>

/* Names of modules and first words of commands, for "did you mean". */
static int
unknown_command(int argc, char *const *argv, struct err *e)
{
	const struct command *const *t, *c;
	const struct module *const *m;
	const char *known[256], *near;
	bool group = false;
	struct buf subs;
	size_t n = 0, nmod, i;
	int r;

	buf_init(&subs, 4096);
	m = module_all(&nmod);
	for (i = 0; i < nmod && n < 250; i++)
		known[n++] = m[i]->name;
	for (t = command_tables; *t != NULL; t++)
		for (c = *t; c->name != NULL && n < 250; c++) {
			known[n++] = c->name;
			i = strlen(argv[0]);
			if (strncmp(c->name, argv[0], i) != 0 ||
			    c->name[i] != ' ')
				continue;
			buf_add_fmt(
			    &subs, "%s%s", group ? "|" : "", c->name + i + 1);
			group = true;
		}
	near = cli_nearest(argv[0], known, n);
	if (group)
		r = err_set(e, ERR_INVALID, "%s: say which: mig %s %s", argv[0],
		    argv[0], buf_str(&subs));
	else if (near != NULL)
		r = err_set(e, ERR_INVALID,
		    "there is no command or module '%s', did you mean '%s'?",
		    argv[0], near);
	else
		r = err_set(e, ERR_INVALID,
		    "there is no command or module '%s'; see: mig help",
		    argv[0]);
	buf_release(&subs);
	return r;
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
		r = err_set(e, ERR_INVALID, "usage: mig %s [options] %s",
		    cmd->name, cmd->args);
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

static int
dispatch(struct client *c, int argc, char *const *argv, struct err *e)
{
	static char help[] = "help", version[] = "version";
	char *words[] = { help, NULL };
	const struct command *cmd;
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
	if (argv[0][0] == '-') /* the original's: mig -i FILE ... */
		return run_command(c, &run_commands[0], argc, argv, e);
	if (module_find(argv[0]) != NULL)
		return ask_module(c, argc, argv, e);
	cmd = command_find(argc, argv, &used);
	if (cmd == NULL && argc == 2 && is_help(argv[1]) &&
	    print_group(argv[0], &r, e))
		return r;
	if (cmd == NULL)
		return unknown_command(argc, argv, e);
	return run_command(c, cmd, argc - used, argv + used, e);
}

/* Whoever closed one of these wants nothing from it: without this a file or a
 * connection of ours would have its number, and be written to. The wrong way
 * round, so that who does write or read there is told. */
static bool
hold_standard_fds(void)
{
	int fd;

	for (fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null",
			fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	}
	return true;
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

	if (!hold_standard_fds())
		return EXIT_ERROR;
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
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
