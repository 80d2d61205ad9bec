/* SPDX-License-Identifier: MPL-2.0 */
/* mig-server check: ports, and what another program prints. */
#include "server/cmd/check.h"

#include "base/buf.h"
#include "base/err.h"
#include "crypto/x509.h"
#include "json/json.h"
#include "proc/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_S 3
#define HEALTH_MAX 65536

/* A context that knows our CA; NULL when there is none. */
static SSL_CTX *
tls_of(struct check *k)
{
	char path[SERVER_PATH_MAX];
	SSL_CTX *tls =
	    x509_start(NULL) == 0 ? SSL_CTX_new(TLS_client_method()) : NULL;

	if (tls == NULL ||
	    SSL_CTX_load_verify_file(
		tls, server_file(&k->conf, FILE_CA_CERT, path)) == 1)
		return (tls);
	SSL_CTX_free(tls);
	return (NULL);
}

/* What the API says of itself and the core: its reply to GET /health. */
static void
ask_health(SSL *ssl, struct buf *out)
{
	static const char ask[] =
	    "GET /api/v1/health HTTP/1.1\r\n"
	    "Host: localhost\r\nConnection: close\r\n\r\n";
	char piece[4096];
	int n = SSL_write(ssl, ask, sizeof(ask) - 1);

	while (n > 0 && (n = SSL_read(ssl, piece, sizeof(piece))) > 0)
		if (buf_add(out, piece, (size_t)n) != 0)
			return;
}

/* Does who listens there show a certificate of our CA? Whether it is still
 * good is looked at elsewhere. 0, ENOTCONN, or ETIMEDOUT: it says nothing.
 * health: what it says then, or NULL. */
static int
shows_ours(SSL_CTX *tls, int fd, struct buf *health)
{
	SSL *ssl = SSL_new(tls);
	int rc = ENOTCONN;
	long result;

	errno = 0;
	if (ssl != NULL && SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1) {
		result = SSL_get_verify_result(ssl);
		if (result == X509_V_OK ||
		    result == X509_V_ERR_CERT_HAS_EXPIRED ||
		    result == X509_V_ERR_CERT_NOT_YET_VALID)
			rc = 0;
		if (rc == 0 && health != NULL)
			ask_health(ssl, health);
	} else if (errno == EAGAIN) {
		rc = ETIMEDOUT;
	}
	SSL_free(ssl);
	ERR_clear_error();
	return (rc);
}

/* tls NULL: a connection is enough. ENOTCONN: another program has it. */
static int
try_connect(const struct addrinfo *ai, SSL_CTX *tls, struct buf *health)
{
	const struct timeval limit = { .tv_sec = LIMIT_S };
	int fd, rc;

	fd = socket(
	    ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
	if (fd < 0)
		return (errno);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	rc = connect(fd, ai->ai_addr, ai->ai_addrlen) == 0 ? 0 : errno;
	if (rc == EINPROGRESS)
		rc = ETIMEDOUT;
	if (rc == 0 && tls != NULL)
		rc = shows_ours(tls, fd, health);
	close(fd);
	return (rc);
}

/* Who listens on one of all addresses has the port, too. */
static int
try_bind(const struct addrinfo *ai)
{
	int fd, on = 1, rc;

	fd = socket(
	    ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
	if (fd < 0)
		return (errno == EAFNOSUPPORT ? 0 : errno);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ai->ai_family == AF_INET6)
		(void)setsockopt(
		    fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	rc = bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 ? 0 : errno;
	close(fd);
	return (rc);
}

static void
check_free(struct check *k, const char *name, const char *what,
    const char *address, const struct addrinfo *ai)
{
	int rc = 0;

	for (; ai != NULL && rc == 0; ai = ai->ai_next)
		rc = try_bind(ai);
	if (rc == 0)
		check_say(k, CHECK_OK, what, "free for the %s", name);
	else if (rc == EADDRINUSE)
		check_say(k, CHECK_PROBLEM, what,
		    "something else listens there: the %s cannot start (ss"
		    " -ltnp shows it): end it, or choose another port",
		    name);
	else
		check_say(k, CHECK_PROBLEM, what,
		    "the %s cannot listen on %s (%s): set %s to an address of"
		    " this machine, or to none for all",
		    name, address[0] != '\0' ? address : "all addresses",
		    strerror(rc),
		    strcmp(name, "relay") == 0 ? "relay_listen" : "listen");
}

/* Its words are the server's own. */
static void
check_health(struct check *k, const struct buf *reply)
{
	static const char end[] = "\r\n\r\n";
	const char *body =
	    memmem(reply->data, reply->len, end, sizeof(end) - 1);
	json_t *j = NULL, *list = NULL, *v;
	struct err e;
	size_t i;

	err_set(&e, ERR_INVALID, "it says nothing");
	if (body != NULL) {
		body += sizeof(end) - 1;
		j = json_strict(body,
		    reply->len - (size_t)(body - (const char *)reply->data),
		    HEALTH_MAX, &e);
	}
	if (j == NULL || json_need_array(j, "", "problems", &list, &e) != 0)
		check_say(
		    k, CHECK_PROBLEM, "health", "it cannot be read: %s", e.msg);
	else if (json_array_size(list) == 0)
		check_say(k, CHECK_OK, "health", "the server says it is well");
	json_array_foreach (list, i, v)
		check_say(k, CHECK_PROBLEM, "health", "the server says: %s",
		    json_is_string(v) ? json_string_value(v) : "?");
	json_decref(j);
}

static void
check_answers(struct check *k, const char *name, const char *what,
    const char *host, const struct addrinfo *ai)
{
	bool api = strcmp(name, "API") == 0;
	SSL_CTX *tls = tls_of(k);
	int rc = ECONNREFUSED;
	struct buf health;

	buf_init(&health, HEALTH_MAX);
	for (; ai != NULL && rc != 0; ai = ai->ai_next)
		rc = try_connect(ai, tls, api ? &health : NULL);
	if (rc == 0)
		check_say(k, CHECK_OK, what, "the %s answers", name);
	if (rc == 0 && api && tls != NULL)
		check_health(k, &health);
	SSL_CTX_free(tls);
	buf_release(&health);
	if (rc == 0)
		return;
	if (rc == ENOTCONN)
		check_say(k, CHECK_PROBLEM, what,
		    "what listens there has no certificate of this platform:"
		    " another program has the %s's port",
		    name);
	else
		check_say(k, CHECK_PROBLEM, what,
		    "the server runs, but its %s does not answer on %s (%s):"
		    " see its log%s",
		    name, host, strerror(rc),
		    rc == ETIMEDOUT ? "; it hangs, or another program has its"
				      " port"
				    : "");
}

void
check_port(struct check *k, const char *name, const char *address, int port)
{
	const char *host = address[0] != '\0' ? address : NULL;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	char service[16], what[32];
	int gai;

	snprintf(service, sizeof(service), "%d", port);
	snprintf(what, sizeof(what), "port %d", port);
	if (k->pid > 0 && host == NULL)
		host = "localhost";
	else if (host == NULL)
		hints.ai_flags = AI_PASSIVE;
	if ((gai = getaddrinfo(host, service, &hints, &list)) != 0) {
		check_say(k, CHECK_PROBLEM, what, "%s: %s",
		    host != NULL ? host : service, gai_strerror(gai));
		return;
	}
	if (k->pid > 0)
		check_answers(k, name, what, host, list);
	else
		check_free(k, name, what, address, list);
	freeaddrinfo(list);
}

int
check_first_line(char *const *argv, char *out, size_t size, struct err *e)
{
	struct proc_fd map = { .to = 1 };
	struct proc_spawn s = { .path = argv[0],
		.exec_fd = -1,
		.argv = argv,
		.fds = &map,
		.nfds = 1 };
	struct pollfd p = { .events = POLLIN };
	size_t len = 0;
	ssize_t n = 1;
	pid_t pid;
	int fd[2], rc;

	if (pipe2(fd, O_CLOEXEC) != 0)
		return (err_errno(e, "pipe"));
	map.from = fd[1];
	rc = proc_spawn(&s, &pid, e);
	close(fd[1]);
	p.fd = fd[0];
	while (rc == 0 && n > 0 && len < size - 1) {
		if (poll(&p, 1, LIMIT_S * 1000) <= 0)
			break;
		n = read(fd[0], out + len, size - 1 - len);
		if (n > 0)
			len += (size_t)n;
	}
	out[len] = '\0';
	close(fd[0]);
	if (rc != 0)
		return (rc);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return (len > 0 ? 0 : err_set(e, ERR_IO, "%s prints nothing", argv[0]));
}
