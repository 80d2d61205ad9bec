/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One connection of many: TCP, TLS 1.3 with the member's certificate, and as
 * much of MQTT 3.1.1 as agents use. Small on purpose: a connection that is
 * quiet holds no buffers.
 *
 *   OFF --due--> TCP --writable--> TLS --done--> MQTT --CONNACK--> UP
 *    ^                                                             |
 *    '--------- uniform in the spread, then 1 s .. 5 min ----------'
 */
#include "base/clock.h"
#include "base/err.h"
#include "swarm.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 65536
#define OUT_MAX ((size_t)64 * 1024 * 1024)
#define SPREAD_DEFAULT_MS 5000
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MAX_MS 300000

enum {
	MQTT_CONNECT = 0x10,
	MQTT_CONNACK = 0x20,
	MQTT_PUBLISH = 0x30,
	MQTT_PUBACK = 0x40,
	MQTT_SUBSCRIBE = 0x82,
	MQTT_PINGREQ = 0xc0
};

static void conn_flush(struct swarm *s, struct member *m);

/* --- setting up ------------------------------------------------------------
 */

static int
resolve(struct swarm *s, const char *relay, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_family = AF_INET },
			*list;
	const char *colon = strrchr(relay, ':');
	int rc;

	if (colon == NULL || (size_t)(colon - relay) >= sizeof(s->relay_host))
		return err_set(e, ERR_INVALID, "relay: %s", relay);
	memcpy(s->relay_host, relay, (size_t)(colon - relay));
	if ((rc = getaddrinfo(s->relay_host, colon + 1, &hints, &list)) != 0)
		return err_set(
		    e, ERR_NOTFOUND, "%s: %s", relay, gai_strerror(rc));
	s->addr = calloc(1, sizeof(*s->addr));
	if (s->addr == NULL) {
		freeaddrinfo(list);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	memcpy(s->addr, list->ai_addr, list->ai_addrlen);
	s->addr_len = list->ai_addrlen;
	freeaddrinfo(list);
	return 0;
}

int
conn_setup(struct swarm *s, const struct swarm_file *f, struct err *e)
{
	BIO *bio = BIO_new_mem_buf(f->key, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	X509 *ca;

	BIO_free(bio);
	bio = BIO_new_mem_buf(f->ca, -1);
	ca = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	s->tls = SSL_CTX_new(TLS_client_method());
	if (key == NULL || ca == NULL || s->tls == NULL)
		return err_set(e, ERR_INVALID, "the swarm's keys: unreadable");
	SSL_CTX_set_min_proto_version(s->tls, TLS1_3_VERSION);
	SSL_CTX_set_mode(s->tls,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(s->tls, SSL_SESS_CACHE_OFF);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(s->tls), ca);
	SSL_CTX_set_verify(s->tls, SSL_VERIFY_PEER, NULL);
	X509_free(ca);
	SSL_CTX_set_app_data(s->tls, key);
	return resolve(s, f->relay, e);
}

uint32_t
swarm_chance(uint32_t below)
{
	static uint64_t x;

	if (x == 0)
		x = (uint64_t)clock_wall_ms() * 2654435761u | 1;
	x ^= x << 13; /* xorshift64 */
	x ^= x >> 7;
	x ^= x << 17;
	return below == 0 ? 0 : (uint32_t)((x >> 16) % below);
}

static void
watch(struct swarm *s, struct member *m, uint32_t events, int op)
{
	struct epoll_event ev = { .events = events, .data.ptr = m };

	epoll_ctl(s->epoll, op, m->fd, &ev);
}

/* What is waited for: always to read (but not the stuck), to write where
 * something is left over. */
static void
rewatch(struct swarm *s, struct member *m, bool writing)
{
	bool deaf = m->state == CONN_UP &&
	    (m->kind == MEMBER_STUCK || m->kind == MEMBER_GREEDY);

	if (m->writing == writing && !deaf)
		return;
	m->writing = writing;
	watch(s, m, (deaf ? 0 : EPOLLIN) | (writing ? EPOLLOUT : 0),
	    EPOLL_CTL_MOD);
}

/* --- the end and the next try ------------------------------------------------
 */

static void
connect_later(struct swarm *s, struct member *m)
{
	uint32_t ms;

	if (m->backoff_ms == 0) {
		ms = swarm_chance(
		    (m->spread_ms != 0 ? m->spread_ms : SPREAD_DEFAULT_MS) + 1);
		m->backoff_ms = BACKOFF_FIRST_MS;
		s->count.waits++;
		s->count.wait_sum += ms;
		if (ms > s->count.wait_max)
			s->count.wait_max = ms;
	} else {
		ms = m->backoff_ms / 2 + swarm_chance(m->backoff_ms + 1);
		m->backoff_ms *= 2;
		if (m->backoff_ms > BACKOFF_MAX_MS)
			m->backoff_ms = BACKOFF_MAX_MS;
	}
	m->due = s->now + ms;
}

void
conn_drop(struct swarm *s, struct member *m, bool reset)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	if (m->state == CONN_OFF)
		return;
	if (m->state == CONN_UP) {
		s->up--;
		s->count.losses++;
		m->lost = s->now;
		member_lost(s, m);
	} else {
		s->connecting--;
		s->count.failed++;
	}
	if (reset)
		setsockopt(m->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	SSL_free(m->ssl);
	close(m->fd);
	m->ssl = NULL;
	m->fd = -1;
	m->state = CONN_OFF;
	m->writing = false;
	buf_release(&m->in);
	buf_release(&m->out);
	m->out_at = 0;
	connect_later(s, m);
}

/* --- the beginning
 * ------------------------------------------------------------ */

void
conn_start(struct swarm *s, struct member *m)
{
	int one = 1;

	m->fd = socket(
	    s->addr->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (m->fd < 0) {
		connect_later(s, m);
		return;
	}
	setsockopt(m->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	m->state = CONN_TCP;
	s->connecting++;
	s->count.connects++;
	if (connect(m->fd, (struct sockaddr *)s->addr, s->addr_len) != 0 &&
	    errno != EINPROGRESS) {
		conn_drop(s, m, false);
		return;
	}
	m->writing = true;
	watch(s, m, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
}

static bool
tls_begin(struct swarm *s, struct member *m)
{
	const unsigned char *der = m->cert;
	X509 *cert = d2i_X509(NULL, &der, m->cert_len);
	bool ok;

	m->ssl = SSL_new(s->tls);
	ok = m->ssl != NULL && cert != NULL &&
	    SSL_use_certificate(m->ssl, cert) == 1 &&
	    SSL_use_PrivateKey(m->ssl, SSL_CTX_get_app_data(s->tls)) == 1 &&
	    SSL_set1_host(m->ssl, s->relay_host) == 1 &&
	    SSL_set_tlsext_host_name(m->ssl, s->relay_host) == 1 &&
	    SSL_set_fd(m->ssl, m->fd) == 1;
	X509_free(cert);
	if (ok)
		SSL_set_connect_state(m->ssl);
	return ok;
}

static void
add_text(struct buf *b, const void *text, size_t len)
{
	buf_add_u16(b, (uint16_t)len);
	buf_add(b, text, len);
}

/* Fixed header: kind and remaining length. */
static void
add_head(struct buf *b, uint8_t kind, size_t len)
{
	buf_add_u8(b, kind);
	do {
		buf_add_u8(b, (uint8_t)(len % 128 | (len > 127 ? 128 : 0)));
		len /= 128;
	} while (len > 0);
}

static uint16_t
next_mid(struct member *m)
{
	return m->mid = m->mid % 65000 + 1;
}

static void
say_connect(struct swarm *s, struct member *m)
{
	static const uint8_t head[] = { 0, 4, 'M', 'Q', 'T', 'T', 4,
		2 | 4 | 8 }; /* clean session, a will of QoS 1 */
	char topic[WIRE_TOPIC_MAX];
	struct id_hex id = id_hex(&m->who.id);
	uint8_t will[9];
	size_t n;

	m->connection++;
	wire_topic_write(WIRE_PRESENCE, &m->who.id, topic);
	wire_presence_write(false, m->connection, will);
	n = sizeof(head) + 2 + 2 + ID_HEX_LEN + 2 + strlen(topic) + 2 +
	    sizeof(will);
	add_head(&m->out, MQTT_CONNECT, n);
	buf_add(&m->out, head, sizeof(head));
	buf_add_u16(&m->out, (uint16_t)s->opt.keepalive);
	add_text(&m->out, id.s, ID_HEX_LEN);
	add_text(&m->out, topic, strlen(topic));
	add_text(&m->out, will, sizeof(will));
	conn_flush(s, m);
}

static void
say_subscribe(struct swarm *s, struct member *m)
{
	char topic[WIRE_TOPIC_MAX];

	wire_topic_write(WIRE_IN, &m->who.id, topic);
	add_head(&m->out, MQTT_SUBSCRIBE,
	    2 + 2 + strlen(WIRE_TOPIC_ALL) + 1 + 2 + strlen(topic) + 1);
	buf_add_u16(&m->out, next_mid(m));
	add_text(&m->out, WIRE_TOPIC_ALL, strlen(WIRE_TOPIC_ALL));
	buf_add_u8(&m->out, 1);
	add_text(&m->out, topic, strlen(topic));
	buf_add_u8(&m->out, 1);
}

void
conn_publish(struct swarm *s, struct member *m, enum wire_topic t,
    const void *data, size_t len, int qos)
{
	char topic[WIRE_TOPIC_MAX];

	if (m->state != CONN_UP)
		return;
	wire_topic_write(t, &m->who.id, topic);
	add_head(&m->out, (uint8_t)(MQTT_PUBLISH | qos << 1),
	    2 + strlen(topic) + (qos > 0 ? 2 : 0) + len);
	add_text(&m->out, topic, strlen(topic));
	if (qos > 0)
		buf_add_u16(&m->out, next_mid(m));
	buf_add(&m->out, data, len);
	conn_flush(s, m);
}

void
conn_ping(struct swarm *s, struct member *m)
{
	add_head(&m->out, MQTT_PINGREQ, 0);
	conn_flush(s, m);
}

size_t
conn_queued(const struct member *m)
{
	return m->out.len - m->out_at;
}

/* --- moving bytes
 * ------------------------------------------------------------- */

/* false: the connection is over. */
static bool
tls_failed(struct member *m, int n, bool *ret_write)
{
	int why = SSL_get_error(m->ssl, n);

	ERR_clear_error();
	if (why == SSL_ERROR_WANT_WRITE)
		*ret_write = true;
	return why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE;
}

static void
conn_flush(struct swarm *s, struct member *m)
{
	bool more = false;
	int n;

	while (m->out_at < m->out.len) {
		n = SSL_write(m->ssl, m->out.data + m->out_at,
		    (int)(m->out.len - m->out_at));
		if (n > 0) {
			m->out_at += (size_t)n;
			continue;
		}
		/* a broken one is noticed by reading */
		(void)tls_failed(m, n, &more);
		break;
	}
	if (m->out_at == m->out.len) {
		if (m->out.cap > 256)
			buf_release(&m->out);
		else
			buf_clear(&m->out);
		m->out_at = 0;
	}
	rewatch(s, m, more);
}

static void
on_publish(struct swarm *s, struct member *m, uint8_t kind, const uint8_t *p,
    size_t len)
{
	size_t topic = len < 2 ? len : (size_t)(p[0] << 8 | p[1]) + 2;
	bool acked = (kind & 6) != 0;

	if (topic + (acked ? 2 : 0) > len)
		return;
	if (acked) {
		add_head(&m->out, MQTT_PUBACK, 2);
		buf_add(&m->out, p + topic, 2);
		topic += 2;
	}
	member_message(s, m, p + topic, len - topic);
}

static bool
on_packet(struct swarm *s, struct member *m, uint8_t kind, const uint8_t *p,
    size_t len)
{
	if (kind >> 4 == MQTT_PUBLISH >> 4) {
		on_publish(s, m, kind, p, len);
	} else if (kind == MQTT_CONNACK) {
		if (m->state != CONN_MQTT || len != 2 || p[1] != 0)
			return false;
		m->state = CONN_UP;
		m->backoff_ms = 0;
		s->connecting--;
		s->up++;
		say_subscribe(s, m);
		member_connected(s, m);
		rewatch(s, m, m->writing);
	} else if (kind == MQTT_PUBACK) {
		s->count.puts++;
	}
	return true;
}

/* Whole packets out of p; *ret_used: so many bytes are done with. */
static bool
take_packets(struct swarm *s, struct member *m, const uint8_t *p, size_t len,
    size_t *ret_used)
{
	size_t at = 0, i, n;

	for (;;) {
		n = 0;
		for (i = 1; at + i < len && i < 5; i++) {
			n |= (size_t)(p[at + i] & 127) << (7 * (i - 1));
			if (p[at + i] < 128)
				break;
		}
		if (i == 5)
			return false;
		if (at + i >= len || len - at - i - 1 < n)
			break;
		if (!on_packet(s, m, p[at], p + at + i + 1, n))
			return false;
		at += i + 1 + n;
	}
	*ret_used = at;
	return true;
}

/* false: over. */
static bool
take_bytes(struct swarm *s, struct member *m, const uint8_t *p, size_t len)
{
	size_t used = 0;

	if (m->in.len == 0) {
		if (!take_packets(s, m, p, len, &used))
			return false;
		return used == len ||
		    buf_add(&m->in, p + used, len - used) == 0;
	}
	if (buf_add(&m->in, p, len) != 0 ||
	    !take_packets(s, m, m->in.data, m->in.len, &used))
		return false;
	buf_consume(&m->in, used);
	if (m->in.len == 0)
		buf_release(&m->in);
	return true;
}

static bool
conn_read(struct swarm *s, struct member *m)
{
	static uint8_t bytes[READ_SIZE];
	bool more = false;
	int n;

	for (;;) {
		n = SSL_read(m->ssl, bytes, sizeof(bytes));
		if (n <= 0) {
			if (tls_failed(m, n, &more))
				return false;
			break;
		}
		if (!take_bytes(s, m, bytes, (size_t)n))
			return false;
	}
	if (m->out.len > 0)
		conn_flush(s, m);
	return true;
}

static bool
conn_handshake(struct swarm *s, struct member *m)
{
	bool write = false;
	int n = SSL_connect(m->ssl);

	if (n == 1) {
		m->state = CONN_MQTT;
		say_connect(s, m);
		return true;
	}
	if (tls_failed(m, n, &write))
		return false;
	rewatch(s, m, write);
	return true;
}

void
conn_event(struct swarm *s, struct member *m, uint32_t events)
{
	socklen_t len = sizeof(int);
	bool ok = true;
	int error = 0;

	if (m->state == CONN_OFF)
		return; /* dropped while this event waited */
	if (m->state == CONN_TCP) {
		getsockopt(m->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		ok = error == 0 && tls_begin(s, m);
		if (ok)
			m->state = CONN_TLS;
	}
	if (ok && m->state == CONN_TLS)
		ok = conn_handshake(s, m);
	else if (ok && (events & EPOLLIN) != 0)
		ok = conn_read(s, m);
	else if (ok && (events & (EPOLLHUP | EPOLLERR)) != 0)
		ok = false;
	if (ok && m->state >= CONN_MQTT && (events & EPOLLOUT) != 0)
		conn_flush(s, m);
	if (!ok)
		conn_drop(s, m, false);
}
