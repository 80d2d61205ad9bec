/* SPDX-License-Identifier: MPL-2.0 */
/*
 * `mig-agent-net --connect`, of `mig-agent check`: is the certificate of this
 * agent good, and the relay there and the right one? A connection as net makes
 * it, up to the end of TLS and a moment more, as the relay says only then what
 * it holds of the certificate. Of MQTT nothing is said: the relay would take
 * the agent that runs for another.
 */
#include "agent/net/probe.h"

#include "agent/messages.h"
#include "agent/net/handed.h"
#include "agent/net/netbox.h"
#include "agent/net/netfields.h"
#include "base/err.h"
#include "base/file.h"
#include "crypto/x509.h"
#include "mqtt/tunnel.h"
#include "proc/proc.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECONDS 18      /* check waits for twenty */
#define CALL_SECONDS 5  /* of one address */
#define AFTER_SECONDS 1 /* for the relay to refuse */
#define QUESTION_MAX 65536

struct probe {
	struct msg_user user;
	struct tunnel_peer relay;
	char *ca, *cert, *key;
	char alert[128]; /* the relay's; "": none */
	bool asked;      /* for a certificate, as a relay does */
};

static int
read_question(struct probe *p, struct err *e)
{
	struct buf b;
	struct rd r;
	int rc;

	buf_init(&b, QUESTION_MAX);
	rc = fd_read_all(PROC_IPC_FD, &b, e);
	if (rc != 0)
		return rc;
	rd_init(&r, b.data, b.len);
	p->user.uid = rd_u32(&r);
	p->user.gid = rd_u32(&r);
	take_peer(&r, &p->relay);
	p->ca = take_pem(&r);
	p->cert = take_pem(&r);
	p->key = take_pem(&r);
	if (!rd_done(&r) || p->ca == NULL || p->cert == NULL || p->key == NULL)
		return err_set(e, ERR_INVALID, "malformed certificates");
	return 0;
}

static void
say(const char *what, const char *why)
{
	printf("%s %s\n", what, why);
	(void)fflush(stdout);
}

/* -1, and it is said why. */
static int
connect_to(const struct tunnel_peer *relay)
{
	const struct timeval limit = { .tv_sec = CALL_SECONDS };
	struct addrinfo hints, *list = NULL, *ai;
	const char *why = "no address";
	int fd = -1, rc;
	char port[8];

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	snprintf(port, sizeof(port), "%u", (unsigned int)relay->port);
	rc = getaddrinfo(relay->host, port, &hints, &list);
	if (rc != 0) {
		say(PROBE_NAME, gai_strerror(rc));
		return -1;
	}
	for (ai = list; ai != NULL && fd < 0; ai = ai->ai_next) {
		fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		/* of sending: also of the connection */
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
			break;
		why = errno == EINPROGRESS ? "no answer" : strerror(errno);
		close(fd);
		fd = -1;
	}
	freeaddrinfo(list);
	if (fd < 0)
		say(PROBE_REACH, why);
	return fd;
}

static void
on_info(const SSL *ssl, int where, int value)
{
	struct probe *p = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT &&
	    value >> 8 == SSL3_AL_FATAL)
		snprintf(p->alert, sizeof(p->alert), "%s",
		    SSL_alert_desc_string_long(value));
}

static int
on_asked(SSL *ssl, void *arg)
{
	struct probe *p = arg;

	p->asked = true;
	return 1;
}

/* Says how it went. */
static void
shake_hands(struct probe *p, SSL *ssl, int fd)
{
	const struct timeval limit = { .tv_sec = AFTER_SECONDS };
	bool done = SSL_connect(ssl) == 1;
	long verified = SSL_get_verify_result(ssl);
	int n = -1;
	char c;

	if (done) {
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		n = SSL_read(ssl, &c, 1);
	}
	if (p->alert[0] != '\0')
		say(PROBE_REFUSED, p->alert);
	else if (verified != X509_V_OK)
		say(PROBE_PEER, X509_verify_cert_error_string(verified));
	else if (!done || SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN)
		say(PROBE_OTHER, "no TLS 1.3, or it ends the connection");
	else if (!p->asked)
		say(PROBE_OTHER, "it asks for no certificate");
	else
		say(PROBE_GOOD, "");
}

static int
probe(struct probe *p, struct err *e)
{
	int64_t from, until;
	SSL_CTX *ctx = NULL;
	SSL *ssl;
	int rc, fd;

	rc = x509_validity(p->cert, &from, &until, e);
	if (rc == 0)
		rc = x509_client_ctx(
		    p->ca, p->cert, p->key, p->relay.host, &ctx, e);
	if (rc != 0)
		return rc;
	printf("%s %" PRId64 " %" PRId64 "\n", PROBE_CERTIFICATE, from, until);
	netbox_warm_up(p->relay.host);
	rc = netbox_enter(p->user.uid, p->user.gid, e);
	if (rc != 0)
		return rc;
	fd = connect_to(&p->relay);
	if (fd < 0)
		return 0;
	SSL_CTX_set_app_data(ctx, p);
	SSL_CTX_set_info_callback(ctx, on_info);
	SSL_CTX_set_cert_cb(ctx, on_asked, p);
	ssl = SSL_new(ctx);
	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1)
		return err_set(e, ERR_NOMEM, "out of memory");
	shake_hands(p, ssl, fd);
	return 0;
}

int
probe_main(void)
{
	struct probe p = { .ca = NULL };
	struct err e;
	int rc;

	rc = handed_begin(SECONDS, &e);
	if (rc == 0)
		rc = read_question(&p, &e);
	if (rc == 0)
		rc = probe(&p, &e);
	if (rc != 0)
		say(PROBE_WRONG, e.msg);
	return fflush(stdout) == 0 ? 0 : 1;
}
