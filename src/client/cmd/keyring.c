/* SPDX-License-Identifier: MPL-2.0 */
/* `mig keyring ...`: from OpenPGP keys of the local gpg keyring, SSH keys and
 * files of both to the plain keyring that agents read. */
#include "client/client.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "client/pgp/keyring_make.h"
#include "client/pgp/openpgp.h"
#include "client/ssh/allowed.h"
#include "client/ssh/signer.h"
#include "crypto/keyring.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -f FILE, or the usual place; owned by the caller. */
static char *
keyring_path(const struct opts *o, struct err *e)
{
	const char *f = opts_get(o, "f");
	char *p;

	if (f == NULL)
		return client_path(DIR_CONFIG, "keyring", e);
	p = strdup(f);
	if (p == NULL)
		err_set(e, ERR_NOMEM, "out of memory");
	return p;
}

static bool
is_fingerprint(const char *s)
{
	uint8_t fpr[PGP_FPR_LEN];

	return hex_decode(s, fpr, sizeof(fpr)) == 0;
}

/* Who shall have the SSH keys: -person of the keyring, or -name. */
static int
ssh_whose(const struct opts *o, const struct keyring *old,
    struct allowed_whose *ret, uint8_t person[static PGP_FPR_LEN],
    struct err *e)
{
	const char *hex = opts_get(o, "person");
	size_t i;

	memset(ret, 0, sizeof(*ret));
	ret->old = old;
	ret->now = clock_wall_ms() / 1000;
	ret->name = opts_get(o, "name");
	if (hex == NULL)
		return 0;
	if (hex_decode(hex, person, PGP_FPR_LEN) != 0)
		return err_set(e, ERR_INVALID,
		    "-person %s: expected a person's 40 hex digits (mig "
		    "keyring list)",
		    hex);
	for (i = 0; i < old->npersons; i++)
		if (memcmp(old->persons[i].fpr, person, PGP_FPR_LEN) == 0)
			break;
	if (i == old->npersons)
		return err_set(e, ERR_NOTFOUND,
		    "-person %s: nobody of that fingerprint is in the keyring",
		    hex);
	ret->person = person;
	if (ret->name == NULL)
		ret->name = old->persons[i].name;
	return 0;
}

/* The person lines of a text with SSH keys; text: the keyring so far. */
static int
make_ssh(const struct opts *o, const struct buf *keys, const struct buf *text,
    struct keyring_made *made, struct err *e)
{
	uint8_t person[PGP_FPR_LEN];
	struct allowed_whose whose;
	struct keyring old = { 0 };
	int r = 0;

	memset(made, 0, sizeof(*made));
	if (text != NULL && text->len > 0)
		r = keyring_parse(text->data, text->len, &old, e);
	if (r != 0)
		return r;
	r = ssh_whose(o, &old, &whose, person, e);
	if (r == 0)
		r = allowed_keyring(keys->data, keys->len, &whose, made, e);
	keyring_release(&old);
	return r;
}

/* The person lines of one key: a fingerprint or a file. */
static int
make_lines(struct client *c, const struct opts *o, const char *what,
    const struct buf *text, struct keyring_made *made, struct err *e)
{
	struct buf pgp;
	int r;

	memset(made, 0, sizeof(*made));
	buf_init(&pgp, KEYRING_PGP_MAX);
	if (c->conf.gpghome != NULL)
		setenv("GNUPGHOME", c->conf.gpghome, 0);
	if (is_fingerprint(what))
		r = pgp_export(what, &pgp, e);
	else
		r = file_read(what, &pgp, e);
	if (r == ERR_NOTFOUND && !is_fingerprint(what))
		err_set(e, r,
		    "'%s' is neither a file nor a full fingerprint (40 hex "
		    "digits; see: gpg --list-keys)",
		    what);
	if (r == 0 && !is_fingerprint(what) &&
	    allowed_is_text(pgp.data, pgp.len)) {
		r = make_ssh(o, &pgp, text, made, e);
		if (r != 0)
			err_wrap(e, "%s", what);
	} else if (r == 0) {
		r = keyring_make(
		    pgp.data, pgp.len, clock_wall_ms() / 1000, made, e);
	}
	buf_release(&pgp);
	return r;
}

/* The person lines of what signs by the configuration. */
static int
make_own(struct client *c, const struct opts *o, const struct buf *text,
    struct keyring_made *made, struct err *e)
{
	struct sshpub key;
	struct buf line;
	int r = client_need_key(c, e);

	memset(made, 0, sizeof(*made));
	if (r != 0)
		return r;
	if (c->conf.signer == NULL)
		return make_lines(c, o, c->conf.key, text, made, e);
	r = signer_find(c->conf.signer, &key, e);
	if (r != 0)
		return r;
	buf_init(&line, ALLOWED_LINE_MAX);
	r = sshpub_write(&key, &line);
	if (r != 0)
		err_set(e, r, "your key: %s", err_text(r));
	else
		r = make_ssh(o, &line, text, made, e);
	buf_release(&line);
	return r;
}

/* r: of whoever made it; a single refusal is then its error. */
static void
print_refused(const struct keyring_made *made, int r)
{
	struct buf b = made->refused;

	if (made->nrefused > (r == 0 ? 0 : 1))
		fprintf(stderr, "%.*s", (int)b.len, (const char *)b.data);
}

/* Reads the file if there is one. */
static int
keyring_read(const char *path, struct buf *text, struct err *e)
{
	int r = file_read(path, text, e);

	return r == ERR_NOTFOUND ? 0 : r;
}

/* what NULL: your own. */
static int
add_one(struct client *c, const struct opts *o, const char *what,
    struct buf *text, struct buf *merged, struct err *e)
{
	struct keyring_made made;
	size_t refused;
	struct buf swap;
	int r;

	r = what != NULL ? make_lines(c, o, what, text, &made, e)
			 : make_own(c, o, text, &made, e);
	print_refused(&made, r);
	refused = made.nrefused;
	if (r == 0) {
		buf_clear(merged);
		r = keyring_merge(text->data, text->len, made.lines.data,
		    made.lines.len, merged, e);
	}
	if (r == 0) {
		fprintf(stderr, "%s: %zu %s, %zu %s\n",
		    what != NULL ? what : client_signer(c), made.persons,
		    made.persons == 1 ? "person" : "persons", made.keys,
		    made.keys == 1 ? "key" : "keys");
		swap = *text;
		*text = *merged;
		*merged = swap;
	}
	keyring_made_release(&made);
	return r != 0 ? r : refused > 0 ? EXIT_INCOMPLETE : 0;
}

static int
cmd_add(struct client *c, const struct opts *o, struct err *e)
{
	char *path = keyring_path(o, e);
	struct buf text, merged;
	bool refused = false;
	int lock = -1, r;
	size_t i;

	if (path == NULL)
		return ERR_NOTFOUND;
	buf_init(&text, KEYRING_TEXT_MAX);
	buf_init(&merged, KEYRING_TEXT_MAX);
	r = client_conf_load(c, e);
	if (r == 0)
		r = client_lock_for(path, &lock, e);
	if (r == 0)
		r = keyring_read(path, &text, e);
	for (i = 0; r == 0 && (i == 0 || i < o->nwords); i++) {
		r = add_one(c, o, o->nwords > 0 ? o->words[i] : NULL, &text,
		    &merged, e);
		refused = refused || r == EXIT_INCOMPLETE;
		r = r == EXIT_INCOMPLETE ? 0 : r;
	}
	if (r == 0)
		r = file_write(path, text.data, text.len, 0644, e);
	if (lock >= 0)
		close(lock);
	if (r == 0)
		fprintf(stderr, "wrote %s\n", path);
	if (r == 0 && refused)
		r = EXIT_INCOMPLETE;
	buf_release(&text);
	buf_release(&merged);
	free(path);
	return r;
}

/* The file that must be there: named as a word, by -f, or the usual one. */
static int
keyring_need(const struct opts *o, struct buf *text, struct err *e)
{
	char *path = keyring_path(o, e);
	const char *use = o->nwords > 0 ? o->words[0] : path;
	int r;

	if (path == NULL)
		return ERR_NOTFOUND;
	r = file_read(use, text, e);
	if (r == ERR_NOTFOUND)
		err_set(e, r,
		    "%s: there is no such keyring; make it with: mig "
		    "keyring add KEY...",
		    use);
	free(path);
	return r;
}

static int
cmd_list(struct client *c, const struct opts *o, struct err *e)
{
	struct buf text, out;
	int r;

	buf_init(&text, KEYRING_TEXT_MAX);
	buf_init(&out, 4 * KEYRING_TEXT_MAX);
	r = keyring_need(o, &text, e);
	if (r == 0)
		r = keyring_list(
		    text.data, text.len, clock_wall_ms() / 1000, &out, e);
	if (r == 0)
		r = client_out(&out, e);
	buf_release(&text);
	buf_release(&out);
	return r;
}

static int
export_own(
    struct client *c, const struct opts *o, struct buf *out, struct err *e)
{
	struct keyring_made made;
	int r;

	r = make_own(c, o, NULL, &made, e);
	print_refused(&made, r);
	if (r == 0)
		r = keyring_merge(
		    "", 0, made.lines.data, made.lines.len, out, e);
	keyring_made_release(&made);
	return r;
}

static int
cmd_export(struct client *c, const struct opts *o, struct err *e)
{
	char *path = keyring_path(o, e);
	struct keyring k;
	struct buf out;
	int r;

	if (path == NULL)
		return ERR_NOTFOUND;
	buf_init(&out, KEYRING_TEXT_MAX);
	r = opts_has(o, "own") ? ERR_NOTFOUND : file_read(path, &out, e);
	if (r == ERR_NOTFOUND && opts_get(o, "f") == NULL)
		r = export_own(c, o, &out, e);
	if (r == 0) {
		r = keyring_parse(out.data, out.len, &k, e);
		if (r == 0)
			keyring_release(&k);
		else
			err_wrap(e, "%s", path);
	}
	if (r == 0)
		r = client_write(opts_get(o, "o"), &out, e);
	buf_release(&out);
	free(path);
	return r;
}

static int
cmd_remove(struct client *c, const struct opts *o, struct err *e)
{
	char *path = keyring_path(o, e);
	struct buf text, out;
	int lock = -1, r;

	if (path == NULL)
		return ERR_NOTFOUND;
	buf_init(&text, KEYRING_TEXT_MAX);
	buf_init(&out, KEYRING_TEXT_MAX);
	/* where there is nothing to change no lock is left either */
	r = access(path, F_OK) == 0 ? client_lock_for(path, &lock, e)
				    : err_errno(e, "%s", path);
	if (r == 0)
		r = file_read(path, &text, e);
	if (r == 0)
		r = keyring_remove(text.data, text.len, o->words[0], &out, e);
	if (r == 0)
		r = file_write(path, out.data, out.len, 0644, e);
	if (lock >= 0)
		close(lock);
	if (r == 0)
		fprintf(stderr, "wrote %s\n", path);
	buf_release(&text);
	buf_release(&out);
	free(path);
	return r;
}

static int
cmd_check(struct client *c, const struct opts *o, struct err *e)
{
	int64_t now = clock_wall_ms() / 1000;
	struct keyring k;
	size_t i, expired = 0;
	struct buf text;
	int r;

	buf_init(&text, KEYRING_TEXT_MAX);
	r = keyring_need(o, &text, e);
	if (r == 0)
		r = keyring_parse(text.data, text.len, &k, e);
	buf_release(&text);
	if (r != 0)
		return r;
	for (i = 0; i < k.nkeys; i++)
		expired += k.keys[i].expires != 0 && k.keys[i].expires <= now;
	printf("%zu %s, %zu %s, %zu expired\n", k.npersons,
	    k.npersons == 1 ? "person" : "persons", k.nkeys,
	    k.nkeys == 1 ? "key" : "keys", expired);
	keyring_release(&k);
	return expired > 0 ? EXIT_INCOMPLETE : 0;
}

static const struct opt file_opts[] = {
	{ "f", "file", "FILE", "the keyring (default: ~/.config/mig/keyring)" },
	{ NULL, NULL, NULL, NULL },
};
static const struct opt add_opts[] = {
	{ "name", NULL, "NAME", "whose the SSH keys are (default: comment)" },
	{ "person", NULL, "FPR",
	    "put the SSH keys to a person of the keyring" },
	{ NULL, NULL, NULL, NULL },
};
static const struct opt export_opts[] = {
	{ "name", NULL, "NAME", "your name, for an SSH key" },
	{ "own", NULL, NULL, "your own key even when there is a keyring" },
	{ "o", "output", "FILE", "where to write (default: standard output)" },
	{ NULL, NULL, NULL, NULL },
};

const struct command keyring_commands[] = {
	{ "keyring add", "[KEY...]",
	    "add people to a keyring: full fingerprints, or key files", cmd_add,
	    file_opts, add_opts, 0, 4000,
	    "A KEY is a full fingerprint in your gpg keyring, or a file (- is "
	    "standard input)\nwith exported OpenPGP keys, SSH keys as in "
	    "id_ed25519.pub, or an allowed_signers\nfile. Without one: your "
	    "own. OpenPGP keys of a person who is there already are\nreplaced, "
	    "SSH keys are put to the others. Expired, revoked and weak keys, "
	    "and\nlines with options that cannot be honoured, are refused with "
	    "the reason; exit\ncode 3 when only some were taken." },
	{ "keyring list", "[FILE]", "who is in a keyring", cmd_list, file_opts,
	    NULL, 0, 1, NULL },
	{ "keyring export", "",
	    "print the keyring, or your own key when there is none", cmd_export,
	    export_opts, file_opts, 0, 0,
	    "The output is what mig-server and mig-agent read." },
	{ "keyring remove", "FPR",
	    "remove a person, or one key, from a keyring", cmd_remove,
	    file_opts, NULL, 1, 1, NULL },
	{ "keyring check", "[FILE]", "is it well-formed, is anything expired",
	    cmd_check, file_opts, NULL, 0, 1,
	    "Exit code 3 when a key has expired." },
	{ .name = NULL },
};
