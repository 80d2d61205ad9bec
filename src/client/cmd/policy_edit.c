/* SPDX-License-Identifier: MPL-2.0 */
/* `mig policy edit|sign|push|pin`: making the next policy, by several people.
 * What would lock everybody out is neither written, signed nor sent. */
#include "client/cmd/policy.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "client/api/api.h"
#include "client/policy/policy_draft.h"
#include "client/sign/sign.h"
#include "json/json.h"
#include "proc/proc.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX (16 * 1024 * 1024)
#define PATH_ROOM 4096

static int64_t
now_s(void)
{
	return clock_wall_ms() / 1000;
}

static int
say_words(const struct policy *was, const struct policy *next, struct err *e)
{
	struct buf out;
	int r;

	buf_init(&out, WORDS_MAX);
	r = policy_words(was, next, &out);
	if (r == 0 && buf_str(&out) == NULL)
		r = out.error;
	if (r == 0)
		client_err(buf_str(&out));
	else
		err_code(e, r, "what changes");
	buf_release(&out);
	return r;
}

/* --- edit ------------------------------------------------------------------
 */

static int
part(const struct opts *o, const char *name, const uint8_t *was, size_t len,
    struct buf *out, struct err *e)
{
	const char *path = opts_get(o, name);
	int r;

	if (path != NULL)
		return file_read(path, out, e);
	r = buf_add(out, was, len);
	return r == 0 ? 0 : err_code(e, r, "%s", name);
}

/* It has the terminal, and what is typed to interrupt it is not for us. */
static int
run_editor(const char *path, struct err *e)
{
	const struct proc_fd fds[] = { { 0, 0 }, { isatty(1) ? 1 : 0, 1 },
		{ 2, 2 } };
	char script[] = "exec ${VISUAL:-${EDITOR:-vi}} \"$1\"";
	char file[PATH_ROOM], sh[] = "sh", dash_c[] = "-c", name[] = "mig";
	char *argv[] = { sh, dash_c, script, name, file, NULL };
	struct proc_spawn s = { .path = "/bin/sh",
		.exec_fd = -1,
		.argv = argv,
		.envp = environ,
		.fds = fds,
		.nfds = 3 };
	struct sigaction ignore = { .sa_handler = SIG_IGN }, on_int, on_quit;
	int status = 0, r;
	pid_t pid;

	str_copy(file, sizeof(file), path);
	sigaction(SIGINT, &ignore, &on_int);
	sigaction(SIGQUIT, &ignore, &on_quit);
	r = proc_spawn(&s, &pid, e);
	while (r == 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			r = err_errno(e, "the editor");
	sigaction(SIGINT, &on_int, NULL);
	sigaction(SIGQUIT, &on_quit, NULL);
	if (r == 0 && status != 0)
		r = err_set(e, ERR_CLOSED,
		    "the editor did not end well (%s); nothing was made. Set "
		    "EDITOR, or give -acl FILE",
		    proc_status_text(status));
	return r;
}

/* Is there anything in the file that is not in the policy already? */
static bool
is_edited(const char *path, const struct policy *was)
{
	struct buf b;
	bool edited;
	int r;

	buf_init(&b, POLICY_MAX);
	r = file_read(path, &b, NULL);
	edited = r == 0
	    ? b.len != was->acl_len || memcmp(b.data, was->acl, b.len) != 0
	    : r != ERR_NOTFOUND;
	buf_release(&b);
	return edited;
}

/* The ACL in an editor. */
static int
edit_acl(
    const char *path, const struct policy *was, struct buf *acl, struct err *e)
{
	struct acl *a = NULL;
	int r;

	if (is_edited(path, was))
		return err_set(e, ERR_EXISTS,
		    "somebody has edited it before, and nothing was made of it "
		    "yet");
	r = file_write(path, was->acl, was->acl_len, 0600, e);
	if (r == 0)
		r = run_editor(path, e);
	if (r != 0)
		return r;
	buf_clear(acl);
	r = file_read(path, acl, e);
	if (r == 0)
		r = acl_parse(acl->data, acl->len, &a, e);
	acl_free(a);
	if (r == 0 && !is_edited(path, was))
		r = err_set(e, ERR_INVALID,
		    "nothing was changed: no policy was made (-expires 365d "
		    "makes one that only holds longer)");
	return r;
}

/* What was edited is somebody's work, and stays until a policy is made of it.
 */
static int
edited_end(const char *path, const struct policy *was, int r, struct err *e)
{
	if (r != 0 && is_edited(path, was))
		return err_wrap(e,
		    "%s stays as it was left: correct it, then mig policy edit "
		    "-acl %s (or remove it, to begin anew)",
		    path, path);
	unlink(path);
	return r;
}

static bool
has_parts(const struct opts *o)
{
	return opts_has(o, "keyring") || opts_has(o, "acl") ||
	    opts_has(o, "limits") || opts_has(o, "expires");
}

static int
fill_draft(const struct opts *o, const struct policy *was, const char *edited,
    struct policy_draft *d, struct err *e)
{
	int r = policy_draft_times(d, o, e);

	if (r != 0 ||
	    (r = part(o, "keyring", was->keyring, was->keyring_len, &d->keyring,
		 e)) != 0 ||
	    (r = part(o, "acl", was->acl, was->acl_len, &d->acl, e)) != 0 ||
	    (r = part(o, "limits", was->limits, was->limits_len, &d->limits,
		 e)) != 0)
		return r;
	if (!has_parts(o) && (r = edit_acl(edited, was, &d->acl, e)) != 0)
		return r;
	d->policy.version = was->version + 1;
	d->policy.previous = was->hash;
	return policy_draft_write(d, e);
}

static int
check_draft(const struct policy_draft *d, struct err *e)
{
	int r = policy_file_check(&d->policy, now_s(), e);

	if (r == 0 && d->text.len > POLICY_STEP_MAX)
		r = err_set(e, ERR_TOOBIG,
		    "the policy has %zu bytes; the platform carries %d",
		    d->text.len, POLICY_STEP_MAX);
	return r;
}

static int
edit(const struct opts *o, const struct policy *was, struct err *e)
{
	char name[64], edited[PATH_ROOM];
	const char *to = opts_get(o, "o");
	struct policy_draft d;
	int r;

	snprintf(name, sizeof(name), "policy-%" PRIu64, was->version + 1);
	if (to == NULL)
		to = name;
	if (snprintf(edited, sizeof(edited), "%s.acl", to) >= PATH_ROOM)
		return err_set(e, ERR_TOOBIG, "-o: the path is too long");
	policy_draft_init(&d);
	r = fill_draft(o, was, edited, &d, e);
	if (r == 0)
		r = check_draft(&d, e);
	if (r == 0)
		r = say_words(was, &d.policy, e);
	if (r == 0)
		r = client_write(to, &d.text, e);
	if (!has_parts(o))
		r = edited_end(edited, was, r, e);
	if (r == 0)
		policy_warn_end(&d.policy);
	if (r == 0)
		fprintf(stderr,
		    "policy %" PRIu64 "  %s\nnext: mig policy sign "
		    "%s\n",
		    d.policy.version, id_hex(&d.policy.hash).s, to);
	policy_draft_release(&d);
	return r;
}

int
policy_cmd_edit(struct client *c, const struct opts *o, struct err *e)
{
	struct policy_chain ch;
	struct policy_file f;
	int r;

	if (!has_parts(o) && !isatty(STDIN_FILENO))
		return err_set(e, ERR_INVALID,
		    "the ACL is opened in an editor, which needs a terminal: "
		    "give -acl FILE, or what else changes (-keyring, -limits, "
		    "-expires)");
	if (o->nwords > 0) {
		r = policy_file_load(o->words[0], &f, e);
		if (r == 0)
			r = edit(o, &f.policy, e);
		policy_file_release(&f);
		return r;
	}
	r = policy_chain_load(c, false, &ch, e);
	if (r == 0)
		r = edit(o, &ch.newest.policy, e);
	policy_chain_release(&ch);
	return r;
}

/* --- the policy before ------------------------------------------------------
 */

/* From -from, from what this client knows, or from the server by its hash. */
static int
load_before(struct client *c, const struct opts *o, const struct policy *p,
    struct policy_file *ret, struct err *e)
{
	const char *path = opts_get(o, "from");
	int r;

	memset(ret, 0, sizeof(*ret));
	if (p->version == 1)
		return err_set(e, ERR_INVALID,
		    "the first policy is not signed: endpoints take it by its "
		    "hash");
	if (path == NULL) {
		r = policy_by_hash(c, &p->previous, ret, e);
		return r == 0 ? 0
			      : err_wrap(e,
				    "the policy before it is needed as well "
				    "(-from FILE, or push it first)");
	}
	r = policy_file_load(path, ret, e);
	if (r == 0 && !id_equal(&ret->policy.hash, &p->previous))
		r = err_set(e, ERR_INVALID,
		    "-from %s: this is not the policy before it", path);
	return r;
}

/* --- sign ------------------------------------------------------------------
 */

static int
sign_text(struct client *c, struct policy_file *f, struct buf *out,
    size_t *ret_n, struct err *e)
{
	struct envelope env = f->env;
	struct buf packet;
	int r;

	env.doc = f->text.data;
	env.doc_len = f->text.len;
	if (env.doc_len > POLICY_STEP_MAX)
		return err_set(e, ERR_TOOBIG,
		    "the policy has %zu bytes; the platform carries %d",
		    env.doc_len, POLICY_STEP_MAX);
	buf_init(&packet, SIGPACKET_MAX);
	r = sign_add(c, PURPOSE_POLICY, &env, &packet, e);
	if (r == 0) {
		*ret_n = env.nsigs;
		r = sign_envelope_text(&env, out, e);
	}
	buf_release(&packet);
	return r;
}

/* Is it enough? Only said: the others may still sign. */
static void
say_weight(const struct policy *was, const struct buf *signed_text, size_t n,
    const char *path)
{
	struct policy_file f;
	struct err e;

	err_clear(&e);
	fprintf(stderr, "signed: %zu %s now", n,
	    n == 1 ? "signature" : "signatures");
	if (policy_file_signed(signed_text->data, signed_text->len, &f, &e) ==
		0 &&
	    policy_file_step(was, &f, now_s(), &e) == 0)
		fprintf(stderr, ", which is enough; next: mig policy push %s\n",
		    path);
	else
		fprintf(stderr, "; not enough yet: %s\n", e.msg);
	policy_file_release(&f);
}

static int
sign(struct client *c, const struct opts *o, struct policy_file *f,
    const char *name, struct err *e)
{
	const char *to = opts_get(o, "o");
	struct policy_file was;
	struct buf out;
	size_t n = 0;
	int r;

	buf_init(&out, 4 * ENVELOPE_MAX);
	r = load_before(c, o, &f->policy, &was, e);
	if (r == 0)
		r = policy_file_check(&f->policy, now_s(), e);
	if (r == 0)
		r = policy_is_fresh(&f->policy, now_s(), e);
	if (r == 0)
		r = say_words(&was.policy, &f->policy, e);
	if (r == 0)
		fprintf(stderr, "hash %s\n", id_hex(&f->policy.hash).s);
	if (r == 0)
		policy_warn_end(&f->policy);
	if (r == 0)
		r = client_confirm_sign(opts_has(o, "y"), "policy", e);
	if (r == 0)
		r = sign_text(c, f, &out, &n, e);
	if (r == 0)
		r = client_write(to != NULL ? to : name, &out, e);
	if (r == 0)
		say_weight(&was.policy, &out, n, to != NULL ? to : name);
	policy_file_release(&was);
	buf_release(&out);
	return r;
}

int
policy_cmd_sign(struct client *c, const struct opts *o, struct err *e)
{
	struct policy_file f, before;
	char name[PATH_ROOM];
	int r = policy_file_load(o->words[0], &f, e);
	struct err none;

	snprintf(name, sizeof(name), "%s%s", o->words[0],
	    f.binary.len > 0 ? "" : ".signed");
	if (r == 0 && f.binary.len == 0 && opts_get(o, "o") == NULL) {
		/* what others have signed there is kept */
		if (policy_file_load(name, &before, &none) == 0 &&
		    before.binary.len > 0 &&
		    id_equal(&before.policy.hash, &f.policy.hash)) {
			policy_file_release(&f);
			f = before;
		} else {
			policy_file_release(&before);
		}
	}
	if (r == 0) {
		sign_warn_useless(&f.env, PURPOSE_POLICY);
		r = sign(c, o, &f, name, e);
	}
	policy_file_release(&f);
	return r;
}

/* --- push ------------------------------------------------------------------
 */

/* Who knew the one before, or none, knows this one now. */
static int
remember(struct client *c, const struct policy_file *f, struct err *e)
{
	struct policy_file known;
	int r = policy_known(c, &known, e);

	if (r == ERR_NOTFOUND ||
	    (r == 0 && id_equal(&known.policy.hash, &f->policy.previous)))
		r = policy_known_save(c, f, e);
	policy_file_release(&known);
	return r;
}

static int
push(struct client *c, const struct opts *o, const struct policy_file *f,
    struct err *e)
{
	struct policy_file was;
	json_t *answer = NULL;
	struct buf body;
	int r;

	if (f->binary.len == 0)
		return err_set(e, ERR_INVALID,
		    "nobody has signed this policy: mig policy sign %s",
		    o->words[0]);
	buf_init(&body, 4 * ENVELOPE_MAX);
	r = load_before(c, o, &f->policy, &was, e);
	if (r == 0)
		r = policy_is_fresh(&f->policy, now_s(), e);
	if (r == 0)
		r = policy_file_step(&was.policy, f, now_s(), e);
	if (r == 0)
		r = sign_envelope_text(&f->env, &body, e);
	if (r == 0)
		r = api_json(c, "POST", "/api/v1/policies", &body, &answer, e);
	if (r == 0)
		r = api_need_id(answer, "hash", &f->policy.hash, e);
	if (r == 0)
		r = remember(c, f, e);
	if (r == 0)
		fprintf(stderr,
		    "policy %" PRIu64 " is on its way; who has it: mig policy "
		    "status\n",
		    f->policy.version);
	json_decref(answer);
	policy_file_release(&was);
	buf_release(&body);
	return r;
}

int
policy_cmd_push(struct client *c, const struct opts *o, struct err *e)
{
	struct policy_file f;
	int r = policy_file_load(o->words[0], &f, e);

	if (r == 0) {
		sign_warn_useless(&f.env, PURPOSE_POLICY);
		r = push(c, o, &f, e);
	}
	policy_file_release(&f);
	return r;
}

/* --- pin -------------------------------------------------------------------
 */

int
policy_cmd_pin(struct client *c, const struct opts *o, struct err *e)
{
	struct policy_file f;
	struct id hash;
	int r;

	if (id_parse(o->words[0], &hash) == 0)
		r = policy_by_hash(c, &hash, &f, e);
	else
		r = policy_file_load(o->words[0], &f, e);
	if (r == ERR_NOTFOUND && strchr(o->words[0], '/') == NULL &&
	    id_parse(o->words[0], &hash) != 0)
		err_set(e, r,
		    "'%s' is neither a file nor a policy's hash of %d hex "
		    "digits",
		    o->words[0], ID_HEX_LEN);
	if (r == 0)
		r = policy_known_save(c, &f, e);
	if (r == 0)
		fprintf(stderr, "policy %" PRIu64 "  %s\n", f.policy.version,
		    id_hex(&f.policy.hash).s);
	policy_file_release(&f);
	return r;
}
