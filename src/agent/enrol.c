/* SPDX-License-Identifier: MPL-2.0 */
/*
 * mig-agent-enrol: the one conversation with the server that enrolment needs.
 * Makes the connection's key, sends the document that the monitor signed, and
 * returns the fields of the answer. Trusts a chain that ends in the pinned CA
 * and nothing else; sees no key but the one it makes. HTTPS by libevent with
 * OpenSSL, the answer by the strict JSON reader.
 */
#include "agent/failed.h"
#include "agent/messages.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/str.h"
#include "crypto/x509.h"
#include "json/json.h"
#include "proc/proc.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX (64 * 1024)
#define LIMIT_SECONDS 30
#define BUSY_TRIES 4   /* when the server takes no more just now */
#define BUSY_SECONDS 5 /* longest wait; together less than is waited for us */
#define MEMORY_MAX (512ull * 1024 * 1024)

struct enrol {
	struct event_base *base;
	SSL_CTX *tls;
	struct msg_user user;
	char host[256];
	uint16_t port;
	struct id ca, policy; /* policy zero: not wanted */
	struct buf key_pem, spki;
};

/* --- HTTPS -----------------------------------------------------------------
 */

struct call {
	struct enrol *en;
	struct bufferevent *bev; /* owned by the connection */
	size_t max;
	int status;    /* 0: no answer */
	uint64_t wait; /* seconds, when it takes no more just now */
	struct buf *body;
	char why[512];
};

static void
on_error(enum evhttp_request_error error, void *arg)
{
	struct call *c = arg;

	snprintf(c->why, sizeof(c->why), "%s",
	    error == EVREQ_HTTP_TIMEOUT             ? "no answer in time"
		: error == EVREQ_HTTP_DATA_TOO_LONG ? "the answer is too long"
		: error == EVREQ_HTTP_INVALID_HEADER
		? "the answer is not HTTP"
		: "the connection was closed");
}

static void
note_tls_error(struct call *c)
{
	unsigned long code = bufferevent_get_openssl_error(c->bev);
	SSL *ssl = bufferevent_openssl_get_ssl(c->bev);
	long verify = ssl == NULL ? X509_V_OK : SSL_get_verify_result(ssl);

	if (verify != X509_V_OK)
		snprintf(c->why, sizeof(c->why),
		    "the server's certificate is not under the pinned CA, or "
		    "not for %s: %s",
		    c->en->host, X509_verify_cert_error_string(verify));
	else if (code != 0 && ERR_reason_error_string(code) != NULL)
		snprintf(c->why, sizeof(c->why), "TLS: %s",
		    ERR_reason_error_string(code));
}

/* libevent keeps no reason why there was no connection: asked once more. */
static void
note_connect_error(struct call *c)
{
	const struct timeval limit = { .tv_sec = 5 };
	struct addrinfo hints, *list = NULL, *ai;
	SSL *ssl = bufferevent_openssl_get_ssl(c->bev);
	char port[8];
	int fd, rc;

	if (ssl != NULL && SSL_get0_peer_certificate(ssl) != NULL)
		return;
	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	snprintf(port, sizeof(port), "%u", (unsigned int)c->en->port);
	rc = getaddrinfo(c->en->host, port, &hints, &list);
	if (rc != 0)
		snprintf(c->why, sizeof(c->why), "%s",
		    rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
	for (ai = list; ai != NULL; ai = ai->ai_next) {
		fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		if (connect(fd, ai->ai_addr, ai->ai_addrlen) != 0)
			snprintf(c->why, sizeof(c->why), "%s", strerror(errno));
		close(fd);
	}
	if (list != NULL)
		freeaddrinfo(list);
}

static void
on_answer(struct evhttp_request *req, void *arg)
{
	struct call *c = arg;
	struct evbuffer *in;
	const char *wait;
	size_t len;
	uint8_t *p;

	event_base_loopexit(c->en->base, NULL);
	if (req == NULL || evhttp_request_get_response_code(req) == 0) {
		if (c->why[0] == '\0')
			snprintf(c->why, sizeof(c->why), "cannot connect");
		note_connect_error(c);
		note_tls_error(c);
		return;
	}
	in = evhttp_request_get_input_buffer(req);
	len = evbuffer_get_length(in);
	p = buf_reserve(c->body, len);
	if (p == NULL || (len > 0 && evbuffer_remove(in, p, len) < 0)) {
		snprintf(c->why, sizeof(c->why), "the answer: %s",
		    err_text(c->body->error));
		return;
	}
	c->body->len += len;
	c->status = evhttp_request_get_response_code(req);
	wait = evhttp_find_header(
	    evhttp_request_get_input_headers(req), "Retry-After");
	if (wait == NULL || str_u64(wait, 1, BUSY_SECONDS, &c->wait) != 0)
		c->wait = BUSY_SECONDS;
}

static struct evhttp_connection *
open_connection(struct call *c)
{
	struct enrol *en = c->en;
	struct evhttp_connection *conn;
	SSL *ssl = SSL_new(en->tls);

	if (ssl == NULL)
		return NULL;
	/* names only: an address is none (RFC 6066) */
	if (strchr(en->host, ':') == NULL)
		(void)SSL_set_tlsext_host_name(ssl, en->host);
	c->bev = bufferevent_openssl_socket_new(en->base, -1, ssl,
	    BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
	/* ssl is freed with it, and by it when it cannot be made */
	if (c->bev == NULL)
		return NULL;
	/* servers often close without TLS's own goodbye */
	bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
	conn = evhttp_connection_base_bufferevent_new(
	    en->base, NULL, c->bev, en->host, en->port);
	if (conn == NULL) {
		bufferevent_free(c->bev);
		return NULL;
	}
	evhttp_connection_set_timeout(conn, LIMIT_SECONDS);
	evhttp_connection_set_max_body_size(conn, (ev_ssize_t)c->max);
	evhttp_connection_set_max_headers_size(conn, 16384);
	return conn;
}

static int
call_once(struct enrol *en, const char *path, const struct buf *post,
    struct buf *ret, int *ret_status, uint64_t *ret_wait, struct err *e)
{
	struct call c = { .en = en, .max = ret->max, .body = ret };
	struct evhttp_connection *conn = open_connection(&c);
	struct evhttp_request *req = evhttp_request_new(on_answer, &c);
	struct evkeyvalq *headers;
	char host[sizeof(en->host) + 2];

	buf_clear(ret);
	if (conn == NULL || req == NULL) {
		if (conn != NULL)
			evhttp_connection_free(conn);
		if (req != NULL)
			evhttp_request_free(req);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	evhttp_request_set_error_cb(req, on_error);
	headers = evhttp_request_get_output_headers(req);
	snprintf(host, sizeof(host),
	    strchr(en->host, ':') != NULL ? "[%s]" : "%s", en->host);
	if (evhttp_add_header(headers, "Host", host) != 0 ||
	    evhttp_add_header(headers, "Connection", "close") != 0 ||
	    (post != NULL &&
		(evhttp_add_header(
		     headers, "Content-Type", "application/json") != 0 ||
		    evbuffer_add(evhttp_request_get_output_buffer(req),
			post->data, post->len) != 0))) {
		evhttp_request_free(req);
		evhttp_connection_free(conn);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	if (evhttp_make_request(conn, req,
		post != NULL ? EVHTTP_REQ_POST : EVHTTP_REQ_GET, path) == 0)
		(void)event_base_dispatch(en->base);
	evhttp_connection_free(conn);
	if (c.status == 0)
		return err_set(e, ERR_IO, "%s port %u: %s", en->host,
		    (unsigned int)en->port,
		    c.why[0] == '\0' ? "cannot connect" : c.why);
	*ret_status = c.status;
	*ret_wait = c.wait;
	return 0;
}

/* Hosts that enrol at once often share an address. Up to a second more, so that
 * not all come back together. */
static void
wait_busy(uint64_t seconds)
{
	log_warn("enrol wait=%us why=\"the server takes no more just now\"",
	    (unsigned int)seconds);
	poll(NULL, 0, (int)seconds * 1000 + getpid() % 1000);
}

/* One request; body of the answer into ret (cleared). post NULL: GET. */
static int
call(struct enrol *en, const char *path, const struct buf *post,
    struct buf *ret, int *ret_status, struct err *e)
{
	uint64_t wait = 0;
	int rc, tries = 0;

	while (
	    (rc = call_once(en, path, post, ret, ret_status, &wait, e)) == 0 &&
	    *ret_status == 429 && ++tries < BUSY_TRIES)
		wait_busy(wait);
	return rc;
}

/* --- the answer ------------------------------------------------------------
 */

/* The server's own words for a failure, when it has some. */
static int
refused(int status, const struct buf *body, struct err *e)
{
	json_t *root = json_strict(body->data, body->len, ANSWER_MAX, NULL);
	json_t *error = json_object_get(root, "error");
	const char *text = json_string_value(json_object_get(error, "message"));

	err_set(e, ERR_DENIED, "the server refused: %.300s (HTTP %d)",
	    text == NULL ? "no reason given" : text, status);
	json_decref(root);
	return ERR_DENIED;
}

static int
check_ca(const struct enrol *en, const char *pem, struct err *e)
{
	struct id fpr;
	int rc = x509_fingerprint(pem, &fpr, e);

	if (rc != 0)
		return err_wrap(e, "ca");
	if (!id_equal(&fpr, &en->ca))
		return err_set(e, ERR_AUTH,
		    "the answer carries another CA than the pinned one");
	return 0;
}

static int
add_policy(
    struct enrol *en, const char *policy_b64, struct buf *out, struct err *e)
{
	char path[64 + ID_HEX_LEN];
	struct buf b;
	int rc = 0, status = 0;

	buf_init(&b, POLICY_MAX);
	if (id_is_zero(&en->policy)) {
		buf_add_field(out, "", 0);
		return 0;
	}
	if (policy_b64 != NULL) {
		rc = b64_decode(&b, policy_b64, strlen(policy_b64));
		if (rc != 0)
			err_set(e, rc, "policy: not base64");
	} else {
		snprintf(path, sizeof(path), "/api/v1/policies/%s",
		    id_hex(&en->policy).s);
		rc = call(en, path, NULL, &b, &status, e);
		if (rc == 0 && status != 200)
			rc = refused(status, &b, e);
	}
	if (rc == 0)
		buf_add_field(out, b.data, b.len);
	buf_release(&b);
	return rc;
}

static int
read_answer(
    struct enrol *en, const struct buf *body, struct buf *out, struct err *e)
{
	const char *agent, *cert, *ca, *relay, *policy = NULL;
	json_t *root = json_strict(body->data, body->len, ANSWER_MAX, e);
	struct id id;
	int rc;

	if (root == NULL)
		return err_wrap(e, "the server's answer");
	rc = json_need_str(root, "", "agent", &agent, e);
	if (rc == 0)
		rc = json_need_str(root, "", "certificate", &cert, e);
	if (rc == 0)
		rc = json_need_str(root, "", "ca", &ca, e);
	if (rc == 0)
		rc = json_need_str(root, "", "relay", &relay, e);
	if (rc == 0)
		rc = json_opt_str(root, "", "policy", &policy, e);
	if (rc == 0 && id_parse(agent, &id) != 0)
		rc = err_set(e, ERR_INVALID, "agent: not an id");
	if (rc == 0)
		rc = check_ca(en, ca, e);
	if (rc == 0) {
		buf_add(out, id.b, ID_LEN);
		buf_add_field(out, cert, strlen(cert));
		buf_add_field(out, ca, strlen(ca));
		buf_add_field(out, relay, strlen(relay));
		rc = add_policy(en, policy, out, e);
	}
	if (rc == 0 && out->error != 0)
		rc = err_code(e, out->error, "the answer");
	json_decref(root);
	return rc;
}

/* --- the conversation ------------------------------------------------------
 */

static int
take_start(struct enrol *en, struct err *e)
{
	struct ipc_msg msg;
	struct buf in;
	struct rd r;
	int rc;

	buf_init(&in, 16384);
	rc = ipc_read(PROC_IPC_FD, &in, &msg, false, e);
	if (rc == 0 &&
	    (msg_allowed(ROLE_MONITOR, ROLE_ENROL, &msg) != 0 ||
		msg.type != MSG_ENROL_START))
		rc = err_set(e, ERR_INVALID, "expected a start message");
	if (rc == 0) {
		rd_init(&r, msg.body, msg.len);
		en->user.uid = rd_u32(&r);
		en->user.gid = rd_u32(&r);
		rd_field_str(&r, en->host, sizeof(en->host));
		en->port = rd_u16(&r);
		rd_copy(&r, en->ca.b, ID_LEN);
		rd_copy(&r, en->policy.b, ID_LEN);
		if (!rd_done(&r))
			rc = err_set(e, ERR_INVALID, "bad start message");
	}
	buf_release(&in);
	return rc;
}

/* What needs files, then the sandbox. */
static int
get_ready(struct enrol *en, struct err *e)
{
	struct sandbox box = { .profile = SANDBOX_NET };
	struct addrinfo hints, *list = NULL;
	const char *pem;
	int rc;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	if (getaddrinfo(en->host, NULL, &hints, &list) == 0)
		freeaddrinfo(list);
	rc = x509_pinned_ctx(&en->ca, en->host, &en->tls, e);
	if (rc == 0)
		rc = x509_key_new(&en->key_pem, e);
	if (rc == 0) {
		pem = buf_str(&en->key_pem);
		rc = pem == NULL
		    ? err_code(e, ERR_NOMEM, "the connection's key")
		    : x509_key_spki(pem, &en->spki, e);
	}
	en->base = event_base_new();
	if (rc == 0 && en->base == NULL)
		rc = err_code(e, ERR_NOMEM, "the event loop does not start");
	if (rc != 0)
		return rc;
	box.paths = sandbox_net_paths(&box.npaths);
	box.uid = en->user.uid;
	box.gid = en->user.gid;
	box.limits.memory_bytes = MEMORY_MAX;
	return sandbox_enter(&box, e);
}

static int
say_key(struct enrol *en, struct err *e)
{
	struct buf b;
	int rc;

	buf_init(&b, 32768);
	buf_add_field(&b, en->spki.data, en->spki.len);
	buf_add_field(&b, en->key_pem.data, en->key_pem.len);
	rc = b.error != 0
	    ? err_code(e, b.error, "the connection's key")
	    : ipc_write(PROC_IPC_FD, MSG_ENROL_KEY, 0, b.data, b.len, -1, e);
	buf_release(&b);
	return rc;
}

/* Reads the signed document and makes the request's body. */
static int
take_send(struct buf *request, struct err *e)
{
	char pub[2 * 32 + 1], sig[2 * 64 + 1];
	const uint8_t *doc, *pub_raw, *sig_raw, *token;
	size_t doc_len, token_len;
	struct ipc_msg msg;
	struct buf in;
	struct rd r;
	json_t *root;
	char *text = NULL;
	bool done;
	int rc;

	buf_init(&in, 65536);
	rc = ipc_read(PROC_IPC_FD, &in, &msg, false, e);
	if (rc != 0 || msg.type != MSG_ENROL_SEND) {
		buf_release(&in);
		return rc != 0 ? rc
			       : err_set(e, ERR_INVALID, "unexpected message");
	}
	rd_init(&r, msg.body, msg.len);
	doc = rd_field(&r, 8192, &doc_len);
	pub_raw = rd_bytes(&r, 32);
	sig_raw = rd_bytes(&r, 64);
	token = rd_field(&r, 256, &token_len);
	done = rd_done(&r);
	if (done) {
		hex_encode(pub_raw, 32, pub);
		hex_encode(sig_raw, 64, sig);
		root = json_pack("{s:s%, s:s, s:s, s:s%}", "document", doc,
		    doc_len, "identity", pub, "signature", sig, "token", token,
		    token_len);
		text = json_text(root, JSON_COMPACT);
		json_decref(root);
	}
	buf_release(&in);
	if (text == NULL)
		return done ? err_code(e, ERR_NOMEM, "the request")
			    : err_set(e, ERR_INVALID, "bad document message");
	rc = buf_add_str(request, text);
	free(text);
	return rc == 0 ? 0 : err_code(e, rc, "the request");
}

static int
enrol(struct enrol *en, struct err *e)
{
	struct buf request, body, out;
	int rc, status = 0;

	buf_init(&request, 65536);
	buf_init(&body, ANSWER_MAX);
	buf_init(&out, MSG_POLICY_MAX);
	rc = say_key(en, e);
	fault_point("enrolling.key");
	if (rc == 0)
		rc = take_send(&request, e);
	if (rc == 0)
		rc = call(en, "/api/v1/enrol", &request, &body, &status, e);
	if (rc == 0 && status != 201)
		rc = refused(status, &body, e);
	fault_point("enrolling.answered");
	if (rc == 0)
		rc = read_answer(en, &body, &out, e);
	if (rc == 0)
		rc = ipc_write(
		    PROC_IPC_FD, MSG_ENROL_DONE, 0, out.data, out.len, -1, e);
	buf_release(&request);
	buf_release(&body);
	buf_release(&out);
	return rc;
}

int
main(void)
{
	struct enrol en;
	struct err e;
	int rc;

	memset(&en, 0, sizeof(en));
	log_init("enrol", LOG_LEVEL_INFO, NULL);
	signal(SIGPIPE, SIG_IGN);
	buf_init(&en.key_pem, X509_PEM_MAX);
	buf_init(&en.spki, 1024);
	err_clear(&e);
	rc = take_start(&en, &e);
	if (rc == 0)
		rc = get_ready(&en, &e);
	if (rc == 0)
		rc = enrol(&en, &e);
	return rc == 0 ? 0 : msg_failed(MSG_ENROL_FAILED, e.msg);
}
