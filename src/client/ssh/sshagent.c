/* SPDX-License-Identifier: MPL-2.0 */
/* Speaking to ssh-agent: a length, a byte that says what it is, its fields. */
#include "client/ssh/sshagent.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "crypto/sshsig.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { /* draft-ietf-sshm-ssh-agent, section 6.1 */
	AGENT_FAILURE = 5,
	REQUEST_IDENTITIES = 11,
	IDENTITIES_ANSWER = 12,
	SIGN_REQUEST = 13,
	SIGN_RESPONSE = 14,
};

static int
agent_connect(int *ret, struct err *e)
{
	const char *path = getenv("SSH_AUTH_SOCK");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	if (path == NULL || path[0] == '\0')
		return err_set(e, ERR_NOTFOUND,
		    "no ssh-agent: SSH_AUTH_SOCK is not set (start one: eval "
		    "$(ssh-agent); then ssh-add)");
	if (!str_copy(a.sun_path, sizeof(a.sun_path), path))
		return err_set(e, ERR_TOOBIG,
		    "SSH_AUTH_SOCK: a socket's path has at most %zu bytes",
		    sizeof(a.sun_path) - 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(e, "socket");
	/* a Unix socket connects at once, or its backlog is full */
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		err_errno(e,
		    "no ssh-agent answers at %s, which SSH_AUTH_SOCK names "
		    "(start one: eval $(ssh-agent); then ssh-add)",
		    path);
		close(fd);
		return ERR_NOTFOUND;
	}
	*ret = fd;
	return 0;
}

/* Until fd is ready for events or the time is over. */
static int
agent_wait(int fd, short events, int64_t end, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left;
	int n;

	do {
		left = end - clock_mono_ms();
		if (left <= 0)
			return err_set(e, ERR_TIMEOUT,
			    "ssh-agent did not answer in time (does it wait "
			    "for a touch or a confirmation?)");
		n = poll(&p, 1, (int)left);
	} while (n == 0 || (n < 0 && errno == EINTR));
	return n > 0 ? 0 : err_errno(e, "ssh-agent");
}

static int
agent_send(int fd, const struct buf *b, int64_t end, struct err *e)
{
	size_t at = 0;
	ssize_t n;
	int rc;

	while (at < b->len) {
		n = send(fd, b->data + at, b->len - at, MSG_NOSIGNAL);
		if (n >= 0) {
			at += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return err_errno(e, "ssh-agent");
		if ((rc = agent_wait(fd, POLLOUT, end, e)) != 0)
			return rc;
	}
	return 0;
}

static int
agent_receive(int fd, uint8_t *p, size_t len, int64_t end, struct err *e)
{
	ssize_t n;
	int rc;

	while (len > 0) {
		n = recv(fd, p, len, 0);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
			continue;
		}
		if (n == 0)
			return err_set(
			    e, ERR_CLOSED, "ssh-agent ended within its answer");
		if (errno != EAGAIN && errno != EINTR)
			return err_errno(e, "ssh-agent");
		if ((rc = agent_wait(fd, POLLIN, end, e)) != 0)
			return rc;
	}
	return 0;
}

int
sshagent_ask(
    const struct buf *question, int64_t ms, struct buf *answer, struct err *e)
{
	int64_t end = clock_mono_ms() + ms;
	struct buf frame;
	uint8_t head[4], *body;
	size_t len;
	int fd = -1, rc;

	buf_init(&frame, SSHAGENT_ANSWER_MAX);
	rc = buf_add_field(&frame, question->data, question->len);
	if (rc != 0)
		err_code(e, rc, "ssh-agent: the question");
	else
		rc = agent_connect(&fd, e);
	if (rc == 0)
		rc = agent_send(fd, &frame, end, e);
	if (rc == 0)
		rc = agent_receive(fd, head, sizeof(head), end, e);
	if (rc != 0)
		goto out;
	len = (size_t)head[0] << 24 | (size_t)head[1] << 16 |
	    (size_t)head[2] << 8 | head[3];
	body = len > 0 && len <= answer->max ? buf_reserve(answer, len) : NULL;
	if (body == NULL)
		rc = err_set(e, ERR_INVALID,
		    "ssh-agent answers %zu bytes; 1 to %d are expected", len,
		    SSHAGENT_ANSWER_MAX);
	else
		rc = agent_receive(fd, body, len, end, e);
	if (rc == 0)
		answer->len += len;
out:
	if (fd >= 0)
		close(fd);
	buf_release(&frame);
	return rc;
}

/* --- its answers ---------------------------------------------------------- */

static int
answer_type(struct rd *r, unsigned int want, struct err *e)
{
	unsigned int type = rd_u8(r);

	if (type == AGENT_FAILURE && rd_done(r))
		return err_set(e, ERR_DENIED, "ssh-agent refuses");
	if (r->bad || type != want)
		return err_set(e, ERR_INVALID,
		    "ssh-agent answers message %u; %u is expected", type, want);
	return 0;
}

static int
malformed(struct err *e)
{
	return err_set(e, ERR_INVALID, "ssh-agent's answer is malformed");
}

/* "KIND: why it does not sign for MIG". */
static void
other_take(const uint8_t *blob, size_t len, const struct err *why,
    struct sshagent_other *ret)
{
	const uint8_t *kind;
	struct rd r;
	struct buf b;
	size_t n = 0;

	rd_init(&r, blob, len);
	kind = rd_field(&r, SSHPUB_KIND_MAX, &n);
	buf_init(&b, ERR_MSG_MAX + 4 * SSHPUB_KIND_MAX);
	if (kind != NULL)
		str_add_printable(&b, kind, n);
	buf_add_fmt(&b, "%s%s", kind != NULL ? ": " : "", why->msg);
	str_copy(ret->why, sizeof(ret->why),
	    buf_str(&b) != NULL ? buf_str(&b) : why->msg);
	sshpub_blob_fingerprint(blob, len, ret->fpr);
	buf_release(&b);
}

static void
key_take(const uint8_t *blob, size_t len, const uint8_t *comment,
    size_t comment_len, struct sshagent_keys *ret)
{
	struct sshpub key;
	struct err why;
	int rc = sshpub_make(
	    blob, len, (const char *)comment, comment_len, &key, &why);

	if (rc == 0 && ret->n < SSHAGENT_KEYS_MAX)
		ret->list[ret->n++] = key;
	else if (rc != 0 && ret->nother < SSHAGENT_KEYS_MAX)
		other_take(blob, len, &why, &ret->other[ret->nother++]);
	else
		ret->left++;
}

int
sshagent_read_list(
    const void *body, size_t len, struct sshagent_keys *ret, struct err *e)
{
	const uint8_t *blob, *comment;
	size_t blob_len = 0, comment_len = 0;
	uint32_t i, n;
	struct rd r;
	int rc;

	memset(ret, 0, sizeof(*ret));
	rd_init(&r, body, len);
	rc = answer_type(&r, IDENTITIES_ANSWER, e);
	if (rc != 0)
		return rc;
	n = rd_u32(&r);
	/* n is not believed: each key takes bytes, or the answer ends */
	for (i = 0; i < n && !r.bad; i++) {
		blob = rd_field(&r, SSHAGENT_ANSWER_MAX, &blob_len);
		comment = rd_field(&r, SSHAGENT_ANSWER_MAX, &comment_len);
		if (!r.bad)
			key_take(blob, blob_len, comment, comment_len, ret);
	}
	return rd_done(&r) ? 0 : malformed(e);
}

int
sshagent_read_signature(
    const void *body, size_t len, struct buf *out, struct err *e)
{
	const uint8_t *sig;
	size_t n = 0;
	struct rd r;
	int rc;

	rd_init(&r, body, len);
	rc = answer_type(&r, SIGN_RESPONSE, e);
	if (rc != 0)
		return rc;
	sig = rd_field(&r, SSHSIG_MAX, &n);
	if (sig == NULL || n == 0 || !rd_done(&r))
		return malformed(e);
	rc = buf_add(out, sig, n);
	return rc == 0 ? 0 : err_code(e, rc, "the signature");
}

/* --- calls ---------------------------------------------------------------- */

int
sshagent_list(struct sshagent_keys *ret, struct err *e)
{
	struct buf question, answer;
	int rc;

	buf_init(&question, 16);
	buf_init(&answer, SSHAGENT_ANSWER_MAX);
	buf_add_u8(&question, REQUEST_IDENTITIES);
	rc = sshagent_ask(&question, SSHAGENT_LIST_MS, &answer, e);
	if (rc == 0)
		rc = sshagent_read_list(answer.data, answer.len, ret, e);
	buf_release(&question);
	buf_release(&answer);
	return rc;
}

int
sshagent_sign(const struct sshpub *key, const void *data, size_t len,
    struct buf *out, struct err *e)
{
	struct buf question, answer;
	int rc;

	buf_init(&question, SSHAGENT_ANSWER_MAX);
	buf_init(&answer, SSHAGENT_ANSWER_MAX);
	buf_add_u8(&question, SIGN_REQUEST);
	buf_add_field(&question, key->blob, key->len);
	buf_add_field(&question, data, len);
	rc = buf_add_u32(&question, 0); /* flags: of RSA only */
	if (rc != 0)
		err_set(e, rc, "ssh-agent: %s", err_text(rc));
	else
		rc = sshagent_ask(&question, SSHAGENT_SIGN_MS, &answer, e);
	if (rc == 0)
		rc = sshagent_read_signature(answer.data, answer.len, out, e);
	buf_release(&question);
	buf_release(&answer);
	return rc;
}
