/* SPDX-License-Identifier: MPL-2.0 */
/* mig-server check: ports, and what another program prints. */
#include "server/cmd/check.h"

#include "base/err.h"
#include "crypto/x509.h"
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

/* Does who listens there show a certificate of our CA? Whether it is still
 * good is looked at elsewhere. */
static bool
is_ours(SSL_CTX *tls, int fd)
{
	SSL *ssl = SSL_new(tls);
	bool ours = false;
	long result;

	if (ssl != NULL && SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1) {
		result = SSL_get_verify_result(ssl);
		ours = result == X509_V_OK ||
		    result == X509_V_ERR_CERT_HAS_EXPIRED ||
		    result == X509_V_ERR_CERT_NOT_YET_VALID;
	}
	SSL_free(ssl);
	ERR_clear_error();
	return (ours);
}

/* tls NULL: a connection is enough. ENOTCONN: another program has it. */
static int
try_connect(const struct addrinfo *ai, SSL_CTX *tls)
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
	if (rc == 0 && tls != NULL && !is_ours(tls, fd))
		rc = ENOTCONN;
	close(fd);
	return (rc);
}

void
check_port(struct check *k, const char *name, const char *address, int port)
{
	const char *host = address[0] != '\0' ? address : "localhost";
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *ai;
	char service[16], what[32];
	SSL_CTX *tls = NULL;
	int rc = ECONNREFUSED, gai;

	snprintf(service, sizeof(service), "%d", port);
	snprintf(what, sizeof(what), "port %d", port);
	if ((gai = getaddrinfo(host, service, &hints, &list)) != 0) {
		check_say(
		    k, CHECK_PROBLEM, what, "%s: %s", host, gai_strerror(gai));
		return;
	}
	if (k->pid > 0)
		tls = tls_of(k);
	for (ai = list; ai != NULL && rc != 0; ai = ai->ai_next)
		rc = try_connect(ai, tls);
	SSL_CTX_free(tls);
	freeaddrinfo(list);
	if (k->pid > 0 && rc == 0)
		check_say(k, CHECK_OK, what, "the %s answers", name);
	else if (k->pid > 0 && rc == ENOTCONN)
		check_say(k, CHECK_PROBLEM, what,
		    "what listens there has no certificate of this platform:"
		    " another program has the %s's port",
		    name);
	else if (k->pid > 0)
		check_say(k, CHECK_PROBLEM, what,
		    "the server runs, but its %s does not answer on %s (%s):"
		    " see its log",
		    name, host, strerror(rc));
	else if (rc == 0)
		check_say(k, CHECK_PROBLEM, what,
		    "something else listens there: the %s cannot start", name);
	else
		check_say(k, CHECK_OK, what, "free for the %s", name);
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
