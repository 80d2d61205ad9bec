/* SPDX-License-Identifier: MPL-2.0 */
/* Help, the list of modules, the version. Everything comes from the tables. */
#include "client/client.h"

#include "base/jsonw.h"
#include "modules/module.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_COLUMN 24

const struct opt common_opts[] = {
	{ "c", "config", "FILE",
	    "configuration file (default: ~/.config/mig/config)" },
	{ "h", "help", NULL, "this help" },
	{ NULL, NULL, NULL, NULL },
};

/* Texts stand in one column; a head that reaches into it has its own line. */
static void
help_line(struct buf *out, const char *head, const char *text)
{
	if (strlen(head) >= TEXT_COLUMN)
		buf_add_fmt(out, "  %s\n  %-*s", head, TEXT_COLUMN, "");
	else
		buf_add_fmt(out, "  %-*s", TEXT_COLUMN, head);
	cli_wrap(out, TEXT_COLUMN + 2, text);
}

static void
help_group(struct buf *out, const struct command *t)
{
	char head[64];

	for (; t->name != NULL; t++) {
		snprintf(head, sizeof(head), "%s %s", t->name, t->args);
		help_line(out, head, t->summary);
	}
}

static void
help_modules(struct buf *out)
{
	const struct module *const *m;
	size_t n, i;

	m = module_all(&n);
	for (i = 0; i < n; i++)
		help_line(out, m[i]->name, m[i]->summary);
}

static int
help_all(struct buf *out)
{
	const struct command *const *t;

	buf_add_str(out,
	    "usage: mig MODULE [options]    ask agents a "
	    "question\n"
	    "       mig COMMAND [options]\n\nModules (mig MODULE "
	    "--help):\n");
	help_modules(out);
	buf_add_str(out, "\nCommands (mig COMMAND --help):\n");
	for (t = command_tables; *t != NULL; t++)
		help_group(out, *t);
	return buf_add_str(out,
	    "\nExamples:\n"
	    "  mig file -t local -path /etc -name '^passwd$'\n"
	    "  mig file -t \"name LIKE 'web%'\" -path /var/www -content "
	    "'eval\\('\n"
	    "  mig file -t online -path /usr/bin -sha2 HASH -group\n"
	    "  mig results last\n"
	    "\nExit codes:\n"
	    "  0  found, and every agent answered (other commands: done)\n"
	    "  1  not found: every agent answered and looked at everything\n"
	    "  2  error: wrong usage, nothing launched, server not reached\n"
	    "  3  incomplete: an agent failed, refused or did not answer, or "
	    "Ctrl-C,\n"
	    "     whether or not something was found; or nothing was found, "
	    "but not\n"
	    "     everything could be examined\n"
	    "\nCtrl-C shows what is there and leaves; agents go on, and mig "
	    "results brings the\nrest. A second Ctrl-C ends at once (130).\n");
}

/* Does the command's name begin with this word? */
static bool
is_of_group(const struct command *cmd, const char *word, size_t n)
{
	return strncmp(cmd->name, word, n) == 0 &&
	    (cmd->name[n] == ' ' || cmd->name[n] == '\0');
}

bool
help_of_group(const char *word, struct buf *out)
{
	const struct command *const *t, *c;
	char head[64];
	bool any = false;

	for (t = command_tables; *t != NULL; t++)
		for (c = *t; c->name != NULL; c++) {
			if (!is_of_group(c, word, strlen(word)))
				continue;
			if (!any)
				buf_add_fmt(
				    out, "usage: mig %s COMMAND\n\n", word);
			any = true;
			snprintf(head, sizeof(head), "%s %s", c->name, c->args);
			help_line(out, head, c->summary);
		}
	if (any)
		buf_add_fmt(
		    out, "\nMore of each: mig %s COMMAND --help\n", word);
	return any;
}

/* Of one that is a word: those of two that begin with it. */
static void
help_others(const struct command *cmd, struct buf *out)
{
	const struct command *const *t, *c;
	size_t n = strlen(cmd->name);
	bool any = false;

	for (t = command_tables; *t != NULL; t++)
		for (c = *t; c->name != NULL; c++) {
			if (c == cmd || !is_of_group(c, cmd->name, n))
				continue;
			buf_add_fmt(out, "%smig %s",
			    any ? ", " : "\nSee also: ", c->name);
			any = true;
		}
	if (any)
		buf_add_str(out, "\n");
}

/* Its lines are filled anew; one that begins with a space, or none at all,
 * begins another paragraph. */
static void
help_details(const char *text, struct buf *out)
{
	struct buf one;
	size_t n;

	buf_init(&one, 64 * 1024);
	for (; *text != '\0'; text += n) {
		n = strcspn(text, "\n");
		buf_add(&one, text, n);
		n += text[n] == '\n';
		if (text[n] != '\0' && text[n] != ' ' && text[n] != '\n') {
			buf_add_str(&one, " ");
			continue;
		}
		if (buf_str(&one) != NULL)
			cli_wrap(out, 0, buf_str(&one));
		buf_clear(&one);
	}
	buf_release(&one);
}

int
help_command(const struct command *cmd, struct buf *out)
{
	buf_add_fmt(out, "usage: mig %s%s%s%s\n\n%c%s.\n", cmd->name,
	    cmd->opts != NULL ? " [options]" : "",
	    cmd->args[0] != '\0' ? " " : "", cmd->args,
	    cmd->summary[0] >= 'a' && cmd->summary[0] <= 'z'
		? cmd->summary[0] - 'a' + 'A'
		: cmd->summary[0],
	    cmd->summary + 1);
	if (cmd->details != NULL) {
		buf_add_str(out, "\n");
		help_details(cmd->details, out);
	}
	buf_add_str(out, "\nOptions:\n");
	if (cmd->opts != NULL)
		opts_help(cmd->opts, out);
	if (cmd->more_opts != NULL)
		opts_help(cmd->more_opts, out);
	opts_help(common_opts, out);
	help_others(cmd, out);
	return out->error;
}

static int
cmd_help(struct client *c, const struct opts *o, struct err *e)
{
	const struct command *cmd;
	bool group = false;
	struct buf out;
	int used, r;

	if (o->nwords > 0 && module_find(o->words[0]) != NULL) {
		char name[64], option[] = "--help";
		char *argv[] = { name, option, NULL };

		snprintf(name, sizeof(name), "%s", o->words[0]);
		return ask_module(c, 2, argv, e);
	}
	buf_init(&out, 256 * 1024);
	cmd = o->nwords > 0 ? command_find((int)o->nwords,
				  (char *const *)(uintptr_t)o->words, &used)
			    : NULL;
	if (cmd != NULL)
		help_command(cmd, &out);
	else if (o->nwords == 0)
		help_all(&out);
	else
		group = o->nwords == 1 && help_of_group(o->words[0], &out);
	if (o->nwords > 0 && cmd == NULL && !group)
		r = command_unknown(
		    o->words[0], o->nwords > 1 ? o->words[1] : NULL, e);
	else
		r = client_out(&out, e);
	buf_release(&out);
	return r;
}

static const char *
param_type_word(const struct param *p)
{
	static const char *const words[] = {
		[PARAM_STR] = "strings",
		[PARAM_ONE] = "string",
		[PARAM_NUM] = "number",
		[PARAM_BOOL] = "true",
		[PARAM_NOT] = "false",
		[PARAM_WORD] = "string",
	};

	return words[p->type];
}

static void
module_json(const struct module *m, struct buf *out)
{
	const struct param *p;
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "name", m->name);
	jsonw_i64(&w, "number", m->number);
	jsonw_str(&w, "summary", m->summary);
	jsonw_str(&w, "platforms", MODULE_PLATFORMS(m));
	jsonw_bool(&w, "masked", m->mask != NULL);
	jsonw_str(&w, "csv", m->csv_header != NULL ? m->csv_header : "");
	jsonw_array(&w, "parameters");
	for (p = m->params; p->help != NULL; p++) {
		jsonw_object(&w, NULL);
		if (p->flag != NULL)
			jsonw_str(&w, "flag", p->flag);
		jsonw_str(&w, "field", p->field);
		jsonw_str(&w, "type", param_type_word(p));
		if (param_takes_value(p) && p->arg != NULL)
			jsonw_str(&w, "value", p->arg);
		jsonw_str(&w, "help", p->help);
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	buf_add_str(out, "\n");
}

static int
cmd_modules(struct client *c, const struct opts *o, struct err *e)
{
	const struct module *const *m;
	struct buf out;
	size_t n, i;
	int r;

	buf_init(&out, 1024 * 1024);
	m = module_all(&n);
	if (!opts_has(o, "json"))
		buf_add_fmt(&out, "%3s  %-12s%-10s%s\n", "no", "module",
		    "platforms", "what it looks at");
	for (i = 0; i < n; i++) {
		if (opts_has(o, "json"))
			module_json(m[i], &out);
		else
			buf_add_fmt(&out, "%3u  %-12s%-10s %s\n", m[i]->number,
			    m[i]->name, MODULE_PLATFORMS(m[i]), m[i]->summary);
	}
	r = client_out(&out, e);
	buf_release(&out);
	return r;
}

static const struct opt modules_opts[] = {
	{ "json", NULL, NULL,
	    "one JSON object a line for each module, with its parameters" },
	{ NULL, NULL, NULL, NULL },
};

static int
cmd_version(struct client *c, const struct opts *o, struct err *e)
{
	printf("mig %s\n", MIG_VERSION);
	return 0;
}

const struct command help_commands[] = {
	{ "modules", "", "list the modules", cmd_modules, modules_opts, NULL, 0,
	    0, NULL },
	{ "help", "[COMMAND]", "this page, or that of a command or module",
	    cmd_help, NULL, NULL, 0, 2, NULL },
	{ "version", "", "print the version", cmd_version, NULL, NULL, 0, 0,
	    NULL },
	{ .name = NULL },
};

const struct command *const command_tables[] = { run_commands, results_commands,
	trust_commands, agents_commands, actions_commands, cancel_commands,
	cosign_commands, session_commands, init_commands, keyring_commands,
	reader_commands, policy_commands, acl_commands, doors_commands,
	audit_commands, token_commands, help_commands, NULL };

/* "keyring add" takes two words, "agents" one. */
const struct command *
command_find(int argc, char *const *argv, int *ret_words)
{
	const struct command *const *t, *c;
	const char *rest;
	size_t n;

	for (t = command_tables; *t != NULL; t++)
		for (c = *t; c->name != NULL; c++) {
			rest = strchr(c->name, ' ');
			n = rest != NULL ? (size_t)(rest - c->name)
					 : strlen(c->name);
			if (argc < 1 || strlen(argv[0]) != n ||
			    memcmp(argv[0], c->name, n) != 0)
				continue;
			*ret_words = rest != NULL ? 2 : 1;
			if (rest == NULL ||
			    (argc > 1 && strcmp(argv[1], rest + 1) == 0))
				return c;
		}
	return NULL;
}
