/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the commands of mig share: the configuration, the connection with its
 * session, and where files lie. Nothing here is opened before it is needed,
 * so that `mig file -t local` needs neither configuration nor key nor server.
 */
#ifndef MIG_CLIENT_CLIENT_H
#define MIG_CLIENT_CLIENT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "client/cli.h"
#include "client/print/summary.h"
#include "conf/conf.h"

#define CLIENT_TOKEN_LEN 64 /* hex digits */

struct client_conf {
	char *server;   /* https://HOST:PORT */
	char *ca;       /* fingerprint of the pinned CA, 64 hex digits */
	char *key;      /* primary fingerprint of the OpenPGP key, or NULL */
	char *signer;   /* SSH key that signs (client/ssh/signer.h), or NULL:
			   key does */
	char *gpghome;  /* NULL: gpg's own choice */
	char *apikey;   /* file of an API key; NULL: a person logs in */
	int64_t expire; /* seconds an action is valid */
	struct conf_list *readers; /* fingerprints that may read results */
	struct conf_map *targets;  /* names for targets */
};

struct http;

struct client {
	char *conf_path; /* owned */
	bool conf_loaded;
	struct client_conf conf;
	char *ca_pem; /* owned; the pinned CA */
	struct http *http;
	char token[CLIENT_TOKEN_LEN + 1]; /* "": no session yet */
	char *api_key; /* owned; instead of a session (client/api/apikey.h) */
	char api_key_ca[2 * ID_LEN + 1]; /* whose it is; "": not said */
};

/* conf_path NULL: the usual place. */
int client_init(struct client *c, const char *conf_path, struct err *e);
void client_release(struct client *c);
/* Another configuration file, before it is first read. NULL changes nothing. */
int client_use_conf(struct client *c, const char *path, struct err *e);

/* --- config.c --------------------------------------------------------------
 */
enum client_dir { DIR_CONFIG, DIR_DATA, DIR_CACHE };
/* Path of a file of ours (XDG base directories); owned by the caller. */
char *client_path(enum client_dir dir, const char *name, struct err *e);
/* Before a file is written: creates its directory, mode 0700, and removes what
 * killed commands left of writing it. */
int client_mkdir_for(const char *path, struct err *e);
/* Before a file is read, changed and written: the same, and waits until no
 * other mig is between its reading and writing. Closing *ret_fd lets the next
 * one in. */
int client_lock_for(const char *path, int *ret_fd, struct err *e);
/* Loads the configuration once. A missing file leaves the defaults. */
int client_conf_load(struct client *c, struct err *e);
/* As above, and refuses when there is no server (or nothing that signs). */
int client_need_server(struct client *c, struct err *e);
int client_need_key(struct client *c, struct err *e);
/* What signs, as the configuration names it; after client_need_key(). */
const char *client_signer(const struct client *c);
void client_conf_release(struct client *c);
/* Writes the configuration, mode 0600. */
int client_conf_save(struct client *c, struct err *e);
/* Path of a file beside the configuration; owned by the caller. */
char *client_beside(const struct client *c, const char *name, struct err *e);
/* The CA's certificate beside the configuration; checked against the pin. */
char *client_ca_path(const struct client *c, struct err *e);
int client_ca_load(struct client *c, struct err *e);

/* --- people ----------------------------------------------------------------
 */
/* Standard input and error are a terminal: somebody can answer. */
bool client_interactive(void);
/* Asks on the terminal; true for yes. Anything but y or yes is no. */
bool client_confirm(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The question before somebody signs what another one may have written: where
 * nobody can be asked it is refused (ERR_DENIED) unless yes was given. */
int client_confirm_sign(bool yes, const char *what, struct err *e);
/* Reads one line from the terminal into out; false at the end of input. */
bool client_prompt(const char *question, char *out, size_t size);
/* "mig: " and the message on standard error, made safe for a terminal. */
void client_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* 0 while now, unix s, is before the end. Else ERR_EXPIRED: "WHAT ended at ...,
 * and it is ... here: SO", as the clock may be what is wrong. */
int client_not_ended(
    int64_t end, int64_t now, const char *what, const char *so, struct err *e);
/* Lines for standard error, without control characters. On a terminal that does
 * not read UTF-8 what is not ASCII is escaped, as it is on standard output:
 * among its bytes may be some that such a terminal obeys. False: it could not
 * be written. */
bool client_err(const char *text);
/* Writes the buffer to standard output. */
int client_out(const struct buf *b, struct err *e);
/* The same without making it safe, unless a terminal reads: for files, whose
 * every byte is hashed or signed. */
int client_out_bytes(const struct buf *b, struct err *e);
/* JSON and a line end; flags: of json_dumps. */
struct json_t;
int client_out_json(const struct json_t *j, size_t flags, struct err *e);
/* It failed because nobody reads any more (mig ... | head). */
bool client_reader_left(void);
/* Writes to a file (mode 0600), or to standard output when path is NULL or
 * "-". */
int client_write(const char *path, const struct buf *b, struct err *e);

/* --- commands --------------------------------------------------------------
 */
/* Returns an exit code, or a negative ERR_* code with e set. */
typedef int command_fn(struct client *c, const struct opts *o, struct err *e);

struct command {
	const char *name;    /* "agents" or "keyring add" */
	const char *args;    /* of its words, for help; "" */
	const char *summary; /* one line */
	command_fn *run;
	const struct opt *opts, *more_opts; /* NULL: none */
	size_t min_words, max_words;
	const char *details; /* paragraphs for --help, or NULL */
};

/* The commands of each file; tables end with .name == NULL. */
extern const struct command init_commands[];
extern const struct command session_commands[];
extern const struct command agents_commands[];
extern const struct command actions_commands[];
extern const struct command cancel_commands[];
extern const struct command cosign_commands[];
extern const struct command results_commands[];
extern const struct command trust_commands[];
extern const struct command run_commands[];
extern const struct command keyring_commands[];
extern const struct command reader_commands[];
extern const struct command acl_commands[];
extern const struct command policy_commands[];
extern const struct command doors_commands[];
extern const struct command audit_commands[];
extern const struct command token_commands[];
extern const struct command help_commands[];

/* help.c */
extern const struct opt common_opts[];
int help_command(const struct command *cmd, struct buf *out);
/* The commands that begin with this word; false: there are none. */
bool help_of_group(const char *word, struct buf *out);
const struct command *command_find(int argc, char *const *argv, int *ret_words);
/* Says so, and which may be meant; second: the word behind it, or NULL. */
int command_unknown(const char *word, const char *second, struct err *e);
/* All tables, NULL-terminated. */
extern const struct command *const command_tables[];

/* ask.c: `mig MODULE ... [+ MODULE ...]`; argv[0] is the first module. */
int ask_module(struct client *c, int argc, char *const *argv, struct err *e);

#endif
