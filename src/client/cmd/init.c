/* SPDX-License-Identifier: MPL-2.0 */
/* `mig init`: key, server, pinned CA, first login. */
#include "client/api/api.h"
#include "client/api/apikey.h"

#include "base/file.h"
#include "base/str.h"
#include "client/pgp/openpgp.h"
#include "client/ssh/signer.h"
#include "client/ssh/sshagent.h"
#include "crypto/x509.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static int
set_str(char **field, const char *value, struct err *e)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	free(*field);
	*field = copy;
	return 0;
}

static void
lower(char *s)
{
	for (; *s != '\0'; s++)
		*s = (char)tolower((unsigned char)*s);
}

static void
print_keys(const struct pgp_key *keys, size_t n, bool usable)
{
	size_t i, number = 0;

	for (i = 0; i < n; i++) {
		if (keys[i].usable != usable)
			continue;
		if (usable)
			fprintf(stderr, "  %zu  %s  %s (%s%s)\n", ++number,
			    keys[i].fpr, keys[i].name, keys[i].alg,
			    keys[i].on_card ? ", on a card" : "");
		else
			fprintf(stderr, "     %s  %s: not usable: %s\n",
			    keys[i].fpr, keys[i].name, keys[i].why);
	}
}

/* The number-th usable key, from 1. */
static const struct pgp_key *
nth_usable(const struct pgp_key *keys, size_t n, uint64_t number)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (keys[i].usable && --number == 0)
			return &keys[i];
	return NULL;
}

/* --- an SSH key ------------------------------------------------------------
 */

static int
ssh_use(struct client *c, const struct sshpub *key, struct err *e)
{
	char text[sizeof(SIGNER_PREFIX) + SSHPUB_FPR_MAX], *fpr;

	memcpy(text, SIGNER_PREFIX, sizeof(SIGNER_PREFIX));
	fpr = text + strlen(SIGNER_PREFIX);
	sshpub_fingerprint(key, fpr);
	fprintf(stderr, "signer  %s  %s%s\n", fpr, key->comment,
	    key->sk ? " (security key)" : "");
	return set_str(&c->conf.signer, text, e);
}

/* gpg has no key: those of ssh-agent, if there are any. False: there are none,
 * and gpg shall say what is missing. */
static bool
ssh_choose(struct client *c, int *ret, struct err *e)
{
	struct sshagent_keys *keys = calloc(1, sizeof(*keys));
	char fpr[SSHPUB_FPR_MAX], answer[32];
	uint64_t number = 1;
	bool some;
	size_t i;

	*ret = 0;
	some = keys != NULL && sshagent_list(keys, NULL) == 0 && keys->n > 0;
	if (some && keys->n > 1)
		fprintf(stderr, "gpg has no key that can sign; ssh-agent:\n");
	for (i = 0; some && keys->n > 1 && i < keys->n; i++) {
		sshpub_fingerprint(&keys->list[i], fpr);
		fprintf(stderr, "  %zu  %s  %s\n", i + 1, fpr,
		    keys->list[i].comment);
	}
	if (some && keys->n > 1 && !client_interactive())
		*ret = err_set(e, ERR_INVALID,
		    "which key? say -signer " SIGNER_PREFIX "SHA256:...");
	else if (some && keys->n > 1 &&
	    (!client_prompt(
		 "Number of the key to use: ", answer, sizeof(answer)) ||
		str_u64(answer, 1, keys->n, &number) != 0))
		*ret = err_set(
		    e, ERR_INVALID, "expected a number from 1 to %zu", keys->n);
	if (some && *ret == 0)
		*ret = ssh_use(c, &keys->list[number - 1], e);
	free(keys);
	return some;
}

/* -signer, "none" for gpg again; or what the configuration has. */
static int
init_signer(struct client *c, const struct opts *o, struct err *e)
{
	const char *name = opts_get(o, "signer");
	struct sshpub key;
	char *full = NULL;
	int r;

	if (name != NULL && strcmp(name, "none") == 0) {
		free(c->conf.signer);
		c->conf.signer = NULL;
		return 0;
	}
	if (name == NULL)
		name = c->conf.signer;
	if (name == NULL)
		return 0;
	if (!str_starts(name, SIGNER_PREFIX))
		full = realpath(name, NULL);
	r = signer_find(full != NULL ? full : name, &key, e);
	free(full);
	return r != 0 ? r : ssh_use(c, &key, e);
}

/* --- an OpenPGP key --------------------------------------------------------
 */

static int
choose_key(const struct pgp_key *keys, size_t n, size_t usable,
    const struct pgp_key **ret, struct err *e)
{
	char answer[32];
	uint64_t number = 1;

	if (usable == 0) {
		print_keys(keys, n, false);
		return err_set(e, ERR_NOTFOUND,
		    "gpg has no secret key that can sign; make one with: gpg "
		    "--quick-generate-key 'Your Name <you@example.org>' "
		    "ed25519 sign,cert 2y; then, for reading answers: gpg "
		    "--quick-add-key FINGERPRINT cv25519 encr 2y (or sign with "
		    "an SSH key, of Ed25519 or a security key: load it with "
		    "ssh-add)");
	}
	if (usable > 1) {
		fprintf(stderr, "You have several keys:\n");
		print_keys(keys, n, true);
		if (!client_interactive())
			return err_set(
			    e, ERR_INVALID, "which key? say -key FINGERPRINT");
		if (!client_prompt(
			"Number of the key to use: ", answer, sizeof(answer)) ||
		    str_u64(answer, 1, usable, &number) != 0)
			return err_set(e, ERR_INVALID,
			    "expected a number from 1 to %zu", usable);
	}
	*ret = nth_usable(keys, n, number);
	return *ret != NULL ? 0 : err_set(e, ERR_INTERNAL, "no such key");
}

static int
named_key(const struct pgp_key *keys, size_t n, const char *fpr,
    bool reads_only, const struct pgp_key **ret, struct err *e)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcasecmp(keys[i].fpr, fpr) == 0)
			break;
	if (i == n)
		return err_set(e, ERR_NOTFOUND,
		    "gpg has no secret key with the fingerprint %s (give all "
		    "40 "
		    "digits; see: gpg --list-secret-keys)",
		    fpr);
	if (!keys[i].usable && !reads_only)
		return err_set(e, ERR_UNSUPPORTED, "%s (%s): %s", keys[i].fpr,
		    keys[i].name, keys[i].why);
	*ret = &keys[i];
	return 0;
}

/* Absolute, and through its links as they will be: keys are changed that way.
 * Owned by the caller. */
static char *
absolute(const char *name, struct err *e)
{
	char dir[PATH_MAX], *path;
	size_t size;

	if (access(name, F_OK) != 0 ||
	    (name[0] != '/' && getcwd(dir, sizeof(dir)) == NULL)) {
		err_errno(e, "-apikey %s", name);
		return NULL;
	}
	if (name[0] == '/')
		dir[0] = '\0';
	size = strlen(dir) + 1 + strlen(name) + 1;
	if ((path = malloc(size)) == NULL)
		err_set(e, ERR_NOMEM, "out of memory");
	else
		snprintf(
		    path, size, "%s%s%s", dir, dir[0] != '\0' ? "/" : "", name);
	return path;
}

/* -apikey, "none" for a person again. */
static int
init_apikey(struct client *c, const struct opts *o, struct err *e)
{
	const char *name = opts_get(o, "apikey");
	char *full;
	int r;

	if (name != NULL && strcmp(name, "none") == 0) {
		free(c->conf.apikey);
		c->conf.apikey = NULL;
		return 0;
	}
	if (name != NULL) {
		if ((full = absolute(name, e)) == NULL)
			return e->code;
		r = set_str(&c->conf.apikey, full, e);
		free(full);
		if (r != 0)
			return r;
	}
	r = apikey_load(c, e);
	if (r == 0 && c->api_key != NULL)
		fprintf(stderr, "apikey  %s\n", apikey_path(c));
	return r;
}

static int
init_key(struct client *c, const struct opts *o, struct err *e)
{
	const char *fpr = opts_get(o, "key");
	const struct pgp_key *k = NULL;
	struct pgp_key *keys = NULL;
	size_t n = 0, usable = 0, i;
	int r;

	if (fpr == NULL)
		fpr = c->conf.key;
	if (fpr == NULL && (c->conf.signer != NULL || c->api_key != NULL))
		return 0;
	if (c->conf.gpghome != NULL)
		setenv("GNUPGHOME", c->conf.gpghome, 0);
	r = pgp_list(&keys, &n, e);
	if (r != 0)
		return r;
	for (i = 0; i < n; i++)
		usable += keys[i].usable;
	if (fpr != NULL)
		r = named_key(keys, n, fpr, c->conf.signer != NULL, &k, e);
	else if (usable == 0 && ssh_choose(c, &r, e))
		goto out;
	else
		r = choose_key(keys, n, usable, &k, e);
	if (r == 0) {
		fprintf(stderr, "key     %s  %s\n", k->fpr, k->name);
		r = set_str(&c->conf.key, k->fpr, e);
		if (r == 0)
			lower(c->conf.key);
	}
out:
	free(keys);
	return r;
}

/* The CA is trusted because its fingerprint was given, or because a person
 * compared it; never because the server showed it. */
static int
init_accept_ca(const struct client *c, const char *pinned,
    const struct id *shown, struct err *e)
{
	struct id want;

	if (pinned != NULL && id_parse(pinned, &want) != 0)
		return err_set(e, ERR_INVALID,
		    "-ca %s: expected the 64 hex digits that mig-server init "
		    "printed",
		    pinned);
	if (pinned != NULL)
		return id_equal(&want, shown)
		    ? 0
		    : err_set(e, ERR_AUTH,
			  "%s shows a CA with the fingerprint %s, not the one "
			  "that was given: the wrong server, or somebody in "
			  "between",
			  c->conf.server, id_hex(shown).s);
	if (!client_interactive())
		return err_set(e, ERR_DENIED,
		    "the fingerprint of the server's CA is needed: -ca HEX "
		    "(mig-server init printed it)");
	fprintf(stderr,
	    "%s shows a CA with the fingerprint\n  %s\n"
	    "Compare it with the one that mig-server init printed.\n",
	    c->conf.server, id_hex(shown).s);
	if (!client_confirm("Is it the same? [y/N] "))
		return err_set(e, ERR_DENIED, "the CA is not trusted");
	return 0;
}

/* A key goes to no other platform than before, unless it is named for this one
 * now. */
static int
init_key_fits(
    const struct client *c, const struct opts *o, bool moved, struct err *e)
{
	bool named = opts_has(o, "apikey") && apikey_path(c) == c->conf.apikey;

	if (!moved || named || c->api_key == NULL || c->api_key_ca[0] != '\0')
		return apikey_fits(c, e);
	return err_set(e, ERR_AUTH,
	    "the API key in %s was for another platform than %s: say -apikey "
	    "FILE with one of this platform, or -apikey none%s",
	    apikey_path(c), c->conf.server,
	    apikey_path(c) == c->conf.apikey ? "" : ", without " APIKEY_ENV);
}

/* Another platform than the configuration's? Its CA says it. */
static bool
init_moves(const struct client *c, const struct id *ca, bool same)
{
	return c->conf.ca != NULL ? strcasecmp(c->conf.ca, id_hex(ca).s) != 0
				  : !same;
}

static int
init_ca(struct client *c, const struct opts *o, const char *pinned, bool same,
    struct err *e)
{
	bool moved = false;
	struct buf pem;
	struct id fpr;
	char *path;
	int r;

	buf_init(&pem, X509_PEM_MAX);
	r = http_fetch_ca(c->conf.server, &pem, e);
	if (r == 0 && buf_str(&pem) == NULL)
		r = err_set(e, ERR_TOOBIG, "the CA is too large");
	if (r == 0)
		r = x509_fingerprint(buf_str(&pem), &fpr, e);
	if (r == 0)
		r = init_accept_ca(c, pinned, &fpr, e);
	if (r == 0) {
		moved = init_moves(c, &fpr, same);
		r = set_str(&c->conf.ca, id_hex(&fpr).s, e);
	}
	if (r == 0)
		r = init_key_fits(c, o, moved, e);
	path = r == 0 ? client_ca_path(c, e) : NULL;
	if (r == 0 && path == NULL)
		r = ERR_NOMEM;
	if (r == 0)
		r = client_mkdir_for(path, e);
	if (r == 0)
		r = file_write(path, pem.data, pem.len, 0600, e);
	if (r == 0)
		fprintf(stderr, "server  %s\nca      %s\n", c->conf.server,
		    c->conf.ca);
	free(path);
	buf_release(&pem);
	return r;
}

static int
init_server(struct client *c, const struct opts *o, struct err *e)
{
	const char *server = opts_get(o, "server"), *pinned;
	char answer[512];
	bool same, fresh = c->conf.server == NULL;
	int r = 0;

	if (server == NULL && c->conf.server == NULL && client_interactive() &&
	    client_prompt("Server (https://HOST:PORT, empty for none): ",
		answer, sizeof(answer)) &&
	    answer[0] != '\0')
		server = answer;
	same = server == NULL ||
	    (c->conf.server != NULL && strcmp(server, c->conf.server) == 0);
	if (server != NULL)
		r = set_str(&c->conf.server, server, e);
	if (r != 0 || c->conf.server == NULL)
		return r;
	/* what was pinned before stays pinned for the same server */
	pinned = opts_get(o, "ca");
	if (pinned == NULL && same)
		pinned = c->conf.ca;
	return init_ca(c, o, pinned, same || fresh, e);
}

static int
cmd_init(struct client *c, const struct opts *o, struct err *e)
{
	int r;

	r = client_conf_load(c, e);
	if (r == 0)
		r = init_apikey(c, o, e);
	if (r == 0)
		r = init_signer(c, o, e);
	if (r == 0)
		r = init_key(c, o, e);
	if (r == 0)
		r = init_server(c, o, e);
	if (r == 0)
		r = client_conf_save(c, e);
	if (r != 0)
		return r;
	fprintf(stderr, "wrote   %s\n", c->conf_path);
	if (c->conf.key == NULL && c->conf.signer != NULL &&
	    (c->conf.readers == NULL || c->conf.readers->n == 0))
		client_warn("an SSH key only signs; to read the answers: mig "
			    "reader make, or an OpenPGP key (mig init -key "
			    "FPR, or reader FPR in the configuration)");
	if (c->conf.server == NULL) {
		fprintf(stderr,
		    "No server yet: only -t local works. Later: "
		    "mig init -server https://HOST:PORT\n");
		return 0;
	}
	if (opts_has(o, "no-login"))
		return 0;
	if (c->api_key != NULL) {
		r = apikey_try(c, e);
		return r != 0 ? err_wrap(e, "the configuration is written, but")
			      : 0;
	}
	r = session_login(c, e);
	if (r != 0)
		return err_wrap(e,
		    "the configuration is written, but the "
		    "server does not let you in (an "
		    "administrator adds you with the output "
		    "of: mig keyring export)");
	fprintf(stderr, "logged in; next: mig status\n");
	return 0;
}

static const struct opt init_opts[] = {
	{ "server", NULL, "URL", "address of the server: https://HOST:PORT" },
	{ "ca", NULL, "HEX",
	    "fingerprint of its CA, as mig-server init "
	    "printed it" },
	{ "key", NULL, "FPR", "your OpenPGP key, by full fingerprint" },
	{ "signer", NULL, "KEY",
	    "sign with this SSH key: ssh:SHA256:... or its file" },
	{ "apikey", NULL, "FILE",
	    "for a program: nobody logs in, the API key in it is used" },
	{ "no-login", NULL, NULL, "write the configuration only" },
	{ NULL, NULL, NULL, NULL },
};

const struct command init_commands[] = {
	{ "init", "", "set up: your key, the server and its CA", cmd_init,
	    init_opts, NULL, 0, 0,
	    "Writes ~/.config/mig/config (see -c). Without -ca the "
	    "fingerprint of the server's\nCA is shown on a terminal and must "
	    "be confirmed. With -signer an SSH key of\nssh-agent signs and "
	    "-key, if given, reads the answers; -signer none ends that.\n"
	    "With -apikey FILE no key of a person is needed; -apikey none ends "
	    "that.\nSafe to run again." },
	{ .name = NULL },
};
