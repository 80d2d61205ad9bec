/* SPDX-License-Identifier: MPL-2.0 */
/* `mig policy make|hash|show`: keyring, ACL and limits in one file; the table
 * of all policy commands. */
#include "client/cmd/policy.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "client/policy/policy_draft.h"
#include "crypto/keyring.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool
name_is_unique(const struct keyring *k, size_t i)
{
	size_t j;

	for (j = 0; j < k->npersons; j++)
		if (j != i &&
		    strcmp(k->persons[j].name, k->persons[i].name) == 0)
			return false;
	return k->persons[i].name[0] != '\0';
}

static void
entry_default(const struct keyring *k, const char *name, struct jsonw *w)
{
	char fpr[2 * PGP_FPR_LEN + 1];
	size_t i;

	jsonw_object(w, name);
	jsonw_i64(w, "minimumweight", 1);
	jsonw_object(w, "investigators");
	for (i = 0; i < k->npersons; i++) {
		hex_encode(k->persons[i].fpr, PGP_FPR_LEN, fpr);
		jsonw_object(
		    w, name_is_unique(k, i) ? k->persons[i].name : fpr);
		jsonw_str(w, "fingerprint", fpr);
		jsonw_i64(w, "weight", 1);
		jsonw_object_end(w);
	}
	jsonw_object_end(w);
	jsonw_object_end(w);
}

/* Everybody in the keyring may ask everything and change the policy, alone. */
static int
acl_default(const struct keyring *k, struct buf *out, struct err *e)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	entry_default(k, "default", &w);
	entry_default(k, POLICY_RIGHT, &w);
	jsonw_object_end(&w);
	buf_add_str(out, "\n");
	return out->error == 0 ? 0 : err_code(e, out->error, "the ACL");
}

static int
read_part(const char *path, struct buf *out, struct err *e)
{
	return path != NULL ? file_read(path, out, e) : 0;
}

/* Each part is read as its reader on the endpoint will read it. */
static int
make_parts(const struct opts *o, struct policy_draft *p, struct err *e)
{
	const char *keyring = opts_get(o, "keyring"), *acl = opts_get(o, "acl");
	const char *limits = opts_get(o, "limits");
	struct policy_limits l;
	struct acl *a = NULL;
	struct keyring k;
	int r;

	r = read_part(keyring, &p->keyring, e);
	if (r != 0)
		return r;
	r = keyring_parse(p->keyring.data, p->keyring.len, &k, e);
	if (r != 0)
		return err_wrap(e, "%s", keyring);
	if (acl != NULL)
		r = read_part(acl, &p->acl, e);
	else
		r = acl_default(&k, &p->acl, e);
	if (r == 0)
		r = acl_parse(p->acl.data, p->acl.len, &a, e);
	if (r != 0)
		err_wrap(e, "%s", acl != NULL ? acl : "default ACL");
	acl_free(a);
	keyring_release(&k);
	if (r == 0)
		r = read_part(limits, &p->limits, e);
	if (r == 0 && limits == NULL)
		buf_add_str(&p->limits, "{}\n");
	if (r == 0 &&
	    (r = policy_limits_parse(p->limits.data, p->limits.len, &l, e)) !=
		0)
		err_wrap(e, "%s", limits != NULL ? limits : "limits");
	return r;
}

static int
make_header(const struct opts *o, struct policy *p, struct err *e)
{
	const char *version = opts_get(o, "version");
	const char *previous = opts_get(o, "previous");

	p->version = 1;
	if (version != NULL && str_u64(version, 1, INT64_MAX, &p->version) != 0)
		return err_set(e, ERR_INVALID,
		    "-version %s: expected a number from 1", version);
	if (previous != NULL && id_parse(previous, &p->previous) != 0)
		return err_set(e, ERR_INVALID,
		    "-previous %s: expected the 64 hex digits of mig policy "
		    "hash",
		    previous);
	if ((p->version > 1) != (previous != NULL))
		return err_set(e, ERR_INVALID,
		    "the first policy is version 1 and has no predecessor; "
		    "every other needs -version and -previous");
	return 0;
}

static int
cmd_make(struct client *c, const struct opts *o, struct err *e)
{
	struct policy_draft d;
	struct err why;
	int r;

	if (opts_get(o, "keyring") == NULL || opts_get(o, "o") == NULL)
		return err_set(e, ERR_INVALID,
		    "which files? mig policy make -keyring FILE -o FILE");
	policy_draft_init(&d);
	r = make_header(o, &d.policy, e);
	if (r == 0)
		r = policy_draft_times(&d, o, e);
	if (r == 0)
		r = make_parts(o, &d, e);
	if (r == 0)
		r = policy_draft_write(&d, e);
	if (r == 0)
		r = client_write(opts_get(o, "o"), &d.text, e);
	if (r == 0)
		fprintf(stderr, "policy %" PRIu64 "  %s\n", d.policy.version,
		    id_hex(&d.policy.hash).s);
	if (r == 0)
		policy_warn_end(&d.policy);
	err_clear(&why);
	if (r == 0 &&
	    policy_file_check(&d.policy, clock_wall_ms() / 1000, &why) != 0)
		client_warn(
		    "warning: nobody will be able to change it: %s", why.msg);
	policy_draft_release(&d);
	return r;
}

static int
cmd_hash(struct client *c, const struct opts *o, struct err *e)
{
	struct policy_file f;
	int r = policy_file_load(o->words[0], &f, e);

	if (r == 0)
		printf("%s\n", id_hex(&f.policy.hash).s);
	policy_file_release(&f);
	return r;
}

static int
show(const struct policy_file *f, bool raw, struct err *e)
{
	char issued[RFC3339_LEN + 1], expires[RFC3339_LEN + 1];
	const struct policy *p = &f->policy;
	struct buf out;
	int r;

	if (raw)
		return client_out_bytes(&f->text, e);
	buf_init(&out, 2 * POLICY_MAX);
	rfc3339_format(p->issued, issued);
	rfc3339_format(p->expires, expires);
	buf_add_fmt(&out,
	    "version   %" PRIu64 "\nhash      %s\nprevious  %s\n"
	    "issued    %s\nexpires   %s%s\n",
	    p->version, id_hex(&p->hash).s,
	    id_is_zero(&p->previous) ? "none (the first)"
				     : id_hex(&p->previous).s,
	    issued, expires,
	    p->expires <= clock_wall_ms() / 1000 ? " (expired)" : "");
	if (f->binary.len > 0)
		buf_add_fmt(&out, "signatures %zu\n", f->env.nsigs);
	buf_add_str(&out, "\n");
	buf_add(&out, p->keyring, p->keyring_len);
	buf_add_str(&out, "\n");
	buf_add(&out, p->acl, p->acl_len);
	buf_add_str(&out, "\n");
	buf_add(&out, p->limits, p->limits_len);
	r = client_out(&out, e);
	buf_release(&out);
	return r;
}

static int
cmd_show(struct client *c, const struct opts *o, struct err *e)
{
	bool raw = opts_has(o, "raw");
	struct policy_chain ch;
	struct policy_file f;
	int r;

	if (o->nwords == 0) {
		r = policy_chain_load(c, false, &ch, e);
		if (r == 0)
			r = show(&ch.newest, raw, e);
		policy_chain_release(&ch);
		return r;
	}
	r = policy_file_load(o->words[0], &f, e);
	if (r == 0)
		r = show(&f, raw, e);
	policy_file_release(&f);
	return r;
}

static const struct opt make_opts[] = {
	{ "keyring", NULL, "FILE", "who there is (mig keyring export)" },
	{ "acl", NULL, "FILE",
	    "who may ask what; default: everybody everything, alone" },
	{ "limits", NULL, "FILE", "limits of the agents; default: theirs" },
	{ "expires", NULL, "DURATION", "how long it holds (default 365d)" },
	{ "version", NULL, "N", "number (default 1)" },
	{ "previous", NULL, "HEX", "hash of the policy before it" },
	{ "o", "output", "FILE", "where to write; - is standard output" },
	{ NULL, NULL, NULL, NULL },
};

static const struct opt show_opts[] = {
	{ "raw", NULL, NULL, "the policy's bytes, as mig-agent policy takes" },
	{ NULL, NULL, NULL, NULL },
};
static const struct opt edit_opts[] = {
	{ "keyring", NULL, "FILE", "another keyring" },
	{ "acl", NULL, "FILE", "another ACL" },
	{ "limits", NULL, "FILE", "other limits" },
	{ "expires", NULL, "DURATION", "how long it holds (default 365d)" },
	{ "o", "output", "FILE", "where to write (default policy-VERSION)" },
	{ NULL, NULL, NULL, NULL },
};
static const struct opt sign_opts[] = {
	{ "from", NULL, "FILE", "the policy before it (else the server's)" },
	{ "o", "output", "FILE",
	    "where to write (default FILE.signed, or the same file)" },
	{ "y", "yes", NULL, "do not ask; needed where there is no terminal" },
	{ NULL, NULL, NULL, NULL },
};
static const struct opt push_opts[] = {
	{ "from", NULL, "FILE", "the policy before it (else the server's)" },
	{ NULL, NULL, NULL, NULL },
};
static const struct opt status_opts[] = {
	{ "json", NULL, NULL, "as one JSON object; lists all that lag" },
	{ NULL, NULL, NULL, NULL },
};

const struct command policy_commands[] = {
	{ "policy make", "", "make a policy out of keyring, ACL and limits",
	    cmd_make, make_opts, NULL, 0, 0,
	    "Every part is checked as agents will check it. The hash is "
	    "printed: endpoints are\ngiven it with their enrolment." },
	{ "policy hash", "FILE", "the hash of a policy", cmd_hash, NULL, NULL,
	    1, 1, NULL },
	{ "policy show", "[FILE]", "what is in a policy", cmd_show, show_opts,
	    NULL, 0, 1,
	    "Without FILE the newest one: the server's chain of signed "
	    "policies, verified from\nthe one that this client knows." },
	{ "policy edit", "[FILE]", "make the next policy", policy_cmd_edit,
	    edit_opts, NULL, 0, 1,
	    "It follows FILE, or the newest policy (see show). What no option "
	    "replaces stays as\nit is; without any the ACL is opened in "
	    "$EDITOR. What changes is said in words." },
	{ "policy sign", "FILE", "add your signature to the next policy",
	    policy_cmd_sign, sign_opts, NULL, 1, 1,
	    "What it changes is shown first. As many people sign as the "
	    "ACL's entry \"policy\" of\nthe policy before it demands." },
	{ "policy push", "FILE", "give a signed policy to the server",
	    policy_cmd_push, push_opts, NULL, 1, 1,
	    "The agents that have the policy before it fetch it, and judge it "
	    "themselves." },
	{ "policy status", "", "which agents have which policy",
	    policy_cmd_status, status_opts, NULL, 0, 0,
	    "Only agents' own signed words count. Exit code 1 when some have "
	    "not the newest." },
	{ "policy pin", "FILE|HASH", "tell mig which policy agents have",
	    policy_cmd_pin, NULL, NULL, 1, 1,
	    "The policies that follow are known by their signatures from then "
	    "on; mig policy status\nand -cosign need it. The hash is the one "
	    "that mig policy make printed and endpoints\nare enrolled with." },
	{ .name = NULL },
};
