/* SPDX-License-Identifier: MPL-2.0 */
/* What a proxy answers to CONNECT, in two pieces (the first byte says where),
 * over real sockets. The client gets what stands behind the head of the answer
 * and nothing else, or no connection. */
#include "mqtt/tunnel.h"

#include "base/err.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ROUNDS_MAX 5000 /* of a millisecond at least, where nothing happens */
#define SIZE_MAX_HERE 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event_base *base;
static struct tunnel *tunnel;
static struct sockaddr_un near_address = { .sun_family = AF_UNIX };
static int proxy_listens = -1;

static void
begin(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct tunnel_peer relay = { .host = "::1", .port = 1 };
	struct tunnel_peer proxy = { .host = "127.0.0.1" };
	socklen_t len = sizeof(in);
	int fd, file;

	signal(SIGPIPE, SIG_IGN);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	proxy_listens = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	BUG_ON(bind(proxy_listens, (struct sockaddr *)&in, len) != 0 ||
	    listen(proxy_listens, 4) != 0 ||
	    getsockname(proxy_listens, (struct sockaddr *)&in, &len) != 0);
	proxy.port = ntohs(in.sin_port);
	base = event_base_new();
	BUG_ON(base == NULL || tunnel_listen("/tmp", &fd, &file, NULL) != 0);
	snprintf(near_address.sun_path, sizeof(near_address.sun_path),
	    "/proc/self/fd/%d", file);
	tunnel = tunnel_new(base, fd, &relay, &proxy, 1, NULL);
	BUG_ON(tunnel == NULL);
}

/* One turn of the tunnel; waits for what fd has for a moment. */
static void
turn(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	event_base_loop(base, EVLOOP_NONBLOCK);
	(void)poll(&p, 1, 1);
}

static int
accept_proxy(void)
{
	int fd = -1, i;

	for (i = 0; fd < 0 && i < ROUNDS_MAX; i++) {
		turn(proxy_listens);
		fd = accept4(proxy_listens, NULL, NULL, SOCK_NONBLOCK);
	}
	BUG_ON(fd < 0);
	return fd;
}

/* All that comes until the end; false: it does not end. */
static bool
take_all(int fd, uint8_t *out, size_t size, size_t *ret_len)
{
	ssize_t n = -1;
	size_t len = 0;
	int i;

	for (i = 0; i < ROUNDS_MAX; i++) {
		turn(fd);
		while ((n = recv(fd, out + len, size - len, MSG_DONTWAIT)) > 0)
			len += (size_t)n;
		*ret_len = len;
		if (n == 0 || len == size)
			return true;
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t got[SIZE_MAX_HERE];
	int near, far;
	const uint8_t *end;
	size_t cut, len = 0;

	if (base == NULL)
		begin();
	if (size == 0 || size > SIZE_MAX_HERE)
		return 0;
	cut = data[0] < size ? data[0] : size - 1;
	data++;
	size--;
	near = socket(AF_UNIX, SOCK_STREAM, 0);
	BUG_ON(connect(near, (struct sockaddr *)&near_address,
		   sizeof(near_address)) != 0);
	far = accept_proxy();
	(void)send(far, data, cut, MSG_NOSIGNAL);
	turn(near);
	(void)send(far, data + cut, size - cut, MSG_NOSIGNAL);
	shutdown(far, SHUT_WR);
	BUG_ON(!take_all(near, got, sizeof(got), &len));
	if (len > 0) {
		end = memmem(data, size, "\r\n\r\n", 4);
		BUG_ON(end == NULL || memcmp(data, "HTTP/1.", 7) != 0);
		end += 4;
		BUG_ON(len != (size_t)(data + size - end) ||
		    memcmp(got, end, len) != 0);
		BUG_ON(tunnel_why(tunnel)[0] != '\0');
	}
	close(near);
	close(far);
	return 0;
}
