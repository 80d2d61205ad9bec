/* SPDX-License-Identifier: MPL-2.0 */
/*
 * mig-agent enrol, the side with the keys: makes the identity, signs the
 * document, and files what comes back. The conversation with the server is
 * mig-agent-enrol's, unprivileged and sandboxed:
 *
 *   START (server, pins) ->        <- KEY (private key, its public half)
 *   SEND (signed document) ->      <- DONE (certificate, CA, relay, policy)
 */
#include "agent/cmd/enrolcmd.h"

#include "agent/cmd/enroldoc.h"
#include "agent/store/journal.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/once.h"
#include "agent/monitor/ownopen.h"
#include "agent/store/ownrecord.h"
#include "agent/store/spool.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/str.h"
#include "crypto/enroltoken.h"
#include "crypto/sha256.h"
#include "ipc/ipc.h"
#include "proc/proc.h"
#include "record/record.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PEM_MAX 16384
/* More than the helper takes for names, tries and answers; see enrol.c. */
#define ANSWER_SECONDS 180
#define END_MS 5000 /* for the end of one that closed its channel */

struct enrolment {
	struct agent_conf conf;
	struct state state;
	char host[256];
	uint16_t port;
	struct id ca, policy; /* pins; policy zero: none */
	uint8_t token[ENROL_TOKEN_LEN];
	bool proves; /* it was made by a client (crypto/enroltoken.h) */
	int fd;      /* channel to mig-agent-enrol */
	pid_t pid;
	bool silent;   /* it left without a word, or had none in time */
	struct buf in; /* its last message */
	struct buf key_pem;
};

/* --- options ---------------------------------------------------------------
 */

/* https://host:port, https://[v6]:port; no path. */
static int
parse_url(const char *url, struct enrolment *en, struct err *e)
{
	const char *p = url, *colon;
	uint64_t port = 443;
	size_t len;

	if (!str_starts(url, "https://"))
		return err_set(
		    e, ERR_INVALID, "'%s' is not https://HOST:PORT", url);
	p += strlen("https://");
	len = strcspn(p, "/");
	if (p[len] == '/' && p[len + 1] != '\0')
		return err_set(
		    e, ERR_INVALID, "'%s' must not have a path", url);
	colon = memrchr(p, ':', len);
	if (colon != NULL &&
	    memchr(colon, ']', len - (size_t)(colon - p)) == NULL) {
		char number[8] = "";
		size_t n = len - (size_t)(colon - p) - 1;

		if (n < sizeof(number))
			memcpy(number, colon + 1, n);
		if (n >= sizeof(number) || str_u64(number, 1, 65535, &port))
			return err_set(e, ERR_INVALID,
			    "'%s': the port is not a number", url);
		len = (size_t)(colon - p);
	}
	if (len >= 2 && p[0] == '[' && p[len - 1] == ']') {
		p++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(en->host))
		return err_set(e, ERR_INVALID, "'%s' names no host", url);
	memcpy(en->host, p, len);
	en->host[len] = '\0';
	en->port = (uint16_t)port;
	return 0;
}

static int
parse_options(
    const struct enrol_options *o, struct enrolment *en, struct err *e)
{
	int rc = parse_url(o->url, en, e);

	if (rc != 0)
		return rc;
	if (id_parse(o->ca, &en->ca) != 0)
		return err_set(e, ERR_INVALID,
		    "--ca: not a SHA-256 fingerprint of 64 hex digits");
	if (enrol_token_parse(o->token, en->token) == 0)
		en->proves = true;
	else if (hex_decode(o->token, en->token, sizeof(en->token)) != 0)
		return err_set(e, ERR_INVALID,
		    "--token: not a token of 64 hex digits, with or "
		    "without " ENROL_TOKEN_PREFIX);
	if (o->policy_hash != NULL &&
	    id_parse(o->policy_hash, &en->policy) != 0)
		return err_set(e, ERR_INVALID,
		    "--policy-hash: not a hash of 64 hex digits");
	return 0;
}

/* --- the conversation ------------------------------------------------------
 */

static int
spawn(struct enrolment *en, struct err *e)
{
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	char path[PATH_MAX];
	char *argv[2] = { path, NULL };
	struct proc_fd fds[1];
	struct proc_spawn s;
	int fd[2], rc;

	rc = proc_sibling("mig-agent-enrol", path, sizeof(path), e);
	if (rc == 0)
		rc = ipc_pair(fd, e);
	if (rc != 0)
		return rc;
	fds[0] = (struct proc_fd){ fd[1], PROC_IPC_FD };
	memset(&s, 0, sizeof(s));
	s.path = path;
	s.exec_fd = -1;
	s.argv = argv;
	s.fds = fds;
	s.nfds = 1;
	s.keep_stderr = true;
	rc = proc_spawn(&s, &en->pid, e);
	close(fd[1]);
	en->fd = fd[0];
	if (rc == 0 &&
	    setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) !=
		0)
		rc = err_errno(e, "SO_RCVTIMEO");
	return rc;
}

/* The next message, which must be of this type. */
static int
expect(struct enrolment *en, uint16_t type, struct ipc_msg *msg, struct err *e)
{
	char text[MSG_TEXT_MAX];
	struct rd r;
	int rc = ipc_read(en->fd, &en->in, msg, false, e);

	if (rc != 0) {
		en->silent = rc == ERR_CLOSED || rc == ERR_INVALID;
		return err_wrap(
		    e, "mig-agent-enrol, which talks to the server");
	}
	if (msg_allowed(ROLE_ENROL, ROLE_MONITOR, msg) != 0)
		return err_set(e, ERR_INVALID, "unexpected message");
	if (msg->type == MSG_ENROL_FAILED) {
		rd_init(&r, msg->body, msg->len);
		rd_field_str(&r, text, sizeof(text));
		return err_set(e, ERR_DENIED, "%s", text);
	}
	if (msg->type != type)
		return err_set(e, ERR_INVALID, "unexpected message");
	return 0;
}

/* One that has ended meanwhile cannot be told: why comes with what is expected
 * of it next. */
static int
say(struct enrolment *en, uint16_t type, const struct buf *b, struct err *e)
{
	int rc = ipc_write(en->fd, type, 0, b->data, b->len, -1, e);

	if (rc != ERR_CLOSED)
		return rc;
	err_clear(e);
	return 0;
}

static int
say_start(struct enrolment *en, struct err *e)
{
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;
	struct buf b;
	int rc;

	if (geteuid() == 0 &&
	    (rc = agent_conf_user(&en->conf, &uid, &gid, e)) != 0)
		return rc;
	buf_init(&b, 16384);
	buf_add_u32(&b, uid);
	buf_add_u32(&b, gid);
	buf_add_field(&b, en->host, strlen(en->host));
	buf_add_u16(&b, en->port);
	buf_add(&b, en->ca.b, ID_LEN);
	buf_add(&b, en->policy.b, ID_LEN);
	rc = b.error != 0 ? err_code(e, b.error, "starting")
			  : say(en, MSG_ENROL_START, &b, e);
	buf_release(&b);
	return rc;
}

/* What the server is shown, and what it knows that by. */
static void
token_shown(const struct enrolment *en,
    char hex[static 2 * ENROL_TOKEN_LEN + 1], struct id *ret_hash)
{
	uint8_t shown[ENROL_TOKEN_LEN];

	if (en->proves)
		enrol_token_auth(en->token, shown);
	else
		memcpy(shown, en->token, sizeof(shown));
	sha256(shown, sizeof(shown), ret_hash);
	hex_encode(shown, sizeof(shown), hex);
	sodium_memzero(shown, sizeof(shown));
}

static int
file_enrolment(struct enrolment *en, struct err *e)
{
	struct id token = { { 0 } }, proof = { { 0 } };

	if (en->proves) {
		enrol_token_hash(en->token, &token);
		enrol_token_proof(en->token, en->state.who.pub, &proof);
	}
	return state_enrolment_write(&en->state, &token, &proof, e);
}

/* Takes the key the helper made and answers with the signed document. */
static int
say_document(struct enrolment *en, const struct ipc_msg *msg, struct err *e)
{
	char shown[2 * ENROL_TOKEN_LEN + 1];
	uint8_t sig[IDENTITY_SIG_LEN];
	const uint8_t *spki, *pem;
	size_t spki_len, pem_len;
	struct os_host host;
	struct id token;
	struct buf doc, b;
	struct rd r;
	int rc;

	rd_init(&r, msg->body, msg->len);
	spki = rd_field(&r, 1024, &spki_len);
	pem = rd_field(&r, PEM_MAX, &pem_len);
	if (!rd_done(&r))
		return err_set(e, ERR_INVALID, "malformed key message");
	if (buf_add(&en->key_pem, pem, pem_len) != 0)
		return err_code(e, en->key_pem.error, "the connection's key");
	rc = os_host_read(&host, e);
	if (rc != 0)
		return rc;
	buf_init(&doc, 8192);
	buf_init(&b, 65536);
	token_shown(en, shown, &token);
	enroldoc_write(en->conf.name != NULL ? en->conf.name : host.name,
	    &token, spki, spki_len, &doc);
	identity_sign(&en->state.who, PURPOSE_ENROL, doc.data, doc.len, sig);
	buf_add_field(&b, doc.data, doc.len);
	buf_add(&b, en->state.who.pub, IDENTITY_PUB_LEN);
	buf_add(&b, sig, sizeof(sig));
	buf_add_field(&b, shown, strlen(shown));
	sodium_memzero(shown, sizeof(shown));
	rc = b.error != 0 || doc.error != 0
	    ? err_code(e, b.error != 0 ? b.error : doc.error, "the document")
	    : say(en, MSG_ENROL_SEND, &b, e);
	buf_release(&doc);
	buf_release(&b);
	return rc;
}

/* --- what came back --------------------------------------------------------
 */

static int
file_policy(
    struct enrolment *en, const uint8_t *policy, size_t len, struct err *e)
{
	struct id hash;

	if (id_is_zero(&en->policy))
		return 0;
	if (len == 0)
		return err_set(e, ERR_NOTFOUND,
		    "the server has no policy with the pinned hash");
	purpose_hash(PURPOSE_POLICY, policy, len, &hash);
	if (!id_equal(&hash, &en->policy))
		return err_set(
		    e, ERR_AUTH, "the server's policy has not the pinned hash");
	return state_write(&en->state, "policy.new", policy, len, e);
}

static int
file_answer(struct enrolment *en, const struct ipc_msg *msg, struct err *e)
{
	const uint8_t *cert, *ca, *relay, *policy;
	size_t cert_len, ca_len, relay_len, policy_len;
	struct id agent;
	struct rd r;
	int rc;

	rd_init(&r, msg->body, msg->len);
	rd_copy(&r, agent.b, ID_LEN);
	cert = rd_field(&r, PEM_MAX, &cert_len);
	ca = rd_field(&r, PEM_MAX, &ca_len);
	relay = rd_field(&r, 300, &relay_len);
	policy = rd_field(&r, POLICY_MAX, &policy_len);
	if (!rd_done(&r))
		return err_set(e, ERR_INVALID, "malformed answer");
	if (!id_equal(&agent, &en->state.who.id))
		return err_set(
		    e, ERR_AUTH, "the server answered for another agent");
	/* what was renewed belongs to the enrolment before */
	rc = state_remove(&en->state, STATE_RENEWED, e);
	if (rc == 0)
		rc = file_policy(en, policy, policy_len, e);
	if (rc == 0)
		rc = state_write(&en->state, "ca.crt", ca, ca_len, e);
	if (rc == 0)
		rc = state_write(&en->state, "agent.key", en->key_pem.data,
		    en->key_pem.len, e);
	if (rc == 0)
		rc = state_write(&en->state, "relay", relay, relay_len, e);
	if (rc == 0)
		rc = file_enrolment(en, e);
	/* last: it says that enrolment is complete */
	if (rc == 0)
		rc = state_write(&en->state, "agent.crt", cert, cert_len, e);
	return rc;
}

/* What was signed earlier was not for this agent. */
static int
begin_journal(
    struct enrolment *en, struct record *record, int64_t now, struct err *e)
{
	struct journal *journal = NULL;
	char path[PATH_MAX];
	int rc;

	state_path(&en->state, "journal", path);
	rc = journal_open(
	    path, JOURNAL_MAX, now, state_has_policy(&en->state), &journal, e);
	if (rc == 0)
		rc = own_say_journal(record, journal, path, e);
	journal_free(journal);
	return rc;
}

/* The journal last: where there is one, the record has had an entry. */
static int
begin_records(struct enrolment *en, struct err *e)
{
	int64_t now = clock_wall_ms() / 1000;
	struct record *record = NULL;
	struct spool *spool = NULL;
	char path[PATH_MAX], note[NOTE_MAX];
	bool expected;
	int rc;

	state_path(&en->state, "journal", path);
	expected = access(path, F_OK) == 0;
	state_path(&en->state, "spool", path);
	expected = own_expected(expected, path);
	rc = spool_open(path, en->conf.quota, now, &spool, e);
	state_path(&en->state, "record", path);
	if (rc == 0)
		rc = own_open(path, spool, expected, NULL, NULL, &record, e);
	spool_free(spool);
	snprintf(note, sizeof(note), "enrolled at %s port %u", en->host,
	    (unsigned int)en->port);
	if (rc == 0)
		rc = own_add_note(record, clock_wall_ms(), note, e);
	if (rc == 0)
		rc = begin_journal(en, record, now, e);
	record_free(record);
	return rc;
}

static int
open_identity(struct enrolment *en, struct err *e)
{
	int rc = state_identity(&en->state, e);

	/* none yet, or a copy of another machine's: a new one */
	if (rc == ERR_NOTFOUND || rc == ERR_DENIED) {
		err_clear(e);
		rc = state_identity_new(&en->state, e);
	}
	return rc;
}

/* Ends it, if it has not by itself. One that left without a word has an end
 * that says more than that. */
static void
end_helper(struct enrolment *en, int rc, struct err *e)
{
	struct pollfd p = { .fd = -1, .events = POLLIN };
	int status = 0;

	if (en->pid <= 0)
		return;
	if (en->silent)
		p.fd = proc_pidfd(en->pid);
	en->silent = p.fd >= 0 && poll(&p, 1, END_MS) == 1;
	if (p.fd >= 0)
		close(p.fd);
	kill(en->pid, SIGKILL);
	while (waitpid(en->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (en->silent)
		err_set(e, rc,
		    "mig-agent-enrol, which talks to the server, ended before "
		    "it had an answer (%s)",
		    proc_status_text(status));
	en->silent = en->silent || rc == ERR_TIMEOUT;
}

static int
converse(struct enrolment *en, struct err *e)
{
	struct ipc_msg msg;
	int rc = spawn(en, e);

	fault_point("enrol.begun");
	if (rc == 0)
		rc = say_start(en, e);
	if (rc == 0)
		rc = expect(en, MSG_ENROL_KEY, &msg, e);
	if (rc == 0)
		rc = say_document(en, &msg, e);
	fault_point("enrol.asked");
	if (rc == 0)
		rc = expect(en, MSG_ENROL_DONE, &msg, e);
	fault_point("enrol.answered");
	if (rc == 0)
		rc = file_answer(en, &msg, e);
	fault_point("enrol.filed");
	end_helper(en, rc, e);
	if (en->fd >= 0)
		close(en->fd);
	return rc;
}

/* Before a token is used for nothing, and once: it may be a pipe. What is in it
 * the roles say later. */
static int
read_policy(const struct enrol_options *o, struct buf *ret, struct err *e)
{
	static const char first[] = "mig-policy ";
	int rc;

	if (o->policy_file == NULL)
		return 0;
	rc = file_read(o->policy_file, ret, e);
	if (rc == 0 &&
	    (ret->len < strlen(first) ||
		memcmp(ret->data, first, strlen(first)) != 0))
		rc = err_set(e, ERR_INVALID,
		    "%s: not a policy: its first line is \"mig-policy ...\"",
		    o->policy_file);
	return rc;
}

/* After the state is unlocked again: the policy goes through the roles. */
static int
take_policy(const char *conf_path, const struct enrol_options *o,
    const struct buf *policy, const char *fetched, const char *installed)
{
	int rc = 0;

	if (o->policy_file != NULL)
		rc = policy_put(conf_path, o->policy_file, policy, false);
	else if (o->policy_hash != NULL)
		rc = policy_main(conf_path, fetched, false);
	else if (access(installed, F_OK) == 0)
		printf("the policy that was installed before stays\n");
	else
		printf("no policy: nobody may ask anything of this agent until "
		       "'mig-agent policy FILE'\n");
	unlink(fetched);
	return rc;
}

int
enrol_main(const char *conf_path, const struct enrol_options *o)
{
	char fetched[PATH_MAX] = "", installed[PATH_MAX] = "";
	struct enrolment en;
	struct buf policy;
	struct err e;
	bool usage;
	int rc;

	memset(&en, 0, sizeof(en));
	en.fd = -1;
	en.pid = -1;
	en.state.lock = -1;
	buf_init(&en.in, MSG_POLICY_MAX);
	buf_init(&en.key_pem, PEM_MAX);
	buf_init(&policy, POLICY_MAX);
	err_clear(&e);
	signal(SIGPIPE, SIG_IGN);
	usage = parse_options(o, &en, &e) != 0;
	rc = usage ? e.code : read_policy(o, &policy, &e);
	if (rc == 0)
		rc = agent_conf_load(conf_path, &en.conf, &e);
	if (rc == 0)
		rc = state_open(en.conf.state, &en.state, &e);
	if (rc == 0)
		rc = open_identity(&en, &e);
	if (rc == 0)
		rc = converse(&en, &e);
	if (rc == 0)
		rc = begin_records(&en, &e);
	if (rc == 0) {
		printf("enrolled as %s\n", id_hex(&en.state.who.id).s);
		state_path(&en.state, "policy.new", fetched);
		state_path(&en.state, "policy", installed);
	} else {
		fprintf(stderr, "mig-agent: enrol: %s\n", e.msg);
	}
	if (en.silent)
		fprintf(stderr,
		    "mig-agent: enrol: nothing of it is in force here: run the "
		    "same command again; should the server refuse the token "
		    "then, it was used: 'mig-server token' makes another\n");
	state_close(&en.state);
	agent_conf_release(&en.conf);
	if (en.key_pem.data != NULL)
		sodium_memzero(en.key_pem.data, en.key_pem.cap);
	sodium_memzero(en.token, sizeof(en.token));
	buf_release(&en.key_pem);
	buf_release(&en.in);
	if (rc == 0)
		rc = take_policy(conf_path, o, &policy, fetched, installed);
	else
		rc = usage ? AGENT_USAGE : 1;
	buf_release(&policy);
	return rc;
}
